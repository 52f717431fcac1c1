"""
Spectra of weight matrices before and after training
=====================================================

The eigenvalues of W W^T / N of untrained weights follow the Marchenko-Pastur law. Training adds
directions: spikes above the edge, by a Tracy-Widom test at the level of 5 %. A PyTorch model goes
through the same door: ``spectra_of_weights(model)``.
"""

import matplotlib.pyplot as plt

from rmtland import spectra_of_weights
from rmtland.networks import MLP, digits, train

data = digits(600, size=8, target="one-hot", rng=0)
net = MLP((data.n_in, 100, data.n_out), activation="relu")
start = net.init(rng=1)
trained = train(net, start, data.x, data.y, method="adam", step_size=0.01, max_steps=600).theta

figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for ax, theta, title in zip(axes, (start, trained), ("initial", "trained"), strict=True):
    first, _ = net.unflatten(theta)
    spectra = spectra_of_weights({"W1": first}, rng=0)
    spectra.plot([ax])
    ax.set(title=f"{title}: {len(spectra['W1'].spikes)} spikes", xlabel="eigenvalue of W W^T / N")
axes[0].set_ylabel("density")
figure.tight_layout()

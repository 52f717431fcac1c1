"""
Sharpness during training and the edge of stability
====================================================

Gradient descent with step size s is stable where the largest eigenvalue of the Hessian (the
sharpness) is below 2/s. Full-batch training sharpens until it gets there. A monitor measures the
sharpness every few steps, each time from the last eigenvector; `rmtland.adapters.from_torch` gives
it the operator of a PyTorch model.
"""

import matplotlib.pyplot as plt

from rmtland.adapters import CurvatureMonitor
from rmtland.networks import MLP, digits, train

data = digits(200, size=4, whiten=True, rng=0)
net = MLP((data.n_in, 32, data.n_out))
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
for ax, step_size in zip(axes, (0.4, 0.2), strict=True):
    monitor = CurvatureMonitor(every=20, share=None, step_size=step_size, probes=0, rng=0)
    train(
        net,
        net.init(rng=1),
        data.x,
        data.y,
        method="gd",
        step_size=step_size,
        max_steps=2000,
        callback=monitor.watch,
    )
    monitor.plot(ax)
    ax.set_title(f"step size {step_size}", fontsize=10)
axes[1].set_ylabel("")
figure.tight_layout()

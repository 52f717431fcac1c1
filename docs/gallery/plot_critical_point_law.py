r"""
The law of a critical point
===========================

At a critical point the residuals are orthogonal to the Jacobian. With weights and inputs given,
the energy is the only number left: the law scales the residual part of the Hessian with its root,
and the index grows with it. Nothing is measured. The cross is the network itself: at a minimum,
which has no negative eigenvalue and so is not quite what the law calls typical.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MLP, Spectrum
from rmtland.models import ConditionedHessian
from rmtland.networks import gaussian, train

data, net = gaussian(80, 10, rng=0), MLP((10, 10, 10), activation="sigmoid")
trained = train(net, net.init(rng=1), data.x, data.y, gradient_norm=1e-3, max_steps=3000)
weights = net.unflatten(trained.theta)
energies = np.geomspace(0.01, 1.0, 9)
laws = [
    ConditionedHessian.at_critical_point(weights, data.x, energy, activation="sigmoid", draws=8)
    for energy in energies
]
index = np.array([law.law.index() for law in laws])
spread = np.array([law.index_deviation for law in laws])
measured = Spectrum.from_matrix(net.at(trained.theta, data.x, data.y).hessian())

figure, ax = plt.subplots(figsize=(6, 3.2))
ax.fill_between(energies, index - spread, index + spread, color="C0", alpha=0.2, lw=0)
ax.plot(energies, index, "C0", label="law of critical points")
ax.plot(trained.energy, measured.index(), "kx", ms=9, label="the network at its minimum")
ax.set(xscale="log", xlabel="energy", ylabel="index")
ax.legend(frameon=False)
figure.tight_layout()

"""
Spectrum of an operator, with its error
=======================================

The Hessian of a network is multiplied with 4 random vectors, 30 times each. Its distribution
function follows with a band that holds at all points at once, and the index with an interval.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland.estimate import (
    distribution_band,
    negative_fraction,
    smooth_density,
    spectral_density,
)
from rmtland.networks import MLP

generator = np.random.default_rng(0)
x, y = generator.standard_normal((2, 96, 24))
network = MLP((24, 24, 24))
point = network.at(network.init(rng=1), x, y)

spectrum = spectral_density(point.operator(), probes=4, steps=30, rng=0)
index = negative_fraction(point.operator(), probes=4, steps=30, rng=0, method="lanczos")
exact = np.linalg.eigvalsh(point.hessian("total"))

grid = np.linspace(exact[0] - 0.1, exact[-1] + 0.1, 120)
band = distribution_band(spectrum, grid)
density = smooth_density(spectrum, grid)

figure, axes = plt.subplots(1, 2, figsize=(8, 3))
axes[0].hist(exact, bins=60, density=True, alpha=0.4, label="all eigenvalues")
axes[0].plot(grid, density.pdf, label=f"smoothed by {density.width:.2f}")
axes[0].set(xlabel="eigenvalue", ylabel="density")
axes[1].fill_between(grid, *band.band.T, alpha=0.3, label="band")
axes[1].plot(exact, np.arange(exact.size) / exact.size, "k", lw=0.8, label="exact")
axes[1].errorbar(
    [0.0],
    [index.value],
    [[index.value - index.interval[0]], [index.interval[1] - index.value]],
    color="C3",
    capsize=3,
    label="index",
)
axes[1].set(xlabel="eigenvalue", ylabel="distribution function")
for ax in axes:
    ax.legend(frameon=False, fontsize=8)
figure.tight_layout()

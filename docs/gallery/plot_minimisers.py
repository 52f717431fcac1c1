r"""
Energies of minimisers and the slope of one unit
================================================

Networks of more and more hidden units memorise the same noise. With S the slope of a *single* unit
on these data (the mean of its local maxima), the energies of ReLU networks are near
:math:`(1 - \phi)^S/2`; those of sine networks of this small width fall below it as phi grows.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland.landscape.minimisers import minimised_networks, unit_slopes
from rmtland.models.minimisers import MinimiserEnergy

n, m = 16, 64
rng = np.random.default_rng(0)
x, y = rng.standard_normal((2, n, m))

figure, ax = plt.subplots(figsize=(6, 3.6))
phi = np.linspace(0.01, 0.85, 100)
ax.plot(phi, [MinimiserEnergy().energy(p) for p in phi], "k--", lw=1, label="published: S = 2")
for name, color in (("sine", "C0"), ("relu", "C1")):
    slope = unit_slopes(x, y, activation=name, rng=1).mean
    law = MinimiserEnergy(slope)
    ax.plot(
        phi, [law.energy(p) for p in phi], color=color, label=f"{name}, one unit: S = {slope:.2f}"
    )
    for units in (2, 4, 8, 16, 24):
        found = minimised_networks(
            x[None], y[None], hidden=units, activation=name, steps=1000, rng=2
        )
        ax.plot(2 * units * n / (m * n), found.values[0] / 2, "o", color=color, mfc="none")
ax.set(
    xlabel=r"$\phi$ = parameters / (samples x outputs)", ylabel=r"energy $\epsilon$", yscale="log"
)
ax.legend(frameon=False)
figure.tight_layout()

"""
Phase map of the index
======================

The index of Wishart + Wigner over the ratio phi and the energy epsilon, from one call for the whole
grid of laws. Below the dashed line, the critical energy, no eigenvalue is negative.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import WishartPlusWigner

phi, epsilon = np.linspace(0.05, 1.5, 59), np.geomspace(1e-3, 3.0, 60)
index = WishartPlusWigner.grid(phi, epsilon[:, None]).index()

figure, ax = plt.subplots(figsize=(5, 3.4))
mesh = ax.pcolormesh(phi, epsilon, index, shading="nearest", rasterized=True)
below = phi[phi < 0.95]
critical = [WishartPlusWigner(ratio, 1.0).critical_energy for ratio in below]
ax.plot(below, critical, "w--", label="critical energy")
ax.set(xlabel="phi", ylabel="energy", yscale="log", ylim=(epsilon[0], epsilon[-1]))
ax.legend(frameon=False, labelcolor="white")
figure.colorbar(mesh, label="index")
figure.tight_layout()

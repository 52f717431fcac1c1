"""
Index against energy
====================

Both models of Pennington and Bahri have no negative eigenvalue below a critical energy; above it
the index grows like the power 3/2.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import WishartPlusReluBlock, WishartPlusWigner

figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for ax, family in zip(axes, (WishartPlusWigner, WishartPlusReluBlock), strict=True):
    for phi in (0.25, 0.5, 0.75):
        critical = family(phi, 1.0).critical_energy
        energies = np.concatenate([[0.5 * critical], np.geomspace(critical, 1.0, 60)])
        ax.plot(energies, [family(phi, e).index() for e in energies], label=f"phi = {phi}")
    ax.set(xlabel="energy", title=family.__name__, xscale="log")
axes[0].set_ylabel("index")
axes[0].legend(frameon=False)
figure.tight_layout()

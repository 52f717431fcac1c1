"""
A matrix of size 10^12
======================

Lanczos on a Wishart + Wigner matrix that nobody could store: the quadrature is drawn in
distribution, in milliseconds. Its steps bracket the distribution function.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import WishartPlusWigner

model = WishartPlusWigner(phi=0.5, epsilon=0.3)
quadrature = model.lanczos(1e12, 40, rng=0)
nodes, weights = quadrature.nodes[0], quadrature.weights[0]
above = np.cumsum(weights)

x = np.linspace(-1.2, 3.6, 500)
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.vlines(nodes, above - weights, above, color="0.6", lw=3, label="brackets, 40 steps")
ax.plot(x, model.law.cdf(x), color="C3", label="limit law")
ax.set(xlabel="eigenvalue", ylabel="distribution function")
ax.legend(frameon=False)
figure.tight_layout()

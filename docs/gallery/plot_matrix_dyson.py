"""
A law that knows the data
=========================

The Hessian of a one-hidden-layer network with random second layer and residuals, averaged over 40
draws, and three laws: Wishart + Wigner with the traces matched misses; the matrix Dyson equation,
given first layer and data, does not.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import DysonHessian, WishartPlusWigner

rng = np.random.default_rng(0)
n, m, epsilon, eta = 10, 40, 0.5, 0.1
first, x = rng.normal(size=(n, n)) / n**0.5, rng.normal(size=(m, n))
model = DysonHessian.of_first_layer(first, x, outputs=n, epsilon=epsilon, activation="relu")

grid = np.linspace(-2.5, 5, 120)
eigenvalues = np.concatenate([s.eigenvalues for s in [model.sample(rng=i) for i in range(40)]])
z = grid + 1j * eta
measured = -np.mean(1 / (z[:, None] - eigenvalues), axis=1).imag / np.pi

mean = model.part("gauss_newton").mean()
spread = model.part("residual").var()
matched = WishartPlusWigner(phi=2 * n / m, epsilon=spread / 2, sigma=mean)

figure, ax = plt.subplots(figsize=(6, 3.2))
ax.plot(grid, measured, color="0.75", lw=5, label="measured, 40 draws")
ax.plot(grid, matched.smoothed_pdf(grid, eta=eta), "C0--", label="Wishart + Wigner, matched")
ax.plot(grid, model.smoothed_pdf(grid, eta=eta), "C3", label="matrix Dyson equation")
ax.set(xlabel="eigenvalue", ylabel="density at height 0.1")
ax.legend(frameon=False)
figure.tight_layout()

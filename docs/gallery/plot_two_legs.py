r"""
Pairings that cross
===================

The Hessian of a linear network with random weights, data and residuals. Second layer and residuals
act on different legs of a tensor product: their pairings cross, which the matrix Dyson equation
leaves out at any width. The two-leg law has them. Its band is the error that it states, of its
sampled legs alone; the networks are of 24 units, and of order 1/n from either limit.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import TwoLegHessian

eta = 0.1
law = TwoLegHessian(1, 1, 1, 4, activation="linear", epsilon=0.5, legs=10, draws=4)
z = np.linspace(-1.6, 2.8, 21) + 1j * eta
found, dyson = law.solve(z), law.non_crossing(z)
networks = law.sample(24, rng=0, runs=4)

density, error = -found.value.imag / np.pi, found.error / np.pi
figure, ax = plt.subplots(figsize=(6, 3.2))
measured = networks.smoothed_pdf(z.real, eta=eta)
ax.fill_between(z.real, measured, color="0.85", lw=0, label="4 networks, n = 24")
ax.fill_between(z.real, density - error, density + error, color="C3", alpha=0.25, lw=0)
ax.plot(z.real, density, "C3", label="two-leg law")
ax.plot(z.real, -dyson.value.imag / np.pi, "C0--", label="matrix Dyson equation, limit")
ax.set(xlabel="eigenvalue", ylabel="density at height 0.1", ylim=(0, None))
ax.legend(frameon=False)
figure.tight_layout()

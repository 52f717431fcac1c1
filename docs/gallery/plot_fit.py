"""
A law fitted to eigenvalues
===========================

The parameters of a Wishart + Wigner law, fitted to one matrix, with their errors; the fitted law
over the eigenvalues.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import WishartPlusWigner, fit

spectrum = WishartPlusWigner(phi=0.7, epsilon=0.15).sample(600, rng=3)
fitted = fit(spectrum, WishartPlusWigner)
for name, error in fitted.errors.items():
    print(f"{name} = {getattr(fitted.model, name):.3f} +- {error:.3f}")

x = np.linspace(-1.2, 4, 500)
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.hist(spectrum.eigenvalues, bins=60, density=True, color="0.8", label="one matrix, n = 600")
ax.plot(x, fitted.model.law.pdf(x), color="C3", label="fitted law")
ax.set(xlabel="eigenvalue", ylabel="density")
ax.legend(frameon=False)
figure.tight_layout()

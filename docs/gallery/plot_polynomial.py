"""
A polynomial in two free variables
==================================

The anticommutator XY + YX of two independent Wigner matrices. The law comes from a linear pencil;
the histogram is one pair of matrices of size 1000.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import Semicircle, law_of_polynomial

rng = np.random.default_rng(0)
n = 1000


def wigner():
    a = rng.standard_normal((n, n))
    return (a + a.T) / np.sqrt(2 * n)


law = law_of_polynomial(lambda x, y: x * y + y * x, x=Semicircle(), y=Semicircle())
a, b = wigner(), wigner()
eigenvalues = np.linalg.eigvalsh(a @ b + b @ a)

low, high = law.support[0]
x = np.linspace(1.1 * low, 1.1 * high, 801)
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.hist(eigenvalues, bins=80, density=True, color="0.8", label="XY + YX, n = 1000")
ax.plot(x, law.pdf(x), color="C3", label="law")
ax.set(xlabel="eigenvalue", ylabel="density", ylim=(0, 0.45))
ax.legend(frameon=False)
figure.tight_layout()

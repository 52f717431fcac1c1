"""
A free sum, exact at the real axis
==================================

The spectrum of a Wishart matrix plus an independent Wigner matrix tends to the free sum of their
laws. The curve is the boundary value of the Stieltjes transform, without an imaginary offset; the
histogram is one matrix of size 2000.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MarchenkoPastur, Semicircle, WishartPlusWigner, free_sum

law = free_sum(MarchenkoPastur(0.5), Semicircle(0.6))
spectrum = WishartPlusWigner(phi=0.5, epsilon=0.3).sample(2000, rng=0)

x = np.linspace(-1.2, 3.8, 600)
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.hist(spectrum.eigenvalues, bins=80, density=True, color="0.8", label="one matrix, n = 2000")
ax.plot(x, law.pdf(x), color="C3", label="free sum")
ax.set(xlabel="eigenvalue", ylabel="density")
ax.legend(frameon=False)
figure.tight_layout()

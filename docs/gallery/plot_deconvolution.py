"""
Noise removed from a law
========================

Free deconvolution undoes a free sum: the arcsine law plus a semicircle, and the arcsine law back.
The operand is recognised exactly where the moments show it.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import Arcsine, Semicircle, free_deconvolution, free_sum

noisy = free_sum(Arcsine(-1.0, 1.0), Semicircle(0.2))
clean = free_deconvolution(noisy, Semicircle(0.2)).law
print(clean)

x = np.linspace(-2, 2, 801)
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.plot(x, noisy.pdf(x), color="0.5", label="with noise")
ax.plot(x, np.where(abs(x) < 1, clean.pdf(np.clip(x, -0.999, 0.999)), 0), "C3", label="without")
ax.set(xlabel="x", ylabel="density", ylim=(0, 1.6))
ax.legend(frameon=False)
figure.tight_layout()

"""
Sample covariance of a structured population
============================================

Eigenvalues of a sample covariance matrix whose population has two groups of variances: the free
product of the population's law with a Marchenko-Pastur law. With fewer groups than samples the
support splits into bands; the edges are exact.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import Discrete, SampleCovariance, general_marchenko_pastur

population = Discrete((1.0, 7.0), (0.6, 0.4))
ratio = 0.15
law = general_marchenko_pastur(population, ratio)
print("bands", [tuple(round(edge, 4) for edge in band) for band in law.support])

spectrum = SampleCovariance(population, ratio).sample(1500, rng=1)
x = np.linspace(0, 15, 800)
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.hist(spectrum.eigenvalues, bins=100, density=True, color="0.8", label="one matrix, n = 1500")
ax.plot(x, law.pdf(x), color="C3", label="law")
ax.set(xlabel="eigenvalue", ylabel="density", ylim=(0, 0.85))
ax.legend(frameon=False)
figure.tight_layout()

"""
Outliers and the transition of Baik, Ben Arous and Péché
=========================================================

A spike of strength theta added to a Wigner matrix leaves the bulk once theta exceeds 1, at
theta + 1/theta. Below that it is invisible. The same function places outliers of any bulk.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import GaussianEnsemble, Semicircle, SpikedEnsemble, spiked

bulk = Semicircle()
strengths = np.linspace(0.4, 2.5, 15)
largest = [
    SpikedEnsemble(GaussianEnsemble(), (theta,)).sample(1000, rng=i).eigenvalues[-1]
    for i, theta in enumerate(strengths)
]
fine = np.linspace(1.001, 2.5, 100)
predicted = [spiked(bulk, [theta])[0].location for theta in fine]

figure, ax = plt.subplots(figsize=(6, 3.2))
ax.axhspan(bulk.support[0][0], bulk.support[0][1], color="0.92", label="bulk")
ax.plot(fine, predicted, color="C3", label="predicted outlier")
ax.plot(strengths, largest, "k.", label="largest eigenvalue, n = 1000")
ax.set(xlabel="strength of the spike", ylabel="eigenvalue", ylim=(1.5, 3.1))
ax.legend(frameon=False, loc="upper left")
figure.tight_layout()

"""
The largest eigenvalue
======================

Largest eigenvalues of 4000 Gaussian matrices of size 400, centred and scaled by the edge, against
the Tracy-Widom law. No matrix is formed: the tridiagonal model gives its extreme eigenvalue.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import GaussianEnsemble, TracyWidom

ensemble = GaussianEnsemble()
n = 400
largest = ensemble.extremes(n, runs=4000, rng=0)[:, 0]
place, scale = ensemble.law.edge_scale(n)

x = np.linspace(-5, 3, 400)
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.hist((largest - place) / scale, bins=50, density=True, color="0.8", label="n = 400, 4000 runs")
ax.plot(x, TracyWidom(1).pdf(x), color="C3", label="Tracy-Widom, beta = 1")
ax.set(xlabel="scaled largest eigenvalue", ylabel="density")
ax.legend(frameon=False)
figure.tight_layout()

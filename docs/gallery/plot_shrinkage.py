"""
The covariance behind a sample covariance matrix
================================================

Nonlinear shrinkage: eigenvalues of a sample covariance matrix are spread out by noise. Free
deconvolution finds the law of the population, and the population says what to put in the place of
each eigenvalue. The eigenvectors are kept; the grey dots are the best values that anybody could
choose with them, computed from the true covariance.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import nonlinear_shrinkage

generator = np.random.default_rng(0)
variances = np.repeat([1.0, 3.0, 10.0], [40, 80, 80])
x = generator.standard_normal((600, 200)) * np.sqrt(variances)
eigenvalues, vectors = np.linalg.eigh(x.T @ x / 600)
best = np.einsum("ji,j,ji->i", vectors, variances, vectors)

found = nonlinear_shrinkage(eigenvalues, samples=600)
print(found)
for name, values in (("sample", eigenvalues), ("shrunken", found.values), ("best", best)):
    error = np.linalg.norm((vectors * values) @ vectors.T - np.diag(variances))
    print(f"{name}: error {error:.3f} in the Frobenius norm")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
left.plot(eigenvalues, best, ".", color="0.7", label="best with these eigenvectors")
left.plot(eigenvalues, found.values, color="C3", label="nonlinear shrinkage")
left.plot([0, 20], [0, 20], ":", color="0.5", label="sample")
left.set(xlabel="eigenvalue of the sample", ylabel="value in its place", ylim=(0, 14))
left.legend(frameon=False)
level = (np.arange(200) + 0.5) / 200
right.plot(eigenvalues, level, color="0.6", label="sample")
right.plot(
    found.law.ppf(level), level, "--", color="C0", label="its law, from the population found"
)
right.plot(found.population.ppf(level), level, color="C2", label="population found")
right.step(variances, level, color="k", lw=0.8, label="population")
right.set(xlabel="eigenvalue", ylabel="distribution function", ylim=(0, 1))
right.legend(frameon=False)
figure.tight_layout()

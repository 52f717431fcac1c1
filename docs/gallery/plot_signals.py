"""
Signals beside the noise, and the noise without them
====================================================

Five signals in a sample covariance matrix. The likelihood of all eigenvalues is fooled by them;
with the signals left out, and the push that they give to the bulk taken back, it finds the variance
and the aspect ratio of the noise within three of their errors.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MarchenkoPastur, Spectrum, fit, signals

generator = np.random.default_rng(1)
variances = np.concatenate([[16.0, 11.0, 8.0, 6.0, 4.5], np.ones(115)])
x = generator.normal(size=(120, 240)) * np.sqrt(variances)[:, None]
spectrum = Spectrum(np.linalg.eigvalsh(x @ x.T / 240))

found = signals(spectrum, MarchenkoPastur(0.5))
fooled = fit(spectrum, MarchenkoPastur, method="likelihood", rng=0)
noise = fit(spectrum, MarchenkoPastur, method="likelihood", outliers=found.count, rng=0)
for name in ("aspect_ratio", "scale"):
    print(
        f"{name}: {fooled.parameters[name]:.3f} with the signals, {noise.parameters[name]:.3f} +- "
        f"{noise.errors[name]:.3f} without"
    )

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
grid = np.linspace(0.01, 6, 600)
left.hist(spectrum.eigenvalues, bins=80, density=True, color="0.8", label="120 eigenvalues")
left.plot(grid, fooled.law.pdf(grid), "--", color="C1", label="fitted with the signals")
left.plot(grid, noise.law.pdf(grid), color="C3", label="fitted without")
left.plot(found.values, np.full(found.count, 0.01), "v", color="C0", label="signals")
left.set(xlabel="eigenvalue", ylabel="density")
left.legend(frameon=False, fontsize="small")
strengths = [one.strength for one in found.strengths]
errors = [2 * one.error for one in found.strengths]
right.errorbar(found.values, strengths, errors, fmt="o", color="C0", label="strength +- 2 errors")
right.plot(found.values, variances[: found.count], "kx", label="truth")
right.plot([0, 20], [0, 20], ":", color="0.5", label="unchanged")
right.set(xlabel="eigenvalue", ylabel="population eigenvalue")
right.legend(frameon=False, fontsize="small")
figure.tight_layout()

r"""
Index of critical points without their weights
==============================================

How many directions lead down from a critical point of a given energy? Sizes, activation and energy
fix the size of the last layer and the residuals' orthogonality to the Jacobian; the rest is drawn.
Squares are critical points that were found and proved. The curve is far too high for the minimum,
whose weights are anything but random, and too low for high saddles, most of whose units are dead.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MLP, find_critical_points
from rmtland.landscape.critical_points import SymmetryType
from rmtland.models import CriticalPointHessian
from rmtland.networks import gaussian

n, m = 6, 24
law = CriticalPointHessian(n, n, n, m, activation="tanh", epsilon=0.25, draws=12)
curve = law.index_curve(np.linspace(0.01, 0.49, 20))

data = gaussian(m, n, rng=1)
points = find_critical_points(
    MLP((n, n, n), weight_decay=1e-3), data.x, data.y, finder=SymmetryType(), starts=20, rng=1
)
scale = (data.y**2).mean()  # the law has targets of mean square 1
figure, ax = plt.subplots(figsize=(6, 3.4))
band = curve.mean - curve.deviation, curve.mean + curve.deviation
ax.fill_between(curve.energies, *band, color="C0", alpha=0.2, lw=0)
ax.plot(curve.energies, curve.mean, label="law without weights, +- one point")
energies, indices = zip(
    *((point.energy / scale, point.index / law.parameter_count) for point in points), strict=True
)
ax.plot(energies, indices, "ks", ms=4, mfc="none", label="saddles by symmetry, proved")
ax.set(xlabel="energy / mean square of the targets", ylabel="index", ylim=(-0.01, 0.55))
ax.legend(frameon=False)
figure.tight_layout()

"""
Index against energy at proved critical points
==============================================

Critical points of a small tanh network that memorises random data, from two families. Each is
proved: there is exactly one critical point within 1e-13, and its index is certain. At a given index
the points with equal and dead units have the lower energy: the index is no function of the energy.
"""

import matplotlib.pyplot as plt

from rmtland import MLP, find_critical_points
from rmtland.landscape.critical_points import CappedNewton, SymmetryType
from rmtland.networks import gaussian

data, net = gaussian(24, 6, rng=0), MLP((6, 6, 6), weight_decay=1e-3)
families = {
    "generic": (CappedNewton(cap=1.0, max_steps=400), 15, "C0o"),
    "symmetric": (SymmetryType(), 40, "C1^"),
}

figure, ax = plt.subplots(figsize=(6, 3.6))
for name, (finder, starts, look) in families.items():
    found = find_critical_points(net, data.x, data.y, finder=finder, starts=starts, rng=1)
    proved = found.of_status("proved")
    label = f"{name}: {len(proved)} of {starts} proved"
    ax.plot(proved.energies, proved.indices, look, ms=4, mfc="none", label=label)
ax.set(xlabel="energy (loss per output)", ylabel="index", ylim=(-0.02, None))
ax.legend(frameon=False)
figure.tight_layout()

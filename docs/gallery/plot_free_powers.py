"""
Powers of a product, whole and real
===================================

Multiply t free copies of a law: its S-transform is taken to the power t, which need not be a whole
number. Two whole powers stand beside products of matrices in random bases. The law takes the values
1 and 4; of its point at 1, of mass m, the mass 1 - t (1 - m) is left, as long as that is positive.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import Discrete, HaarProduct, free_power

law = Discrete((1.0, 4.0), (0.7, 0.3))
powers = {1.5: "C0", 2.0: "C1", 3.0: "C2", 4.5: "C3"}

squares = free_power(law, 2, kind="multiplicative")
matrices = {2.0: HaarProduct(law, law), 3.0: HaarProduct(squares, law)}

figure, axes = plt.subplots(len(powers), figsize=(6, 6.4), sharex=True)
for ax, (t, color) in zip(axes, powers.items(), strict=True):
    power = free_power(law, t, kind="multiplicative")
    if t in matrices:
        values = matrices[t].sample(800, rng=1).eigenvalues
        bins = np.geomspace(*power.support[0], 50)
        counts, _ = np.histogram(values, bins)
        heights = counts / values.size / np.diff(np.log(bins))
        ax.stairs(heights, bins, fill=True, color="0.85", label="one matrix, n = 800")
    for low, high in power.support:
        x = low + (high - low) * np.sin(np.linspace(0, np.pi / 2, 400)) ** 2
        ax.plot(x, x * power.pdf(x), color=color, label=f"t = {t:g}")
    for place, mass in power.atoms:
        print(f"t = {t}: mass {mass:.3f} at {place}")
        ax.axvline(place, color=color, linestyle=":", label=f"mass {mass:.2f} at {place:g}")
    ax.set(ylabel="density", ylim=(0, None), xscale="log")
    ax.legend(frameon=False)
axes[-1].set_xlabel("eigenvalue x (densities are those of log x)")
figure.tight_layout()

"""
The two parts of a network's Hessian
====================================

The exact Hessian of a ReLU network on real images of digits, at initialisation: a Gauss-Newton part
without negative eigenvalues, a residual part that is symmetric about zero, and their sum.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MLP, Spectrum
from rmtland.networks import digits

data = digits(256, size=4, whiten=True, target="autoencoder", rng=0)
net = MLP((16, 24, 16), activation="relu")
split = net.at(net.init(rng=1), data.x, data.y).hessian()

figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), sharey=True)
for ax, name in zip(axes, ("gauss_newton", "residual", "total"), strict=True):
    spectrum = Spectrum.from_matrix(getattr(split, name))
    ax.hist(spectrum.eigenvalues, bins=np.linspace(-2, 4, 61), color="0.6")
    ax.set(title=f"{name.replace('_', '-')}: index {spectrum.index():.2f}", xlabel="eigenvalue")
    ax.set_yscale("log")
axes[0].set_ylabel("count")
figure.tight_layout()

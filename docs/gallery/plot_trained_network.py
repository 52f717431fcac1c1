r"""
A trained network
=================

Laws for networks at initialisation fail after training, which drives the gradient to zero. The law
of residuals conditioned on the gradient holds; the grey band is two chance levels, the distance of
a single draw of it to the others.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MLP, Spectrum, WishartPlusWigner
from rmtland.models import ConditionedHessian
from rmtland.networks import gaussian, train

data, net = gaussian(80, 10, rng=0), MLP((10, 10, 10), activation="relu")
trained = train(net, net.init(rng=1), data.x, data.y, gradient_norm=1e-2, max_steps=2000)
point = net.at(trained.theta, data.x, data.y)
eigenvalues = Spectrum.from_matrix(point.hessian()).eigenvalues
model = ConditionedHessian(point)
printed = WishartPlusWigner(phi=200 / 800, epsilon=point.energy)
matched = WishartPlusWigner.from_moments(
    200 / 800,
    mean=float(np.trace(point.hessian("gauss_newton"))) / 200,
    residual_variance=float((point.hessian("residual") ** 2).sum()) / 200,
)

below = (np.arange(200) + 0.5) / 200
chance = float(model.chance_level.value)
figure, ax = plt.subplots(figsize=(6, 3.2))
ax.fill_between([0, 1], -2 * chance, 2 * chance, color="0.88", lw=0)
for label, law, style in (
    ("Wishart + Wigner as printed", printed.law, ":"),
    ("traces matched", matched.law, "--"),
    ("conditioned on the gradient", model.law, "-"),
):
    ax.plot(below, law.cdf(eigenvalues) - below, style, label=label)
ax.set(xlabel="fraction of eigenvalues below", ylabel="law - measured", ylim=(-0.65, 0.75))
ax.legend(frameon=False)
figure.tight_layout()

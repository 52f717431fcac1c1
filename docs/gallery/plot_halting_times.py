r"""
How many steps will it take?
============================

A network on digits, linearised about its start, and gradient descent of step 1/lambda_max. Left,
its loss (black) between the bounds that some products with the Gauss-Newton matrix give, and what
the curvatures alone would say: with residuals, or with parameters, spread evenly over them. Right,
the steps to parts of the first loss, between their bounds, and the products that these took.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland.landscape.linearisation import linearise
from rmtland.networks import MLP, digits
from rmtland.optimizer import GradientDescent, gradient_measure, halting_time

data = digits(64, target="one-hot", rng=1)
net = MLP((64, 64, 10), parametrisation="ntk")
point = net.at(net.init(rng=2), data.x, data.y)
tangent = linearise(point)
descent = tangent.descent()
method = GradientDescent(descent.step_size)
curvatures = tangent.eigenvalues / point.data.size
t = np.unique(np.geomspace(1, 3000, 120).astype(int))


def loss(nodes, weights, whole=2 * point.loss):
    """Return the loss after t steps, in parts of that at the start."""
    return np.abs(1 - method.step * nodes) ** (2.0 * t[:, None]) @ weights / whole


found = [halting_time(point, method, tolerance=tolerance) for tolerance in (0.1, 0.01)]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
for one, shade in ((found[0], 0.2), (found[-1], 0.5)):
    below = gradient_measure(point.operator("gauss_newton"), point.gradient, one.products).gauss
    left.fill_between(
        t,
        loss(below.nodes, below.shares("loss")),
        loss(one.nodes, one.weights),
        alpha=shade,
        lw=0,
        color="C0",
        label=f"bounds of {one.products} products",
    )
left.plot(t, descent.loss(t) / point.loss, "k", lw=1, label="gradient descent")
for weights, name, color in (
    (curvatures**0, "residuals spread evenly", "C1"),
    (curvatures, "parameters spread evenly", "C3"),
):
    left.plot(t, loss(curvatures, weights, weights.sum()), color=color, ls="--", label=name)
left.set(xscale="log", yscale="log", ylim=(2e-3, 1), xlabel="step", ylabel="loss over the first")
left.legend(frameon=False, fontsize=7, loc="lower left")

fractions = np.array([0.3, 0.1, 0.03, 0.01, 0.003, 0.001])
for fraction in fractions:
    one = halting_time(point, method, fraction=fraction, tolerance=0.1)
    right.vlines(fraction, 0.98 * one.low, 1.02 * one.high, color="C0", lw=5, alpha=0.5)
    right.annotate(
        f"{one.products} products",
        (fraction, one.high),
        (6, 3),
        textcoords="offset points",
        fontsize=7,
    )
counted = [descent.steps_to(fraction) for fraction in fractions]
right.plot(fractions, counted, "k_", ms=9, label="counted, between bounds")
right.set(xscale="log", yscale="log", xlabel="part of the first loss", ylabel="steps")
right.set_xlim(0.5, 2e-4)
right.legend(frameon=False, fontsize=8, loc="lower right")
figure.tight_layout()

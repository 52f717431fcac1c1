"""
What a spectrum tells an optimiser
==================================

Left: the loss that gradient descent, heavy ball and Nesterov (each tuned) are predicted to have on
curvatures of a Marchenko-Pastur law, and the least that any method can reach. Right: the method
that reaches it, on matrices of order 2000: designed for the edges of the law it is spoilt by
matrices with an eigenvalue beyond them, designed with a margin it is not.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MarchenkoPastur
from rmtland.optimizer import (
    GradientDescent,
    HeavyBall,
    Nesterov,
    average_case_optimal,
    best_errors,
    predict,
    tuned,
)

law, steps = MarchenkoPastur(0.5), 30
t = np.arange(steps + 1)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for kind in (GradientDescent, Nesterov, HeavyBall):
    method = tuned(kind, law, steps)
    left.semilogy(t, predict(method, law, steps).errors, label=method.name)
best = best_errors(law, steps)
left.semilogy(t, best, "k--", lw=1, label="best possible")
left.set(xlabel="step", ylabel="loss, in parts of that at the start")
left.legend(frameon=False)

for dimension, name, color in ((None, "for the law", "C3"), (2000, "with a margin", "C0")):
    method = average_case_optimal(law, steps, dimension=dimension)
    forecast = predict(method, law, steps, dimension=2000, rng=0)
    low, high = forecast.interval(0.9)
    right.fill_between(t, low / best, high / best, color=color, alpha=0.2, lw=0)
    right.plot(t, forecast.mean / best, color=color, label=f"designed {name}: mean")
    right.plot(t, forecast.median / best, color=color, ls=":", label="median")
right.set(xlabel="step", ylabel="loss, over the best possible", ylim=(0.9, 2.5))
right.legend(frameon=False, fontsize=8)
figure.tight_layout()

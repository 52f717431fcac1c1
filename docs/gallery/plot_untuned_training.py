"""
Training with a measured curvature, and with a wrong one
========================================================

Left: an autoencoder of digits. Gradient descent and momentum with several step sizes, and
Nesterov's method with the one that its largest curvature asks for, measured every 50 steps by four
products: nothing is tuned. Right: an average-case method made for curvatures ten times too small.
Taken as it is it diverges; with its safeguard it goes back, halves its steps, and goes on.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MarchenkoPastur
from rmtland.networks import MLP, digits, train
from rmtland.optimizer import Nesterov, SpectralSteps, average_case_optimal
from rmtland.optimizer.loss_model import loss_model
from rmtland.optimizer.start_advice import run_method

data = digits(300, size=4, rng=0)
net = MLP((data.x.shape[1], 16, data.x.shape[1]))
theta, steps = net.init(rng=1), 300


def losses(method, **options):
    """Loss at every step, and the processor time of it."""
    found, begun = [], time.process_time()
    train(
        net,
        theta,
        data.x,
        data.y,
        method=method,
        max_steps=options.pop("steps", steps),
        callback=lambda step, point: found.append(point.loss),
        **options,
    )
    return found, time.process_time() - begun


figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for method, sizes, color in (("gd", (0.05, 0.1, 0.2), "0.6"), ("momentum", (0.01, 0.03), "C1")):
    for size in sizes:
        found, plain = losses(method, step_size=size)
        left.semilogy(found, color=color, lw=1, label=None if size != sizes[0] else method)
found, measured = losses(SpectralSteps(Nesterov(1.0), every=50, restart="loss"))
_, still = losses(SpectralSteps(Nesterov(0.1), restart="loss"))
print(f"measuring took {100 * (measured / still - 1):.0f} % of the time of the steps")
left.semilogy(found, color="C0", lw=2, label="Nesterov, measured")
left.set(xlabel="step", ylabel="loss")
left.legend(frameon=False)

point = net.at(theta, data.x, data.y)
top = float(np.linalg.eigvalsh(point.hessian("total"))[-1])
wrong = average_case_optimal(MarchenkoPastur(1.0, scale=0.1 * top / 4), 20)
right.semilogy(run_method(wrong, loss_model(point), 60), color="C3", label="as it is")
guarded, _ = losses(SpectralSteps(wrong), steps=60)
right.semilogy(guarded, color="C0", label="with its safeguard")
right.axhline(guarded[0], color="0.6", lw=0.8, ls=":")
right.set(xlabel="step", ylabel="loss", ylim=(0.3 * min(guarded), 1e3 * guarded[0]))
right.legend(frameon=False)
figure.tight_layout()

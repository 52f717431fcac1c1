r"""
The noise of SGD, and depth
===========================

Left, the variance of SGD along the eigenvectors of the Hessian at the minimum of a logistic
regression on digits: predicted (lines) and simulated, for batches drawn with replacement and for
epochs in random order; the Gibbs law of the texts is far off. Right, the spread of the singular
values of input-output Jacobians against depth, drawn and by the free product of the layers' laws.
"""

import matplotlib.pyplot as plt

from rmtland.landscape.depth import depth_scan, draw_depth
from rmtland.landscape.noise import (
    GradientNoise,
    NoisyDescent,
    SampleCurvature,
    draw_variances,
    simulate_sgd,
)
from rmtland.networks import MLP, digits, train

data = digits(100, size=4, whiten=True, target="one-hot", rng=0)
y = data.y[:, :1]
net = MLP((16, 1), bias=True, loss="logistic", weight_decay=0.05)
theta = train(net, net.init(rng=0), data.x, y, gradient_norm=1e-9).theta
point = net.at(theta, data.x, y)

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), layout="constrained")
for sampling in ("with", "reshuffling"):
    sgd = NoisyDescent.of_matrices(
        point.hessian("total"),
        GradientNoise.of(point).covariance,
        samples=100,
        step_size=0.1,
        batch_size=20,
        sampling=sampling,
        spread=SampleCurvature.of(point),
    )
    runs = simulate_sgd(
        net,
        theta,
        data.x,
        y,
        sgd.stationary().directions,
        step_size=0.1,
        batch_size=20,
        sampling=sampling,
        steps=1500,
        burn_in=300,
        rng=0,
    )
    draw_variances(left, sgd, runs, gibbs=sampling == "reshuffling")

scans = [
    depth_scan([1, 2, 4, 8], width=32, kind=kind, branch_scale=0.5, draws=2, rng=0)
    for kind in ("plain", "normalised", "residual")
]
left.locator_params(axis="x", nbins=5)
draw_depth(right, scans, "spread")

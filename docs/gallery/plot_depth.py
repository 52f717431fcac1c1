r"""
Kernels and Jacobians against depth
===================================

Left, the conjugate kernel of hidden layers of a tanh network: its eigenvalues spread with depth.
Right, the squared singular values of the input-output Jacobian of ReLU networks: their mean stays
at 1 while the largest grows linearly in depth. Lines are laws, bars drawn networks of 400 units;
densities are per decade.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland.models import ConjugateKernel, InputOutputJacobian, normalised_activation


def compared(ax, model, n, runs, exponents, colour, label):
    """Draw the law of the logarithm of eigenvalues, and a histogram of drawn ones."""
    nodes = model.sample(n, rng=1, runs=runs).nodes
    logs = np.log10(nodes[nodes > 0])
    bins = np.linspace(exponents[0], exponents[-1], 41)
    shares = np.full(logs.size, 1 / (nodes.size * (bins[1] - bins[0])))
    ax.hist(logs, bins, weights=shares, color=colour, alpha=0.25)
    x = 10.0**exponents
    ax.plot(exponents, model.law.pdf(x) * x * np.log(10), colour, label=label)


figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
tanh = normalised_activation("tanh")
kernel = ConjugateKernel(2.0, (2.0,) * 4, 1.0, activation=tanh)
for number, colour in zip((1, 2, 4), ("C0", "C1", "C3"), strict=True):
    exponents = np.linspace(-1.9, 1.0, 160)
    compared(left, kernel.layer(number), 400, 2, exponents, colour, f"layer {number}")
left.set(xlabel="log10 of eigenvalue of the kernel", ylabel="density")

for depth, colour in zip((1, 3, 6), ("C0", "C1", "C3"), strict=True):
    jacobian = InputOutputJacobian(depth, activation="relu", weight_variance=2.0)
    exponents = np.linspace(-3, 1.7, 160)
    compared(right, jacobian, 400, 2, exponents, colour, f"depth {depth}")
right.set(xlabel="log10 of squared singular value", ylabel="density")
for ax in (left, right):
    ax.set_ylim(0, None)
    ax.legend(frameon=False, loc="upper left")
figure.tight_layout()

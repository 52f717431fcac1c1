r"""
Architectures from their laws
=============================

Laws of kernels say before any training how far the loss can fall near a minimum, and how much of
that a method takes. Left, the least loss that any method reaches in 20 steps, against depth: of all
layers (tangent kernel) with activations of variance 1, of all layers without that, and of the last
layer alone (conjugate kernel). Middle, against the width. Right, scores of tuned methods on all of
these against the condition number: momentum takes nearly all there is, gradient descent about half.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland import MarchenkoPastur
from rmtland.models import ConjugateKernel, NeuralTangentKernel, normalised_activation
from rmtland.optimizer import compatibility_table

tanh = normalised_activation("tanh")
depths, widths = (1, 2, 3, 4), (0.5, 1.0, 2.0, 4.0, 8.0)


def kernel(kind, hidden, activation=tanh):
    """Return the law of a kernel for twice as many inputs as samples."""
    return kind(2.0, hidden, 1.0, activation=activation)


by_depth = {
    "all layers, normalised": [kernel(NeuralTangentKernel, (2.0,) * d) for d in depths],
    "all layers, plain tanh": [kernel(NeuralTangentKernel, (2.0,) * d, "tanh") for d in depths],
    "last layer, normalised": [kernel(ConjugateKernel, (2.0,) * d) for d in depths],
}
by_width = {
    "all layers, normalised": [kernel(NeuralTangentKernel, (w,)) for w in widths],
    "last layer, normalised": [kernel(ConjugateKernel, (w,)) for w in widths if w > 1],
    "linear model": [MarchenkoPastur(1 / w) for w in widths if w > 1],
}

COLOURS = {name: f"C{k}" for k, name in enumerate({**by_depth, **by_width})}

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6))
tables = []
for ax, families, places in zip(axes, (by_depth, by_width), (depths, widths), strict=False):
    for name, models in families.items():
        table = compatibility_table({f"{name} {i}": one for i, one in enumerate(models)})
        tables.append(table)
        ax.semilogy(
            places[-len(models) :], table.least, "o-", ms=4, color=COLOURS[name], label=name
        )
axes[0].set(xlabel="hidden layers", ylabel="least loss after 20 steps", xticks=depths)
axes[1].set(xlabel="width over samples", xscale="log", xticks=widths)
axes[1].set_xticklabels([f"{w:g}" for w in widths])
axes[1].minorticks_off()
for ax in axes[:2]:
    ax.legend(frameon=False, fontsize=7)

for k, method in enumerate(tables[0].methods):
    ratios = np.concatenate([table.conditions for table in tables])
    scores = np.concatenate([table.scores[:, k] for table in tables])
    axes[2].semilogx(ratios, scores, "os^"[k], ms=4, label=method)
axes[2].set(xlabel="condition number", ylabel="score", ylim=(0, 1.02))
axes[2].legend(frameon=False, fontsize=7, loc="lower right")
figure.tight_layout()

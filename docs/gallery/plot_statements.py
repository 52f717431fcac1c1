"""
Printed formulas beside the truth
=================================

Four statements of the source documents that fail as printed, along one hypothesis through the
smallest counterexample of each.
"""

import matplotlib.pyplot as plt

from rmtland.statements import find_statement, verify_statement
from rmtland.statements.drawing import draw_counterexample

names = (
    "lecture-relu-threshold",
    "lecture-descent-rate",
    "lecture-figure-linear-networks",
    "lecture-wigner-threshold-over",
)
figure, axes = plt.subplots(2, 2, figsize=(8, 6))
for ax, name in zip(axes.flat, names, strict=True):
    statement = find_statement(name)
    draw_counterexample(ax, statement)
    print(f"{name}: {verify_statement(statement).verdict.value}")
figure.tight_layout()

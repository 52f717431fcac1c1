r"""Level sets of a loss: how many components, where they merge, and what is proved of them.

Synonyms: sublevel set, N(lambda), connected components, merge tree, persistence, spurious valleys,
basins of attraction.

>>> import numpy as np
>>> tree = merge_tree(np.array([1.0, 3.0, 0.0, 2.0, 0.5]))
>>> [tree.components(level) for level in (0.2, 1.0, 2.0, 3.0)]
[1, 3, 2, 1]
>>> SignPatterns(1, 2, 1).barrier
Fraction(5, 2)
"""

from rmtland.landscape.level_sets.merge_tree import Basin, MergeTree, graph_merge_tree, merge_tree
from rmtland.landscape.level_sets.relu_examples import OneUnitWithBias, SignPatterns
from rmtland.landscape.level_sets.theorems import TheoremCase, theorem_cases, valley_heights

__all__ = [
    "Basin",
    "MergeTree",
    "OneUnitWithBias",
    "SignPatterns",
    "TheoremCase",
    "graph_merge_tree",
    "merge_tree",
    "theorem_cases",
    "valley_heights",
]

"""Which parameters of a JAX loss the matrix is of: leaves of a pytree, chosen by their paths.

>>> import numpy as np
>>> names = ["['dense']['kernel']", "['dense']['bias']", "['out']['kernel']"]
>>> leaves = [np.zeros((2, 3)), np.zeros(3), np.zeros((3, 1))]
>>> chosen_leaves(names, leaves, "dense"), chosen_leaves(names, leaves, "*kernel*")
([0, 1], [0, 2])
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from rmtland.typing import Tree

__all__ = ["chosen_leaves"]


def chosen_leaves(
    names: Sequence[str], leaves: Sequence[Tree], patterns: str | Sequence[str] | None
) -> list[int]:
    """Return the numbers of the leaves that patterns fit, all of them real arrays.

    Parameters
    ----------
    names : sequence of str
        Paths of the leaves, as `jax.tree_util.keystr` writes them.
    leaves : sequence of arrays or numbers
        One for each name.
    patterns : str, sequence of str, or None
        A name, a pattern of the shell, or a piece of the path; None for all leaves.

    Returns
    -------
    list of int
        In the order of the leaves.

    Raises
    ------
    TypeError
        If a leaf that is chosen is not real floating-point.
    ValueError
        If there are no leaves, a pattern fits none, no pattern is given, or nothing that is chosen
        has entries.
    """
    if not names:
        raise ValueError("params holds no arrays")
    kept = list(range(len(names)))
    if patterns is not None:
        wanted = [patterns] if isinstance(patterns, str) else list(patterns)
        for pattern in wanted:
            if not any(_fits(name, pattern) for name in names):
                raise ValueError(
                    f"no parameter fits {pattern!r}; there are {', '.join(names[:12])}"
                )
        kept = [i for i, name in enumerate(names) if any(_fits(name, p) for p in wanted)]
        if not kept:
            raise ValueError("parameters names no parameter; leave it out for all of them")
    for i in kept:
        kind = leaves[i].dtype if hasattr(leaves[i], "dtype") else np.asarray(leaves[i]).dtype
        if "float" not in str(kind):
            raise TypeError(
                f"parameter {names[i]} is of dtype {kind}; a loss has derivatives in real "
                "floating-point parameters only: choose others by parameters="
            )
    if not any(np.size(leaves[i]) for i in kept):
        raise ValueError("the parameters have no entries")
    return kept


def _fits(name: str, pattern: str) -> bool:
    pieces = [piece.strip("'\".[] ") for piece in name.replace("][", "].[").split(".")]
    return (
        name == pattern
        or fnmatchcase(name, pattern)
        or pattern in pieces
        or pattern in name.split("'")
    )

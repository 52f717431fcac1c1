r"""Fluctuations of extreme eigenvalues at the edges of a law: centring and scaling.

Where the density is :math:`\gamma^{3/2} \sqrt d / \pi` at distance d inside an edge, the extreme
eigenvalue of an n x n matrix fluctuates by :math:`1 / (\gamma n^{2/3})` times a Tracy-Widom
variable: see `Law.edge_scale`.

Examples
--------
>>> from rmtland.laws import Semicircle
>>> place, scale = edge_scale_of(Semicircle(), 1000)
>>> place, round(scale * 1000 ** (2 / 3), 6)
(2.0, 1.0)
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rmtland.arguments import among, choice, positive
from rmtland.typing import Atoms, Real, Support

__all__ = ["edge_scale_of"]


class Banded(Protocol):
    """What is needed of a law."""

    @property
    def support(self) -> Support: ...
    @property
    def atoms(self) -> Atoms: ...
    def _pdf(self, x: Real) -> Real: ...


def edge_scale_of(
    law: Banded, n: float, *, beta: int = 1, edge: str = "upper"
) -> tuple[float, float]:
    """Return centring and scaling of an extreme eigenvalue: what `Law.edge_scale` does.

    Parameters
    ----------
    law : Law
        The law.
    n : float
        Size of the matrix.
    beta : int
        1, 2 or 4.
    edge : str
        "upper" or "lower".

    Returns
    -------
    (float, float)
        Centre and scale.

    Raises
    ------
    ValueError
        If the density does not vanish like a square root there.
    """
    size = positive("n", n)
    choice("edge", edge, ("lower", "upper"))
    beta = among("beta", beta, {1: "", 2: "", 4: ""})
    bands = law.support
    places = [place for place, _ in law.atoms]
    low, high = (bands[-1] if edge == "upper" else bands[0]) if bands else (0.0, 0.0)
    end, inward = (high, -1.0) if edge == "upper" else (low, 1.0)
    if not bands or any((place - end) * inward <= 0 for place in places):
        raise ValueError(f"the {edge} end of {law} is an atom, which has no edge fluctuations")
    near, far = law._pdf(end + inward * (high - low) * np.array([1e-6, 4e-6]))
    if not 0.45 < np.log2(far / near) / 2 < 0.55:
        raise ValueError(
            f"the density of {law} does not vanish like a square root at its {edge} edge {end}"
        )
    # density / sqrt(d) is analytic in d at a regular edge: extrapolated to d = 0; d in bandwidths
    width = high - low
    d = 1e-3 * np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    ratio = law._pdf(end + inward * width * d) * width / np.sqrt(d)
    limit = float(ratio @ np.array([5.0, -10.0, 10.0, -5.0, 1.0]))
    scale = width * (np.pi * limit) ** (-2 / 3) * size ** (-2 / 3)
    return end, float(scale * (2 ** (-1 / 6) if beta == 4 else 1.0))

r"""The interface of a law: a probability measure on the real line.

Conventions, stated here once. For a law :math:`\rho`

.. math::
    G(z) = \int \frac{\rho(dt)}{z - t}, \qquad
    \rho(x) = -\frac{1}{\pi} \operatorname{Im} G(x + i0), \qquad
    R(G(z)) + \frac{1}{G(z)} = z,

so that Im G < 0 for Im z > 0. G is the Stieltjes transform (Cauchy transform) and R the
R-transform of free probability, :math:`R(g) = \sum_{k \ge 1} \kappa_k g^{k-1}` with the free
cumulants :math:`\kappa_k`. The logarithmic potential is :math:`L(z) = \int \log(z - t) \rho(dt)`,
principal branch for Im z > 0, hence L' = G and

.. math:: \operatorname{cdf}(x) = 1 - \operatorname{Im} L(x + i0) / \pi .

Atoms are explicit: they are part of `cdf`, `ppf`, the moments and the transforms, never of `pdf`.

NaN is refused, not passed on: one NaN among the points is a ValueError. A law has scalar
parameters; for several values make one law each, ``[MarchenkoPastur(phi) for phi in values]``.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, lectures 11 (free cumulants) and 16 (moment-cumulant series).

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> law = MarchenkoPastur(2.0)
>>> law.atoms
((0.0, 0.5),)
>>> law.cdf(0.0), law.mean(), law.var()
(0.5, 1.0, 2.0)
"""

from __future__ import annotations

import html
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from rmtland.arguments import finite
from rmtland.laws.edge_scale import edge_scale_of
from rmtland.laws.pointwise import probabilities
from rmtland.streams import random_generator
from rmtland.synonyms import LAWS, WithSynonyms
from rmtland.typing import Atoms, Complex, Real, Rng, Support, Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from scipy.stats.distributions import rv_frozen
from rmtland.laws.distribution import LawDistribution

__all__ = ["Atoms", "Complex", "Law", "Real", "Support"]


class Law(WithSynonyms, LawDistribution):
    """A probability measure on the real line with everything derived from its parameters.

    All methods take arrays of any shape and return arrays of the same shape; a scalar gives a
    scalar. Values are computed and returned in float64 (complex128 for transforms), whatever
    the precision of the argument.
    """

    _synonyms = LAWS

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        """Law of scale * X + shift in the same family; None where that is not closed under it."""
        return None

    def index(self) -> float:
        """Index: the mass strictly below 0 (fraction of negative eigenvalues).

        Returns
        -------
        float
            Mass of (-infinity, 0), in [0, 1].
        """
        return float(self.mass_below(0.0))

    def median(self) -> float:
        """Median: the quantile of 1/2.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return float(self.ppf(0.5))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Interval with equal masses on both sides that leaves `confidence` inside.

        Parameters
        ----------
        confidence : float
            Mass inside, between 0 and 1.

        Returns
        -------
        (float, float)
            Quantiles of (1 - confidence)/2 and (1 + confidence)/2.

        Raises
        ------
        ValueError
            If `confidence` is not in [0, 1].
        TypeError
            If `confidence` is no real number.
        """
        tail = (1 - float(probabilities("confidence", finite("confidence", confidence)))) / 2
        return float(self.ppf(tail)), float(self.isf(tail))

    def sample(self, size: int | tuple[int, ...] | None = None, *, rng: Rng = None) -> Values:
        """Draw independent values from the law (not eigenvalues of one matrix).

        Parameters
        ----------
        size : int or tuple of int, optional
            Shape of the result; a single float by default.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator; by default one that the system seeds.

        Returns
        -------
        float or ndarray of float64
            Values.
        """
        return self.ppf(random_generator(rng).random(size))

    # As seen by other libraries ------------------------------------------------------------

    def plot(self, ax: Axes | None = None, **style: Any) -> Axes:
        """Draw the density as a line and the atoms as arrows, with matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; the axes of a new figure by default.
        **style
            Options of `rmtland.drawing.draw_law` (points, limits, label) and of `Axes.plot`.

        Returns
        -------
        matplotlib Axes
            The axes.
        """
        from rmtland.drawing import draw_law, new_axes

        axes = new_axes(ax)
        draw_law(axes, self, **style)
        return axes

    def _repr_html_(self) -> str:
        """Return a small table of the parameters for notebooks; nothing is computed for it."""
        rows = [("law", type(self).__name__)]
        if is_dataclass(self):
            rows += [(field.name, repr(getattr(self, field.name))) for field in fields(self)]
        else:
            rows += [("", repr(self))]
        cells = (
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td>{html.escape(text if len(text) <= 200 else text[:197] + '...')}</td></tr>"
            for name, text in rows
        )
        return f"<table>{''.join(cells)}</table>"

    def frozen(self) -> rv_frozen:
        """Return the law as a frozen distribution of scipy.stats (`rv_frozen`).

        It has pdf, cdf, sf, ppf, isf, rvs, stats, expect, interval, support and the rest, and its
        attribute `dist` is an `rv_continuous`.

        Returns
        -------
        rv_frozen
            Frozen distribution of scipy.stats with the values of this law.

        Raises
        ------
        ConvergenceError
            If a law that was computed does not hang together.

        Examples
        --------
        >>> from rmtland.laws import Semicircle
        >>> [round(float(end), 12) for end in Semicircle().frozen().interval(0.5)]
        [-0.807945506599, 0.807945506599]
        """
        from rmtland.laws.frozen_law import frozen

        self._require_certificate()
        return frozen(self)

    # Extreme eigenvalues -------------------------------------------------------------------

    def edge_scale(self, n: float, *, beta: int = 1, edge: str = "upper") -> tuple[float, float]:
        r"""Centring and scaling of an extreme eigenvalue of an n x n matrix at a regular edge.

        .. formula:: Scale of the largest eigenvalue at an edge, :math:`1/(\gamma n^{2/3})`

        At an edge e where the density is :math:`\gamma^{3/2} \sqrt d / \pi` at distance d inside,
        the largest eigenvalue is about :math:`e + s T` and the smallest :math:`e - s T` with
        :math:`s = 1 / (\gamma n^{2/3})` and T of the Tracy-Widom law of index beta [1]_.

        Parameters
        ----------
        n : float
            Size of the matrix.
        beta : int
            1 (real), 2 (complex) or 4 (quaternion; in the convention of `TracyWidom(4)`, whose
            mean is -2.3069).
        edge : str
            "upper" or "lower" end of the support.

        Returns
        -------
        (float, float)
            Centre e and scale s > 0.

        Raises
        ------
        ValueError
            If the density does not vanish like a square root there, or that end of the law is
            an atom.

        References
        ----------
        .. [1] A. Soshnikov, Universality at the edge of the spectrum in Wigner random matrices,
               Commun. Math. Phys. 207 (1999) 697-733.
        """
        return edge_scale_of(self, n, beta=beta, edge=edge)

r"""The two-leg law at a finite width: its correction of order 1/n, from networks of few units.

What a network of n hidden units differs by from its limit (walks that come home exchanged, real
matrices, the mean c0 of the features) is of order 1/n,

.. math:: G_n = G_\infty + \frac{c}{n} + \frac{d}{n^2} + \ldots ,

and c belongs to the ratios of the sizes, the activation and the energy alone. Networks of s and of
l < s hidden units are drawn and diagonalised, which takes seconds for s = 16, and

.. math:: c_s = s (G_s - G_\infty), \qquad c = \frac{s \, c_s - l \, c_l}{s - l}

holds nothing of order 1/s. Only a share of about 2 s/n of their scatter remains. The error is that
of the limit and of the draws, and 2 |c - c_s|/n for what the expansion leaves out: where outliers
of the small networks pass by, which c0 puts at a place that grows with n, it is no expansion.

Synonyms: finite-size correction, Richardson extrapolation in the width, weak localisation.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.
.. [2] J. A. Mingo and R. Speicher, Free Probability and Random Matrices, Springer, 2017, chapters
       1, 4 and 9: genus expansion, asymptotic freeness, operator-valued equations.

Examples
--------
>>> from rmtland.models import TwoLegHessian
>>> limit = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=6, draws=4)
>>> model = FiniteWidthHessian(limit, 64, small=8, runs=20)
>>> found = model.solve(0.5 + 0.3j)
>>> found.converged, bool(0 < abs(found.value - limit.solve(0.5 + 0.3j).value) < 0.1)
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from rmtland.arguments import count
from rmtland.models.dyson.above_axis import Progress, above_axis
from rmtland.models.dyson.corrected_model import CorrectedModel
from rmtland.models.hessian_parts import exact_zeros
from rmtland.models.smoothed_index import with_doubt
from rmtland.models.two_leg.leg_averages import deviations
from rmtland.models.two_leg.sampled_leg import leg_sizes, ratios_off
from rmtland.models.two_leg.two_leg_hessian import TwoLegHessian
from rmtland.solution import Solution
from rmtland.spectrum import Spectrum
from rmtland.streams import streams
from rmtland.typing import ArrayLike, Complex, Real, Rng, override

__all__ = ["FiniteWidthHessian"]

_LEFT = 2.0  # times the change of c, in an error: outliers of small networks may pass by
_HALF = 4  # networks of half the width for every one
_ROUNDED = 0.05  # largest relative error of the ratios of the small networks


class _Corrected(NamedTuple):
    """A quantity at the finite width, and the errors of the draws and of the expansion."""

    value: Complex
    error: Real


@dataclass(frozen=True, eq=False)
class FiniteWidthHessian(CorrectedModel):
    """The spectrum of H of networks of n hidden units: the limit and its correction of order 1/n.

    .. formula:: Correction of order :math:`1/n` to the limit law of :math:`H`, from networks of few
        units

    Parameters
    ----------
    model : TwoLegHessian
        The limit.
    width : int
        Hidden units n of the networks, above `small`.
    small : int
        Hidden units of the networks that the correction is taken from, at least 4; up to a quarter
        more where the ratios of whole numbers come out better.
    runs : int
        How many of them are drawn, at least 2; four times as many of half the width.
    seed : int
        Of the draws, >= 0: the same model gives the same numbers.

    Raises
    ------
    TypeError
        If the model is of another kind.
    ValueError
        If a parameter is out of its range, or so few units cannot have the ratios to 5 %.

    See Also
    --------
    rmtland.models.TwoLegHessian : its limit.
    """

    model: TwoLegHessian
    width: int
    small: int = field(default=16, kw_only=True)
    runs: int = field(default=200, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    _no_law: ClassVar[str] = (
        "the correction of order 1/n is known above the axis only, where it need not be a "
        "probability law; take smoothed_pdf, smoothed_cdf or index"
    )

    def __post_init__(self) -> None:
        if not isinstance(self.model, TwoLegHessian):
            raise TypeError(f"model must be a TwoLegHessian; got {type(self.model).__name__}")
        for key, smallest in (("small", 4), ("runs", 2), ("seed", 0)):
            object.__setattr__(self, key, count(key, getattr(self, key), min_value=smallest))
        object.__setattr__(self, "width", count("width", self.width))
        large, little = self.small_widths
        if not self.width > large:
            raise ValueError(
                f"width must be above that of the small networks, {large}; got {self.width}: draw "
                "networks of that width, or take small="
            )
        off = max(ratios_off(self.model.sizes, self._sizes(n)) for n in (large, little))
        if off > _ROUNDED:
            raise ValueError(
                f"networks of {large} and {little} hidden units have ratios with a relative error "
                f"of {off:.2g} against those of {self.model.sizes}; take another small="
            )

    @cached_property
    def small_widths(self) -> tuple[int, int]:
        """Hidden units s and l of the networks that are drawn."""
        large = leg_sizes(self.model.sizes, self.small)[1]
        return large, leg_sizes(self.model.sizes, max(2, large // 2))[1]

    def _sizes(self, n: int) -> tuple[int, int, int, int]:
        """Sizes of a drawn network, as `PopulationHessian.sample` rounds them."""
        n0, n1, n2, m = (max(1, round(n * one / self.model.hidden)) for one in self.model.sizes)
        return n0, n1, n2, m

    @cached_property
    def drawn(self) -> tuple[Real, Real]:
        """Eigenvalues of the small networks, shapes (runs, p), larger ones first; zeros exact."""
        large, little = self.small_widths
        first, second = streams(self.seed, 2)
        draw = self.model.population.sample
        return (
            exact_zeros(draw(large, rng=first, runs=self.runs).nodes),
            exact_zeros(draw(little, rng=second, runs=_HALF * self.runs).nodes),
        )

    def _corrected(
        self, limit: Complex, doubt: Real, statistic: Callable[[Real], Complex]
    ) -> _Corrected:
        """Return a quantity at the width, given it in the limit and as a mean over a spectrum."""
        s, l = self.small_widths  # noqa: E741
        ends, noise = [], np.zeros(limit.shape)
        for n, nodes, sign in zip((s, l), self.drawn, (1, -1), strict=True):
            rows = np.array([statistic(row) for row in nodes])
            ends.append(n * (rows.mean(axis=0) - limit))
            share = sign * n / (s - l)
            noise += (share * n) ** 2 * rows.var(axis=0, ddof=1) / len(rows)
        c = (s * ends[0] - l * ends[1]) / (s - l)
        of_limit = abs(1 - (s + l) / self.width)  # c takes (s + l) times the limit away
        open_to = deviations(self.runs) * np.sqrt(noise) + _LEFT * np.abs(c - ends[0])
        error = of_limit * doubt + open_to / self.width
        return _Corrected(np.asarray(limit + c / self.width), np.asarray(error))

    # Results -------------------------------------------------------------------------------------

    @override
    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = 1e-6,
        throw: bool = True,
        progress: Progress | None = None,
    ) -> Solution:
        limit = self.model.solve(z, tolerance=tolerance, throw=throw, progress=progress)
        return self.corrected(z, limit)

    def corrected(self, z: ArrayLike, limit: Solution) -> Solution:
        """Add the correction to a solution of the limit, which may serve several widths.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        limit : Solution
            G of the limit there, as `model.solve` returns it.

        Returns
        -------
        Solution
            G(z) at the width, and its error.
        """
        flat, shape = above_axis(z)
        found = self._corrected(
            np.ravel(limit.value),
            np.ravel(np.asarray(limit.error)),
            lambda nodes: np.asarray((1 / (flat[:, None] - nodes)).mean(axis=1)),
        )
        return replace(limit, value=found.value.reshape(shape), error=found.error.reshape(shape))

    def solve_cdf(
        self, z: ArrayLike, *, tolerance: float = 1e-6, progress: Progress | None = None
    ) -> Solution:
        """Distribution function seen from points above the axis, with its error.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance, progress
            As for `TwoLegHessian.solve`.

        Returns
        -------
        Solution
            Values in the shape of `z`; `error` holds that of the limit too.

        Raises
        ------
        ConvergenceError
            If a leg is not solved at a point.
        """
        flat, shape = above_axis(z)
        limit = self.model.solve_cdf(flat, tolerance=tolerance, progress=progress)
        found = self._corrected(
            limit.value.astype(np.complex128),
            np.asarray(limit.error),
            lambda nodes: np.asarray(
                1 - np.angle(flat[:, None] - nodes).mean(axis=1) / np.pi, dtype=np.complex128
            ),
        )
        value, error = found.value.real.reshape(shape), found.error.reshape(shape)
        residual, steps = limit.residual.reshape(shape), limit.steps.reshape(shape)
        return Solution(value, limit.status, residual, steps, error)

    @override
    def cdf_above(
        self, z: ArrayLike, *, tolerance: float = 1e-6, progress: Progress | None = None
    ) -> Real:
        return np.asarray(self.solve_cdf(z, tolerance=tolerance, progress=progress).value)

    @override
    def solve_index(self) -> Solution:
        limit = self.model.solve_index()
        found = self._corrected(
            np.asarray(limit.value, dtype=np.complex128),
            np.asarray(limit.error),
            lambda nodes: np.asarray((nodes < 0).mean(), dtype=np.complex128),
        )
        value = np.clip(found.value.real, 0.0, 1.0)
        error = np.asarray(limit.error)
        plain = Solution(value, limit.status, limit.residual, limit.steps, error)
        return with_doubt(plain, max(float(found.error) - float(error), 0.0))

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks and data of the width, as `PopulationHessian.sample`.

        Parameters
        ----------
        n : int, optional
            Number of hidden units: can only be `width`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n1 (n0 + n2)).

        Raises
        ------
        ValueError
            If n is another number.
        """
        return self.model.sample(self._checked_width(n), rng=rng, runs=runs)

    def lanczos(self, n: float | None, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw Gauss quadratures of Lanczos runs, as `PopulationHessian.lanczos`.

        Parameters
        ----------
        n : int or None
            As for `sample`.
        steps : int
            Number of Lanczos steps, at most the number of eigenvalues.
        rng, runs
            As for `sample`.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If n is another number, or an argument is out of its range.
        """
        return self.model.lanczos(self._checked_width(n), steps, rng=rng, runs=runs)

    def _checked_width(self, n: float | None) -> int:
        if n is not None and n != self.width:
            raise ValueError(f"the model is of {self.width} hidden units, not of {n}; leave n out")
        return self.width

r"""Residuals conditioned on what training controls: known part, and noise in all other directions.

.. math::
    e = P e_{measured} + \sigma (1 - P) \xi, \qquad
    \sigma^2 = \frac{|(1 - P) e_{measured}|^2}{\dim - \operatorname{rank} P},

xi iid N(0, 1), P the orthogonal projector of `rmtland.models.conditioned.projections`. Every draw
has the measured gradient. At a critical point P e = 0 for P the span of the Jacobian: then only the
energy is known. This is the second assumption of Pennington and Bahri [1]_, residuals that are iid
and independent of the data, made compatible with a gradient that vanishes.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(20, 3, rng=0), MLP((3, 4, 3))
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> residuals = ConditionedResiduals.of_point(point)
>>> residuals.free_dimensions, residuals.measured_numbers, residuals.is_marked
(36.0, 25, False)
>>> drawn = residuals.draw(np.random.default_rng(0))
>>> bool(np.allclose(point.vjp(drawn), point.vjp(point.residuals)))
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from rmtland.arguments import choice, entries, nonnegative
from rmtland.arrays import ArrayLibrary, to_numpy
from rmtland.models.conditioned.projections import (
    CONDITIONS,
    RANK_TOLERANCE,
    DenseProjection,
    IterativeProjection,
    Projection,
)
from rmtland.models.conditioned.residual_space import ResidualSpace
from rmtland.models.conditioned.rotated_regression import RotatedRegression
from rmtland.networks import LossPoint
from rmtland.typing import Real

__all__ = [
    "LEAST_FREE",
    "ConditionedResiduals",
    "checked_conditions",
    "dense_projection_memory",
]

LEAST_FREE = 0.1
"""Share of what is not measured below which a law is marked: it knows nearly all residuals."""

_LARGEST = 6000  # order of a Gram matrix that is diagonalised


@dataclass(frozen=True, eq=False)
class ConditionedResiduals:
    """Known part, projector and size of what is free.

    Parameters
    ----------
    space : ResidualSpace
        Of the residuals.
    projection : Projection
        On what is known.
    known : ndarray, shape (m, n_out)
        P u, and what the space knows beforehand: the known part, in units of the scales.
    sigma : float
        Standard deviation of what is free, in units of the scales.
    measured_numbers : int
        How many numbers of the residuals were measured: rank of P, the scales of samples, and
        sigma.
    on : tuple of {"gradient", "inputs", "rotations", "minimum"}
        What is known.
    regression : RotatedRegression, optional
        What is free with "rotations", in units of the scales; else it is iid.
    """

    space: ResidualSpace
    projection: Projection
    known: Real
    sigma: float
    measured_numbers: int
    on: tuple[str, ...] = ("gradient",)
    regression: RotatedRegression | None = None

    @classmethod
    def of_point(
        cls,
        point: LossPoint,
        on: tuple[str, ...] = ("gradient",),
        *,
        sizes: str = "auto",
        projection: str = "auto",
        rank_tolerance: float = RANK_TOLERANCE,
    ) -> Self:
        """Condition the residuals of a network on their products with the Jacobian and inputs.

        Parameters
        ----------
        point : LossPoint
            Network, parameters and data, in double precision.
        on : tuple of {"gradient", "inputs", "rotations", "minimum"}
            What is known.
        sizes : {"auto", "alike", "samples", "labels"}
            See `rmtland.models.conditioned.residual_space`.
        projection : {"auto", "dense", "iterative"}
            Whether a basis is formed; "auto" does where it fits into memory and time.
        rank_tolerance : float
            Of a basis: singular values below so much of the largest count as zero.

        Returns
        -------
        ConditionedResiduals

        Raises
        ------
        ValueError
            If nothing is left free, or no residual can differ from zero.
        """
        on, space = checked_conditions(on), ResidualSpace.of_point(point, sizes)
        if not space.dimension:
            raise ValueError(
                "all residuals are zero, or have one output that sums to zero: H1 vanishes, and H "
                "is its Gauss-Newton part"
            )
        projector = _projection(point, on, space, projection, rank_tolerance)
        u = space.unscaled(to_numpy(point.residuals).astype(np.float64))
        free = space.dimension - projector.rank
        _refuse_fixed(free, space, projector, on)
        known = projector.project(u)
        sigma = float(np.sqrt(((u - known) ** 2).sum() / free))
        measured = round(projector.rank) + space.measured + 1
        regression = _regression(point, u) if "rotations" in on else None
        if regression is not None:
            measured += regression.measured_numbers
        return cls(space, projector, known + space.known, sigma, measured, on, regression)

    @classmethod
    def at_critical_point(
        cls,
        point: LossPoint,
        epsilon: float,
        *,
        on: tuple[str, ...] = ("gradient",),
        rank_tolerance: float = RANK_TOLERANCE,
    ) -> Self:
        """Return residuals that are orthogonal to the Jacobian, of a given energy.

        Parameters
        ----------
        point : LossPoint
            Network, parameters and inputs, half the mean squared error; its targets do not matter.
        epsilon : float
            Energy, loss / n_out, >= 0: the mean of |e|^2 / (2 m n_out).
        on : tuple of {"gradient", "minimum"}
            What kind of point it is.
        rank_tolerance : float
            As in `of_point`.

        Returns
        -------
        ConditionedResiduals

        Raises
        ------
        ValueError
            If nothing is left free: there is no critical point of positive energy.
        """
        m, n = point.data.size, point.data.n_out
        space = ResidualSpace(np.ones(m), n)
        projector = _projection(point, ("gradient",), space, "auto", rank_tolerance)
        free = space.dimension - projector.rank
        _refuse_fixed(free, space, projector, ("gradient",))
        sigma = float(np.sqrt(2 * nonnegative("epsilon", epsilon) * space.dimension / free))
        return cls(space, projector, np.zeros((m, n)), sigma, 1, on)

    @property
    def free_dimensions(self) -> float:
        """Dimension of what is free."""
        return float(self.space.dimension - self.projection.rank)

    @property
    def free_share(self) -> float:
        """Share of the dimensions of the residuals that are free."""
        return self.free_dimensions / self.space.dimension

    @property
    def free_share_error(self) -> float:
        """Standard error of the share that is free: 0 unless the rank of P was estimated."""
        return self.projection.rank_error / self.space.dimension

    @property
    def sigma_error(self) -> float:
        """Standard error of sigma by that of the rank of P, to first order."""
        return self.sigma * self.projection.rank_error / (2 * self.free_dimensions)

    @property
    def is_marked(self) -> bool:
        """Whether nearly all is measured: a description, no prediction.

        Less than a tenth of the dimensions are free, or so many numbers were measured, scales of
        samples included, that less than a tenth is left.
        """
        left = 1 - self.measured_numbers / self.space.dimension
        return min(self.free_share, left) < LEAST_FREE

    @property
    def known_energy_share(self) -> float:
        """Share of the squared residuals that is known; that of dimensions if they were iid."""
        known = float((self.known**2).sum())
        free = self.sigma**2 * self.free_dimensions
        return known / (known + free) if known + free else 0.0

    @property
    def known_residuals(self) -> Real:
        """The part of e that is known, shape (m, n_out)."""
        return self.space.whole(self.known)

    @property
    def radius(self) -> float:
        """Norm of the free noise, in units of sigma, at the measured energy."""
        return float(np.sqrt(self.free_dimensions))

    def noise(self, generator: np.random.Generator) -> Real:
        """Draw (1 - P) xi; with "rotations" xi is a rotated regression, brought to `radius`.

        Parameters
        ----------
        generator : numpy.random.Generator
            What draws.

        Returns
        -------
        ndarray, shape (m, n_out)
        """
        if self.regression is None:
            xi = self.space.noise(generator)
            return xi - self.projection.project(xi)
        xi = self.space.unscaled(self.space.scaled(self.regression.draw(generator)))
        rest = xi - self.projection.project(xi)
        length = float(np.linalg.norm(rest))
        return np.asarray(rest * (self.radius / length)) if length else rest

    def free_residuals(self, noise: Real) -> Real:
        """Return the part of e that some noise makes.

        Parameters
        ----------
        noise : ndarray, shape (m, n_out)
            (1 - P) xi.

        Returns
        -------
        ndarray, shape (m, n_out)
        """
        return self.space.scaled(self.sigma * noise)

    def draw(self, generator: np.random.Generator) -> Real:
        """Draw residuals; those of a minimum are not drawn here.

        Parameters
        ----------
        generator : numpy.random.Generator
            What draws.

        Returns
        -------
        ndarray, shape (m, n_out)
        """
        return self.known_residuals + self.free_residuals(self.noise(generator))


def checked_conditions(on: tuple[str, ...]) -> tuple[str, ...]:
    """Return what residuals are conditioned on, checked.

    Parameters
    ----------
    on : tuple of {"gradient", "inputs", "rotations", "minimum"}
        Or one of them.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If it is empty or holds something else, a minimum without the gradient, or rotations with
        what they do not go with.
    """
    names = (on,) if isinstance(on, str) else entries("on", on)
    if not names:
        raise ValueError("on must name what is known: 'gradient', 'inputs' or both; it is empty")
    for name in names:
        choice("on", name, CONDITIONS)
    if "minimum" in names and "gradient" not in names:
        raise ValueError(
            f"a minimum is a critical point: on must name 'gradient' beside 'minimum'; got {names}"
        )
    if "rotations" in names and {"inputs", "minimum"} & set(names):
        raise ValueError(
            "with 'rotations' the regression on the inputs is known up to rotations, and draws are "
            f"not iid: leave 'inputs' and 'minimum' out; got {names}"
        )
    return tuple(name for name in CONDITIONS if name in names)


def _refuse_fixed(
    free: float, space: ResidualSpace, projector: Projection, on: tuple[str, ...]
) -> None:
    if free < 0.5:
        raise ValueError(
            f"conditioning on {' and '.join(on)} leaves nothing free: it fixes "
            f"{projector.rank:.0f} of the {space.dimension} dimensions of the residuals; take more "
            "samples than parameters per output"
        )
    if free < 2 * projector.rank_error:
        raise ValueError(
            f"conditioning on {' and '.join(on)} leaves {free:.0f} of the {space.dimension} "
            f"dimensions of the residuals free, give or take {projector.rank_error:.0f}: that may "
            "be none; take projection='dense', or more samples than parameters per output"
        )


def _regression(point: LossPoint, u: Real) -> RotatedRegression:
    net = point.net
    arrays = [to_numpy(matrix).astype(np.float64) for matrix in net.unflatten(point.theta)]
    weights = [matrix for matrix in arrays if matrix.ndim == 2]
    x = to_numpy(point.x).astype(np.float64)
    return RotatedRegression.of_residuals(u, x, weights[0], weights[-1])


def _projection(
    point: LossPoint,
    on: tuple[str, ...],
    space: ResidualSpace,
    kind: str,
    tolerance: float,
) -> Projection:
    choice("projection", kind, ("auto", "dense", "iterative"))
    rows = space.scales.size * space.outputs
    inputs = to_numpy(point.x[:1, :]).shape[1] * space.outputs
    columns = ("gradient" in on) * point.net.parameter_count + ("inputs" in on) * inputs
    fits = dense_projection_memory(rows, columns) is not None
    if kind == "dense" or not columns or (kind == "auto" and fits):
        return DenseProjection.of_point(point, on, space, tolerance=tolerance)
    return IterativeProjection(point, on, space, rng=np.random.default_rng(0))


def dense_projection_memory(rows: int, columns: int) -> int | None:
    """Return the bytes of a projection on the span of a matrix by decomposition, where it is taken.

    Parameters
    ----------
    rows, columns : int
        The shape of the matrix: residuals, and numbers that are measured.

    Returns
    -------
    int or None
        None where the matrix is too large for that: then the projection is iterative.
    """
    fewer = min(rows, columns)
    needed = 8 * (3 * rows * columns + 3 * fewer**2)
    fits = fewer <= _LARGEST and needed < 0.5 * ArrayLibrary.of().free_memory()
    return needed if fits else None

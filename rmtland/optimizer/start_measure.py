r"""How an error is spread over the curvatures of a quadratic loss: what every prediction needs.

Near a minimum :math:`x^*` the loss is :math:`\tfrac12 (x - x^*)^T H (x - x^*)`. A first-order
method multiplies the displacement by a polynomial in H, so that only the spectral measure of the
start counts,

.. math:: \mu = \sum_i \langle u_i, x_0 - x^* \rangle^2 \, \delta_{\lambda_i},

and the three objectives are its moments: the squared distance :math:`\int d\mu`, twice the loss
:math:`\int \lambda \, d\mu` and the squared gradient :math:`\int \lambda^2 \, d\mu`. A law, or a
spectrum, stands for :math:`\mu` where the start is isotropic: its displacement has no preferred
direction. The gradient at the start has the spectral measure :math:`\lambda^2 \mu`, and is known
without :math:`x^*`.

References
----------
.. [1] G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, Princeton
       University Press 2010.
.. [2] B. Fischer, Polynomial Based Iteration Methods for Symmetric Linear Systems, SIAM 2011.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> start = start_measure(MarchenkoPastur(0.5), degree=4)
>>> [round(start.initial(objective), 12) for objective in ("distance", "loss", "gradient")]
[1.0, 1.0, 1.5]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import choice, count, points
from rmtland.ensembles.krylov_quadrature import law_panels
from rmtland.laws import Law, SpectralModel
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = ["NEGATIVE", "OBJECTIVES", "Source", "StartMeasure", "start_measure"]

OBJECTIVES = {"distance": 0, "loss": 1, "gradient": 2}
"""Power k of the curvature in each objective: its value is the integral of lambda^k over mu."""

NEGATIVE = 1e-10
"""Part of the largest curvature below 0 that is taken for rounding of a zero."""


@dataclass(frozen=True)
class StartMeasure:
    r"""Spectral measure of a start, as nodes and weights.

    Parameters
    ----------
    nodes : ndarray of float, shape (n,)
        Curvatures, ascending, >= 0.
    weights : ndarray of float, shape (n,)
        What lies at each, > 0: squared components of the displacement for `power` 0, times the
        curvature to that power else. Not normalised.
    power : {0, 2}
        0 for the measure of the displacement, 2 for that of the gradient.
    degree : int or None
        Largest degree of a polynomial in the curvature whose integral is exact; None for all,
        where the measure has no other points than the nodes.

    Raises
    ------
    ValueError
        If the shapes do not fit, a node is negative, or a weight is not positive.
    TypeError
        If they are no real numbers.
    """

    nodes: Real
    weights: Real
    power: int = 0
    degree: int | None = None

    def __post_init__(self) -> None:
        for name in ("nodes", "weights"):
            object.__setattr__(self, name, points(name, getattr(self, name)))
        if self.nodes.ndim != 1 or self.nodes.shape != self.weights.shape or not self.nodes.size:
            raise ValueError(
                f"nodes and weights must have one shape (n,), n >= 1; got {self.nodes.shape} and "
                f"{self.weights.shape}"
            )
        if self.power not in (0, 2):
            raise ValueError(f"power must be 0 or 2; got {self.power!r}")
        if not (self.nodes.min() >= 0 and np.isfinite(self.nodes).all()):
            raise ValueError("nodes must be finite and not negative")
        if (np.diff(self.nodes) < 0).any():
            raise ValueError("nodes must ascend; sort them, and the weights with them")
        if not (self.weights.min() > 0 and np.isfinite(self.weights).all()):
            raise ValueError("weights must be finite and positive")
        if self.power and self.nodes[0] == 0:
            raise ValueError("the gradient of a quadratic loss has no part in its null space")

    @property
    def positive(self) -> tuple[Real, Real]:
        """Nodes above 0 and their weights: what a method moves."""
        keep = self.nodes > 0
        return self.nodes[keep], self.weights[keep]

    @property
    def edges(self) -> tuple[float, float]:
        """Least and largest curvature above 0 among the nodes."""
        nodes, _ = self.positive
        return float(nodes[0]), float(nodes[-1])

    def shares(self, objective: str) -> Real:
        """Weights of the objective at the nodes, unnormalised: their sum is its value.

        Parameters
        ----------
        objective : {"distance", "loss", "gradient"}
            Squared distance to the minimum, twice the loss above it, or squared gradient.

        Returns
        -------
        ndarray of float, shape (n,)
            lambda^k times the measure of the displacement.

        Raises
        ------
        ValueError
            For another objective.
        """
        k = OBJECTIVES[choice("objective", objective, tuple(OBJECTIVES))]
        return np.asarray(self.weights * self.nodes ** float(k - self.power))

    def initial(self, objective: str) -> float:
        """Return the value of the objective at the start.

        Parameters
        ----------
        objective : {"distance", "loss", "gradient"}
            As for `shares`.

        Returns
        -------
        float
            Sum of the shares.
        """
        return math.fsum(self.shares(objective))

    def parts(self, objective: str) -> Real:
        """Shares of the objective at the nodes, in any unit of curvature.

        Parameters
        ----------
        objective : {"distance", "loss", "gradient"}
            As for `shares`.

        Returns
        -------
        ndarray of float, shape (n,)
            The shares over their sum.

        Raises
        ------
        ValueError
            If the objective is another name.
        """
        k = OBJECTIVES[choice("objective", objective, tuple(OBJECTIVES))]
        size = self.weights / self.weights.max()
        relative = np.asarray(size * (self.nodes / self.nodes[-1]) ** float(k - self.power))
        return np.asarray(relative / math.fsum(relative))

    def stretched(self, left: float, right: float) -> StartMeasure:
        """Widen the band of curvatures, for a design that eigenvalues beyond the edges do not harm.

        Parameters
        ----------
        left, right : float
            By how much at either edge (`rmtland.optimizer.design_margin`). The lower edge stops at
            a tenth of where it was; a null space stays.

        Returns
        -------
        StartMeasure
            The same weights at curvatures mapped linearly.
        """
        low, high = self.edges
        if not (left or right) or low == high:
            return self
        bottom = max(low - left, low / 10)
        nodes = bottom + (self.nodes - low) * ((high + right - bottom) / (high - low))
        return StartMeasure(
            np.where(self.nodes > 0, nodes, 0.0), self.weights, self.power, self.degree
        )

    def needs(self, degree: int) -> None:
        """Raise where polynomials of this degree are not integrated exactly.

        Parameters
        ----------
        degree : int
            Of the polynomial in the curvature, the power of the objective included.

        Raises
        ------
        ValueError
            If the measure is a quadrature of a lower degree.
        """
        if self.degree is not None and degree > self.degree:
            raise ValueError(
                f"this quadrature integrates polynomials up to degree {self.degree}, and "
                f"{degree} is needed: ask for fewer steps, or build it with more"
            )


Source = Law | SpectralModel | Spectrum | StartMeasure
"""What predictions are made from."""


def start_measure(source: Source, *, degree: int, extrapolate: bool = False) -> StartMeasure:
    """Return the spectral measure of an isotropic start, or the one that was given.

    Parameters
    ----------
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures: the law of the Hessian's eigenvalues, a model that has one, eigenvalues or
        quadratures (rows are pooled), or the measure of a known start.
    degree : int
        Degree up to which polynomials in the curvature are integrated exactly.
    extrapolate : bool, optional
        Take the measure of a known start beyond its degree, as a prediction does and a design must
        not: a quadrature of k nodes is solved in k steps, and its start is not.

    Returns
    -------
    StartMeasure
        Of total mass 1 for a law or a spectrum; a null space stays as a node at 0.

    Raises
    ------
    ValueError
        If there are negative curvatures, none above 0, or a support without end: there is no
        quadratic minimum to approach, or no finite step is stable.
    TypeError
        If the source is no law, model with a law, Spectrum or `StartMeasure`.
    """
    count("degree", degree, min_value=1)
    if isinstance(source, StartMeasure):
        if not (extrapolate and source.power):
            source.needs(degree - (1 if source.power else 0))
        return source
    if isinstance(source, SpectralModel):
        source = source.law
    if isinstance(source, Law):
        low, high = source.hull
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(
                f"{source} has no largest curvature, so that no step is stable: truncate it "
                "(rmtland.laws.truncated)"
            )
        _not_negative(low, high, source)
        zero = 0.0
        nodes, weights = law_panels(source, degree // 2 + 2)
        exact = degree
    elif isinstance(source, Spectrum):
        rows = np.full(source.nodes.shape, 1 / source.nodes.shape[1])
        weights = (rows if source.weights is None else source.weights).ravel()
        nodes = source.nodes.ravel()
        zero = source.zero_tolerance
        _not_negative(float(nodes.min()), float(nodes.max()), source, zero)
        order = np.argsort(nodes, kind="stable")
        nodes, weights = nodes[order], weights[order] / source.nodes.shape[0]
        exact = None
        if source.alpha is not None:  # Gauss quadratures of k nodes are exact to degree 2k - 1
            exact = 2 * source.nodes.shape[1] - 1
            if degree > exact:
                raise ValueError(
                    f"Lanczos quadratures of {source.nodes.shape[1]} steps know moments up to "
                    f"{exact}; {degree} are needed: measure with more steps or predict fewer"
                )
    else:
        rows = isinstance(source, np.ndarray | list | tuple)
        raise TypeError(
            "curvatures come from a Law, a model with a law, a Spectrum or a StartMeasure; got "
            f"{type(source).__name__}"
            + (": of eigenvalues take Spectrum(eigenvalues)" if rows else "")
        )
    keep = weights > 0
    nodes, weights = nodes[keep], weights[keep]
    nodes = np.where(np.abs(nodes) > max(zero, NEGATIVE * nodes[-1]), nodes, 0.0)
    if nodes[-1] <= 0:
        raise ValueError(f"{source} has no curvature above 0: there is nothing to descend")
    return StartMeasure(nodes, weights, degree=exact)


def _not_negative(low: float, high: float, source: object, zero: float = 0.0) -> None:
    if low < -max(zero, NEGATIVE * high) or (low < 0 and high <= 0):
        raise ValueError(
            f"{source} has negative curvatures (down to {low:g}): the quadratic model has no "
            "minimum; take the positive part (rmtland.laws.truncated), the Gauss-Newton part, or "
            "a spectrum near a minimum"
        )

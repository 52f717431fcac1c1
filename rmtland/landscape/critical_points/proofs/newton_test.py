r"""Proof of a critical point and of its index, by a contraction.

Let :math:`H(\theta')` be the Hessian at :math:`\theta'`, Q and D computed eigenvectors and
eigenvalues of its midpoint, taken as exact numbers, and over the ball
:math:`|\theta' - \theta| \le r`

.. math::

    \|Q^T Q - 1\| \le e < 1, \qquad \|Q^T H(\theta') Q - D\| \le f.

If :math:`f < d = \min_i |D_i|`, then by Weyl's inequality :math:`Q^T H(\theta') Q` has as many
negative eigenvalues as D, and by Sylvester's law so has :math:`H(\theta')`: **the index is proved
for the whole ball**, and no eigenvalue is closer to 0 than :math:`(d - f)/(1 + e)`. With
:math:`C = Q D^{-1} Q^T`, the map :math:`\theta' \mapsto \theta' - C\, g(\theta')` has the
derivative :math:`1 - C H = -Q D^{-1} (Q^T H Q - D) Q^{-1}`, of norm at most

.. math::

    q = \sqrt{\frac{1 + e}{1 - e}}\, \frac fd .

If :math:`q < 1` and :math:`|C g(\theta)| \le (1 - q) r`, it maps the ball into itself and
contracts: **there is exactly one critical point in the ball**, within
:math:`|C g(\theta)|/(1 - q)` of its centre (Newton-Kantorovich; Krawczyk, Rump [1]_ [2]_).

The gradient is enclosed in 128 bits (`exact_gradient`), the Hessian over the whole ball in doubles
(`enclosed_hessian`); products with Q are bounded by norms.

References
----------
.. [1] S. M. Rump, Verification methods: rigorous results using floating-point arithmetic, Acta
       Numerica 19 (2010) 287-449, section 13.
.. [2] R. Krawczyk, Newton-Algorithmen zur Bestimmung von Nullstellen mit Fehlerschranken, Computing
       4 (1969) 187-201.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((1, 1, 1), weight_decay=0.1)
>>> proof = prove(Problem(net, np.ones((1, 1)), np.ones((1, 1))), np.zeros(2))
>>> proof.index, proof.radius < 1e-15, proof.uniqueness_radius
(1, True, 1e-10)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import float_array, positive
from rmtland.landscape.critical_points.proofs.ball_array import (
    BallArray,
    frobenius_above,
    gamma,
    spectral_radius_above,
    up_number,
)
from rmtland.landscape.critical_points.proofs.exact_gradient import exact_gradient
from rmtland.landscape.critical_points.proofs.hessian_enclosure import enclosed_hessian
from rmtland.landscape.critical_points.proofs.statement import Problem
from rmtland.networks.overflow import NetworkOverflowError
from rmtland.typing import Real

__all__ = ["Proof", "Unproved", "prove"]

RADII = (1e-10, 1e-13)
"""Balls that are tried, the largest first."""

REFINEMENTS = 3


@dataclass(frozen=True, eq=False)
class Proof:
    """A critical point that is there, and how many directions lead down from it.

    Made by `rmtland.landscape.critical_points.prove`.

    Parameters
    ----------
    theta : ndarray, shape (p,)
        Centre of the ball.
    radius : float
        The critical point lies within this distance of `theta`.
    uniqueness_radius : float
        There is no other one within this distance.
    index : int
        Number of negative eigenvalues of the Hessian there, and everywhere in the ball.
    gap : float
        No eigenvalue of the Hessian in the ball has a smaller modulus.
    contraction : float
        The bound q < 1.
    """

    theta: Real
    radius: float
    uniqueness_radius: float
    index: int
    gap: float
    contraction: float


@dataclass(frozen=True)
class Unproved:
    """Why nothing is proved.

    Made by `rmtland.landscape.critical_points.prove`.

    Parameters
    ----------
    reason : str
        In words, with numbers.
    """

    reason: str


def prove(
    problem: Problem, theta: Real, *, refine: bool = True, radius: float | None = None
) -> Proof | Unproved:
    """Prove that a critical point lies near, and its index.

    Parameters
    ----------
    problem : Problem
        Network and data.
    theta : ndarray, shape (p,)
        Near a critical point.
    refine : bool, optional
        Take Newton steps with the gradient in 128 bits first; without, the ball is about `theta`
        as it is.
    radius : float, optional
        Radius of the ball; by default 1e-10, then 1e-13.

    Returns
    -------
    Proof or Unproved
        What is proved, or why nothing is.

    Raises
    ------
    ImportError
        If python-flint is not installed.
    ValueError
        If `theta` is not a point of the network, or the radius not positive.
    TypeError
        If `radius` is no real number, or `theta` holds no real numbers.
    """
    theta = float_array("theta", theta, ndim=1).copy()
    if theta.size != problem.net.parameter_count:
        raise ValueError(
            f"theta must have shape ({problem.net.parameter_count},), a number for each parameter "
            f"of {problem.net}; got {theta.shape}"
        )
    radii = RADII if radius is None else (positive("radius", radius),)
    if refine:
        theta = _refined(problem, theta, radii[0])
    gradient = exact_gradient(problem, theta)
    reason = ""
    for size in radii:
        found = _prove(problem, theta, gradient, size)
        if isinstance(found, Proof):
            return found
        reason = found.reason
    return Unproved(reason)


def _refined(problem: Problem, theta: Real, radius: float) -> Real:
    """Take Newton steps until they are far shorter than the radius, or no longer shrink."""
    last = np.inf
    for _ in range(REFINEMENTS):
        gradient = exact_gradient(problem, theta).mid
        try:
            hessian = problem.net.at(theta, problem.x, problem.y).hessian("total")
            step = np.linalg.solve(hessian, gradient)
        except (np.linalg.LinAlgError, NetworkOverflowError):
            return theta
        with np.errstate(over="ignore"):
            length = float(np.linalg.norm(step))
        if not length < 0.5 * last or length > 1e-3 * (1.0 + float(np.linalg.norm(theta))):
            return theta
        theta, last = theta - step, length
        if length < 1e-3 * radius:
            return theta
    return theta


@np.errstate(over="ignore", invalid="ignore")  # what overflows is not finite, and proves nothing
def _prove(problem: Problem, theta: Real, gradient: BallArray, radius: float) -> Proof | Unproved:
    enclosure = enclosed_hessian(problem, theta, radius)
    if not (np.isfinite(enclosure.mid).all() and np.isfinite(enclosure.rad).all()):
        return Unproved("the Hessian overflows")
    basis = _Eigenbasis.of(enclosure.mid)
    if basis is None:
        return Unproved("the computed eigenvectors are not orthogonal")
    defect = basis.defect(enclosure.rad)
    size = float(np.abs(basis.values).min())
    if not defect < size:
        return Unproved(
            f"the Hessian may be singular: its least eigenvalue is {size:.3g} in modulus, "
            f"the error {defect:.3g}"
        )
    contraction = up_number(basis.condition * defect / size, 4)
    if not contraction < 1.0:
        return Unproved(f"Newton's map need not contract: its factor is {contraction:.3g}")
    length = up_number(basis.step_above(gradient) / (1.0 - contraction), 4)
    if not length <= radius:
        return Unproved(f"the nearest critical point may lie {length:.3g} away")
    index = int(np.count_nonzero(basis.values < 0.0))
    gap = (size - defect) / (1.0 + basis.orthogonality) * (1.0 - 1e-12)
    return Proof(theta, length, radius, index, gap, contraction)


@dataclass(frozen=True, eq=False)
class _Eigenbasis:
    """Computed eigenvectors and eigenvalues, and how wrong they may be."""

    values: Real
    vectors: Real
    orthogonality: float
    defect_of_midpoint: float

    @classmethod
    def of(cls, matrix: Real) -> _Eigenbasis | None:
        from scipy.linalg import eigh

        values, vectors = eigh(matrix, driver="evd", check_finite=False)
        p = len(values)
        product = vectors.T @ vectors
        product[np.diag_indices(p)] -= 1.0
        length = frobenius_above(vectors)
        e = frobenius_above(product) + gamma(p + 1) * length * length + 1e-15
        if not e < 0.5:
            return None
        image = matrix @ vectors
        rounding = gamma(p) * frobenius_above(matrix) * length
        product = vectors.T @ image
        product[np.diag_indices(p)] -= values
        rounding = 2.0 * rounding + gamma(p + 1) * (
            length * frobenius_above(image) + frobenius_above(values)
        )
        return cls(
            values,
            vectors,
            up_number(e, 8),
            up_number(frobenius_above(product) + rounding, 16),
        )

    @property
    def condition(self) -> float:
        """A number above sqrt((1 + e)/(1 - e))."""
        e = self.orthogonality
        return up_number(math.sqrt((1.0 + e) / (1.0 - e)), 8)

    def defect(self, radii: Real) -> float:
        """Return f for a matrix within the radii of the midpoint."""
        over = (1.0 + self.orthogonality) * spectral_radius_above(radii)
        return up_number(self.defect_of_midpoint + over, 8)

    def step_above(self, gradient: BallArray) -> float:
        """Return a number above the norm of C g."""
        p, e = len(self.values), self.orthogonality
        inverse = 1.0 / self.values
        along = self.vectors.T @ gradient.mid
        size = frobenius_above(gradient.mid)
        error = math.sqrt(1.0 + e) * (gamma(p) * size + frobenius_above(gradient.rad))
        length = frobenius_above(along * inverse) + error * frobenius_above(inverse)
        return up_number(math.sqrt(1.0 + e) * length, 16)

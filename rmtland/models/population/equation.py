r"""The equation of the population Hessian: scalars, one set for each singular value of W2.

In the notation of `rmtland.models.population.population_hessian`, the network is replaced by its
Gaussian equivalent, h = c1 W1 X + c* Theta with Theta Gaussian and slopes D that are a diagonal
matrix free from all else. Singular vectors of W2 act on another tensor factor than X, W1 and Theta
do: for a singular value sqrt(w), the matrix [[z, -J^T], [-J, 1]] / sqrt(m) is written linearly in
X, W1, Theta and D, with fields s, q, q' and p on the samples, b, k, k' on the inputs and a on the
hidden units,

* s: 1, a: z, b: z on the diagonal; q'-p and k-k': 1;
* a-s: -c* Theta/sqrt m, a-k: c1 W1, k'-s: X^T/sqrt m, b-p: -X^T/sqrt m;
* s-q: sqrt w, q-q': D.

Integrating q, the slopes enter by Omega only, the self-energy that subordination gives (q, q'),

.. math::
    E_w \, [M_{qq'}] = g = E_D \Bigl[\Omega + g^{-1} - \begin{pmatrix} 0 & D \\ D & 0 \end{pmatrix}
    \Bigr]^{-1} ,

where g has the entries w M_ss, sqrt(w) M_sq' and M_q'q' of the matrix with Omega in the place of D,
averaged over the singular values on the side of the hidden units. Given Omega, the traces of the
resolvent at w solve with e = s1 c1^2 n1/n0, rho = n0/m, u = M_pp, y = M_sp/sqrt w and a mean over
eigenvalues sigma of the data covariance

.. math::
    \Delta(\sigma) &= (z - \sigma u)(e \sigma M_a M_{ss} - 1) + e w \sigma^2 M_a y^2, \\
    S_{pp} &= \rho E \frac{\sigma (e \sigma M_a M_{ss} - 1)}{\Delta}, \qquad
    S_{sp} = - \rho E \frac{\sigma^2 e M_a y}{\Delta} \sqrt w, \qquad
    S_{ss} = - \rho E \frac{\sigma e M_a (z - \sigma u)}{\Delta} + \frac{n_1}{m} c_*^2 M_a, \\
    S_a &= c_*^2 M_{ss} - s_1 c_1^2 E \frac{(z - \sigma u) \sigma M_{ss} + w \sigma^2 y^2}{\Delta} ,

M_a = 1/(z - S_a) and, on the samples,

.. math:: M = \begin{pmatrix} 1 - w\Omega_{11} - S_{ss} & -\sqrt w \Omega_{12} & -S_{sp} \\
    \cdot & -\Omega_{22} & 1 \\ \cdot & \cdot & -S_{pp} \end{pmatrix}^{-1} .

Averages over w are taken on a path off the real axis (`rmtland.models.linear.linear_hessian`),
which keeps every node away from its edges: below the axis, or above it where the factor of -w in
1/M_ss has a negative real part, so that w adds to the imaginary part. About a hundred nodes do for
all real z.

References
----------
.. [1] S. T. Belinschi, T. Mai and R. Speicher, Analytic subordination theory of operator-valued
       free additive convolution and the solution of a general random matrix problem, J. reine
       angew. Math. 732 (2017) 21-53.
.. [2] J. Pennington and P. Worah, Nonlinear random matrix theory for deep learning, NIPS 2017:
       the features as a linear and an independent part.

Examples
--------
>>> rule = activation_rule("relu", 1.0)
>>> rule.slopes, rule.masses, round(rule.mean_square, 12)
(array([0., 1.]), array([0.5, 0.5]), 0.5)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from rmtland.arguments import dense_array
from rmtland.laws import Law
from rmtland.networks.activation import Activation, activation as activation_of
from rmtland.typing import ArrayLike, NumpyArray

__all__ = ["ActivationRule", "activation_rule", "covariance_rule", "node_map", "slope_average"]

Real = NumpyArray  # float64
Complex = NumpyArray  # complex128

_REACH = 12.0
_POINTS = 65
_MOST = 2**13
_NODES = 24


class ActivationRule(NamedTuple):
    """An activation under z ~ N(0, variance): values at nodes, and Hermite coefficients."""

    nodes: Real
    weights: Real
    curvatures: Real | None  # f'' at the nodes
    node_slopes: Real
    slopes: Real  # distinct values of f'
    masses: Real
    mean: float  # c0 = E f
    slope: float  # c1 = E f'
    rest: float  # c*^2 = E f^2 - c0^2 - variance c1^2
    mean_square: float  # E f^2


def activation_rule(name: str | Activation, variance: float, *, refined: int = 1) -> ActivationRule:
    """Return a quadrature rule on either side of zero, and what follows from it.

    Parameters
    ----------
    name : str or Activation
        The activation.
    variance : float
        Variance of z, > 0.
    refined : int
        How often the steps are halved beyond what the averages need.

    Raises
    ------
    ValueError
        If the averages do not converge, or f is constant.
    """
    f = activation_of(name)
    points, last = _POINTS, None
    while True:
        rule = _rule(f, variance, points)
        sums = np.array([rule.mean_square, rule.masses @ rule.slopes**2])
        if last is not None and np.abs(sums - last).max() <= 1e-11 * sums.max():
            break
        if points > _MOST or not np.isfinite(sums).all():
            raise ValueError(
                f"the Gaussian averages of {f.name!r} at variance {variance:g} do not converge; is "
                "it smooth except at 0?"
            )
        points, last = 2 * points - 1, sums
    if not sums[1] > 0:
        raise ValueError(f"the activation {f.name!r} is constant")
    return _rule(f, variance, (points - 1) // 2 * 2**refined // 2 + 1)


def _rule(f: Activation, variance: float, points: int) -> ActivationRule:
    """Rule with the map |z| = exp(t - exp(-t)), which puts nodes on all scales."""
    deviation = math.sqrt(variance)
    unit = min(1.0, deviation)
    t = np.linspace(-4.0, math.log(_REACH * deviation / unit) + 0.1, points)
    positive = unit * np.exp(t - np.exp(-t))
    weights = np.exp(-0.5 * (positive / deviation) ** 2) * positive * (1 + np.exp(-t))
    kept = weights > 1e-18 * weights.max()
    nodes = np.concatenate([positive[kept], -positive[kept]])
    weights = np.tile(weights[kept], 2)
    weights /= weights.sum()
    value = np.asarray(f.value(nodes), dtype=np.float64)
    slope = np.asarray(f.slope(nodes, value), dtype=np.float64)
    bend = None if f.curvature is None else np.asarray(f.curvature(nodes, value), dtype=np.float64)
    # Signs of z often share a slope, and piecewise linear functions have few.
    size = np.abs(slope).max()
    rounded = np.round(slope / size, 14) if size > 0 else slope
    distinct, place = np.unique(rounded, return_inverse=True)
    masses = np.asarray(np.bincount(place, weights=weights), dtype=np.float64)
    slopes = np.bincount(place, weights=weights * slope) / masses
    if distinct.size <= 4:
        slopes = np.array([slope[np.argmax(rounded == each)] for each in distinct])
        masses = np.round(masses, 13)
        masses /= masses.sum()
    mean, first = float(weights @ value), float(weights @ slope)
    square = float(weights @ value**2)
    rest = square - mean**2 - variance * first**2
    if rest < 1e-13 * square:
        rest = 0.0
    return ActivationRule(nodes, weights, bend, slope, slopes, masses, mean, first, rest, square)


def covariance_rule(covariance: ArrayLike | Law, *, nodes: int = _NODES) -> tuple[Real, Real]:
    """Return nodes and weights of the law of the eigenvalues of the data covariance.

    Parameters
    ----------
    covariance : float, array_like of shape (n0,) or Law
        A multiple of the identity, eigenvalues, or their law.
    nodes : int
        Largest number of nodes kept: of more eigenvalues, the Gauss rule of that size.

    Raises
    ------
    TypeError
        If the covariance is not made of real numbers.
    ValueError
        If an eigenvalue is negative or not finite, or all are zero.
    """
    if isinstance(covariance, Law):
        places, masses = [], []
        for place, mass in covariance.atoms:
            places.append(np.array([place]))
            masses.append(np.array([mass]))
        for low, high in covariance.support:
            angles = np.pi * (np.arange(8 * nodes) + 0.5) / (8 * nodes)
            x = (low + high) / 2 - (high - low) / 2 * np.cos(angles)
            places.append(x)
            masses.append(covariance._pdf(x) * (high - low) / 2 * np.sin(angles) * np.pi / x.size)
        values, weights = np.concatenate(places), np.concatenate(masses)
    else:
        values = dense_array("covariance", covariance).ravel()
        if values.dtype.kind not in "iuf":
            raise TypeError(
                "covariance must be a number, eigenvalues or a Law; got "
                f"{type(covariance).__name__} of dtype {values.dtype}"
            )
        values = values.astype(np.float64)
        weights = np.ones(values.size)
    if not (values.size and np.isfinite(values).all() and values.min() >= 0 and values.max() > 0):
        raise ValueError(
            "covariance must be a number > 0, eigenvalues >= 0 that are not all 0, or their law"
        )
    values, index = np.unique(values, return_inverse=True)
    weights = np.asarray(np.bincount(index.ravel(), weights=weights), dtype=np.float64)
    weights /= weights.sum()
    if values.size <= nodes:
        return values, weights
    zero = float(weights[values == 0].sum())
    values, weights = values[values > 0], weights[values > 0]
    # Lanczos with the eigenvalues as a diagonal matrix, reorthogonalised
    basis = np.zeros((nodes, values.size))
    diagonal, beside = np.zeros(nodes), np.zeros(nodes)
    vector = np.sqrt(weights / weights.sum())
    for j in range(nodes):
        basis[j] = vector
        image = values * vector
        diagonal[j] = vector @ image
        for _ in range(2):
            image = image - basis[: j + 1].T @ (basis[: j + 1] @ image)
        beside[j] = np.linalg.norm(image)
        if beside[j] <= 1e-13 * values.max():
            nodes = j + 1
            break
        vector = image / beside[j]
    matrix = np.diag(diagonal[:nodes])
    matrix += np.diag(beside[: nodes - 1], 1) + np.diag(beside[: nodes - 1], -1)
    found, vectors = np.linalg.eigh(matrix)
    shares = vectors[0] ** 2 * (1 - zero)
    if zero:
        found, shares = np.append(found, 0.0), np.append(shares, zero)
    return np.maximum(found, 0.0), shares


def node_map(
    z: complex, w: Complex, x: Complex, omega: Complex, sizes: Real, sigma: Real, share: Real
) -> tuple[Complex, Complex]:
    """Apply the equation at nodes w, shape (k,): the reference of the compiled one.

    Parameters
    ----------
    z : complex
        The point.
    w : ndarray, shape (k,)
        Squares of singular values of W2.
    x : ndarray, shape (k, 4)
        M_ss, M_sp / sqrt w, M_pp and M_a.
    omega : ndarray, shape (3,)
        Entries 11, 12 and 22 of Omega.
    sizes : ndarray, shape (5,)
        e, s1 c1^2, c*^2, n0/m and n1/m.
    sigma, share : ndarray
        Eigenvalues of the data covariance and their weights.

    Returns
    -------
    (ndarray, ndarray)
        What the equation makes of x, and w M_ss, sqrt(w) M_sq', M_q'q', shape (k, 3).
    """
    spread, load, noise, aspect, width = sizes
    inner = np.zeros((x.shape[0], 3, 3), dtype=np.complex128)  # of b, k, k', over sigma
    root = np.sqrt(w.astype(np.complex128))
    energy = np.zeros((x.shape[0], 3, 3), dtype=np.complex128)  # of s, q', p
    tail = np.zeros(x.shape[0], dtype=np.complex128)
    for s, weight in zip(sigma, share, strict=True):
        inner[:, 0, 0] = z - s * x[:, 2]
        inner[:, 0, 2] = inner[:, 2, 0] = s * root * x[:, 1]
        inner[:, 1, 1] = -spread * x[:, 3]
        inner[:, 1, 2] = inner[:, 2, 1] = 1
        inner[:, 2, 2] = -s * x[:, 0]
        m = np.linalg.inv(inner)
        energy[:, 2, 2] += weight * s * aspect * m[:, 0, 0]
        energy[:, 0, 2] -= weight * s * aspect * m[:, 0, 2]
        energy[:, 0, 0] += weight * s * aspect * m[:, 2, 2]
        tail += weight * m[:, 1, 1]
    energy[:, 2, 0] = energy[:, 0, 2]
    energy[:, 0, 0] += width * noise * x[:, 3]
    outer = -energy
    outer[:, 0, 0] += 1 - w * omega[0]
    outer[:, 0, 1] = outer[:, 1, 0] = -root * omega[1]
    outer[:, 1, 1] = -omega[2]
    outer[:, 1, 2] = outer[:, 2, 1] = 1
    m = np.linalg.inv(outer)
    y = m[:, 0, 2] / root
    a = 1 / (z - noise * x[:, 0] - load * tail)
    block = np.stack([w * m[:, 0, 0], root * m[:, 0, 1], m[:, 1, 1]], axis=1)
    return np.stack([m[:, 0, 0], y, m[:, 2, 2], a], axis=1), block


def slope_average(omega: Complex, block: Complex, slopes: Real, masses: Real) -> Complex:
    """Mean of (Omega + g^{-1} - [[0, d], [d, 0]])^{-1} over slopes: entries 11, 12 and 22."""
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    matrix = np.array([[omega[0], omega[1]], [omega[1], omega[2]]])
    matrix = matrix + np.linalg.inv(np.array([[block[0], block[1]], [block[1], block[2]]]))
    mean = np.einsum("i,ijk->jk", masses, np.linalg.inv(matrix - slopes[:, None, None] * swap))
    return np.array([mean[0, 0], mean[0, 1], mean[1, 1]])

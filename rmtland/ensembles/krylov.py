r"""Krylov sampling: Lanczos tridiagonals of random matrices of any size, in O(k^3).

For a symmetric H of size n and a start vector v_0, uniform on the sphere, k steps of Lanczos give
the tridiagonal with diagonal alpha_0 ... alpha_{k-1} and off-diagonal beta_1 ... beta_{k-1}. Where
H is made of factors that are invariant under rotations these numbers can be drawn without H. Of
such a factor only the action on the vectors it met is known; the next result is a known part plus
a fresh one that is uniform in the complement of all that was seen. A vector is kept by its
coordinates in a growing orthonormal basis, and a fresh Gaussian vector has independent N(0, 1)
coordinates on the D known directions and a chi_{n-D} one on a single new direction. So only the
degrees of freedom know n.

- Wigner: W v = known part + fresh Gaussian off the vectors met, sqrt 2 as large along v. The
  known part lies along earlier Lanczos vectors and drops out of the recursion.
- Wishart X X^T: both X and X^T are revealed on growing orthonormal sets. In a sum of Wishart and
  Wigner matrices the Lanczos vectors become the coordinates, by one Householder reflection a step,
  so that only the images of the right vectors are stored.
- Q b Q^T with Haar Q: the isometry Q^T is known on an orthonormal set; a new direction goes to a
  uniform one of the space of b. There the eigenvalue of multiplicity m is a block: a uniform vector
  has one new chi coordinate in each block, which makes the Dirichlet weights of a vector
  on the spectrum exact for any multiplicities.
- ReLU block Q [[0, B], [B^T, 0]] Q^T with B = E X^T: a Haar isometry onto two blocks, and in these
  two Gaussian factors.
- Products D (sum) D with D^2 diagonal in a space of blocks. The product of two Wishart matrices is
  A B B^T A^T with rectangular Gaussians A and B: the law of its eigenvalues depends on the
  dimensions in a symmetric way [2]_, and by invariance the weights are those of a uniform vector
  whatever the eigenvalues.

At n = inf every chi becomes the root of its degrees of freedom and the bounded normals vanish;
what is left is the tridiagonal of the limit law, free probability included.

Exact in distribution at every finite n: all Gaussian, Wishart and ReLU factors, and spectra given
as eigenvalues or discrete laws (whose multiplicities are rounded to integers of sum n). A
continuous law stands for its n quantiles (i + 1/2)/n, taken one by one up to n = 4096; beyond, the
tridiagonal is drawn from the limit law of the whole (`law_jacobi`), exact up to O(1/n) against
fluctuations of O(n^(-1/2)), or, where that limit is not given, with the 2k Gauss nodes of the law
as eigenvalues, which changes its moments by O(1/n).

Rounding behaves as in Lanczos on a matrix with full reorthogonalisation. A given eigenvalue of any
multiplicity, and the null space of a product, is met once, as it should be. The null space of a sum
of factors of low rank is not known as a block: an isolated atom there may be met again after some
hundred steps, as a node at zero that shares its weight.

References
----------
.. [1] A. Edelman and N. R. Rao, Random matrix theory, Acta Numerica 14 (2005) 233-297, section 6
       (chi-distributed tridiagonals).
.. [2] J. R. Ipsen and M. Kieburg, Weak commutation relations and eigenvalue statistics for
       products of rectangular random matrices, Physical Review E 89 (2014) 032106.

Examples
--------
>>> factors = [WishartFactor(0.5), GaussianFactor(0.6)]
>>> alpha, beta = jacobi_coefficients(factors, 1e12, 5, [np.random.default_rng(1)])
>>> limit, _ = jacobi_coefficients(factors, math.inf, 5, [])
>>> bool(abs(alpha - limit).max() < 1e-5)
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import choice, count, float_array, nonnegative, positive
from rmtland.deferred import kernel_threads
from rmtland.ensembles.entries import columns
from rmtland.ensembles.krylov_quadrature import law_jacobi, law_nodes, quadrature
from rmtland.ensembles.quantiles import multiplicities, point_multiplicities
from rmtland.laws import Discrete, Law
from rmtland.typing import NumpyArray, Real

__all__ = [
    "GaussianFactor",
    "HaarFactor",
    "ReluBlockFactor",
    "SpikeFactor",
    "WishartFactor",
    "jacobi_coefficients",
    "law_jacobi",
    "quadrature",
]


_MOST_QUANTILES = 4096  # size up to which a continuous law is taken quantile by quantile
_WORTH_THREADS = 2_000_000  # runs x steps^3 from which on several threads pay


@dataclass(frozen=True)
class GaussianFactor:
    """GOE matrix of size n: entries N(0, variance/n), twice that on the diagonal."""

    variance: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", nonnegative("variance", self.variance))


@dataclass(frozen=True)
class WishartFactor:
    """X X^T with X of shape (n, q), entries N(0, variance/q), q = max(1, round(n/aspect_ratio))."""

    aspect_ratio: float
    variance: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "aspect_ratio", positive("aspect_ratio", self.aspect_ratio))
        object.__setattr__(self, "variance", nonnegative("variance", self.variance))

    def columns(self, n: float) -> float:
        """Return the number q of columns; relative to n at n = inf."""
        if math.isinf(n):
            return 1 / self.aspect_ratio
        return float(columns(n, self.aspect_ratio))

    def gain(self, n: float) -> float:
        """Return the factor of X X^T where X has entries of variance 1/n."""
        return self.variance / self.columns(n) * (1.0 if math.isinf(n) else n)


@dataclass(frozen=True)
class ReluBlockFactor:
    """Q [[0, B], [B^T, 0]] Q^T with Q Haar and B = sqrt(2 epsilon)/(2k) E X^T.

    E and X have n // 2 and n - n // 2 rows, k = max(1, round(n / (2 phi))) columns and
    independent N(0, 1) entries: the second factor of `WishartPlusReluBlock`, made free.
    """

    phi: float
    epsilon: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "phi", positive("phi", self.phi))
        object.__setattr__(self, "epsilon", nonnegative("epsilon", self.epsilon))

    def sizes(self, n: float) -> tuple[float, float, float]:
        """Return the rows of E, the rows of X, the columns of both; relative to n at n = inf."""
        if math.isinf(n):
            return 0.5, 0.5, 0.5 / self.phi
        return float(n // 2), float(n - n // 2), float(columns(n, 2 * self.phi))

    def gain(self, n: float) -> float:
        """Return the factor of E X^T where E and X have entries of variance 1/n."""
        unit = 1.0 if math.isinf(n) else n
        return math.sqrt(2 * self.epsilon) * unit / (2 * self.sizes(n)[2])


@dataclass(frozen=True, eq=False)
class HaarFactor:
    """Q b Q^T with Q Haar orthogonal.

    Parameters
    ----------
    operand : Law or array_like of float, shape (n,)
        Law of the eigenvalues b, or the eigenvalues.
    """

    operand: Law | NumpyArray

    def __post_init__(self) -> None:
        if not isinstance(self.operand, Law):
            values = float_array("operand", self.operand, ndim=1).copy()
            values.flags.writeable = False
            object.__setattr__(self, "operand", values)

    @property
    def is_continuous(self) -> bool:
        """Whether the operand is a law that is not a sum of point masses."""
        return isinstance(self.operand, Law) and bool(self.operand.support)

    def blocks(self, n: float, steps: int) -> tuple[Real, Real]:
        """Return distinct eigenvalues and their multiplicities, relative to n at n = inf.

        Raises
        ------
        ValueError
            If eigenvalues are given and their number is not n.
        """
        law = self.operand
        if not isinstance(law, Law):
            if law.size != n and not math.isinf(n):
                raise ValueError(
                    f"a matrix of size {n:.0f} has {n:.0f} eigenvalues; got {law.size} "
                    "(a law fits any n)"
                )
            values, counts = np.unique(law, return_counts=True)
            return values, counts / (law.size if math.isinf(n) else 1)
        if self.is_continuous and n <= _MOST_QUANTILES:
            return multiplicities(law, int(n))
        if self.is_continuous:
            nodes = law_nodes(law, steps if math.isinf(n) else 2 * steps)
            law = Discrete(tuple(nodes[0]), tuple(nodes[1]))
        if math.isinf(n):
            values, masses = (np.array(column) for column in zip(*law.atoms, strict=True))
            return values, masses
        return point_multiplicities(law, n)


@dataclass(frozen=True)
class SpikeFactor:
    """Q diag(spikes, rest, ..., rest) Q^T with Q Haar orthogonal: finite rank beside a multiple.

    Parameters
    ----------
    spikes : tuple of float
        Eigenvalues that occur once each; at n = inf they have no mass.
    rest : float
        All other eigenvalues.
    """

    spikes: tuple[float, ...]
    rest: float = 0.0

    is_continuous = False

    def blocks(self, n: float, steps: int) -> tuple[Real, Real]:
        """Return distinct eigenvalues and their multiplicities, relative to n at n = inf."""
        if math.isinf(n):
            return np.array([self.rest]), np.ones(1)
        values, counts = np.unique(self.spikes, return_counts=True)
        places = np.append(values, self.rest)
        sizes = np.append(counts, n - len(self.spikes)).astype(np.float64)
        return places[sizes > 0], sizes[sizes > 0]


Factor = GaussianFactor | WishartFactor | ReluBlockFactor | HaarFactor | SpikeFactor


def jacobi_coefficients(
    factors: Sequence[Factor],
    n: float,
    steps: int,
    generators: Sequence[np.random.Generator],
    *,
    operation: str = "sum",
    limit: Law | Callable[[], Law] | None = None,
) -> tuple[Real, Real]:
    """Lanczos tridiagonals of a sum or product of rotation-invariant random matrices.

    Parameters
    ----------
    factors : sequence of factors
        For a sum any number of `GaussianFactor`, `WishartFactor`, `ReluBlockFactor`,
        `HaarFactor` and `SpikeFactor`; for a product A^(1/2) B A^(1/2) two that are
        `WishartFactor`, or `HaarFactor` or `SpikeFactor` without negative eigenvalues.
    n : float
        Size of the matrices, an integer up to 2^53, or infinity for the limit.
    steps : int
        Number k of Lanczos steps; more than n give zeros.
    generators : sequence of numpy.random.Generator
        One a run; not used at n = inf. The result of a run depends on its generator alone.
    operation : {"sum", "product"}
        How the factors are joined.
    limit : Law or callable, optional
        Limit law of the whole, or what returns it when it is needed: where the factors hold a
        continuous law and n is large.

    Returns
    -------
    alpha, beta : ndarray
        Shapes (runs, k) and (runs, k - 1), off-diagonals >= 0; zeros after the Krylov space ends.
        At n = inf one row at least, all equal.

    Raises
    ------
    ValueError
        If the size, the factors or the operation do not fit.
    TypeError
        If a factor is none of the above.
    """
    n, steps = _size(n), count("steps", steps)
    choice("operation", operation, ("sum", "product"))
    for factor in factors:
        if not isinstance(factor, Factor):
            raise TypeError(f"a factor must be one of {Factor}; got {factor!r}")
    if not factors:
        raise ValueError("at least one factor is needed")
    if limit is not None and n > _MOST_QUANTILES and any(map(_is_continuous, factors)):
        return law_jacobi(limit if isinstance(limit, Law) else limit(), n, steps, generators)
    kernel, arguments = (_sum if operation == "sum" else _product)(factors, n, steps)
    unit = 0.0 if math.isinf(n) else 1 / math.sqrt(n)
    runs = 1 if math.isinf(n) else len(generators)
    alpha, beta = np.zeros((runs, steps)), np.zeros((runs, steps - 1))

    def draw(run: int) -> None:
        generator = np.random.default_rng(0) if math.isinf(n) else generators[run]
        kernel(generator, unit, n, *arguments, alpha[run], beta[run])

    threads = min(runs, kernel_threads())
    if threads > 1 and runs * steps**3 > _WORTH_THREADS:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(draw, range(runs)))
    else:
        for run in range(runs):
            draw(run)
    if math.isinf(n) and len(generators) > 1:
        alpha, beta = (np.repeat(rows, len(generators), axis=0) for rows in (alpha, beta))
    return alpha, beta


def _size(n: float) -> float:
    if isinstance(n, float | np.floating) and math.isinf(n) and n > 0:
        return math.inf
    size = count("n", n)
    if size > 2**53:
        raise ValueError(f"n must be at most 2^53, or infinite; got {size}")
    return float(size)


def _is_continuous(factor: Factor) -> bool:
    return isinstance(factor, HaarFactor | SpikeFactor) and factor.is_continuous


def _sum(
    factors: Sequence[Factor], n: float, steps: int
) -> tuple[Callable[..., None], tuple[object, ...]]:
    """Kernel and its arguments for a sum."""
    from rmtland.ensembles.krylov_kernels import (  # numba loads at first use
        Factors,
        lazy_factors,
        wishart_plus_wigner,
    )

    unit = 1.0 if math.isinf(n) else n
    variance = sum(f.variance for f in factors if isinstance(f, GaussianFactor))
    noise = math.sqrt(variance)
    wisharts = [f for f in factors if isinstance(f, WishartFactor) and f.variance]
    relus = [f for f in factors if isinstance(f, ReluBlockFactor) and f.epsilon]
    spectra = _spectra(factors, n, steps)
    shift = math.fsum(values[0] for values, _ in spectra if values.size == 1)
    spectra = sorted((s for s in spectra if s[0].size > 1), key=lambda s: s[0].size)
    widths = np.array([f.columns(n) for f in wisharts])
    gains = np.array([f.gain(n) for f in wisharts])
    if not spectra and not relus:
        return wishart_plus_wigner, (widths, gains, noise, shift)
    if spectra:
        values, sizes = spectra.pop(0)
    else:
        values, sizes = np.zeros(1), np.array([unit])
    described = Factors(
        sizes,
        values + shift,
        np.ones(sizes.size),
        noise,
        widths,
        np.zeros(widths.size),
        gains,
        *_stack(spectra),
        *_blocks(relus, n),
    )
    return lazy_factors, (described,)


def _product(
    factors: Sequence[Factor], n: float, steps: int
) -> tuple[Callable[..., None], tuple[object, ...]]:
    """Kernel and its arguments for A^(1/2) B A^(1/2); A and B may be exchanged."""
    from rmtland.ensembles.krylov_kernels import Factors, lazy_factors  # numba loads at first use

    allowed = WishartFactor | HaarFactor | SpikeFactor
    if len(factors) != 2 or not all(isinstance(f, allowed) for f in factors):
        raise ValueError(
            "a product takes two factors, each a WishartFactor, HaarFactor or SpikeFactor; "
            f"got {list(factors)}"
        )
    unit = 1.0 if math.isinf(n) else n
    spectra = _spectra(factors, n, steps)
    wisharts = [f for f in factors if isinstance(f, WishartFactor)]
    for values, _ in spectra:
        if values.min() < 0:
            raise ValueError(
                f"factors of a product need eigenvalues >= 0; got one of {values.min()}"
            )
    widths = np.array([f.columns(n) for f in wisharts])
    gains = np.array([f.gain(n) for f in wisharts])
    inner = np.zeros(widths.size)
    if not spectra:
        # A null space is a block of its own: within the other, rounding would find it again
        few, middle, many = np.sort([unit, *widths])
        sizes, roots = np.array([unit]), np.ones(1)
        if few < unit:
            sizes, roots = np.array([few, unit - few]), np.array([1.0, 0.0])
        widths, inner, gains = np.array([many]), np.array([middle]), np.array([gains.prod()])
    else:
        values, sizes = spectra.pop(0)
        roots = np.sqrt(values)
    described = Factors(
        sizes,
        np.zeros(sizes.size),
        roots,
        0.0,
        widths,
        inner,
        gains,
        *_stack(spectra),
        *_blocks([], n),
    )
    return lazy_factors, (described,)


def _spectra(factors: Sequence[Factor], n: float, steps: int) -> list[tuple[Real, Real]]:
    """Eigenvalues and multiplicities of the factors that have given ones."""
    return [f.blocks(n, steps) for f in factors if isinstance(f, HaarFactor | SpikeFactor)]


def _stack(spectra: list[tuple[Real, Real]]) -> tuple[NDArray[np.int64], Real, Real]:
    """Several spectra as flat arrays: starts, multiplicities, values."""
    starts = np.cumsum([0, *(values.size for values, _ in spectra)])
    empty = [np.zeros(0)]
    sizes = np.concatenate([*(sizes for _, sizes in spectra), *empty])
    return starts, sizes, np.concatenate([*(values for values, _ in spectra), *empty])


def _blocks(relus: list[ReluBlockFactor], n: float) -> tuple[Real, Real]:
    """Sizes (factors, 3) and gains of ReLU block factors."""
    sizes = np.array([f.sizes(n) for f in relus]).reshape(-1, 3)
    return sizes, np.array([f.gain(n) for f in relus])

r"""Eigenpairs at the ends of the spectrum, largest in modulus, or next to a point, with residuals.

SciPy's thick-restart Lanczos (ARPACK [1]_) does the work; a small matrix is diagonalised. Each pair
comes with the norm of its residual, which bounds the distance to an eigenvalue:

.. math:: \min_i |\lambda_i - \theta| \le \|A u - \theta u\| , \qquad \|u\| = 1 .

Eigenvalues next to a point need the matrix itself, for shift-invert.

Synonyms: top eigenvalues, power iteration, sharpness (the largest eigenvalue), spectral norm.

References
----------
.. [1] R. B. Lehoucq, D. C. Sorensen and C. Yang, ARPACK Users' Guide, SIAM 1998.

Examples
--------
>>> import numpy as np
>>> values = np.append(np.linspace(-1.0, 1.0, 498), [4.0, 9.0])
>>> pairs = extremal_eigenpairs(lambda v: values * v, 2, which="largest", size=500, rng=0)
>>> np.round(pairs.values, 10), bool(pairs.residuals.max() < 1e-8)
(array([4., 9.]), True)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import choice, count, finite, positive
from rmtland.estimate.lanczos import Lanczos
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.radau import gauss
from rmtland.solution import ConvergenceError
from rmtland.streams import streams
from rmtland.typing import Real, Rng

__all__ = ["Eigenpairs", "extremal_eigenpairs"]

_WHICH = {"largest": "LA", "smallest": "SA", "magnitude": "LM", "nearest": "LM"}
_DENSE = 512
_NORM_STEPS = 6
_SHIFT = 3.0
"""Of an eigenvalue, in units of a norm that is known within a factor below 3."""


class Eigenpairs(NamedTuple):
    """Eigenvalues in ascending order, their vectors, and how well they fit.

    Parameters
    ----------
    values : ndarray, shape (k,)
        Eigenvalues.
    vectors : ndarray, shape (p, k)
        Unit eigenvectors, in columns.
    residuals : ndarray, shape (k,)
        Norms of A u - value u: an eigenvalue lies within that of each value.
    products : int
        Products spent.
    """

    values: Real
    vectors: NDArray[Any]
    residuals: Real
    products: int


def extremal_eigenpairs(
    operator: Any,
    k: int = 6,
    *,
    which: str = "both",
    near: float = 0.0,
    tol: float = 1e-9,
    max_steps: int | None = None,
    rng: Rng = None,
    size: int | None = None,
) -> Eigenpairs:
    """Return eigenpairs at the ends of the spectrum, with residual norms.

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    k : int, optional
        How many; for "both", at each end.
    which : {"both", "largest", "smallest", "magnitude", "nearest"}, optional
        From both ends; the largest or smallest; the largest in modulus; those next to `near`, for
        which the matrix itself is needed (shift-invert).
    near : float, optional
        The point, for "nearest".
    tol : float, optional
        Largest residual that is accepted, relative to the largest modulus of an eigenvalue; at
        least 100 rounding units of the operator's precision.
    max_steps : int, optional
        Restarts of Lanczos that are allowed; ten times the size by default.
    rng : optional
        Draws the start vector; anything `numpy.random.default_rng` takes.
    size : int, optional
        Order of the matrix, for a function.

    Returns
    -------
    Eigenpairs
        In ascending order.

    Raises
    ------
    ConvergenceError
        If a residual is larger than the tolerance.
    ValueError
        For more eigenvalues than there are, or "nearest" without a matrix.
    """
    found = symmetric_operator(operator, size=size)
    k, tol, near = count("k", k), positive("tol", tol), finite("near", near)
    choice("which", which, ("both", *_WHICH))
    max_steps = None if max_steps is None else count("max_steps", max_steps)
    wanted = 2 * k if which == "both" else k
    if which == "both":
        wanted = min(wanted, found.size)
    if wanted > found.size:
        raise ValueError(f"{k} eigenpairs were asked for, the matrix has {found.size}")
    before = found.products
    if found.size <= _DENSE or 2 * wanted >= found.size or wanted >= found.size - 1:
        values, vectors, scale = _dense(found, wanted, which, near)
    else:
        values, vectors, scale = _iterated(found, k, which, near, tol, max_steps, rng)
    images = np.concatenate(
        [found.matmat(vectors[:, i : i + 8]) for i in range(0, vectors.shape[1], 8)], axis=1
    )
    residuals = np.linalg.norm(images - vectors * values, axis=0)
    unit = float(np.finfo(found.dtype).eps)
    limit = max(tol, 100 * unit * np.sqrt(found.size)) * max(scale, float(np.abs(values).max()))
    if residuals.max() > limit:
        raise ConvergenceError(
            f"the residual of an eigenpair is {residuals.max():.3g}, {limit:.3g} was asked for, "
            f"after {found.products - before} products; give a larger tol or max_steps"
        )
    return Eigenpairs(values, vectors, residuals, found.products - before)


def _dense(
    operator: SymmetricOperator, wanted: int, which: str, near: float
) -> tuple[Real, NDArray[Any], float]:
    """Diagonalise and choose; return the norm of the matrix too."""
    values, vectors = np.linalg.eigh(operator.dense())
    size = len(values)
    if which == "both":
        chosen = np.r_[0 : (wanted + 1) // 2, size - wanted // 2 : size]
    elif which in ("largest", "smallest"):
        chosen = np.arange(size - wanted, size) if which == "largest" else np.arange(wanted)
    else:
        distance = np.abs(values - near) if which == "nearest" else -np.abs(values)
        chosen = np.sort(np.argsort(distance, kind="stable")[:wanted])
    return values[chosen], vectors[:, chosen], float(np.abs(values).max())


def _iterated(
    operator: SymmetricOperator,
    k: int,
    which: str,
    near: float,
    tol: float,
    max_steps: int | None,
    rng: Rng,
) -> tuple[Real, NDArray[Any], float]:
    """Ask ARPACK, once for each end; return a lower bound of the norm of the matrix too.

    ARPACK takes a residual for small beside the eigenvalue of its pair, which never is where that
    is next to 0. With eigenvalues shifted away from 0, in units of the norm, it is beside the norm.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    start = streams(rng, 1)[0].standard_normal(operator.size).astype(operator.work_dtype)
    scale = _norm(operator, start)
    if scale == 0.0:  # ARPACK takes no zero matrix
        wanted = 2 * k if which == "both" else k
        return np.zeros(wanted), np.eye(operator.size, wanted, dtype=operator.work_dtype), scale
    options: dict[str, Any] = {"v0": start, "tol": tol / 10, "maxiter": max_steps}
    names = ("LA", "SA") if which == "both" else (_WHICH[which],)
    shifts = [{"LA": _SHIFT, "SA": -_SHIFT}.get(name, 0.0) for name in names]
    matrices: list[Any] = [_scaled(operator, scale, shift) for shift in shifts]
    if which == "nearest":
        if operator.matrix is None:
            raise ValueError(
                "eigenvalues next to a point need the matrix itself (shift-invert); an operator "
                "by products gives those at the ends"
            )
        matrices = [(operator.matrix if operator.place.is_host else operator.dense()) / scale]
        options["sigma"] = near / scale + 1e-10  # not at an eigenvalue: a zero pivot
    found = []
    for matrix, name in zip(matrices, names, strict=True):
        try:
            found.append(eigsh(matrix, k, which=name, **options))
        except ArpackNoConvergence as error:
            raise ConvergenceError(
                f"{len(error.eigenvalues)} of {k} eigenpairs converged; give a larger tol or "
                "max_steps, or fewer eigenpairs"
            ) from error
    values = np.concatenate([pair[0] - shift for pair, shift in zip(found, shifts, strict=True)])
    vectors = np.concatenate([pair[1] for pair in found], axis=1)
    order = np.argsort(values, kind="stable")
    return scale * values[order], vectors[:, order], scale


def _scaled(operator: SymmetricOperator, scale: float, shift: float) -> Any:
    """Return A/scale + shift for SciPy."""
    from scipy.sparse.linalg import LinearOperator

    def product(vector: NDArray[Any]) -> NDArray[Any]:
        flat = vector.ravel()
        return operator.matvec(flat) / scale + shift * flat

    return LinearOperator(operator.shape, matvec=product, dtype=operator.work_dtype)


def _norm(operator: SymmetricOperator, start: NDArray[Any]) -> float:
    """Return the largest Ritz value in modulus of a few steps: a lower bound of the norm."""
    run = Lanczos(operator, start[None])
    run.extend(_NORM_STEPS)
    return float(np.abs(gauss(run.tridiagonals()[0])[0]).max())

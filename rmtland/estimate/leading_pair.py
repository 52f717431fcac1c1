"""The largest eigenvalue of a matrix that changes a little at a time: Lanczos from the last vector.

Where an operator is measured again and again, as the Hessian during training, the leading
eigenvector of the last time is a start from which a few steps suffice. A small share of a new
direction is added, since from an exact eigenvector nothing else would ever be seen.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate import symmetric_operator
>>> matrix = symmetric_operator(np.diag([1.0, 2.0, 5.0]))
>>> pair = leading_pair(matrix, None, 3, np.ones(3))
>>> round(pair.value, 12), pair.residual < 1e-10, pair.products
(5.0, True, 3)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rmtland.typing import Real

if TYPE_CHECKING:
    from rmtland.estimate import SymmetricOperator

__all__ = ["LeadingPair", "leading_pair"]

_NEW = 1e-3
"""Share of a new direction in a start vector."""


class LeadingPair(NamedTuple):
    """The largest Ritz value of a few Lanczos steps.

    Parameters
    ----------
    value : float
        The Ritz value; the largest eigenvalue is not below it.
    residual : float
        An eigenvalue lies within this of it.
    vector : ndarray of float, shape (p,)
        Ritz vector, of norm 1: the start of the next time.
    products : int
        Products that it took.
    """

    value: float
    residual: float
    vector: Real
    products: int


def leading_pair(
    operator: SymmetricOperator, last: Real | None, steps: int, new: Real
) -> LeadingPair:
    """Return the largest Ritz value from the last vector.

    Parameters
    ----------
    operator : SymmetricOperator
        The matrix.
    last : ndarray of float, shape (p,), or None
        Ritz vector of the last time.
    steps : int
        Products, three times as many without a vector of the last time.
    new : ndarray of float, shape (p,)
        A random vector: the start of the first time, a small share of later ones.

    Returns
    -------
    LeadingPair
        With full reorthogonalisation.
    """
    p = operator.size
    if last is None or len(last) != p:
        start, steps = new, 3 * steps
    else:  # an eigenvector that is no longer the first would be the only one that is seen
        start = last + _NEW * new / np.linalg.norm(new)
    steps = min(steps, p)
    basis = np.zeros((steps, p))
    alpha, beta = np.zeros(steps), np.zeros(steps)
    vector, taken = start / np.linalg.norm(start), steps
    for j in range(steps):
        basis[j] = vector
        image = operator.matvec(vector)
        alpha[j] = vector @ image
        for _ in range(2):
            image = image - basis[: j + 1].T @ (basis[: j + 1] @ image)
        beta[j] = np.linalg.norm(image)
        if beta[j] <= 1e-12 * np.abs(alpha[: j + 1]).max() or j == steps - 1:
            taken = j + 1
            break
        vector = image / beta[j]
    tridiagonal = np.diag(alpha[:taken])
    tridiagonal += np.diag(beta[: taken - 1], 1) + np.diag(beta[: taken - 1], -1)
    values, vectors = np.linalg.eigh(tridiagonal)
    residual = float(beta[taken - 1] * abs(vectors[-1, -1]))
    return LeadingPair(float(values[-1]), residual, basis[:taken].T @ vectors[:, -1], taken)

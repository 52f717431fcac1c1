r"""Covariance maps of sums of Kronecker products with independent Gaussian matrices.

For :math:`X = \sum_j C_j \otimes X_j` with independent Wigner or Ginibre matrices X_j the map
:math:`S[M] = E (X M X)` of the matrix Dyson equation (`rmtland.free.operator_valued.matrix_dyson`)
is :math:`\sum_j C_j M C_j`, or :math:`\sum_j (C_j M C_j^* + C_j^* M C_j)`.

References
----------
.. [1] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.

Examples
--------
>>> import numpy as np
>>> kronecker_covariance([[[0, 1], [1, 0]]])(np.diag([1.0, 2.0])).real
array([[2., 0.],
       [0., 1.]])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import dense_array, entries
from rmtland.typing import NumpyArray

__all__ = ["kronecker_covariance"]


def kronecker_covariance(coefficients: Sequence[ArrayLike]) -> Callable[[NumpyArray], NumpyArray]:
    r"""Return S of the random matrix sum over j of C_j (x) X_j with independent X_j.

    Parameters
    ----------
    coefficients : sequence of array_like, each of shape (k, k)
        A Hermitian C_j multiplies a semicircular X_j (a Wigner matrix with entries of variance
        1/N): S[M] = C M C. Any other C_j stands for C_j (x) Y + its adjoint with a circular Y
        (all entries independent): S[M] = C M C* + C* M C.

    Returns
    -------
    callable
        M of shape (..., k, k) -> S[M].

    Raises
    ------
    ValueError
        If a coefficient is no finite square matrix.
    TypeError
        If the coefficients are no sequence, or a coefficient holds no numbers.

    See Also
    --------
    rmtland.free.kronecker_gaussian : the law of matrices with such a covariance.
    """
    terms: list[tuple[NumpyArray, NumpyArray]] = []
    for matrix in entries("coefficients", coefficients):
        array = dense_array("a coefficient", matrix)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"a coefficient must hold numbers; got dtype {array.dtype}")
        c = array.astype(np.complex128)
        square = c.ndim == 2 and 0 < c.shape[0] == c.shape[1]
        if not square or not np.isfinite(c).all():
            raise ValueError(f"a coefficient must be a finite square matrix; got shape {c.shape}")
        if terms and c.shape != terms[0][0].shape:
            size = len(terms[0][0])
            raise ValueError(
                f"all coefficients must have one shape; got {(size, size)} and {c.shape}"
            )
        largest = float(np.abs(c).max())
        if largest and not 1e-150 <= largest <= 1e150:
            raise ValueError(
                f"entries of a coefficient must have squares that floats hold; got one of "
                f"{largest:.3g}: change the units"
            )
        adjoint = c.conj().T
        terms.append((c, adjoint))
        if not np.array_equal(c, adjoint):
            terms.append((adjoint, c))

    def covariance(m: NumpyArray) -> NumpyArray:
        return sum((left @ m @ right for left, right in terms), np.zeros_like(m))

    return covariance

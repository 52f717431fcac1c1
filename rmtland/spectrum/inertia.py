r"""Inertia: how many eigenvalues of a matrix are negative, zero and positive, without any of them.

By Sylvester's law they are the numbers of negative, zero and positive eigenvalues of the block
diagonal D in

.. math:: A - s = L D L^* ,

with blocks of size 1 and 2 (Bunch and Kaufman [1]_; LAPACK's sytrf and hetrf): a few times cheaper
than eigenvalues. Synonyms: signature, Morse index (the number of negative ones), spectrum slicing.

References
----------
.. [1] J. R. Bunch and L. Kaufman, Some stable methods for calculating inertia and solving symmetric
       linear systems, Math. Comp. 31 (1977) 163-179.

Examples
--------
>>> inertia([[2.0, 1.0], [1.0, -3.0]])
Inertia(negative=1, zero=0, positive=1, zero_tolerance=0.0)
>>> inertia([[2.0, 1j], [-1j, 1.0]])
Inertia(negative=0, zero=0, positive=2, zero_tolerance=0.0)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rmtland.arguments import finite, nonnegative
from rmtland.spectrum.matrices import hermitian_stack
from rmtland.typing import Array, NumpyArray

__all__ = ["Inertia", "inertia"]


class Inertia(NamedTuple):
    """Numbers of negative, zero and positive eigenvalues, summed over runs.

    Made by `rmtland.spectrum.inertia`.

    Parameters
    ----------
    negative : int
        Eigenvalues below minus the tolerance.
    zero : int
        Eigenvalues of modulus at most the tolerance.
    positive : int
        Eigenvalues above the tolerance.
    zero_tolerance : float
        The tolerance, in the units of the eigenvalues.
    """

    negative: int
    zero: int
    positive: int
    zero_tolerance: float


def inertia(matrix: Array, shift: float = 0.0, *, zero_tolerance: float = 0.0) -> Inertia:
    r"""Count the eigenvalues below, at and above `shift` without computing any.

    .. formula:: Inertia by :math:`LDL^\top` (Sylvester)

    Parameters
    ----------
    matrix : array_like, shape (p, p), or what `Spectrum.from_matrix` takes
        Symmetric or complex Hermitian, of any array library; the lower triangle is used.
    shift : float, optional
        Where to count.
    zero_tolerance : float, optional
        Eigenvalues this close to the shift count as zero, by a second factorisation. With 0 only
        exact zeros of D do: eigenvalues that are zero up to rounding fall on either side.

    Returns
    -------
    Inertia
        Of one matrix; the index is `negative` over the size.

    Raises
    ------
    ValueError
        If the matrix is not square, not Hermitian, empty, or holds NaN or infinities.
    TypeError
        If it is not made of numbers.

    See Also
    --------
    rmtland.estimate.negative_fraction : of products only.
    """
    array = hermitian_stack(matrix).matrices
    if len(array) != 1:
        raise ValueError(f"a matrix must have shape (p, p); got {len(array)} matrices")
    shift, tolerance = finite("shift", shift), nonnegative("zero_tolerance", zero_tolerance)
    negative, zero = _negative_and_zero(array[0], shift - tolerance)
    size = array.shape[-1]
    if tolerance == 0.0:
        return Inertia(negative, zero, size - negative - zero, tolerance)
    below, at = _negative_and_zero(array[0], shift + tolerance)
    return Inertia(negative, below + at - negative, size - below - at, tolerance)


def _negative_and_zero(matrix: NumpyArray, shift: float) -> tuple[int, int]:
    """Count negative and zero eigenvalues of the matrix less its shift, by its D."""
    from scipy.linalg import lapack

    complex_valued = matrix.dtype.kind == "c"
    factorise, workspace = (
        (lapack.zhetrf, lapack.zhetrf_lwork)
        if complex_valued
        else (lapack.dsytrf, lapack.dsytrf_lwork)
    )
    shifted = matrix.copy()
    np.einsum("ii->i", shifted)[...] -= shift
    size = int(np.real(workspace(len(matrix), lower=0)[0]))
    # The transpose of a C-contiguous array is Fortran-contiguous, its upper the lower triangle; it
    # is the conjugate of a Hermitian matrix, which has the same eigenvalues.
    factor, pivots, info = factorise(shifted.T, lower=0, lwork=size, overwrite_a=1)
    if info < 0:
        raise ValueError(f"LAPACK's factorisation refused its argument {-info}")
    diagonal, beside = np.diagonal(factor).real, np.abs(np.diagonal(factor, 1))
    alone = pivots > 0
    negative = int(np.count_nonzero(diagonal[alone] < 0.0))
    zero = int(np.count_nonzero(diagonal[alone] == 0.0))
    first = np.flatnonzero(~alone)[::2]  # blocks of two rows: k and k + 1 have one negative pivot
    a, b, c = diagonal[first], beside[first], diagonal[first + 1]
    definite = a * c - b * b > 0.0  # by rounding only: such blocks are indefinite
    return negative + len(first) + int(np.count_nonzero(definite & (a < 0.0))), zero

r"""A symmetric operator on the orthogonal complement of some vectors.

With orthonormal columns V and :math:`P = 1 - V V^*`, the operator :math:`P A P` has the eigenvalues
of A but those of the eigenvectors V, and zeros in their place, which vectors of the complement do
not see.

Synonyms: deflation, projected operator, Hotelling deflation.

Examples
--------
>>> from rmtland.estimate.operators import symmetric_operator
>>> operator = symmetric_operator(np.diag([1.0, 2.0, 3.0]))
>>> deflated = deflated_operator(operator, np.eye(3)[:, 2:])
>>> deflated.dimension, deflated.matvec(np.ones(3))
(2, array([1., 2., 0.]))
"""

from __future__ import annotations

from functools import partial

import numpy as np

from rmtland.estimate.symmetric import SymmetricOperator
from rmtland.typing import Array, NumpyArray

__all__ = ["deflated_operator"]


def deflated_operator(operator: SymmetricOperator, vectors: NumpyArray) -> SymmetricOperator:
    """Return an operator on the orthogonal complement of some vectors, zero on their span.

    Parameters
    ----------
    operator : SymmetricOperator
        The matrix.
    vectors : ndarray, shape (p, d)
        Orthonormal columns.

    Returns
    -------
    SymmetricOperator
        On the host, of the precision of `operator`; random probes of it lie in the complement.
    """
    deflated = SymmetricOperator(
        partial(_projected, operator, vectors), operator.size, operator.dtype, operator.source
    )
    deflated.complement = vectors
    return deflated


def _projected(operator: SymmetricOperator, vectors: NumpyArray, block: Array) -> Array:
    wide = np.asarray(block, dtype=operator.work_dtype)
    image = operator.matmat(wide - vectors @ (vectors.conj().T @ wide))
    return image - vectors @ (vectors.conj().T @ image)

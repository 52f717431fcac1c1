r"""Laws of Gaussian random matrices with structure: blocks, bands, Kronecker sums, linearisations.

`MatrixDysonLaw` makes a law of any `MatrixDyson` equation;
`rmtland.free.operator_valued.resolvent_law` says how. Moments of an equation with P = 1 follow
from M(z) = sum of M_k z^{-k-1},

.. math:: M_0 = 1, \qquad M_k = A M_{k-1} + \sum_{i + j = k - 2} S[M_i] M_j,

those of a linearisation from G on a circle around the support.

`block_gaussian` is the law of matrices whose blocks have entries of given variances, and
`kronecker_gaussian` that of sums of C_j (x) X_j.

References
----------
.. [1] R. Rashidi Far, T. Oraby, W. Bryc and R. Speicher, On slow-fading MIMO systems with
       nonseparable correlation, IEEE Trans. Inf. Theory 54 (2008) 544-553: block matrices.

Examples
--------
A symmetric matrix with two diagonal blocks that carry no noise: singular values of a rectangle.

>>> law = block_gaussian([1.0, 3.0], [[0.0, 4.0], [4.0, 0.0]])
>>> law.atoms
((0.0, 0.5),)
>>> [round(end, 9) for end in law.support[1]]
[0.732050808, 2.732050808]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import dense_array, entries, float_array
from rmtland.free.operator_valued.kronecker import kronecker_covariance
from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
from rmtland.free.operator_valued.resolvent_law import ResolventLaw
from rmtland.typing import NumpyArray

__all__ = ["MatrixDysonLaw", "block_gaussian", "kronecker_gaussian"]

_LEAST_SHARE = 1e-8


@dataclass(frozen=True)
class MatrixDysonLaw(ResolventLaw):
    """The law whose Stieltjes transform is <P M> / <P> of a matrix Dyson equation.

    Made by `rmtland.free.block_gaussian` and `rmtland.free.kronecker_gaussian`.

    Parameters
    ----------
    equation : MatrixDyson
        The equation.
    """

    equation: MatrixDyson

    def _atom_places(self) -> list[float]:
        """Return 0 and the eigenvalues of the mean."""
        mean = self.equation.mean
        spectrum = mean if mean.ndim == 1 else np.linalg.eigvalsh(mean)
        return [0.0, *spectrum.tolist()]

    def _ranks(self) -> Sequence[float]:
        """Shares of the block rows."""
        weights = np.asarray(self.equation.weights)
        total = float(self.equation.trace_weight)
        return [float(weight / total) for weight in weights]

    # Moments ---------------------------------------------------------------------------------

    def _exact_moments(self, k: int) -> list[Fraction]:
        """Moments in double precision: by the recursion, or on a circle for a linearisation."""
        equation = self.equation
        pencil = np.asarray(equation.pencil)
        if pencil.ndim == 1 and np.array_equal(pencil, np.ones(equation.size)):
            mean = equation.mean
            center = np.diag(mean) if mean.ndim == 1 else mean
            center = center.astype(np.complex128)
            matrices = [np.eye(equation.size, dtype=np.complex128)]
            energies: list[NumpyArray] = []
            for order in range(1, k + 1):
                energies.append(equation.self_energy(matrices[-1]))
                new = center @ matrices[-1]
                for i in range(order - 1):
                    new = new + energies[i] @ matrices[order - 2 - i]
                matrices.append(new)
            weights = np.asarray(equation.weights)
            found = [Fraction(float((weights @ np.diagonal(m)).real)) for m in matrices]
            return [Fraction(1), *found[1:]]
        return self._moments_on_circle(k)


def block_gaussian(
    sizes: ArrayLike, variances: ArrayLike, *, mean: ArrayLike | None = None
) -> MatrixDysonLaw:
    """Law of a symmetric random matrix whose blocks have entries of given variances.

    Parameters
    ----------
    sizes : array_like, shape (k,)
        Sizes of the diagonal blocks, relative to each other, > 0.
    variances : array_like, shape (k, k)
        Symmetric, >= 0: the entries of block (i, j) have variance variances[i, j] / n with n the
        size of the whole matrix. All ones is the semicircle law of variance 1; a band of ones is
        a band matrix.
    mean : array_like, shape (k,), optional
        Each diagonal block is centred on this multiple of the identity.

    Returns
    -------
    MatrixDysonLaw
        Of 1/m_i = z - mean_i - sum over j of variances_ij (sizes_j / n) m_j, G = mean of the m_i
        weighted by sizes.

    Raises
    ------
    ValueError
        If the shapes do not fit, a size is not positive or below 1e-8 of all of them, or the
        variances are negative or not symmetric.
    TypeError
        If the values are not real numbers.

    See Also
    --------
    rmtland.free.MatrixDyson : the equation behind it.
    rmtland.free.kronecker_gaussian : Kronecker covariances.
    """
    shares = float_array("sizes", sizes, ndim=1)
    profile = float_array("variances", variances, ndim=2)
    if not shares.size or profile.shape != (shares.size, shares.size):
        raise ValueError(
            f"variances must be of shape {(shares.size, shares.size)}, one row a block; got "
            f"{profile.shape}"
        )
    if shares.min() <= 0 or profile.min() < 0 or not np.array_equal(profile, profile.T):
        raise ValueError("sizes must be > 0, variances >= 0 and symmetric")
    shares = shares / shares.sum()
    if shares.min() < _LEAST_SHARE:
        raise ValueError(
            f"each block must have a share of at least {_LEAST_SHARE:g} of the matrix, as less "
            f"mass is not told from none; got one of {shares.min():.3g}"
        )
    center = np.zeros(shares.size) if mean is None else float_array("mean", mean, ndim=1)
    return MatrixDysonLaw(MatrixDyson(center, profile * shares, weights=shares))


def kronecker_gaussian(
    coefficients: Sequence[ArrayLike], *, mean: ArrayLike | None = None
) -> MatrixDysonLaw:
    """Law of A (x) 1 + sum of C_j (x) X_j with independent Gaussian X_j of entries of variance 1/N.

    Parameters
    ----------
    coefficients : sequence of array_like, shape (k, k)
        Hermitian C_j multiply symmetric X_j; any other C_j stands for C_j (x) Y_j + its adjoint
        with a Y_j whose entries are all independent.
    mean : array_like, shape (k, k), optional
        A, Hermitian; 0 by default.

    Returns
    -------
    MatrixDysonLaw
        Of total mass 1.

    Raises
    ------
    ValueError
        If there is no coefficient, or a shape does not fit.
    TypeError
        If the coefficients are no sequence, or a coefficient holds no numbers.

    See Also
    --------
    rmtland.free.block_gaussian : blocks.
    """
    matrices = entries("coefficients", coefficients)
    if not matrices:
        raise ValueError("coefficients must hold at least one matrix")
    covariance = kronecker_covariance(matrices)
    k = np.shape(matrices[0])[0]
    center = np.zeros(k) if mean is None else dense_array("mean", mean)
    if center.shape not in ((k,), (k, k)):
        raise ValueError(f"mean must have shape {(k, k)}, as a coefficient; got {center.shape}")
    return MatrixDysonLaw(MatrixDyson(center, covariance))

r"""Lanczos tridiagonals of a symmetric operator, from several start vectors advanced together.

From a unit vector :math:`q_0` the recurrence

.. math:: \beta_{j+1} q_{j+1} = A q_j - \alpha_j q_j - \beta_j q_{j-1}

builds an orthonormal basis of the Krylov space in which A is the tridiagonal (Jacobi) matrix T
with diagonal :math:`\alpha` and off-diagonal :math:`\beta`. In floating point the vectors lose
their orthogonality as soon as an eigenvalue is found, and T gets copies of it (ghosts). Two
remedies are here.

- ``"full"``: each new vector is made orthogonal to all others, twice ("twice is enough" [1]_).
- ``"partial"``: the loss is followed by Simon's recurrence [2]_ for
  :math:`\omega_{ji} = q_j^* q_i`,

  .. math::

     \beta_{j+1} \omega_{j+1,i} = \beta_{i+1} \omega_{j,i+1} + (\alpha_i - \alpha_j) \omega_{ji}
         + \beta_i \omega_{j,i-1} - \beta_j \omega_{j-1,i} + \text{rounding} ,

  and two vectors in a row are made orthogonal to all others when one of them passes
  :math:`\sqrt u`, u the rounding unit. T is then that of an orthonormal basis up to u, at a
  fraction of the price.

Start vectors are the rows of an array; products are taken of all of them at once. An invariant
subspace ends a tridiagonal (breakdown): its last off-diagonal entry is 0.

References
----------
.. [1] L. Giraud, J. Langou and M. Rozloznik, The loss of orthogonality in the Gram-Schmidt
       orthogonalization process, Comput. Math. Appl. 50 (2005) 1069-1075.
.. [2] H. D. Simon, The Lanczos algorithm with partial reorthogonalization, Math. Comp. 42 (1984)
       115-142.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate.operators import symmetric_operator
>>> run = Lanczos(symmetric_operator(np.diag([1.0, 2.0, 3.0])), np.ones((1, 3)))
>>> run.extend(2)
>>> [tuple(np.round(part, 4).tolist() for part in pair) for pair in run.tridiagonals()]
[([2.0, 2.0], [0.8165, 0.5774])]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import choice
from rmtland.estimate.krylov_basis import BasisStore, MemoryBasis
from rmtland.estimate.operators import SymmetricOperator
from rmtland.typing import NumpyArray, Real, Values

__all__ = ["BREAKDOWN", "REORTHOGONALIZATIONS", "Lanczos", "Tridiagonal"]

REORTHOGONALIZATIONS = ("partial", "full", "none")

BREAKDOWN = 16.0
"""A new direction shorter than this many rounding units of the operator's size is rounding."""


class Tridiagonal(NamedTuple):
    """Jacobi matrix of one start vector.

    Parameters
    ----------
    alpha : ndarray, shape (k,)
        Diagonal.
    beta : ndarray, shape (k,)
        Off-diagonal; the last entry couples to the next vector, and is 0 where the Krylov space is
        invariant.
    """

    alpha: Real
    beta: Real

    @property
    def is_exhausted(self) -> bool:
        """Whether the quadrature is the spectral measure of the start vector itself."""
        return bool(self.beta[-1] == 0.0)


class Lanczos:
    """Krylov spaces of some start vectors, which can be extended step by step.

    Parameters
    ----------
    operator : SymmetricOperator
        The matrix.
    starts : ndarray, shape (m, p)
        Start vectors, in rows; of any length but zero.
    reorthogonalize : {"partial", "full", "none"}, optional
        How orthogonality is kept. "none" is for comparison: ghosts appear.
    basis : BasisStore, optional
        Where the vectors are kept; in memory and double precision by default.

    Attributes
    ----------
    step : int
        Steps taken.
    alpha, beta : ndarray, shape (m, capacity)
        Coefficients so far.
    lengths : ndarray of int, shape (m,)
        Steps at which each Krylov space ended; 0 where it has not.
    reorthogonalized : int
        How often a vector was made orthogonal to all before it.
    """

    def __init__(
        self,
        operator: SymmetricOperator,
        starts: NumpyArray,
        *,
        reorthogonalize: str = "partial",
        basis: BasisStore | None = None,
    ) -> None:
        self.operator = operator
        self.reorthogonalize = choice("reorthogonalize", reorthogonalize, REORTHOGONALIZATIONS)
        self.current = np.array(starts, dtype=operator.work_dtype, order="C")
        self.runs, self.size = self.current.shape
        norms = np.array([np.linalg.norm(row) for row in self.current])
        if not norms.all():
            raise ValueError("a start vector of Lanczos must not be zero")
        self.current /= norms[:, None]
        self.previous: NumpyArray | None = None
        self.basis = basis if basis is not None else MemoryBasis(operator.work_dtype)
        self.unit = max(float(np.finfo(operator.dtype).eps), float(np.finfo(self.basis.dtype).eps))
        self.step, self.reorthogonalized = 0, 0
        self.alpha, self.beta = np.zeros((self.runs, 0)), np.zeros((self.runs, 0))
        self.lengths = np.zeros(self.runs, dtype=np.int64)
        self.scale = np.zeros(self.runs)
        self.loss = np.zeros((2, self.runs, 1))  # omega of the last vector and the one before
        self.forced = np.zeros(self.runs, dtype=bool)

    # What is known ------------------------------------------------------------------------------

    @property
    def active(self) -> NDArray[np.int64]:
        """Numbers of the start vectors whose Krylov space goes on."""
        return np.flatnonzero(self.lengths == 0)

    def tridiagonals(self) -> list[Tridiagonal]:
        """Return the Jacobi matrices so far.

        Returns
        -------
        list of Tridiagonal
            One a start vector.
        """
        found = []
        for run, length in enumerate(self.lengths):
            k = int(length) or self.step
            found.append(Tridiagonal(self.alpha[run, :k].copy(), self.beta[run, :k].copy()))
        return found

    # Steps --------------------------------------------------------------------------------------

    def extend(self, steps: int, *, after_step: Callable[[], None] | None = None) -> None:
        """Take further steps, up to a number of them in all.

        Parameters
        ----------
        steps : int
            Steps altogether; at most p are taken, or the dimension of the space of the probes.
        after_step : callable, optional
            Called when a step is complete.
        """
        steps = min(steps, self.operator.dimension)
        if steps <= self.step:
            return
        grown = ((0, 0), (0, max(0, steps - self.alpha.shape[1])))
        self.alpha, self.beta = np.pad(self.alpha, grown), np.pad(self.beta, grown)
        self.loss = np.pad(self.loss, ((0, 0), *grown))
        self.basis.reserve(steps, self.runs, self.size)
        while self.step < steps and self.active.size:
            self._advance()
            if after_step is not None:
                after_step()

    def _advance(self) -> None:
        """Take one step of all Krylov spaces that go on."""
        if self.step == self.basis.filled:
            self.basis.append(self.current)
        active = self.active
        whole = active.size == self.runs
        block = self.current if whole else self.current[active]
        following = np.ascontiguousarray(self.operator.matmat(block.T).T)
        for place, run in enumerate(active):
            self._orthogonalize(int(run), following[place])
        self.previous = self.current
        if whole:
            self.current = following
        else:
            self.current = np.zeros_like(self.previous)
            self.current[active] = following
        self.step += 1

    def _orthogonalize(self, run: int, u: NumpyArray) -> None:
        """Turn the product of the last vector into the next one, in place."""
        j, q = self.step, self.current[run]
        scaled = np.empty_like(u)

        def add(vector: NumpyArray, factor: complex) -> None:
            # not by BLAS, here and in _dot: threads of vectors this short wait for one another
            np.multiply(vector, factor, out=scaled)
            np.add(u, scaled, out=u)

        before = self.beta[run, j - 1] if j else 0.0
        if j and self.previous is not None:
            add(self.previous[run], -before)
        alpha = float(_dot(q, u).real)
        add(q, -alpha)
        rest = _dot(q, u)  # what rounding left, where A q is much longer than the rest
        add(q, -rest)
        self.alpha[run, j] = alpha + float(rest.real)
        taken = self.operator.complement
        if taken is not None:  # rounding brings back what was taken apart, and a short rest is it
            u -= taken @ (taken.conj().T @ u)
        norm = float(np.sqrt(_dot(u, u).real))
        self.scale[run] = max(self.scale[run], abs(self.alpha[run, j]), norm)
        norm = self._reorthogonalized(run, u, norm)
        if j + 1 == self.operator.dimension or norm <= BREAKDOWN * self.unit * self.scale[run]:
            self.lengths[run] = j + 1
            self.beta[run, j] = 0.0
            u[:] = 0.0
            return
        self.beta[run, j] = norm
        u /= norm

    def _reorthogonalized(self, run: int, u: NumpyArray, norm: float) -> float:
        """Take from a vector what it has of the others, where that is due; return its norm."""
        if self.reorthogonalize == "none":
            return norm
        rounding = norm <= BREAKDOWN * 64 * self.unit * self.scale[run]
        if self.reorthogonalize == "full" or rounding:
            for _ in range(2):
                self.basis.remove(run, u, self.step + 1)
                self.reorthogonalized += 1
            return float(np.linalg.norm(u))
        if self._loses_orthogonality(run, norm):
            self.basis.remove(run, u, self.step + 1)
            self.reorthogonalized += 1
            after = float(np.linalg.norm(u))
            if after < 0.7 * norm:
                self.basis.remove(run, u, self.step + 1)
                after = float(np.linalg.norm(u))
            norm = after
        return norm

    def _loses_orthogonality(self, run: int, norm: float) -> bool:
        """Follow Simon's recurrence by one step; say whether the next vector is too oblique."""
        j = self.step
        a, b = self.alpha[run], self.beta[run]
        last, before = self.loss[0, run], self.loss[1, run]
        noise = self.unit * np.sqrt(self.size)
        new = np.zeros_like(last)
        last[j] = 1.0
        if j:
            i = np.arange(j)
            right = np.where(i + 1 <= j, last[1 : j + 1], 0.0)
            value = b[:j] * right + (a[:j] - a[j]) * last[:j] - b[j - 1] * before[:j]
            value[1:] += b[: j - 1] * last[: j - 1]
            value += np.copysign(2 * self.unit * self.scale[run], value)
            new[:j] = value / norm
        new[j] = noise
        oblique = bool(np.abs(new[:j]).max(initial=0.0) > np.sqrt(self.unit))
        act = oblique or bool(self.forced[run])
        if act:
            new[: j + 1] = noise
        # the vector before the one that was found oblique is so too: two in a row are mended
        self.forced[run] = oblique and not self.forced[run]
        self.loss[1, run], self.loss[0, run] = last, new
        return act


def _dot(a: NumpyArray, b: NumpyArray) -> Values:
    """Inner product of two vectors, in one thread; the first is conjugated."""
    return np.einsum("i,i->", a.conj() if a.dtype.kind == "c" else a, b)

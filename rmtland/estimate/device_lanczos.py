r"""Lanczos tridiagonals on a device: no decision is taken on the host while steps are taken.

The recurrence is that of `rmtland.estimate.lanczos`, for all start vectors at once. Every new
vector is made orthogonal to all before it, twice: two products with the basis Q of all spaces,

.. math:: u \leftarrow u - \sum_{i \le j} q_i\, (q_i^* u) ,

each of which reads Q once, whatever the number of spaces (coefficients across spaces are computed
and set to zero). That is cheaper on a device than to follow the loss of orthogonality on the host,
and T is that of an orthonormal basis up to rounding, as with partial reorthogonalisation: both give
the same quadratures. Breakdown is a mask. Coefficients come back once every `BLOCK` steps.

Synonyms: GPU Lanczos, block Lanczos for several right-hand sides, stochastic Lanczos quadrature.

Examples
--------
>>> from rmtland.estimate.operators import symmetric_operator
>>> run = DeviceLanczos(symmetric_operator(np.diag([1.0, 2.0, 3.0])), np.ones((1, 3)))
>>> run.extend(2)
>>> [tuple(np.round(part, 4).tolist() for part in pair) for pair in run.tridiagonals()]
[([2.0, 2.0], [0.8165, 0.5774])]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.estimate.lanczos import BREAKDOWN, Tridiagonal
from rmtland.estimate.symmetric import SymmetricOperator
from rmtland.typing import Array

__all__ = ["BLOCK", "DeviceLanczos"]

BLOCK = 64
"""Steps between two transfers of coefficients."""


class DeviceLanczos:
    """Krylov spaces of some start vectors, where the vectors of the operator live.

    Parameters
    ----------
    operator : SymmetricOperator
        The matrix.
    starts : ndarray, shape (m, p)
        Start vectors of NumPy, in rows; of any length but zero.
    reorthogonalize : bool, optional
        Whether vectors are made orthogonal; ghosts appear without.
    precision : dtype, optional
        In which the basis is kept; that of the vectors by default.

    Attributes
    ----------
    step : int
        Steps taken.
    lengths : ndarray of int, shape (m,)
        Steps at which each Krylov space ended; 0 where it has not, as far as is known.
    """

    def __init__(
        self,
        operator: SymmetricOperator,
        starts: NDArray[Any],
        *,
        reorthogonalize: bool = True,
        precision: Any = None,
    ) -> None:
        self.operator, self.place = operator, operator.place
        self.reorthogonalize = reorthogonalize
        starts = np.asarray(starts, dtype=operator.work_dtype)
        norms = np.linalg.norm(starts, axis=1, keepdims=True)
        if not norms.all():
            raise ValueError("a start vector of Lanczos must not be zero")
        self.runs, self.size = starts.shape
        self.dtype = np.dtype(operator.work_dtype if precision is None else precision)
        self.unit = max(float(np.finfo(operator.dtype).eps), float(np.finfo(self.dtype).eps))
        place = self.place
        self.current = place.put(np.ascontiguousarray((starts / norms).T))  # (p, m)
        self.previous = place.zeros((self.size, self.runs), operator.work_dtype)
        self.scale = place.zeros((self.runs,), np.float64)
        self.last = place.zeros((self.runs,), np.float64)
        self.own = place.put(np.eye(self.runs)[None])  # keeps the coefficients within a space
        self.pieces: list[Array] = []
        self.step, self.filled = 0, 0
        self.alpha, self.beta = np.zeros((self.runs, 0)), np.zeros((self.runs, 0))
        self.lengths = np.zeros(self.runs, dtype=np.int64)
        self._fresh: list[tuple[Array, Array]] = []

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
        self._bring()
        found = []
        for run, length in enumerate(self.lengths):
            k = int(length) or self.step
            found.append(Tridiagonal(self.alpha[run, :k].copy(), self.beta[run, :k].copy()))
        return found

    def extend(self, steps: int, *, after_step: Callable[[], None] | None = None) -> None:
        """Take further steps, up to a number of them in all.

        Parameters
        ----------
        steps : int
            Steps altogether; at most p are taken.
        after_step : callable, optional
            Called when a step was begun.

        Raises
        ------
        ValueError
            If products hold NaN or infinities.
        """
        steps = min(steps, self.size)
        if steps <= self.step:
            return
        if self.reorthogonalize:
            shape = (steps - self.filled, self.runs, self.size)
            self.pieces.append(self.place.empty(shape, self.dtype))
        while self.step < steps and self.active.size:
            self._advance()
            if after_step is not None:
                after_step()
            if self.step % BLOCK == 0:
                self._bring()
        self._bring()

    def _advance(self) -> None:
        """Take one step of all spaces; those that ended multiply zeros."""
        place, xp = self.place, self.place.xp
        if self.reorthogonalize:
            self._append()
        q = self.current
        u = self.operator.multiply(q)
        u = u - self.previous * self.last
        alpha = place.column_dots(q, u)
        u = u - q * alpha
        rest = place.column_dots(q, u)  # what rounding left
        u = u - q * rest
        alpha = alpha + rest
        norm = place.column_norms(u)
        self.scale = xp.where(xp.abs(alpha) > self.scale, xp.abs(alpha), self.scale)
        self.scale = xp.where(norm > self.scale, norm, self.scale)
        if self.reorthogonalize:
            u = self._orthogonal(self._orthogonal(u))
            norm = place.column_norms(u)
        # a NaN is no end: it stays, and is found when the coefficients come back
        ended = norm <= BREAKDOWN * self.unit * self.scale
        self.step += 1
        if self.step == self.size:
            ended = norm == norm
        norm = xp.where(ended, xp.zeros_like(norm), norm)
        u = xp.where(ended, xp.zeros_like(u), u / xp.where(ended, xp.ones_like(norm), norm))
        self.previous, self.current, self.last = q, u, norm
        self._fresh.append((alpha, norm))

    def _append(self) -> None:
        """Keep the current vectors."""
        place = self.filled
        for piece in self.pieces:
            if place < piece.shape[0]:
                rows = self.place.xp.matrix_transpose(self.current)
                piece[place, :, :] = self.place.cast(rows, self.dtype)
                break
            place -= int(piece.shape[0])
        self.filled += 1

    def _orthogonal(self, u: Array) -> Array:
        """Take from vectors what they have of those before, each of its own space."""
        place, xp = self.place, self.place.xp
        left = self.filled
        for piece in self.pieces:
            used = min(int(piece.shape[0]), left)
            if used <= 0:
                break
            left -= used
            rows = xp.reshape(piece[:used, :, :], (used * self.runs, self.size))
            given = place.cast(u, self.dtype)
            # rows are conjugated by conjugating the vectors
            hermitian = self.operator.is_complex
            parts = xp.conj(rows @ xp.conj(given)) if hermitian else rows @ given
            parts = xp.reshape(parts, (used, self.runs, self.runs))
            parts = xp.reshape(parts * place.cast(self.own, self.dtype), (-1, self.runs))
            u = u - place.cast(xp.matrix_transpose(rows) @ parts, self.operator.work_dtype)
        return u

    def _bring(self) -> None:
        """Bring the coefficients of the last steps to the host."""
        if not self._fresh:
            return
        xp = self.place.xp
        pairs = [xp.stack([alpha, beta]) for alpha, beta in self._fresh]
        block = self.place.take(xp.stack(pairs))  # (steps, 2, m): one transfer
        self._fresh.clear()
        self.operator.refuse_infinities(block)
        self.alpha = np.concatenate([self.alpha, block[:, 0].T], axis=1)
        self.beta = np.concatenate([self.beta, block[:, 1].T], axis=1)
        for run in self.active:
            ends = np.flatnonzero(self.beta[run] == 0.0)
            if ends.size:
                self.lengths[run] = ends[0] + 1

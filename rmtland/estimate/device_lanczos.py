r"""Lanczos tridiagonals on a device: no decision is taken on the host while steps are taken.

The recurrence is that of `rmtland.estimate.lanczos`, for all start vectors at once, a row a vector.
Every new vector is made orthogonal to all before it,

.. math:: u \leftarrow u - \sum_{i \le j} q_i\, (q_i^* u) ,

once, which leaves inner products of the order of :math:`\epsilon |A| / |u|`; vectors shorter than
`SHORT` times the operator's size are made so a second time, which is decided on the device, space
by space. That is cheaper there than to follow the loss of orthogonality on the host, and T is that
of an orthonormal basis up to rounding, as with partial reorthogonalisation: both give the same
quadratures. Breakdown is a mask. Coefficients come back once every `BLOCK` steps. Passes over the
basis are those of `rmtland.estimate.device_basis`.

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

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rmtland.estimate.device_basis import begun, ended, inner_products, less, removed, row_dots
from rmtland.estimate.lanczos import BREAKDOWN, Tridiagonal
from rmtland.estimate.symmetric import SymmetricOperator
from rmtland.typing import Array, NumpyArray

__all__ = ["BLOCK", "SHORT", "DeviceLanczos"]

BLOCK = 64
"""Steps between two transfers of coefficients."""

SHORT = 2.0**-6
"""Length, of the operator's size, below which a vector is made orthogonal a second time."""


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
    repeated : int
        How often a vector was made orthogonal a second time, as far as is known.
    """

    def __init__(
        self,
        operator: SymmetricOperator,
        starts: NumpyArray,
        *,
        reorthogonalize: bool = True,
        precision: DTypeLike | None = None,
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
        self.current = place.put(np.ascontiguousarray(starts / norms))  # (m, p)
        self.previous = place.zeros((self.runs, self.size), operator.work_dtype)
        self.scale = place.zeros((self.runs,), np.float64)
        self.last = place.zeros((self.runs,), np.float64)
        self.none = self.scale
        self.every = self.scale == 0.0
        self.pieces: list[Array] = []
        self.step, self.filled, self.repeated = 0, 0, 0
        self.alpha, self.beta = np.zeros((self.runs, 0)), np.zeros((self.runs, 0))
        self.lengths = np.zeros(self.runs, dtype=np.int64)
        self._fresh: list[tuple[Array, Array, Array]] = []

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
        product = self.operator.multiply(xp.matrix_transpose(q))
        u = less(xp.matrix_transpose(product), self.previous, self.last, place)
        alpha = row_dots(q, u, place)
        u = less(u, q, alpha, place)
        if self.reorthogonalize:
            u, rest, lost = self._orthogonal(u, self.every)
        else:
            rest = row_dots(q, u, place)  # what rounding left
            u, lost = less(u, q, rest, place), self.none
        square = row_dots(u, u, place)
        alpha, self.scale, due = begun(alpha, rest, square, lost, self.scale, SHORT, place)
        if self.reorthogonalize:
            u, _, _ = self._orthogonal(u, due, again=True)
            square = row_dots(u, u, place)
        self.step += 1
        limit = BREAKDOWN * self.unit
        norm, inverse = ended(square, self.scale, limit, last=self.step == self.size, place=place)
        u *= inverse[:, None]
        self.previous, self.current, self.last = q, u, norm
        self._fresh.append((alpha, norm, due))

    def _append(self) -> None:
        """Keep the current vectors."""
        place = self.filled
        for piece in self.pieces:
            if place < piece.shape[0]:
                piece[place, :, :] = self.place.cast(self.current, self.dtype)
                break
            place -= int(piece.shape[0])
        self.filled += 1

    def _orthogonal(
        self, u: Array, due: Array, *, again: bool = False
    ) -> tuple[Array, Array, Array]:
        """Take from vectors what they have of those before, each of its own space, where it is due.

        Returns
        -------
        (array, array, array)
            The vectors; their parts on the last ones, and the squares of all that was taken,
            both zero where it is done again.
        """
        place, xp = self.place, self.place.xp
        left = self.filled
        rest = lost = self.none
        for piece in self.pieces:
            used = min(int(piece.shape[0]), left)
            if used <= 0:
                break
            left -= used
            h = inner_products(piece[:used, :, :], u, due, place)
            u = removed(u, piece[:used, :, :], h, due, place)
            if not again:
                rest = place.real(h[used - 1, :])
                lost = lost + xp.sum(place.real(h * place.conj(h)), axis=0)
        return u, rest, lost

    def _bring(self) -> None:
        """Bring the coefficients of the last steps to the host."""
        if not self._fresh:
            return
        xp = self.place.xp
        columns = [xp.stack(list(column)) for column in zip(*self._fresh, strict=True)]
        columns[2] = self.place.cast(columns[2], np.float64)
        found = self.place.take(xp.stack(columns))  # (3, steps, m): one transfer
        block = np.swapaxes(found, 0, 1)
        self._fresh.clear()
        self.operator.refuse_infinities(block)
        self.alpha = np.concatenate([self.alpha, block[:, 0].T], axis=1)
        self.beta = np.concatenate([self.beta, block[:, 1].T], axis=1)
        if self.reorthogonalize:
            self.repeated += int(block[:, 2].sum())
        for run in self.active:
            ends = np.flatnonzero(self.beta[run] == 0.0)
            if ends.size:
                self.lengths[run] = ends[0] + 1

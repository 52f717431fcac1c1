r"""Known answers: all critical points of a linear network, with their energies and indices.

For o = W_2 W_1 x without bias and half the mean squared error, let C = X^T X/m be invertible,
:math:`B = Y^T X/m`, and :math:`\sigma_1 > \sigma_2 > \dots` the singular values of
:math:`B C^{-1/2}` (for an autoencoder y = x the roots of the eigenvalues of C). At a critical point
:math:`W_2 W_1 = U_S U_S^T B C^{-1}` for a set S of :math:`r \le n_1` singular directions [1]_, with

.. math::

    E_S = \frac{1}{2 n_2} \Bigl( \frac{|Y|^2}{m} - \sum_{i \in S} \sigma_i^2 \Bigr) .

Its index is the number of swaps that lower the loss and, where fewer directions than units are
used, of directions that can still be opened: of n nonzero singular values,

.. math::

    \mathrm{index} = \#\{(i, j) : i \in S,\ j \notin S,\ \sigma_j > \sigma_i\}
    + (n_1 - r)(n - r),

where the n_1 - r idle units have all their weights 0, the generic case. The nullity is at least
n_1^2 - (n_1 - r)^2 by the symmetry GL(n_1); so such points are never proved by a contraction, and
weight decay moves them.

References
----------
.. [1] P. Baldi and K. Hornik, Neural networks and principal component analysis: learning from
       examples without local minima, Neural Networks 2 (1989) 53-58.
.. [2] C. G. Frye, N. S. Wadia, M. R. DeWeese and K. E. Bouchard, Numerically recovering the
       critical points of a deep linear autoencoder, arXiv:1901.10603 (2019).

Examples
--------
>>> import numpy as np
>>> x = np.random.default_rng(0).standard_normal((50, 4)) * [1.0, 2.0, 3.0, 4.0]
>>> answers = LinearAnswers.of(x, x, hidden=2)
>>> answers.energies.size, answers.indices.tolist()
(11, [8, 3, 4, 5, 6, 0, 1, 2, 2, 3, 4])
>>> theta = answers.weights((0, 3))
>>> from rmtland.networks import MLP
>>> point = MLP((4, 2, 4), "linear").at(theta, x, x)
>>> bool(abs(point.gradient).max() < 1e-12), bool(np.isclose(point.energy, answers.energy((0, 3))))
(True, True)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from rmtland.arguments import count, float_array
from rmtland.typing import ArrayLike, Integer, Real

__all__ = ["LinearAnswers"]

MOST = 1_000_000


@dataclass(frozen=True, eq=False)
class LinearAnswers:
    """All critical values of a linear network with one hidden layer.

    Parameters
    ----------
    outward, inward : ndarray, shape (n_2, n) and (n, n_0)
        U and Sigma V^T C^{-1/2}: the network of a set S is ``outward[:, S] @ inward[S]``.
    singular_values : ndarray, shape (n,)
        Descending; those that are zero are left out.
    hidden : int
        Number n_1 of hidden units.
    square : float
        Sum of the squares of Y over m.
    outputs : int
        Number n_2 of outputs.
    """

    outward: Real
    inward: Real
    singular_values: Real
    hidden: int
    square: float
    outputs: int

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike, *, hidden: int) -> LinearAnswers:
        """Return the critical values of a network on data.

        Parameters
        ----------
        x, y : array_like, shape (m, n_0) and (m, n_2)
            Data; for an autoencoder the same.
        hidden : int
            Number of hidden units.

        Returns
        -------
        LinearAnswers
            Their energies and indices.

        Raises
        ------
        ValueError
            If the inputs are linearly dependent, or singular values coincide.
        """
        inputs, targets = float_array("x", x, ndim=2), float_array("y", y, ndim=2)
        if len(inputs) != len(targets):
            raise ValueError(
                f"x and y must have as many rows; got {len(inputs)} and {len(targets)}"
            )
        m = len(inputs)
        values, vectors = np.linalg.eigh(inputs.T @ inputs / m)
        if not values[0] > 1e-12 * values[-1]:
            raise ValueError("the inputs are linearly dependent; leave some out or whiten them")
        root = (vectors / np.sqrt(values)) @ vectors.T
        u, s, vt = np.linalg.svd(targets.T @ inputs / m @ root, full_matrices=False)
        kept = s > 1e-12 * s[0]
        if np.any(-np.diff(s[kept]) < 1e-9 * s[0]):
            raise ValueError("two singular values coincide: critical points come in families")
        return cls(
            u[:, kept],
            (s[:, None] * vt @ root)[kept],
            s[kept],
            count("hidden", hidden),
            float((targets**2).sum()) / m,
            targets.shape[1],
        )

    def sets(self) -> list[tuple[int, ...]]:
        """Return all sets of directions that a critical point may use, the smallest first.

        Returns
        -------
        list of tuple of int
            Each set as the places of its singular values, ascending.

        Raises
        ------
        ValueError
            If there are more than a million.
        """
        n = self.singular_values.size
        largest = min(self.hidden, n)
        many = sum(comb(n, r) for r in range(largest + 1))
        if many > MOST:
            raise ValueError(f"there are {many} critical values, more than the {MOST} listed")
        return [chosen for r in range(largest + 1) for chosen in combinations(range(n), r)]

    def energy(self, chosen: Iterable[int]) -> float:
        """Return the energy of the critical points that use some directions.

        Parameters
        ----------
        chosen : iterable of int
            The set S.

        Returns
        -------
        float
            Loss per output.

        Raises
        ------
        ValueError
            If it is none of `sets`.
        """
        explained = sum(float(self.singular_values[i]) ** 2 for i in self._checked(chosen))
        return (self.square - explained) / (2.0 * self.outputs)

    def index(self, chosen: Iterable[int]) -> int:
        """Return the index of the critical points that use some directions.

        Parameters
        ----------
        chosen : iterable of int
            The set S.

        Returns
        -------
        int
            Number of negative eigenvalues.

        Raises
        ------
        ValueError
            If it is none of `sets`.
        """
        used = set(self._checked(chosen))
        n, r = self.singular_values.size, len(used)
        swaps = sum(j < i for i in used for j in set(range(n)) - used)
        return swaps + (self.hidden - r) * (n - r)

    @property
    def energies(self) -> Real:
        """Energies, in the order of `sets`."""
        return np.array([self.energy(chosen) for chosen in self.sets()])

    @property
    def indices(self) -> Integer:
        """Indices, in the order of `sets`."""
        return np.array([self.index(chosen) for chosen in self.sets()])

    def weights(self, chosen: Iterable[int]) -> Real:
        """Return one critical point that uses some directions; idle units have weights 0.

        Parameters
        ----------
        chosen : iterable of int
            The set S.

        Returns
        -------
        ndarray, shape (p,)
            Parameters of `MLP((n_0, n_1, n_2), "linear")`.

        Raises
        ------
        ValueError
            If it is none of `sets`.
        """
        used = self._checked(chosen)
        first = np.zeros((self.hidden, self.inward.shape[1]))
        second = np.zeros((self.outputs, self.hidden))
        first[: len(used)], second[:, : len(used)] = self.inward[used], self.outward[:, used]
        return np.concatenate([first.ravel(), second.ravel()])

    def nearest(self, energy: float) -> tuple[int, ...]:
        """Return the set whose energy is nearest to a number.

        Parameters
        ----------
        energy : float
            The number.

        Returns
        -------
        tuple of int
            One of `sets`.
        """
        return min(self.sets(), key=lambda chosen: abs(self.energy(chosen) - energy))

    def _checked(self, chosen: Iterable[int]) -> list[int]:
        used, n = [int(place) for place in chosen], self.singular_values.size
        outside = [place for place in used if not 0 <= place < n]
        if outside or len(set(used)) < len(used) or len(used) > self.hidden:
            raise ValueError(
                f"a set holds at most {self.hidden} of the places 0 to {n - 1}, each once; "
                f"got {used}"
            )
        return used

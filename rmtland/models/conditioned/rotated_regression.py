r"""Residuals of autoencoders: their regression on the inputs, rotated within what the weights see.

The residuals of an autoencoder, :math:`e = W_2 h - x`, are nearly a linear map of the inputs, and
conditioned on it nothing is left free. What the Hessian sees of the map is how it is placed beside
the weights: with the regression :math:`e = X B + N`,

.. math::
    e' = X\, U B V + s\, \xi, \qquad
    U = U_1 \oplus U_2, \quad V = V_1 \oplus V_2,

U_1 and U_2 are Haar orthogonal on the row space of W_1 and on its complement, V_1 and V_2 on the
column space of the last W and on its complement, and xi is iid with the mean square of N. Those two
spaces are the algebra over which the parts of the Hessian are free; a rotation of all directions
loses it.

Synonyms: amalgamated freeness, freeness over the algebra of two projections.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> x, b, w = rng.normal(size=(50, 4)), rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
>>> found = RotatedRegression.of_residuals(x @ b, x, w, np.eye(3)[:, :1])
>>> found.measured_numbers, round(found.noise, 6)
(9, 0.0)
>>> found.draw(rng).shape
(50, 3)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from rmtland.typing import Real

__all__ = ["RotatedRegression"]

_RANK = 1e-8


@dataclass(frozen=True, eq=False)
class RotatedRegression:
    """Residuals X U B V + s xi with rotations U, V within subspaces.

    Parameters
    ----------
    x : ndarray, shape (m, n0)
        Inputs.
    map : ndarray, shape (n0, n_out)
        B.
    noise : float
        s.
    inputs : tuple of ndarray, shapes (n0, r) and (n0, n0 - r)
        Orthonormal bases of the row space of the first layer and of its complement.
    outputs : tuple of ndarray, shapes (n_out, r') and (n_out, n_out - r')
        Of the column space of the last layer and of its complement.
    """

    x: Real
    map: Real
    noise: float
    inputs: tuple[Real, Real]
    outputs: tuple[Real, Real]

    @classmethod
    def of_residuals(cls, e: Real, x: Real, first: Real, last: Real) -> Self:
        """Regress residuals on the inputs.

        Parameters
        ----------
        e : ndarray, shape (m, n_out)
            Residuals.
        x : ndarray, shape (m, n0)
            Inputs.
        first, last : ndarray, shapes (n1, n0) and (n_out, n)
            Weights of the first and of the last layer.

        Returns
        -------
        RotatedRegression
        """
        found, _, rank, _ = np.linalg.lstsq(x, e, rcond=None)
        rest = e - x @ found
        free = (len(e) - int(rank)) * e.shape[1]
        noise = float(np.sqrt((rest**2).sum() / free)) if free else 0.0
        return cls(x, np.asarray(found, dtype=np.float64), noise, _split(first.T), _split(last))

    @property
    def measured_numbers(self) -> int:
        """How many numbers of B are known: those that no rotation changes."""
        spaces = (*self.inputs, *self.outputs)
        angles = sum(n * (n - 1) // 2 for n in (space.shape[1] for space in spaces))
        return int(max(self.map.size - angles, min(self.map.shape)))

    def draw(self, generator: np.random.Generator) -> Real:
        """Draw residuals.

        Parameters
        ----------
        generator : numpy.random.Generator
            What draws.

        Returns
        -------
        ndarray, shape (m, n_out)
        """
        rotated = _rotation(self.inputs, generator) @ self.map @ _rotation(self.outputs, generator)
        shape = len(self.x), self.map.shape[1]
        return np.asarray(self.x @ rotated + self.noise * generator.normal(size=shape))


def _split(columns: Real) -> tuple[Real, Real]:
    """Orthonormal bases of the span of the columns and of its complement."""
    left, values, _ = np.linalg.svd(columns)
    rank = int((values > _RANK * values[0]).sum()) if values.size else 0
    return left[:, :rank], left[:, rank:]


def _rotation(spaces: tuple[Real, Real], generator: np.random.Generator) -> Real:
    """Haar orthogonal on each of two spaces."""
    from scipy.stats import ortho_group  # scipy.stats loads at first use

    parts = []
    for space in spaces:
        n = space.shape[1]
        if n == 0:
            continue
        turn = (
            np.sign(generator.normal()) * np.eye(1)
            if n == 1
            else ortho_group.rvs(n, random_state=generator)
        )
        parts.append(space @ turn @ space.T)
    return np.asarray(np.sum(parts, axis=0))

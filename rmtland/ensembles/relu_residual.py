r"""The residual part of the Hessian of a one-hidden-layer ReLU network, its blocks kept.

The network y = W2 f(W1 x) with ReLU f and the loss (1/2m) sum |y - t|^2 over m samples has the
residual part (the second term of the Hessian, H = H0 + H1)

.. math:: H_1 = \begin{pmatrix} 0 & B \\ B^T & 0 \end{pmatrix}, \qquad
          B_{(jk),(ij')} = \delta_{jj'} (B_j)_{ik}, \qquad
          B_j = \frac1m \sum_{\mu :\, w_j \cdot x_\mu > 0} e_\mu x_\mu^T :

one block for every hidden unit j, over the samples on which it is active. Here data and first-layer
weights are normal and the residuals e independent N(0, 2 epsilon), as in a network at
initialisation [1]_; blocks share data and residuals. With phi = (n_in + n_out)/m the limit has

.. math:: R(g) = \frac{\epsilon \phi g}{2 - \epsilon \phi^2 g^2},

the law of one freed block; E tr H_1^2 / n = epsilon n_in n_out / (m (n_in + n_out)/2) at any size.

One such block alone, of size n, is `ReluBlock`: B = E Y^T / 2k with E of variance 2 epsilon and Y
of variance 1, k = round(n / (2 phi)) but at least 1 active samples and B of floor(n/2) rows;
E tr H_1^2/n = epsilon rows columns / (k n).

Parameters are in the order of `rmtland.networks`: W1 row by row, then W2 row by row. A matrix of
size n belongs to a network with n = n_hidden (n_in + n_out), n_in and n_out equal up to one.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 4.3 and figure 3.

Examples
--------
>>> ensemble = ReluResidual(0.25, 50.0)
>>> ensemble.widths(512)
(16, 16, 16)
>>> abs(ensemble.sample(512, rng=0).var() / ensemble.law.var() - 1) < 0.1
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.arguments import count, nonnegative, positive
from rmtland.ensembles.device.eigenvalues import svdvals
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.entries import Entries, columns
from rmtland.ensembles.krylov import Factor, ReluBlockFactor
from rmtland.free import FreeLevy
from rmtland.laws import Discrete, Law, LevyTriplet
from rmtland.typing import Array

__all__ = ["ReluBlock", "ReluResidual", "relu_residual_law"]


@dataclass(frozen=True)
class ReluResidual(Ensemble):
    """Structured residual Hessian of a one-hidden-layer ReLU network at initialisation.

    Parameters
    ----------
    phi : float
        (n_in + n_out)/m > 0: parameters per effective example.
    epsilon : float
        Energy >= 0; residuals have variance 2 epsilon.
    hidden : int, optional
        Hidden units, a divisor of the sizes drawn; by default the divisor of n nearest to
        sqrt(n/2), which makes a square network where n = 2 k^2.

    Raises
    ------
    ValueError
        If a parameter is out of its range or not finite.
    TypeError
        If `phi` or `epsilon` is no real number, or `hidden` is no integer.
    """

    phi: float
    epsilon: float
    hidden: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "phi", positive("phi", self.phi))
        object.__setattr__(self, "epsilon", nonnegative("epsilon", self.epsilon))
        if self.hidden is not None:
            object.__setattr__(self, "hidden", count("hidden", self.hidden))

    @cached_property
    def law(self) -> Law:
        """Law of one block, freed: two opposite free Poisson jumps; a point mass for epsilon 0."""
        return relu_residual_law(self.phi, self.epsilon)

    def widths(self, n: int) -> tuple[int, int, int]:
        """Return the numbers of inputs, hidden units and outputs of a network of n parameters.

        Parameters
        ----------
        n : int
            Number of parameters.

        Returns
        -------
        tuple of int
            Inputs, hidden units, outputs.

        Raises
        ------
        ValueError
            If the number of hidden units does not divide n.
        TypeError
            If `n` is no integer.
        """
        n = count("n", n)
        if self.hidden is None:
            small = [d for d in range(1, math.isqrt(n) + 1) if n % d == 0]
            divisors = {*small, *(n // d for d in small)}
            hidden = min(divisors, key=lambda d: (abs(math.log(2 * d * d / n)), d))
        else:
            hidden = self.hidden
        if n % hidden:
            below = n // hidden * hidden
            raise ValueError(
                f"a network with {hidden} hidden units has a multiple of {hidden} parameters; got "
                f"n = {n}; choose {below or hidden} or {below + hidden}"
            )
        outputs = n // hidden // 2
        return n // hidden - outputs, hidden, outputs

    def samples(self, n: int) -> int:
        """Return the number of samples m of a network of n parameters.

        Parameters
        ----------
        n : int
            Number of parameters.

        Returns
        -------
        int
            At least 1.
        """
        inputs, _, outputs = self.widths(n)
        return columns(inputs + outputs, self.phi)

    def _size(self, n: object) -> int:
        size = super()._size(n)
        self.widths(size)
        return size

    def _floats(self, n: int) -> float:
        inputs, hidden, outputs = self.widths(n)
        data = (2.0 * (inputs + outputs) + 4 * hidden) * self.samples(n)
        return data + 4.0 * hidden * inputs * outputs + 2.0 * n

    def _matrix_floats(self, n: int) -> float:
        return self._floats(n) + float(n) * n

    def _matrices(self, n: int, entries: Entries) -> Array:
        blocks, _ = self._blocks(n, entries)
        inputs, hidden, _ = self.widths(n)
        middle = inputs * hidden
        shape = (entries.runs, n, n)
        xp, library = entries.xp, entries.library
        matrices = xp.zeros(shape, dtype=library.real, device=library.device)
        for j, block in enumerate(blocks):
            rows = slice(j * inputs, (j + 1) * inputs)
            columns = slice(middle + j, n, hidden)
            matrices[:, rows, columns] = entries.adjoint(block)
            matrices[:, columns, rows] = block
        return matrices

    def _blocks(self, n: int, entries: Entries) -> tuple[list[Array], Array]:
        """Draw the blocks B_j, each (runs, outputs, inputs), and their samples (runs, hidden)."""
        inputs, hidden, outputs = self.widths(n)
        m, xp = self.samples(n), entries.xp
        data, weights = entries.normal(inputs, m), entries.normal(hidden, inputs)
        residuals = entries.normal(outputs, m) * (math.sqrt(2 * self.epsilon) / m)
        slopes = xp.astype(weights @ data > 0, entries.library.real)
        turned = entries.adjoint(data)
        blocks = [(residuals * slopes[:, j : j + 1, :]) @ turned for j in range(hidden)]
        return blocks, xp.sum(slopes, axis=-1)

    def _solved(self, n: int, entries: Entries) -> Array:
        inputs, hidden, outputs = self.widths(n)
        half, xp, library = hidden * min(inputs, outputs), entries.xp, entries.library
        if not half:
            shape = (entries.runs, n)
            return xp.zeros(shape, dtype=library.real, device=library.device)
        blocks, active = self._blocks(n, entries)
        singular = svdvals(library, xp.stack(blocks, axis=1))
        # the rank of a block is at most the number of samples on which its unit is active
        rank = entries.array(np.arange(singular.shape[-1], dtype=np.float64))
        singular = xp.where(rank < active[..., None], singular, xp.zeros_like(singular))
        values = xp.reshape(singular, (-1, half))
        middle = xp.zeros(
            (values.shape[0], n - 2 * half), dtype=library.real, device=library.device
        )
        return xp.concat([values, middle, 0.0 - values], axis=1)


@dataclass(frozen=True)
class ReluBlock(Ensemble):
    """One block of the residual Hessian of a ReLU network: [[0, B], [B^T, 0]].

    Parameters
    ----------
    phi : float
        Parameters per effective example, > 0.
    epsilon : float
        Energy >= 0; residuals have variance 2 epsilon.

    Raises
    ------
    ValueError
        If a parameter is out of its range or not finite.
    TypeError
        If `phi` or `epsilon` is no real number.
    """

    phi: float
    epsilon: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "phi", positive("phi", self.phi))
        object.__setattr__(self, "epsilon", nonnegative("epsilon", self.epsilon))

    @cached_property
    def law(self) -> Law:
        """Two opposite free Poisson jumps; a point mass for epsilon 0."""
        return relu_residual_law(self.phi, self.epsilon)

    def _matrices(self, n: int, entries: Entries) -> Array:
        rows = n // 2
        active = columns(n, 2 * self.phi)
        xp, library = entries.xp, entries.library
        if not rows:
            shape = (entries.runs, n, n)
            return xp.zeros(shape, dtype=library.real, device=library.device)
        # E = L Q where active >= rows, and Q Y^T is Gaussian too: the cost is free of `active`.
        errors = entries.bartlett(rows, active)
        block = errors @ entries.normal(errors.shape[-1], n - rows)
        block = block * (math.sqrt(2 * self.epsilon) / (2 * active))
        matrices = xp.zeros((block.shape[0], n, n), dtype=library.real, device=library.device)
        matrices[:, :rows, rows:] = block
        matrices[:, rows:, :rows] = entries.adjoint(block)
        return matrices

    def rank(self, n: int) -> int:
        """Return the rank of B at size n; the matrix has twice as many eigenvalues off zero.

        Parameters
        ----------
        n : int
            Size of the matrices.

        Returns
        -------
        int
            At most n.
        """
        return min(n // 2, columns(n, 2 * self.phi)) if self.epsilon else 0

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        rank = 2 * self.rank(n)
        return ((0.0, n - rank),) if rank < n else ()

    def _factors(self) -> tuple[str, list[Factor]]:
        return "sum", [ReluBlockFactor(self.phi, self.epsilon)]


def relu_residual_law(phi: float, epsilon: float) -> FreeLevy | Discrete:
    """Law of the residual part: jumps +- phi sqrt(epsilon / 2) of rate 1/(2 phi) each.

    Parameters
    ----------
    phi, epsilon : float
        See `ReluBlock`.

    Returns
    -------
    FreeLevy or Discrete
        The point mass at 0 for epsilon = 0.
    """
    if not epsilon:
        return Discrete((0.0,), (1.0,))
    jump, rate = phi * math.sqrt(epsilon / 2), 0.5 / phi
    return FreeLevy(LevyTriplet(rates=(rate, rate), jumps=(-jump, jump)))

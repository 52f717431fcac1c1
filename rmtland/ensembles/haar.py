r"""Sums and products of matrices in general position: one is turned by a Haar rotation.

.. math:: A + Q B Q^T, \qquad A^{1/2} Q B Q^T A^{1/2}

with A and B diagonal and Q Haar-distributed in the orthogonal (beta = 1) or unitary (beta = 2)
group. As n grows A and Q B Q^T become free [1]_, so the limits are the free sum and the free
product of the laws of A and B. At size n the eigenvalues of A and B are the quantiles (i + 1/2)/n
of their laws (an eigenvalue list of that length is taken as it is), or n independent draws from
them.

With tr = Tr/n and beta = 1, exactly at any n: E tr of the sum is tr A + tr B, E tr of its square is
tr A^2 + tr B^2 + 2 tr A tr B, and E tr of the product is tr A tr B.

References
----------
.. [1] D. Voiculescu, Limit laws for random matrices and free products, Inventiones mathematicae
       104 (1991) 201-220.

Examples
--------
>>> from rmtland import Discrete
>>> sign = Discrete((-1.0, 1.0), (0.5, 0.5))
>>> ensemble = HaarSum(sign, sign)
>>> ensemble.law.support
((-2.0, 2.0),)
>>> spectrum = ensemble.sample(100, rng=0)
>>> abs(spectrum.moment(2) - 2) < 0.1
True
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.arguments import among, choice
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.entries import Entries
from rmtland.ensembles.krylov import Factor, HaarFactor
from rmtland.ensembles.operands import law_of, positive_law
from rmtland.ensembles.quantiles import multiplicities, quantiles
from rmtland.free import free_product, free_sum
from rmtland.laws import Law
from rmtland.laws.spectral_model import SpectralModel
from rmtland.typing import Array

__all__ = ["HaarProduct", "HaarSum"]


@dataclass(frozen=True)
class _HaarPair(Ensemble):
    """What the two share: laws a and b, and spectra of size n from them."""

    a: Law
    b: Law
    beta: int = 1
    spectra: str = "quantiles"

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", self._operand("a", self.a))
        object.__setattr__(self, "b", self._operand("b", self.b))
        beta = among("beta", self.beta, {1: "orthogonal", 2: "unitary"})
        object.__setattr__(self, "beta", beta)
        choice("spectra", self.spectra, ("quantiles", "draws"))

    @staticmethod
    @abc.abstractmethod
    def _operand(name: str, value: object) -> Law: ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("a", "b", "total")."""
        return ("a", "b", "total")

    def part(self, name: str) -> SpectralModel | Law:
        """Return a part: the law of one of the two, or the ensemble itself.

        Parameters
        ----------
        name : str
            One of `parts`; "total" is the ensemble itself.

        Returns
        -------
        Law or Ensemble
            The law of one of the two, or the ensemble itself.

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        return getattr(self, name) if name in ("a", "b") else super().part(name)

    def _shared(self, n: int) -> list[tuple[float, float, int]]:
        """Eigenvalues of A and B whose eigenspaces meet whatever Q, and in how many dimensions."""
        if self.spectra != "quantiles":
            return []
        (a, k), (b, m) = (multiplicities(law, n) for law in (self.a, self.b))
        first, second = np.flatnonzero(k + m.max() > n), np.flatnonzero(m + k.max() > n)
        return [
            (float(a[i]), float(b[j]), int(k[i] + m[j] - n))
            for i in first
            for j in second
            if k[i] + m[j] > n
        ]

    def _floats(self, n: int) -> float:
        return 8.0 * n * n * self.beta**2

    def _operands(self) -> list[Factor]:
        """Operands of the Krylov sampler."""
        if self.beta != 1 or self.spectra != "quantiles":
            raise ValueError(
                "the Lanczos sampler takes orthogonal Q (beta = 1) and quantiles as spectra; got "
                f"beta = {self.beta} and spectra = {self.spectra!r}; use sample"
            )
        return [HaarFactor(self.a), HaarFactor(self.b)]

    def _spectrum(self, law: Law, n: int, entries: Entries) -> Array:
        """Eigenvalues of size n, shape (n,) or (runs, n)."""
        if self.spectra == "quantiles":
            return quantiles(law, n)
        return np.stack([law.sample(n, rng=generator) for generator in entries.host_generators()])

    def _turned(self, values: Array, n: int, entries: Entries) -> Array:
        """Q diag(values) Q^*; an eigenvalue that is repeated most often needs no directions."""
        base, rest = 0.0, values
        if values.ndim == 1:
            places, counts = np.unique(values, return_counts=True)
            base = float(places[counts.argmax()])
            rest = values[values != base]
        if not rest.size:
            zero = entries.xp.zeros_like(entries.gaussian(self.beta, n, n))
            return entries.with_diagonal(zero, entries.array(values))
        frame = entries.haar(self.beta, n, rest.shape[-1])
        shifted = entries.array(rest - base)[..., None, :]
        if self.beta == 2:
            shifted = entries.xp.astype(shifted, entries.library.complex)
        turned = (frame * shifted) @ entries.adjoint(frame)
        turned = (turned + entries.adjoint(turned)) / 2
        return entries.with_diagonal(turned, entries.array(np.full(n, base))) if base else turned


@dataclass(frozen=True)
class HaarSum(_HaarPair):
    r"""Sums A + Q B Q^T with Haar-distributed Q (randomly rotated sums).

    .. formula:: Randomly rotated sums :math:`A + Q B Q^\top`, :math:`Q` of Haar measure

    Parameters
    ----------
    a, b : Law, Spectrum or array_like of float
        Spectra of the two terms: laws, or eigenvalues.
    beta : int
        1 for orthogonal, 2 for unitary Q.
    spectra : str
        Eigenvalues of A and B at size n: "quantiles" (i + 1/2)/n of the laws, or independent
        "draws" from them.

    Raises
    ------
    ValueError
        If beta or `spectra` is none of these, or eigenvalues are not finite.
    TypeError
        If a or b is not a spectrum.

    See Also
    --------
    rmtland.free.free_sum : its limit.
    """

    @staticmethod
    def _operand(name: str, value: object) -> Law:
        return law_of(name, value)

    @cached_property
    def law(self) -> Law:
        """Free sum of the two laws."""
        return free_sum(self.a, self.b)

    def _norm(self, n: int) -> float:
        return sum(float(np.abs(quantiles(law, n)).max()) for law in (self.a, self.b))

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        return tuple((x + y, number) for x, y, number in self._shared(n))

    def _matrices(self, n: int, entries: Entries) -> Array:
        first = entries.array(self._spectrum(self.a, n, entries))
        return entries.with_diagonal(
            self._turned(self._spectrum(self.b, n, entries), n, entries), first
        )

    def _factors(self) -> tuple[str, list[Factor]]:
        return "sum", self._operands()


@dataclass(frozen=True)
class HaarProduct(_HaarPair):
    """Products A^(1/2) Q B Q^T A^(1/2) with Haar-distributed Q (randomly rotated products).

    Parameters
    ----------
    a, b : Law, Spectrum or array_like of float
        Spectra of the two factors on [0, infinity): laws, or eigenvalues.
    beta, spectra
        As for `HaarSum`.

    Raises
    ------
    ValueError
        If a spectrum reaches below zero or is all zero, or beta or `spectra` is unknown.
    TypeError
        If a or b is not a spectrum.

    See Also
    --------
    rmtland.free.free_product : its limit.
    """

    @staticmethod
    def _operand(name: str, value: object) -> Law:
        return positive_law(name, value)

    @cached_property
    def law(self) -> Law:
        """Free product of the two laws."""
        return free_product(self.a, self.b)

    def _norm(self, n: int) -> float:
        return math.prod(float(quantiles(law, n).max()) for law in (self.a, self.b))

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        known = [(x * y, number) for x, y, number in self._shared(n) if x and y]
        if self.spectra == "quantiles":
            rank = min(int(np.count_nonzero(quantiles(law, n))) for law in (self.a, self.b))
            known += [(0.0, n - rank)] if rank < n else []
        return tuple(known)

    @property
    def _hull(self) -> tuple[float, float]:
        return 0.0, math.inf

    def _matrices(self, n: int, entries: Entries) -> Array:
        root = entries.array(np.sqrt(self._spectrum(self.a, n, entries)))
        if self.beta == 2:
            root = entries.xp.astype(root, entries.library.complex)
        turned = self._turned(self._spectrum(self.b, n, entries), n, entries)
        return root[..., :, None] * turned * root[..., None, :]

    def _factors(self) -> tuple[str, list[Factor]]:
        return "product", self._operands()

r"""Spiked ensembles: a perturbation of finite rank.

Additive, :math:`A + \sum_k \theta_k u_k u_k^*`, or multiplicative, :math:`B A B` with
:math:`B^2 = I + \sum_k (\ell_k - 1) u_k u_k^*`, of matrices A of another ensemble; the orthonormal
vectors u_k are uniform and independent of A. The limit law is that of A; `outliers` are the
predicted places of the eigenvalues that separate from it (`rmtland.free.spiked`).

References
----------
.. [1] F. Benaych-Georges and R. R. Nadakuditi, The eigenvalues and eigenvectors of finite, low rank
       perturbations of large random matrices, Advances in Mathematics 227 (2011) 494-521.

Examples
--------
>>> from rmtland.ensembles import GaussianEnsemble
>>> ensemble = SpikedEnsemble(GaussianEnsemble(), (2.0, 0.5))
>>> ensemble.outliers
(Outlier(spike=2.0, location=2.5, overlap=0.75),)
>>> bool(abs(ensemble.extremes(400, rng=1)[0, 0] - 2.5) < 0.2)
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.arguments import choice, float_array, points
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.entries import Entries
from rmtland.ensembles.krylov import Factor, SpikeFactor, jacobi_coefficients
from rmtland.ensembles.operands import lowest
from rmtland.free import Outlier, spiked
from rmtland.laws import Law
from rmtland.laws.spectral_model import SpectralModel
from rmtland.typing import Array, Real

__all__ = ["SpikedEnsemble"]


@dataclass(frozen=True)
class SpikedEnsemble(Ensemble):
    """Matrices of an ensemble with a perturbation of finite rank (spiked model, BBP model).

    Parameters
    ----------
    bulk : Ensemble
        The ensemble of A, with real matrices.
    spikes : tuple of float
        Eigenvalues of the perturbation: theta_k if additive, l_k > 0 if multiplicative.
    kind : str
        "additive" or "multiplicative"; the latter needs a bulk on [0, infinity).

    Raises
    ------
    ValueError
        If there is no spike, one is not finite (or not positive), the kind is unknown or does not
        suit the bulk.
    TypeError
        If the bulk is not an ensemble.

    See Also
    --------
    rmtland.free.spiked : its outliers.
    rmtland.comparison.signals : counts them in data.
    """

    bulk: Ensemble
    spikes: tuple[float, ...]
    kind: str = "additive"

    def __post_init__(self) -> None:
        if not isinstance(self.bulk, Ensemble):
            raise TypeError(f"bulk must be an ensemble; got {self.bulk!r}")
        if getattr(self.bulk, "beta", 1) != 1:
            raise ValueError(f"spikes are added to real matrices, beta = 1; got {self.bulk}")
        spikes = np.atleast_1d(points("spikes", self.spikes))
        spikes = float_array("spikes", spikes, ndim=1)
        object.__setattr__(self, "spikes", tuple(spikes.tolist()))
        choice("kind", self.kind, ("additive", "multiplicative"))
        if self.kind == "multiplicative":
            if spikes.min() <= 0:
                raise ValueError(f"multiplicative spikes must be positive; got {spikes.min()}")
            if lowest(self.law) < 0:
                raise ValueError(
                    f"multiplicative spikes need a bulk on [0, infinity); that of {self.bulk} "
                    f"reaches down to {lowest(self.law)}"
                )

    @property
    def law(self) -> Law:
        """Limit law of the bulk."""
        return self.bulk.law

    @cached_property
    def outliers(self) -> tuple[Outlier, ...]:
        """Predicted outliers: places and squared overlaps of the eigenvalues that separate."""
        return spiked(self.law, self.spikes, kind=self.kind)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("bulk", "total")."""
        return ("bulk", "total")

    def part(self, name: str) -> SpectralModel | Law:
        """Return a part: the ensemble without spikes, or this one.

        Parameters
        ----------
        name : str
            One of `parts`; "total" is the ensemble itself.

        Returns
        -------
        Law or Ensemble
            The ensemble of the bulk, or the ensemble itself.

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        return self.bulk if name == "bulk" else super().part(name)

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        # a perturbation of rank r takes r at most; a congruence keeps the null space
        kept = {0.0: 0} if self.kind == "multiplicative" else {}
        rest = [(x, number - kept.get(x, len(self.spikes))) for x, number in self.bulk._known(n)]
        return tuple((x, number) for x, number in rest if number > 0)

    @property
    def _hull(self) -> tuple[float, float]:
        return (0.0, math.inf) if self.kind == "multiplicative" else (-math.inf, math.inf)

    def _size(self, n: object) -> int:
        size = super()._size(n)
        if size < len(self.spikes):
            raise ValueError(f"{len(self.spikes)} spikes need n >= {len(self.spikes)}; got {size}")
        return size

    def _factors(self) -> tuple[str, list[Factor]]:
        operation, factors = self.bulk._factors()
        if self.kind == "additive" and operation == "sum":
            return "sum", [*factors, SpikeFactor(self.spikes)]
        if self.kind == "multiplicative" and operation == "sum" and len(factors) == 1:
            return "product", [SpikeFactor(self.spikes, 1.0), *factors]
        raise ValueError(
            f"{self.kind} spikes have no Lanczos sampler on {type(self.bulk).__name__}: it takes "
            "additive ones on sums of rotation-invariant matrices, multiplicative ones on a "
            "single Wishart matrix; use sample"
        )

    def _jacobi_coefficients(
        self, n: float, steps: int, generators: Sequence[np.random.Generator]
    ) -> tuple[Real, Real]:
        if math.isinf(n):
            return self.bulk._jacobi_coefficients(n, steps, generators)
        operation, factors = self._factors()  # no limit law: it has lost the spikes
        return jacobi_coefficients(factors, n, steps, generators, operation=operation)

    def _floats(self, n: int) -> float:
        return self.bulk._floats(n) + 3.0 * n * n

    def _matrices(self, n: int, entries: Entries) -> Array:
        return self._perturbed(self.bulk._matrices(n, entries), n, entries)

    def _equivalents(self, n: int, entries: Entries) -> Array:
        # The directions are uniform: whatever rotates A rotates them.
        return self._perturbed(self.bulk._equivalents(n, entries), n, entries)

    def _perturbed(self, matrices: Array, n: int, entries: Entries) -> Array:
        frame = entries.haar(1, n, len(self.spikes))
        strengths = np.array(self.spikes)
        if self.kind == "multiplicative":
            strengths = np.sqrt(strengths) - 1
        change = (frame * entries.array(strengths)) @ entries.adjoint(frame)
        if self.kind == "additive":
            return matrices + change
        factor = entries.eye(n) + change
        product = factor @ matrices @ factor
        return (product + entries.adjoint(product)) / 2

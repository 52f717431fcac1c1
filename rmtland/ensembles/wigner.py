r"""Wigner matrices with entries of any kind.

Symmetric matrices with independent centred entries on and above the diagonal, of variance v/n off
the diagonal and 2v/n on it, so that normal entries give the GOE. The limit is the semicircle law
whatever the entries (universality), and

.. math:: \frac1n E \operatorname{tr} A^2 = v \left(1 + \frac1n\right), \qquad
          \frac1n E \operatorname{tr} A^4 = \frac{v^2}{n^2}
          \left((n - 1)(2 n + 4 + m_4) + 4 m_4\right)

with m_4 the fourth moment of an entry of variance 1.

References
----------
.. [1] E. P. Wigner, On the distribution of the roots of certain symmetric matrices, Annals of
       Mathematics 67 (1958) 325-327.

Examples
--------
>>> ensemble = Wigner(entries="sign")
>>> abs(ensemble.matrix(4, rng=0)[0, 1])
np.float64(0.5)
>>> ensemble.law
Semicircle(variance=1.0, center=0.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rmtland.arguments import positive
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.entries import Entries, entry_kind
from rmtland.ensembles.krylov import Factor, GaussianFactor
from rmtland.laws import Semicircle
from rmtland.typing import Array

__all__ = ["Wigner"]


@dataclass(frozen=True)
class Wigner(Ensemble):
    """Real Wigner matrices (random sign matrices, heavy-tailed Wigner matrices).

    Parameters
    ----------
    variance : float
        Variance v > 0 of the limiting semicircle law.
    entries : str
        "normal", "sign", "uniform" or "student": the kind of entry, see
        `rmtland.ensembles.entries`.
    degrees : float, optional
        Degrees of freedom > 2 of student entries: their moments are finite below this order.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If `variance` is no real number.

    See Also
    --------
    rmtland.ensembles.GaussianEnsemble : Gaussian entries, any beta.
    rmtland.ensembles.DeformedWigner : with a given matrix added.
    """

    variance: float = 1.0
    entries: str = "normal"
    degrees: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", positive("variance", self.variance))
        _, degrees = entry_kind(self.entries, self.degrees)
        object.__setattr__(self, "degrees", degrees)

    @property
    def law(self) -> Semicircle:
        """Semicircle law of the variance."""
        return Semicircle(self.variance)

    def _matrices(self, n: int, entries: Entries) -> Array:
        full = entries.standard(self.entries, self.degrees, n, n)
        scaled = full * math.sqrt(self.variance / n)
        lower = entries.xp.tril(scaled, k=-1)
        matrices = lower + entries.adjoint(lower)
        diagonal = entries.xp.linalg.diagonal(scaled) * math.sqrt(2)
        return entries.with_diagonal(matrices, diagonal)

    def _factors(self) -> tuple[str, list[Factor]]:
        if self.entries != "normal":
            return super()._factors()
        return "sum", [GaussianFactor(self.variance)]

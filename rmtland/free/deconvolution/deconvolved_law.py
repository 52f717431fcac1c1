r"""The law that a deconvolution recovered, and how well.

A `DeconvolvedLaw` is a law like any other: it has the density, the transforms and the moments of
the law it holds, and can be an operand again. Beside them it states what was done to the
ill-posed part of the problem, and the error.

Examples
--------
>>> from rmtland import Arcsine, KestenMcKay, free_deconvolution
>>> law = free_deconvolution(KestenMcKay(4), Arcsine(-2.0, 2.0))  # two signs out of four remain
>>> law.support, law.distance
(((-2.0, 2.0),), 'kolmogorov')
>>> law.error < 1e-12, round(law.cdf(1.0), 12)
(True, 0.666666666667)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from numpy.typing import ArrayLike

from rmtland.laws.law import Atoms, Complex, Law, Real, Support

__all__ = ["DeconvolvedLaw"]


@dataclass(frozen=True)
class DeconvolvedLaw(Law):
    """Law recovered by `free_deconvolution`, with its error.

    Parameters
    ----------
    law : Law
        The law itself: what a cheaper or a further computation should use.
    error : float
        How far the law is from the true one, in the distance that `distance` names.
    distance : str
        "kolmogorov" (largest difference of the distribution functions) or "wasserstein" (area
        between the distribution functions, in the units of the eigenvalues).
    residual : float
        Largest relative defect of the equation of subordination, |G_X(omega(z)) / G_total(z) - 1|,
        where it was tested.
    regularisation : str
        A sentence: what was assumed beyond the data.
    bracket : float
        What is certain of the same distance without that assumption; never below `error`.
    """

    law: Law
    error: float = field(compare=False)
    distance: str = field(compare=False)
    residual: float = field(compare=False)
    regularisation: str = field(compare=False)
    bracket: float = field(compare=False)

    @property
    def support(self) -> Support:
        """Intervals of the law."""
        return self.law.support

    @property
    def atoms(self) -> Atoms:
        """Atoms of the law."""
        return self.law.atoms

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        return self.law._jet(z)

    def _stieltjes(self, z: Complex) -> Complex:
        return self.law._stieltjes(z)

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        return self.law._accuracy(z, g)

    def _log_potential(self, z: Complex) -> Complex:
        return self.law._log_potential(z)

    def _pdf(self, x: Real) -> Real:
        return self.law._pdf(x)

    def _cdf(self, x: Real) -> Real:
        return self.law._cdf(x)

    def _mass_below(self, x: Real) -> Real:
        return self.law._mass_below(x)

    def _ppf(self, q: Real) -> Real:
        return self.law._ppf(q)

    def _exact_moments(self, k: int) -> list[Fraction]:
        return self.law._exact_moments(k)

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        return self.law._exact_cumulants(k)

    def r_transform(self, g: ArrayLike) -> Any:
        """R-transform, as the law has it."""
        return self.law.r_transform(g)

    def s_transform(self, w: ArrayLike) -> Any:
        """S-transform, as the law has it."""
        return self.law.s_transform(w)

"""What a spectrum can be compared with: a law, a model or an ensemble, or a smoothed prediction.

Anything that says where the eigenvalues are is a theory: a `Law`; a spectral model or an ensemble,
through its `law`; another spectrum; or an object without a law on the axis that knows its
distribution function convolved with a Cauchy law, `smoothed_cdf(x, eta=)`.

Examples
--------
>>> from rmtland.laws import Semicircle
>>> law_of(Semicircle(2.0)).var()
2.0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from rmtland.laws import EmpiricalLaw, Law
from rmtland.spectrum import Spectrum
from rmtland.typing import ArrayLike, Atoms, Real, Support, Values

__all__ = ["HasLaw", "Smoothed", "SmoothedTheory", "Theory", "law_of", "smoothed_of"]


class HasLaw(Protocol):
    """A model, ensemble or fit: something with a spectral law."""

    @property
    def law(self) -> Law:
        """Law of the eigenvalues."""


@runtime_checkable
class Smoothed(Protocol):
    """Something that knows its distribution function convolved with a Cauchy law."""

    def smoothed_cdf(self, x: ArrayLike, *, eta: float) -> Values:
        """Distribution function at x, smoothed at half-width eta."""

    def smoothed_pdf(self, x: ArrayLike, *, eta: float) -> Values:
        """Density at x, smoothed at half-width eta."""


Theory: TypeAlias = Law | HasLaw | Smoothed | Spectrum


def law_of(theory: Theory) -> Law:
    """Return the law of a theory.

    Parameters
    ----------
    theory : Law, model, ensemble, fit or Spectrum
        A spectrum stands for the law of its nodes.

    Returns
    -------
    Law
        The law on the real axis.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If the theory has no law on the axis; the message gives its reason.

    See Also
    --------
    rmtland.comparison.compare : a spectrum against any of them.
    """
    if isinstance(theory, Law):
        return theory
    if isinstance(theory, Spectrum):
        return EmpiricalLaw.of(theory)
    if isinstance(theory, type):
        raise TypeError(
            f"expected a law, model or ensemble; got the class {theory.__name__}: make one with "
            "its parameters, or fit them"
        )
    if not hasattr(type(theory), "law") and not hasattr(theory, "law"):
        what = "a smoothed theory without one" if isinstance(theory, Smoothed) else "no theory"
        raise TypeError(
            f"expected a law, or a model or ensemble that has one; got {type(theory).__name__}, "
            f"{what}"
        )
    law: Law = getattr(theory, "law")  # noqa: B009 (a property that may raise with its reason)
    if not isinstance(law, Law):
        raise TypeError(f"the law of {type(theory).__name__} must be a Law; got {law!r}")
    return law


@dataclass(frozen=True)
class SmoothedTheory:
    """A theory without a law on the axis, at one half-width eta, as if it were a law.

    Parameters
    ----------
    theory : object
        With `smoothed_cdf` and `smoothed_pdf`.
    eta : float
        Half-width of the Cauchy law.
    """

    theory: Smoothed
    eta: float

    support: Support = ()
    atoms: Atoms = ()

    def cdf(self, x: ArrayLike) -> Real:
        """Smoothed distribution function."""
        return np.asarray(self.theory.smoothed_cdf(x, eta=self.eta))

    def pdf(self, x: ArrayLike) -> Real:
        """Smoothed density."""
        return np.asarray(self.theory.smoothed_pdf(x, eta=self.eta))

    def index(self) -> float:
        """Index of the theory, or what the smoothed distribution function has below zero."""
        own = getattr(self.theory, "index", None)
        return float(own() if callable(own) else self.cdf(0.0))


def smoothed_of(theory: Theory) -> Smoothed | None:
    """Return the theory if it has to be compared smoothed: it has no law, and says why."""
    if isinstance(theory, Law | Spectrum | type) or not isinstance(theory, Smoothed):
        return None
    try:
        law_of(theory)
    except (ValueError, TypeError):
        return theory
    return None

"""What a fit gives: the member of the family, its parameters with errors, and how well it fits.

Examples
--------
>>> from rmtland import Semicircle, Spectrum, fit
>>> result = fit(Spectrum([-1.5, -0.5, 0.5, 1.5]), Semicircle, resamples=0, fix={"center": 0.0})
>>> isinstance(result, Fit), list(result.to_dict())[:2]
(True, ['parameters', 'errors'])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from rmtland.comparison.distances import Comparison
from rmtland.comparison.theories import law_of
from rmtland.laws import Law
from rmtland.synonyms import FITS, WithSynonyms
from rmtland.typing import Record

__all__ = ["Fit"]

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Fit(WithSynonyms, Generic[T]):
    r"""A member of a family fitted to a spectrum.

    .. formula:: Errors of a fit to an estimated spectrum, :math:`A \operatorname{cov}(F) A^\top`
        with a Brownian bridge
        :by: rmtland.comparison.fit_errors.estimate_errors

    Made by `rmtland.comparison.fit`.

    Parameters
    ----------
    model : law, model or ensemble
        The member at the fitted parameters.
    parameters : dict of str to float
        Fitted values.
    errors : dict of str to float
        Root-mean-square error of every fitted parameter, in its own units; infinite where the
        spectrum does not determine the parameter, where it ended at a bound, and where no
        resamples were asked for. Those of a likelihood are there in all but the first of these
        cases, and zero for an aspect ratio that the rank tells.
    fixed : dict of str to values
        Parameters that were held.
    comparison : Comparison
        Distances of the spectrum to the fitted law.
    defect : float
        Root mean square of F_n - F over the points of the fit.
    undetermined : tuple of str
        Parameters, or combinations of them, that do not move F by more than rounding.
    at_bounds : tuple of str
        Parameters that ended at a bound.
    minima : tuple of float
        Defects at which the descents from the different starts ended, ascending: far apart, they
        say that the distance has several minima.
    excluded : tuple of float
        Eigenvalues that were left out as outliers, ascending; distances are those of the others.
    method : str
        "distance", "quantiles" or "likelihood".

    References
    ----------
    .. [1] Z. D. Bai and J. W. Silverstein, CLT for linear spectral statistics of large-dimensional
           sample covariance matrices, Annals of Probability 32 (2004) 553-605.
    """

    _synonyms = FITS

    model: T
    parameters: dict[str, float]
    errors: dict[str, float]
    fixed: Record
    comparison: Comparison
    defect: float
    undetermined: tuple[str, ...] = ()
    at_bounds: tuple[str, ...] = ()
    minima: tuple[float, ...] = ()
    excluded: tuple[float, ...] = ()
    method: str = "distance"

    @property
    def law(self) -> Law:
        """Law of the fitted member."""
        return law_of(self.model)  # type: ignore[arg-type]

    def to_dict(self) -> Record:
        """Return plain values, for JSON; what is infinite becomes None.

        Returns
        -------
        dict of str to values
            One entry for each attribute.
        """
        return {
            "parameters": dict(self.parameters),
            "errors": {k: e if np.isfinite(e) else None for k, e in self.errors.items()},
            "fixed": dict(self.fixed),
            "defect": self.defect,
            "undetermined": list(self.undetermined),
            "at_bounds": list(self.at_bounds),
            "minima": list(self.minima),
            "excluded": list(self.excluded),
            "method": self.method,
            **self.comparison.to_dict(),
        }

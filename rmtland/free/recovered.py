r"""What a deconvolution recovered, and how well: the law, its error, and what was assumed.

References
----------
.. [1] O. Arizmendi, P. Tarrago and C. Vargas, Subordination methods for free deconvolution, Ann.
       Inst. H. Poincare Probab. Statist. 56 (2020) 2565-2594.

Examples
--------
>>> from rmtland import Arcsine, KestenMcKay, free_deconvolution
>>> found = free_deconvolution(KestenMcKay(4), Arcsine(-2.0, 2.0))  # two signs of four remain
>>> found.law.support, found.distance, found.route
(((-2.0, 2.0),), 'kolmogorov', 'moments')
>>> found.error < 1e-12, round(found.law.cdf(1.0), 12)
(True, 0.666666666667)
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

from rmtland.laws.discrete import EmpiricalLaw
from rmtland.laws.law import Law

__all__ = ["Deconvolution", "RecoveredLaw"]


@dataclass(frozen=True, eq=False, repr=False)
class RecoveredLaw(EmpiricalLaw):
    """Point masses that stand for a law recovered from a measured one, with their error.

    Parameters
    ----------
    eigenvalues, weights : array_like of float, shape (size,)
        Places and masses, as of an `EmpiricalLaw`.
    error : float
        Wasserstein distance to the true law, as estimated.
    regularisation : str
        A sentence: what was assumed beyond the data.
    """

    error: float = math.nan
    regularisation: str = ""

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        order = slice(None) if scale > 0 else slice(None, None, -1)
        weights = None if self.weights is None else self.weights[order]
        values = (scale * self.eigenvalues + shift)[order]
        return RecoveredLaw(values, weights, abs(scale) * self.error, self.regularisation)

    def __repr__(self) -> str:
        """Size, range and error."""
        return f"{super().__repr__()[:-1]}, Wasserstein error {self.error:.3g}>"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.eigenvalues, self.weights, self.error, self.regularisation)


@dataclass(frozen=True)
class Deconvolution:
    """Law recovered by `free_deconvolution` or `free_decompression`, with its error.

    Parameters
    ----------
    law : Law
        The law itself, an operand like any other.
    error : float
        How far the law is from the true one, in the distance that `distance` names; 0 where the
        operands show the answer.
    distance : str
        "kolmogorov" (largest difference of the distribution functions) or "wasserstein" (area
        between the distribution functions, in the units of the eigenvalues).
    residual : float
        Largest relative defect of the equation of subordination,
        abs(G_X(omega(z)) / G_total(z) - 1),
        where it was tested; 0 where the operands show the answer.
    regularisation : str
        A sentence: what was assumed beyond the data.
    bracket : float
        What is certain of the same distance without that assumption; never below `error`.
    route : str
        "exact", "moments" or "measured".
    """

    law: Law
    error: float = field(compare=False, default=0.0)
    distance: str = field(compare=False, default="kolmogorov")
    residual: float = field(compare=False, default=0.0)
    regularisation: str = field(compare=False, default="none: the operands show the answer")
    bracket: float = field(compare=False, default=0.0)
    route: str = field(compare=False, default="exact")

    def __getattr__(self, name: str) -> Any:
        # A deconvolution was a law itself in version 0.1; for one more version it speaks as one.
        if name.startswith("_") or not hasattr(Law, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        warnings.warn(
            f"Deconvolution.{name} is now Deconvolution.law.{name}; the old name goes in the next "
            "version",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(self.law, name)

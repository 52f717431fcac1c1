r"""What each assumption contributes to a misfit: differences along chains that exchange just one.

Let d be the Kolmogorov distance of the measured spectrum to a law. Along a chain of laws that
begins with the law in question and gives up one assumption at a time the differences of d add up
to the misfit. What one assumption contributes depends on the order in which they are given up; the
share stated is the mean over all orders (Shapley's value [1]_), with its range. A share may
be negative: then two assumptions err in opposite directions and giving up one alone makes the
fit worse.

**Wishart + Wigner** (first layer of assumptions: H0 Wishart, H1 Wigner, H0 and H1 free)

.. math::
    d_0 = \underbrace{(d_0 - d_1)}_{\text{scale}} + \underbrace{(d_1 - d_3)}_{\text{Wishart}}
        + \underbrace{(d_3 - d_4)}_{\text{Wigner}} + \underbrace{(d_4 - f_4)}_{\text{freeness}}
        + \underbrace{f_4}_{\text{chance}}

with the levels of `rmtland.audit.levels`; in the other order H1 is measured first (d_3' with
Wishart H0 and measured H1). f_4 is the distance at level 4 of the measured parts turned against
each other by a Haar rotation, which are free but for the finite size: the test of figure 2 of
Pennington and Bahri, so that d_4 - f_4 is what lack of freeness alone does.

**Matrix Dyson equation** (W2 iid Gaussian; residuals iid Gaussian, independent of W2 and data)

.. math::
    d_5 = \underbrace{\tfrac12 [(d_5 - d_W) + (d_e - f)]}_{\text{iid weights}}
        + \underbrace{\tfrac12 [(d_5 - d_e) + (d_W - f)]}_{\text{Gaussian residuals}}
        + \underbrace{f}_{\text{chance}}

where d_W is the distance to the mean spectrum of Hessians with W2 as measured and residuals drawn
anew, d_e that with residuals as measured and W2 drawn anew (`rmtland.audit.redraws`), and f the
distance that a single Hessian of the ensemble of level 5 has to the law of level 5, on average.

References
----------
.. [1] L. S. Shapley, A value for n-person games, Contributions to the Theory of Games II,
       Princeton University Press 1953, 307-317.

Examples
--------
>>> wigner_shares(0.30, 0.20, 0.08, 0.15, 0.05, 0.01)["Wishart"]
(0.11, 0.1, 0.12)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Share", "dyson_shares", "wigner_shares"]

Parts = dict[str, tuple[float, float, float]]
"""Share, and its least and greatest value over the orders, by assumption."""


@dataclass(frozen=True)
class Share:
    """What one assumption contributes to the misfit of a law.

    Parameters
    ----------
    law : str
        The law: its shares sum to its Kolmogorov distance.
    assumption : str
        The assumption; "chance" for what is due to the size of the network.
    value : float
        Mean over the orders in which assumptions are given up; may be negative.
    low, high : float
        Least and greatest value over these orders.
    error : float or None
        Standard error, from Hessians drawn anew; None where there are none.
    """

    law: str
    assumption: str
    value: float
    low: float
    high: float
    error: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "law": self.law, "assumption": self.assumption, "value": self.value,
            "low": self.low, "high": self.high, "error": self.error,
        }  # fmt: skip


def wigner_shares(
    printed: float, traces: float, h0: float, h1: float, both: float, turned: float
) -> Parts:
    """Shares of Wishart + Wigner from the distances d_0, d_1, d_3, d_3', d_4 and f_4."""
    scale = printed - traces
    wishart, wigner = (traces - h0, h1 - both), (h0 - both, traces - h1)
    free = both - turned
    return {
        "scale": (scale, scale, scale),
        "Wishart": _mean(wishart),
        "Wigner": _mean(wigner),
        "freeness": (free, free, free),
        "chance": (turned, turned, turned),
    }


def dyson_shares(dyson: float, second: float, residuals: float, chance: float) -> Parts:
    """Shares of the matrix Dyson equation from the distances d_5, d_W, d_e and f."""
    weights = (dyson - second, residuals - chance)
    noise = (dyson - residuals, second - chance)
    return {
        "iid weights": _mean(weights),
        "Gaussian residuals": _mean(noise),
        "chance": (chance, chance, chance),
    }


def _mean(values: tuple[float, float]) -> tuple[float, float, float]:
    return round(sum(values) / 2, 15), round(min(values), 15), round(max(values), 15)

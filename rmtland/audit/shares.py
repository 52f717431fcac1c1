r"""What each assumption contributes to a misfit: differences along chains that exchange just one.

Let d be the Kolmogorov distance of the measured spectrum to a law. Along a chain of laws that
begins with the law in question and gives up one assumption at a time the differences of d add up
to the misfit. What one assumption contributes depends on the order in which they are given up; the
share stated is the mean over all orders (Shapley's value [1]_), with its range. A share may
be negative: then two assumptions err in opposite directions and giving up one alone makes the
fit worse. Where the orders differ in sign by more than the error, they `cancel`: the mean says
little then, and the range is what to read.

**Wishart + Wigner** (first layer of assumptions: H0 Wishart, H1 Wigner, H0 and H1 free)

.. math::
    d_0 = \underbrace{(d_0 - d_1)}_{\text{scale}} + \underbrace{(d_1 - d_3)}_{\text{Wishart}}
        + \underbrace{(d_3 - d_4)}_{\text{Wigner}} + \underbrace{(d_4 - f_4)}_{\text{freeness}}
        + \underbrace{f_4}_{\text{chance}}

with the levels of `rmtland.audit.levels`; in the other order H1 is measured first (d_3' with
Wishart H0 and measured H1). f_4 is the distance at level 4 of the measured parts turned against
each other by a Haar rotation, which are free but for the finite size: the test of figure 2 of
Pennington and Bahri, so that d_4 - f_4 is what lack of freeness alone does.

Of estimated spectra each distance has a range (`rmtland.audit.estimated_audit`), and so have its
differences: `low` and `high` hold over the orders and over what the estimates leave open. There are
no eigenvectors to turn and all eigenvalues would be needed, so that f_4 is not known: what it is
(of the order 1/p) stays in the share of freeness.

**Matrix Dyson equation** (W2 iid Gaussian; residuals iid Gaussian, independent of W2 and data)

.. math::
    d_5 = \underbrace{\tfrac12 [(d_5 - d_W) + (d_e - f)]}_{\text{iid weights}}
        + \underbrace{\tfrac12 [(d_5 - d_e) + (d_W - f)]}_{\text{Gaussian residuals}}
        + \underbrace{f - c}_{\text{law}} + \underbrace{c}_{\text{chance}}

where d_W is the distance to the mean spectrum of Hessians with W2 as measured and residuals drawn
anew, d_e that with residuals as measured and W2 drawn anew (`rmtland.audit.redraws`), and f the
distance that a single Hessian of the ensemble of level 5 has to the law of level 5, on average. Of
that, c is what a single Hessian is off the mean spectrum of the others, sampling noise; the rest is
the law's own error: of its table, and of the equation at this size.

References
----------
.. [1] L. S. Shapley, A value for n-person games, Contributions to the Theory of Games II,
       Princeton University Press 1953, 307-317.

Examples
--------
>>> wigner_shares(0.30, 0.20, 0.08, 0.15, 0.05, 0.01)[Assumption.WISHART]
Contribution(value=0.11, low=0.1, high=0.12)
>>> Share(Family.DYSON, Assumption.WEIGHTS, 0.01, -0.1, 0.12, 0.02).cancels
True
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rmtland.audit.levels import Family
from rmtland.typing import Record

__all__ = [
    "Assumption",
    "Contribution",
    "Share",
    "dyson_shares",
    "estimated_wigner_shares",
    "wigner_shares",
]


_SMALL = 0.005
"""Distances are read to a few thousandths."""


class Assumption(StrEnum):
    """What a law assumes and may be wrong about; "chance" is due to the size of the network."""

    SCALE = "scale"
    WISHART = "Wishart"
    WIGNER = "Wigner"
    FREENESS = "freeness"
    WEIGHTS = "iid weights"
    RESIDUALS = "Gaussian residuals"
    LAW = "law"
    CHANCE = "chance"

    @property
    def sentence(self) -> str:
        """The assumption in plain words."""
        return {
            "scale": "the scale that is not fitted",
            "Wishart": "the Wishart assumption on H0",
            "Wigner": "the Wigner assumption on H1",
            "freeness": "freeness of H0 and H1",
            "iid weights": "iid weights of the second layer",
            "Gaussian residuals": "iid residuals independent of the data",
            "law": "the error of the law itself",
            "chance": "the finite size",
        }[self.value]


class Contribution(NamedTuple):
    """Mean over the orders in which assumptions are given up, and the range over them."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Share:
    """What one assumption contributes to the misfit of a law.

    Made by `rmtland.audit.audit_hessian`.

    Parameters
    ----------
    law : Family
        The law: its shares sum to its Kolmogorov distance.
    assumption : Assumption
        The assumption.
    value : float
        Mean over the orders in which assumptions are given up; may be negative.
    low, high : float
        Least and greatest value over these orders; of estimated spectra also over what the
        estimates leave open.
    error : float or None
        Standard error, from Hessians drawn anew; None where there are none.
    """

    law: Family
    assumption: Assumption
    value: float
    low: float
    high: float
    error: float | None

    @property
    def cancels(self) -> bool:
        """Whether orders differ in sign by more than the error: the mean says little."""
        error = max(self.error or 0.0, _SMALL)
        return self.low < -error and self.high > error

    def as_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            Nested dictionaries and lists of plain values.
        """
        return {
            "law": str(self.law),
            "assumption": str(self.assumption),
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "error": self.error,
            "cancels": self.cancels,
        }


def wigner_shares(
    printed: float, traces: float, h0: float, h1: float, both: float, turned: float
) -> dict[Assumption, Contribution]:
    """Split the misfit of Wishart + Wigner.

    Parameters
    ----------
    printed, traces, h0, h1, both : float
        Distances d_0, d_1, d_3, d_3' and d_4.
    turned : float
        f_4, that of the measured parts in general position.

    Returns
    -------
    dict of Assumption to Contribution
        They sum to `printed`.
    """
    return {
        Assumption.SCALE: _mean(printed - traces),
        Assumption.WISHART: _mean(traces - h0, h1 - both),
        Assumption.WIGNER: _mean(h0 - both, traces - h1),
        Assumption.FREENESS: _mean(both - turned),
        Assumption.CHANCE: _mean(turned),
    }


def estimated_wigner_shares(
    printed: Contribution,
    traces: Contribution,
    h0: Contribution,
    h1: Contribution,
    both: Contribution,
) -> dict[Assumption, Contribution]:
    """Split the misfit of Wishart + Wigner where distances are known within ranges.

    Parameters
    ----------
    printed, traces, h0, h1, both : Contribution
        Distances d_0, d_1, d_3, d_3' and d_4: value and ends of the range.

    Returns
    -------
    dict of Assumption to Contribution
        They sum to the value of `printed`; the finite size is part of freeness.
    """
    zero = Contribution(0.0, 0.0, 0.0)
    return {
        Assumption.SCALE: _ranged((printed, traces)),
        Assumption.WISHART: _ranged((traces, h0), (h1, both)),
        Assumption.WIGNER: _ranged((h0, both), (traces, h1)),
        Assumption.FREENESS: _ranged((both, zero)),
    }


def _ranged(*pairs: tuple[Contribution, Contribution]) -> Contribution:
    values = [first.value - second.value for first, second in pairs]
    return Contribution(
        sum(values) / len(values),
        min(first.low - second.high for first, second in pairs),
        max(first.high - second.low for first, second in pairs),
    )


def dyson_shares(
    dyson: float, second: float, residuals: float, redrawn: float, sampling: float
) -> dict[Assumption, Contribution]:
    """Split the misfit of the matrix Dyson equation.

    Parameters
    ----------
    dyson, second, residuals : float
        Distances d_5, d_W and d_e.
    redrawn : float
        f.
    sampling : float
        c.

    Returns
    -------
    dict of Assumption to Contribution
        They sum to `dyson`.
    """
    return {
        Assumption.WEIGHTS: _mean(dyson - second, residuals - redrawn),
        Assumption.RESIDUALS: _mean(dyson - residuals, second - redrawn),
        Assumption.LAW: _mean(redrawn - sampling),
        Assumption.CHANCE: _mean(sampling),
    }


def _mean(*values: float) -> Contribution:
    low, high = round(min(values), 15), round(max(values), 15)
    return Contribution(min(max(round(sum(values) / len(values), 15), low), high), low, high)

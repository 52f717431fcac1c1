"""How the value of a formula and the truth must stand to each other, and how far they are off.

A relation turns two values into a *deviation*: at most 1 where the relation holds within its
tolerance. Values are numbers or arrays of one shape.

>>> import numpy as np
>>> Equal(rtol=1e-6).deviation(2.0, 2.0 + 1e-6) <= 1
True
>>> AtMost().deviation(3.0, 2.0) > 1
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rmtland.typing import ArrayLike, NumpyArray, Values

__all__ = ["AtLeast", "AtMost", "Equal", "Estimate", "Near", "Relation"]


@dataclass(frozen=True)
class Estimate:
    """A measured number with its interval.

    Parameters
    ----------
    value : float
        What was measured.
    error : float
        Half-width of its interval.
    n : int
        Independent measurements.
    seeds : str
        Which random numbers.
    level : float
        Probability that the interval covers.
    """

    value: float
    error: float
    n: int
    seeds: str
    level: float = 0.999

    @property
    def interval(self) -> tuple[float, float]:
        """The ends."""
        return self.value - self.error, self.value + self.error


def _ratio(excess: ArrayLike, allowed: ArrayLike) -> float:
    """Return the largest quotient; infinite where something is not a number."""
    excess, allowed = np.asarray(excess, dtype=float), np.asarray(allowed, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(excess <= 0, 0.0, excess / allowed)
    return float("inf") if np.isnan(excess).any() else float(np.max(ratio, initial=0.0))


def _pair(truth: Values, claim: Values) -> tuple[NumpyArray, NumpyArray] | None:
    """Return both as arrays; None if their shapes differ or one is not finite."""
    if claim is None or truth is None:
        return None
    t, c = np.asarray(truth), np.asarray(claim)
    if t.shape != c.shape or not (np.isfinite(t).all() and np.isfinite(c).all()):
        return None
    if t.dtype == bool or c.dtype == bool:
        t, c = t.astype(float), c.astype(float)
    return t, c


@dataclass(frozen=True)
class Equal:
    """The formula is the truth.

    Parameters
    ----------
    rtol, atol : float
        Tolerance: atol + rtol times the size of the truth, for each entry of an array.
    """

    rtol: float = 1e-9
    atol: float = 1e-12
    symbol = "="

    def deviation(self, truth: Values, claim: Values) -> float:
        """Return the difference in units of the tolerance.

        Parameters
        ----------
        truth, claim : float, complex or array
            The two values.

        Returns
        -------
        float
            At most 1 where they agree.
        """
        pair = _pair(truth, claim)
        if pair is None:
            return float("inf")
        t, c = pair
        return _ratio(np.abs(t - c), self.atol + self.rtol * np.abs(t))

    def attained(self, truth: Values, claim: Values) -> float:
        """Return `deviation`.

        Parameters
        ----------
        truth, claim : float, complex or array
            The two values.

        Returns
        -------
        float
            At most 1 where they agree.
        """
        return self.deviation(truth, claim)


@dataclass(frozen=True)
class _OneSided:
    """One value bounds the other.

    Parameters
    ----------
    rtol, atol : float
        Rounding: atol + rtol times the size of the formula's value.
    sharp : float
        Relative tolerance with which the bound is attained where it is said to be.
    """

    rtol: float = 1e-9
    atol: float = 1e-12
    sharp: float = 1e-6
    side = 1.0

    def deviation(self, truth: Values, claim: Values) -> float:
        """Return how far the bound is broken, in units of the tolerance.

        Parameters
        ----------
        truth, claim : float or array
            The two values.

        Returns
        -------
        float
            At most 1 where the bound holds.
        """
        pair = _pair(truth, claim)
        if pair is None:
            return float("inf")
        t, c = pair
        return _ratio(self.side * (t - c), self.atol + self.rtol * np.abs(c))

    def attained(self, truth: Values, claim: Values) -> float:
        """Return how far the two are from equal, in units of `sharp`.

        Parameters
        ----------
        truth, claim : float or array
            The two values.

        Returns
        -------
        float
            At most 1 where the bound is attained.
        """
        return Equal(self.sharp, self.atol).deviation(truth, claim)


@dataclass(frozen=True)
class AtMost(_OneSided):
    """The truth is at most the value of the formula.

    Parameters
    ----------
    rtol, atol : float
        Rounding: atol + rtol times the size of the formula's value.
    sharp : float
        Relative tolerance with which the bound is attained where it is said to be.
    """

    symbol = "<="


@dataclass(frozen=True)
class AtLeast(_OneSided):
    """The truth is at least the value of the formula.

    Parameters
    ----------
    rtol, atol : float
        Rounding: atol + rtol times the size of the formula's value.
    sharp : float
        Relative tolerance with which the bound is attained where it is said to be.
    """

    side = -1.0
    symbol = ">="


@dataclass(frozen=True)
class Near:
    """The value of the formula lies in the interval of an `Estimate`.

    Parameters
    ----------
    slack : float
        What the words of the claim leave open ("about", "well approximated"), relative to it.
    """

    slack: float = 0.0
    symbol = "in the interval of"

    def deviation(self, truth: Estimate, claim: float) -> float:
        """Return the distance in units of the half-width.

        Parameters
        ----------
        truth : Estimate
            What was measured.
        claim : float
            What is claimed.

        Returns
        -------
        float
            At most 1 where the interval covers.
        """
        if _pair(truth.value, claim) is None:
            return float("inf")
        allowed = truth.error + self.slack * abs(claim)
        return _ratio(abs(truth.value - claim), allowed)

    def attained(self, truth: Estimate, claim: float) -> float:
        """Return `deviation`.

        Parameters
        ----------
        truth : Estimate
            What was measured.
        claim : float
            What is claimed.

        Returns
        -------
        float
            At most 1 where the interval covers.
        """
        return self.deviation(truth, claim)


Relation: TypeAlias = Equal | AtMost | AtLeast | Near
"""How truth and formula stand to each other."""

"""Laws as distributions of scipy.stats, where an `rv_continuous` is expected: `law.frozen()`.

Tests of goodness of fit, expectations, entropies and Q-Q plots of SciPy then take any law. Atoms
are part of cdf, sf, ppf, isf, expect and of all moments, never of pdf.

Examples
--------
>>> from scipy import stats
>>> from rmtland.laws import MarchenkoPastur
>>> law = MarchenkoPastur(0.5).frozen()
>>> [round(float(end), 6) for end in law.support()]
[0.085786, 2.914214]
>>> float(round(law.expect(lambda x: x**2), 10))
1.5
>>> stats.kstest(law.rvs(200, random_state=1), law.cdf).pvalue > 0.01
np.True_
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import stats

from rmtland.arguments import callable_or_none, extended, finite, positive
from rmtland.laws.expectations import expectation
from rmtland.laws.transforms import rounded
from rmtland.typing import Atoms, Real, Record, Support, Values

if TYPE_CHECKING:
    from scipy.stats.distributions import rv_frozen

__all__ = ["LawDistribution", "frozen"]


class Frozen(Protocol):
    """What is asked of a law."""

    @property
    def support(self) -> Support: ...
    @property
    def atoms(self) -> Atoms: ...
    @property
    def _singular_places(self) -> tuple[float, ...]: ...
    @property
    def hull(self) -> tuple[float, float]: ...
    def moment(self, k: int) -> float: ...
    def _exact_moments(self, k: int) -> list[Fraction]: ...
    def _pdf(self, x: Real) -> Real: ...
    def _cdf(self, x: Real) -> Real: ...
    def _sf(self, x: Real) -> Real: ...
    def _ppf(self, q: Real) -> Real: ...
    def _isf(self, q: Real) -> Real: ...
    def _ordered_ppf(self, q: Real) -> Real: ...
    def _ordered_isf(self, q: Real) -> Real: ...


class LawDistribution(stats.rv_continuous):  # type: ignore[misc]
    """A law as a continuous distribution of SciPy, with `loc` and `scale` beside its parameters.

    Parameters
    ----------
    law : Law
        The law; its hull is the support.
    """

    def __init__(self, law: Frozen) -> None:
        low, high = law.hull
        super().__init__(a=low, b=high, name=type(law).__name__)
        self.law = law

    def _updated_ctor_param(self) -> Record:
        # How SciPy makes a distribution of its own for a frozen one.
        return {"law": self.law}

    def _open_support_mask(self, x: Real, *args: object) -> Values:
        # Closed: an atom may sit at the lower end, where SciPy takes cdf to be 0 otherwise.
        return self._support_mask(x, *args)

    def _at(self, function: Callable[[Real], Real], x: Real) -> Real:
        array = np.asarray(x, dtype=np.float64)
        return function(array.ravel()).reshape(array.shape)

    def _pdf(self, x: Real) -> Real:
        return self._at(self.law._pdf, x)

    def _cdf(self, x: Real) -> Real:
        return self._at(self.law._cdf, x)

    def _sf(self, x: Real) -> Real:
        return self._at(self.law._sf, x)

    def _ppf(self, q: Real) -> Real:
        return self._at(self.law._ordered_ppf, q)

    def _isf(self, q: Real) -> Real:
        return self._at(self.law._ordered_isf, q)

    def _munp(self, n: int) -> float:
        return self.law.moment(int(n))

    def _stats(self) -> tuple[float, float, float | None, float | None]:
        _, m1, m2, m3, m4 = self.law._exact_moments(4)
        var = m2 - m1**2
        if not var > 0:
            return float(m1), 0.0, None, None
        third = m3 - 3 * m1 * m2 + 2 * m1**3
        fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
        # In a unit near the standard deviation: neither its square nor its cube need be a float.
        unit = Fraction(2) ** ((var.numerator.bit_length() - var.denominator.bit_length()) // 2)
        skewness = float(third / unit**3) / float(var / unit**2) ** 1.5
        variance = rounded(var, "the variance (law.std() is not)")
        return float(m1), variance, skewness, float(fourth / var**2) - 3

    def _entropy(self) -> float:
        """Differential entropy; minus infinity for a law with atoms.

        Raises
        ------
        ConvergenceError
            If it is not found, as where the density is almost 1/|x - a| next to an end a not 0.
        """
        if self.law.atoms:
            return -np.inf

        def surprise(x: Real) -> Real:
            density = self.law._pdf(x)
            known = (density > 0) & np.isfinite(density)
            return -np.log(np.where(known, density, 1.0))

        return expectation(self.law, surprise)[0]

    def expect(
        self,
        func: Callable[[Values], Values] | None = None,
        args: tuple[()] = (),
        loc: float = 0.0,
        scale: float = 1.0,
        lb: float | None = None,
        ub: float | None = None,
        conditional: bool = False,
        **_: object,
    ) -> float:
        """Return the expectation of a function, atoms included.

        Parameters
        ----------
        func : callable, optional
            Function of one place; the identity by default. Where it is infinite, NaN or raises
            a ValueError or ArithmeticError at a place that is no atom, as at a pole, the next
            number is asked instead.
        args : tuple
            Empty: the law has its parameters.
        loc, scale : float
            The law is that of loc + scale X.
        lb, ub : float, optional
            Bounds; outside nothing is counted.
        conditional : bool
            Divide by the mass between the bounds.

        Returns
        -------
        float
            The expectation.

        Raises
        ------
        ValueError
            If the scale is not positive, a bound is NaN, `lb` is above `ub`, or, if conditional,
            there is no mass between the bounds.
        TypeError
            If `loc`, `scale`, a bound or a value of `func` is no real number, or `func` cannot be
            called.
        ConvergenceError
            If the density of the law does not add up to its distribution function, or the function
            is so rough that the expectation is not found, or has none.
        """
        function = callable_or_none("func", func) or (lambda x: x)
        loc, scale = finite("loc", loc), positive("scale", scale)
        left = -np.inf if lb is None else extended("lb", lb)
        right = np.inf if ub is None else extended("ub", ub)
        if left > right:
            raise ValueError(f"lb must not be above ub; got {left} and {right}")

        def at(x: Real) -> Real:
            return _values(function, loc + scale * x)

        def beside_poles(x: Real) -> Real:
            return _values_beside_poles(function, loc + scale * x)

        low, high = (left - loc) / scale, (right - loc) / scale
        total, mass = expectation(self.law, beside_poles, low=low, high=high)
        atoms = np.array(self.law.atoms, dtype=np.float64).reshape(-1, 2)
        # In the places of loc + scale X: what leads back to X is rounded.
        places = loc + scale * atoms[:, 0]
        atoms = atoms[(places >= left) & (places <= right)]
        total += float(at(atoms[:, 0]) @ atoms[:, 1])
        if not conditional:
            return total
        mass += float(atoms[:, 1].sum())
        if not mass > 0:
            raise ValueError(f"{self.law!r} has no mass between {lb} and {ub}")
        return total / mass


def _value(function: Callable[[Real], Values], place: Real) -> float:
    """Value of a user's function at a place, if it is a real number."""
    found = function(place)
    if isinstance(found, float):  # as that of NumPy is
        return found
    try:
        if np.iscomplexobj(found):
            raise TypeError
        return float(found)
    except (TypeError, ValueError):
        raise TypeError(
            f"func must return one real number; got {found!r} at {float(place)!r}"
        ) from None


def _values(function: Callable[[Real], Values], places: Real) -> Real:
    """Values of a user's function at places, one by one."""
    return np.array([_value(function, place) for place in places])


def _values_beside_poles(function: Callable[[Real], Values], places: Real) -> Real:
    """Values at places of a density, which has no mass on a number: at a pole, of one next to it.

    Where the function is infinite, NaN or raises there as well, it does as it does at the place.
    """
    values = np.full(places.shape, np.nan)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for points in (places, np.nextafter(places, np.inf), np.nextafter(places, -np.inf)):
            for i in np.flatnonzero(~np.isfinite(values)):
                try:
                    values[i] = _value(function, points[i])
                except (ValueError, ArithmeticError):
                    continue
    lost = ~np.isfinite(values)
    values[lost] = _values(function, places[lost])
    return values


def frozen(law: Frozen) -> rv_frozen:
    """Return a law as a frozen distribution of SciPy (`rv_frozen`).

    Parameters
    ----------
    law : Law
        The law.

    Returns
    -------
    scipy.stats.distributions.rv_frozen
        With pdf, cdf, sf, ppf, isf, rvs, stats, moment, entropy, interval, support and expect; its
        attribute `dist` is the `rv_continuous`.
    """
    return LawDistribution(law).freeze()

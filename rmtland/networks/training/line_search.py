r"""The line search of More and Thuente: steps that satisfy the strong Wolfe conditions.

Along a direction of descent, with :math:`\phi(t)` the loss at step t, a step is taken that has

.. math:: \phi(t) \le \phi(0) + \mu t \phi'(0), \qquad |\phi'(t)| \le \eta\, |\phi'(0)| .

An interval that holds such a step is found and shrunk by cubic and quadratic interpolation, first
of :math:`\phi(t) - \mu t \phi'(0)`, then of :math:`\phi` [1]_. The search asks for values one after
the other, so that whoever computes them decides where.

References
----------
.. [1] J. J. More and D. J. Thuente, Line search algorithms with guaranteed sufficient decrease,
       ACM Trans. Math. Software 20 (1994) 286-307.

Examples
--------
>>> search = LineSearch(value=1.0, slope=-2.0, step=0.1)
>>> while not search.is_done:
...     search.tell((search.step - 1.0) ** 2, 2 * (search.step - 1.0))
>>> abs(search.step - 1.0) <= 0.9
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["LineSearch"]


@dataclass
class _Trial:
    """A step, with value and slope there."""

    step: float
    value: float
    slope: float

    def tilted(self, slope: float) -> _Trial:
        """Return the same for the function less a line through zero."""
        return _Trial(self.step, self.value - self.step * slope, self.slope - slope)


class LineSearch:
    """A search in progress; `step` is where value and slope are wanted next.

    Parameters
    ----------
    value, slope : float
        At step 0; the slope is negative.
    step : float
        The first step to try.
    decrease, curvature : float, optional
        mu and eta.
    resolution : float, optional
        Relative width of the interval at which the search ends in any case.
    longest : float, optional
        Largest step.

    Attributes
    ----------
    step : float
        The step to try next, or the one that was found.
    is_done : bool
        Whether the last step that was told is to be taken.
    """

    def __init__(
        self,
        value: float,
        slope: float,
        step: float,
        *,
        decrease: float = 1e-3,
        curvature: float = 0.9,
        resolution: float = 0.1,
        longest: float = 1e10,
    ) -> None:
        self.value, self.slope, self.step = value, slope, step
        self.curvature, self.resolution, self.longest = curvature, resolution, longest
        self.line = decrease * slope
        self.is_done = self.is_bracketed = False
        self.is_first_stage = True
        self.best, self.other = _Trial(0.0, value, slope), _Trial(0.0, value, slope)
        self.low, self.high = 0.0, 5.0 * step
        self.width, self.width_before = longest, 2.0 * longest

    def tell(self, value: float, slope: float) -> None:
        """Take note of value and slope at `step`, and choose the next step.

        Parameters
        ----------
        value, slope : float
            At `step`.
        """
        here = _Trial(self.step, value, slope)
        wanted = self.value + self.step * self.line
        if self.is_first_stage and value <= wanted and slope >= 0.0:
            self.is_first_stage = False
        if self._ends(here, wanted):
            self.is_done = True
            return
        if self.is_first_stage and wanted < value <= self.best.value:
            line = self.line  # the function less the line of sufficient decrease
            self.best, self.other = self.best.tilted(line), self.other.tilted(line)
            self._refine(here.tilted(line))
            self.best, self.other = self.best.tilted(-line), self.other.tilted(-line)
        else:
            self._refine(here)
        self._limit()

    def _ends(self, here: _Trial, wanted: float) -> bool:
        """Whether a step is good, or nothing better can be told from it by rounding."""
        if here.value <= wanted and abs(here.slope) <= -self.curvature * self.slope:
            return True
        if self.is_bracketed and not self.low < here.step < self.high:
            return True
        if self.is_bracketed and self.high - self.low <= self.resolution * self.high:
            return True
        if here.step == self.longest and here.value <= wanted and here.slope <= self.line:
            return True
        return here.step == 0.0

    def _limit(self) -> None:
        """Keep the next step within bounds, and let the interval shrink fast enough."""
        best, other = self.best.step, self.other.step
        if self.is_bracketed:
            if abs(other - best) >= 0.66 * self.width_before:
                self.step = best + 0.5 * (other - best)
            self.width_before, self.width = self.width, abs(other - best)
            self.low, self.high = min(best, other), max(best, other)
        else:
            self.low = self.step + 1.1 * (self.step - best)
            self.high = self.step + 4.0 * (self.step - best)
        self.step = min(max(self.step, 0.0), self.longest)
        narrow = self.high - self.low <= self.resolution * self.high
        if self.is_bracketed and (not self.low < self.step < self.high or narrow):
            self.step = best

    def _refine(self, here: _Trial) -> None:
        """Choose a step by interpolation, and update the interval of uncertainty."""
        best, other = self.best, self.other
        opposite = here.slope * math.copysign(1.0, best.slope) < 0.0
        if here.value > best.value:
            cubic = _cubic(best, here)
            square = best.step + _quadratic(best, here) * (here.step - best.step)
            near = abs(cubic - best.step) < abs(square - best.step)
            step = cubic if near else cubic + (square - cubic) / 2.0
            self.is_bracketed = True
        elif opposite:
            cubic, secant = _cubic(here, best), _secant(here, best)
            step = cubic if abs(cubic - here.step) > abs(secant - here.step) else secant
            self.is_bracketed = True
        elif abs(here.slope) < abs(best.slope):
            step = self._beyond(here)
        elif self.is_bracketed:
            step = _cubic(here, other)
        else:
            step = self.high if here.step > best.step else self.low
        if here.value > best.value:
            self.other = here
        else:
            if opposite:
                self.other = best
            self.best = here
        self.step = step

    def _beyond(self, here: _Trial) -> float:
        """Choose a step where the slope gets smaller without a change of sign."""
        best, other = self.best, self.other
        cubic, secant = _cubic_ahead(here, best, self.low, self.high), _secant(here, best)
        cubic_is_nearer = abs(cubic - here.step) < abs(secant - here.step)
        if self.is_bracketed:
            step = cubic if cubic_is_nearer else secant
            most = here.step + 0.66 * (other.step - here.step)
            return min(most, step) if here.step > best.step else max(most, step)
        step = secant if cubic_is_nearer else cubic
        return min(max(step, self.low), self.high)


def _parts(one: _Trial, two: _Trial) -> tuple[float, float, float]:
    """Return theta, its scale, and the square of gamma over it, of the cubic through both."""
    theta = 3.0 * (one.value - two.value) / (two.step - one.step) + one.slope + two.slope
    scale = max(abs(theta), abs(one.slope), abs(two.slope))
    square = (theta / scale) ** 2 - (one.slope / scale) * (two.slope / scale)
    return theta, scale, square


def _cubic(one: _Trial, two: _Trial) -> float:
    """Return the minimiser of the cubic through both, by values and slopes."""
    theta, scale, square = _parts(one, two)
    gamma = scale * math.sqrt(max(0.0, square))
    if two.step < one.step:
        gamma = -gamma
    top = (gamma - one.slope) + theta
    bottom = ((gamma - one.slope) + gamma) + two.slope
    return one.step + top / bottom * (two.step - one.step)


def _cubic_ahead(here: _Trial, best: _Trial, low: float, high: float) -> float:
    """Return the minimiser of the cubic where it lies ahead, else the end of the interval."""
    theta, scale, square = _parts(best, here)
    gamma = scale * math.sqrt(max(0.0, square))
    if here.step > best.step:
        gamma = -gamma
    top = (gamma - here.slope) + theta
    bottom = (gamma + (best.slope - here.slope)) + gamma
    ratio = top / bottom if bottom else 0.0
    if ratio < 0.0 and gamma != 0.0:
        return here.step + ratio * (best.step - here.step)
    return high if here.step > best.step else low


def _quadratic(best: _Trial, here: _Trial) -> float:
    """Return where the parabola by two values and the first slope is least, as a share."""
    width = here.step - best.step
    return best.slope / ((best.value - here.value) / width + best.slope) / 2.0


def _secant(here: _Trial, best: _Trial) -> float:
    """Return where the slopes, continued linearly, vanish."""
    return here.step + here.slope / (here.slope - best.slope) * (best.step - here.step)

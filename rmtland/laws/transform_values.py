r"""Values of a law off its bands and on them against integrals over the density.

In a gap G is real and the integral of :math:`\rho(dt) / (x - t)`. At a point of a band it is

.. math::
    G(x + i0) = \mathrm{p.v.} \int \frac{\rho(t)}{x - t} \, dt - i \pi \rho(x), \qquad
    \mathrm{p.v.} \int_a^b \frac{\rho(t)}{x - t} \, dt
    = \int_a^b \frac{\rho(t) - \rho(x)}{x - t} \, dt + \rho(x) \log \frac{x - a}{b - x} ,

and the last integrand is smooth. Another root of an equation, or another sheet, is off by as much
as G itself; a comparison to three digits sees it. The logarithmic potential is compared above the
axis, the survival function and the mass below with the distribution function.

References
----------
.. [1] P. J. Davis and P. Rabinowitz, Methods of Numerical Integration, 2nd edition, Academic Press
       1984, section 2.12.8 (subtraction of the singularity).

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import Semicircle
>>> from rmtland.laws.band_rules import square_root_rule
>>> rule, law = square_root_rule(48), Semicircle()
>>> x = -2 + 4 * rule.share
>>> here = 0.3, law.pdf(0.3)
>>> round(principal_value(x, 4 * rule.weights, law.pdf(x), here, -2.0, 2.0), 4)  # x / 2
0.15
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from rmtland.laws.law import Law
from rmtland.laws.quadrature import Panels, known_density
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, Real

__all__ = [
    "AXIS",
    "FAR",
    "NEAR",
    "Between",
    "PanelPart",
    "SampledBand",
    "asked_between",
    "between",
    "gap_place",
    "parts_of",
    "principal_value",
    "transform_defects",
]

AXIS = 2e-3
"""Relative deviation on the axis that is allowed: those of another root are as large as G."""
FAR = 1e-6
"""Deviation that a rule may leave at points as far above the axis as the law is wide."""
NEAR = 4 * math.exp(-10)
"""What a rule of order n leaves at the height sinh(10/n) of an ellipse above its band."""
_FEW = 24
"""Order of a rule below which its principal values are not known."""


class Between(NamedTuple):
    """A point of a band between two nodes, the density and the distribution function there."""

    place: float
    density: float
    below: float


def between(x: Real) -> float:
    """Return the point between two nodes of a rule at which a band is asked.

    Parameters
    ----------
    x : ndarray of float, shape (n,)
        The nodes, ascending.

    Returns
    -------
    float
        A point about two fifths of the way through them.
    """
    k = 2 * x.size // 5
    return float(x[k : k + 2].mean())


class SampledBand(Protocol):
    """A band, or a part of one, with the nodes of a rule; of order 2 n for midpoints in s."""

    low: float
    high: float
    x: Real
    masses: Real

    @property
    def density(self) -> Real | None:
        """Density at the nodes, if the rule is one for a smooth density."""

    @property
    def order(self) -> int:
        """Order of the rule."""

    @property
    def mass(self) -> float:
        """Mass by the density."""

    @property
    def between(self) -> Between:
        """The point `between` its nodes."""


@dataclass
class PanelPart:
    """A panel, in which a Kronrod rule of order 24 is exact."""

    law: Law
    low: float
    high: float
    x: Real
    masses: Real
    order = 24

    @property
    def density(self) -> Real | None:
        """Density at the nodes, None where it is not known or infinite."""
        values = known_density(self.law, self.x)
        return values if np.isfinite(values).all() else None

    @property
    def mass(self) -> float:
        """Mass by the density."""
        return float(self.masses.sum())

    @property
    def between(self) -> Between:
        """The point between its nodes."""
        return asked_between(self.law, self.x)


def asked_between(law: Law, x: Real) -> Between:
    """Ask a law for its values between two nodes of a rule.

    Parameters
    ----------
    law : Law
        The law.
    x : ndarray of float, shape (n,)
        The nodes, ascending.

    Returns
    -------
    Between
        The values; the density is NaN where it is refused.
    """
    at = np.array([between(x)])
    return Between(float(at[0]), float(known_density(law, at)[0]), float(law._cdf(at)[0]))


def parts_of(law: Law, panels: Panels) -> list[PanelPart]:
    """Return panels of a law with their nodes.

    Parameters
    ----------
    law : Law
        The law.
    panels : Panels
        Those that integrate its density.

    Returns
    -------
    list of PanelPart
        All but empty ones.
    """
    rows = zip(panels.left.tolist(), panels.right.tolist(), panels.x, panels.weights, strict=True)
    return [PanelPart(law, *row) for row in rows if row[0] < row[1]]


def gap_place(law: Law) -> float | None:
    """Return the point of the widest gap at which G is asked, one of its table if it has one.

    Parameters
    ----------
    law : Law
        The law.

    Returns
    -------
    float or None
        The point; None for a law without gaps, or only with some of the width of rounding.
    """
    low, high = law.hull
    start, stop = max(law.gaps, key=lambda gap: gap[1] - gap[0], default=(high, high))
    width = stop - start
    if not width > 1e-6 * (high - low + abs(start) + abs(stop)):
        return None
    place = start + 0.37 * width
    for gap in law.complement():
        if gap.explicit and (gap.low, gap.high) == (start, stop):
            known = gap.table[1].point
            nearest = float(known[np.argmin(np.abs(known - place))])
            return nearest if abs(nearest - place) < 0.1 * width else place
    return place


def principal_value(
    x: Real, weights: Real, density: Real, here: tuple[float, float], low: float, high: float
) -> float:
    """Principal value of the integral of density(t) / (x - t) over an interval.

    Parameters
    ----------
    x, weights, density : ndarray of float, shape (n,)
        Nodes of a rule on the interval, its weights, and the density there.
    here : (float, float)
        A point inside, none of the nodes, and the density there.
    low, high : float
        The interval.

    Returns
    -------
    float
        The principal value, as exact as the rule is for the density less a constant: a rule of n
        nodes for square-root edges leaves of the order 1 / n^2.
    """
    place, value = here
    rest = (density - value) * weights / (place - x)
    return float(rest.sum()) + value * math.log((place - low) / (high - place))


def transform_defects(
    law: Law,
    bands: Sequence[SampledBand],
    stops: Real,
    allowed: float,
    *,
    thorough: bool = False,
) -> list[str]:
    """Compare transforms and tails of a law with the masses of its bands and atoms.

    Parameters
    ----------
    law : Law
        The law.
    bands : sequence of SampledBand
        Its bands, with nodes and masses of a rule.
    stops : ndarray of float
        Ends of its bands, and atoms, ascending.
    allowed : float
        Deviation of masses that is allowed.
    thorough : bool
        Whether G is asked beyond the upper end too where there is a gap.

    Returns
    -------
    list of str
        Sentences about what does not hold.
    """
    low, high = float(stops[0]), float(stops[-1])
    if high <= low:
        return []
    x = np.concatenate([*(band.x for band in bands), [place for place, _ in law.atoms]])
    masses = np.concatenate([*(band.masses for band in bands), [mass for _, mass in law.atoms]])
    slack = allowed * (1 + len(bands))
    far, rough = [low + 1j * (high - low), high + 1j * (high - low)], [FAR, FAR]
    smooth = _smooth_part(law, bands)
    if smooth is not None:
        k = int(np.searchsorted(smooth.x, smooth.between.place)) - 1
        share = (float(smooth.x[k]) - smooth.low) / (smooth.high - smooth.low)
        height = (smooth.high - smooth.low) * math.sqrt(share * (1 - share))
        far.append(smooth.x[k] + 1j * height * math.sinh(10 / smooth.order))
        rough.append(NEAR)
    above, room = np.array(far), slack + np.array(rough)
    with np.errstate(all="ignore"):  # what is not a number is not known, or said to be wrong
        axis = _axis_points(law, bands, smooth, (x, masses), slack, thorough=thorough)
        g, on_axis = _values(law, above, np.array([point.place for point in axis]) + 0j)
        wrong = _above(g, x, masses, above, room)
        inner = [band.between for band in _asked_tails(law, bands)]
        level, survival = _potentials(law, above, np.array([point.place for point in inner]) + 0j)
        return [
            *(wrong or _potential(level, x, masses, above, room)),
            *(
                f"its G is {found:.10g} at x = {point.place!r}, where the integral over its "
                f"density and atoms is {point.expected:.6g}"
                for point, found in zip(axis, on_axis, strict=True)
                if np.abs(found - point.expected) > point.allowed  # no NaN: not known, not wrong
            ),
            *_tails(law, inner, survival, slack),
        ]


def _values(law: Law, far: Complex, axis: Complex) -> tuple[Complex, Complex]:
    """G above the axis and on it, there NaN where it is not known; asked together if possible."""
    try:
        g = law._stieltjes(np.concatenate([far, axis]))
    except ConvergenceError:
        return law._stieltjes(far), law._value_or_nan(axis)[0]
    return g[: far.size], g[far.size :]


def _potentials(law: Law, far: Complex, inner: Complex) -> tuple[Complex | None, Real | None]:
    """Potential above the axis, and the survival function that it is in bands; None if not known.

    They are asked together if possible. A law with a survival function of its own is asked for it.
    """
    if type(law)._sf is Law._sf:
        try:
            level = law._log_potential(np.concatenate([far, inner]))
        except ConvergenceError:
            pass
        else:
            return level[: far.size], np.clip(level[far.size :].imag / np.pi, 0.0, 1.0)
    try:
        return law._log_potential(far), None
    except ConvergenceError:
        return None, None


def _smooth_part(law: Law, bands: Sequence[SampledBand]) -> SampledBand | None:
    """Return the heaviest part in which the density is smooth, if there is one."""
    for band in sorted(bands, key=lambda band: -band.mass):
        inner = any(band.low < place < band.high for place in law._singular_places)
        if band.order >= _FEW and not inner and band.density is not None:
            return band
    return None


def _asked_tails(law: Law, bands: Sequence[SampledBand]) -> list[SampledBand]:
    """Return about four parts, and one of every band of which they have none, up to seven bands."""
    chosen = list(bands[:: max(1, len(bands) // 4)])
    for low, high in law.support[:: max(1, len(law.support) // 4)]:
        if not any(low <= part.low and part.high <= high for part in chosen):
            parts = [part for part in bands if low <= part.low and part.high <= high]
            chosen += sorted(parts, key=lambda part: part.mass)[-1:]
    return chosen


def _above(g: Complex, x: Real, masses: Real, far: Complex, slack: Real) -> list[str]:
    """Compare G above the axis."""
    if not ((g.imag < 0) & (np.abs(g) * far.imag <= 1 + 1e-9)).all():
        return ["its G is not the Stieltjes transform of a law"]
    expected = (1 / (far[:, None] - x)) @ masses
    off = np.abs(g - expected) * far.imag
    if (off <= slack).all():
        return []
    worst = int(off.argmax())
    return [
        f"its G is {g[worst]:.10g} at z = {far[worst]:.6g}, where the integral over its "
        f"density and atoms is {expected[worst]:.10g}"
    ]


def _potential(
    level: Complex | None, x: Real, masses: Real, far: Complex, slack: Real
) -> list[str]:
    """Compare the logarithmic potential above the axis."""
    if level is None:  # what is not known is not wrong
        return []
    logs = np.log(far[:, None] - x)
    integral = logs @ masses
    off = np.abs(level - integral) / (1 + np.abs(logs).max())
    if (off <= slack).all():
        return []
    worst = int(off.argmax())
    return [
        f"its logarithmic potential is {level[worst]:.10g} at z = {far[worst]:.6g}, where the "
        f"integral over its density and atoms is {integral[worst]:.10g}"
    ]


class _AxisPoint(NamedTuple):
    """A real point, what G ought to be there, and how far off it may be."""

    place: float
    expected: complex
    allowed: float


def _axis_points(
    law: Law,
    bands: Sequence[SampledBand],
    smooth: SampledBand | None,
    nodes: tuple[Real, Real],
    slack: float,
    *,
    thorough: bool,
) -> list[_AxisPoint]:
    """Return a point of the smooth part, and one of the widest gap or beyond the upper end."""
    points = []
    x, masses = nodes
    if smooth is not None and (density := smooth.density) is not None:
        here, there, _ = smooth.between
        weights = np.where(density > 0, smooth.masses / np.maximum(density, 1e-300), 0.0)
        value = principal_value(smooth.x, weights, density, (here, there), smooth.low, smooth.high)
        others = (x < smooth.low) | (x > smooth.high)
        others |= np.isin(x, [place for place, _ in law.atoms])
        terms = masses[others] / (here - x[others])
        size = 4 * smooth.mass / (smooth.high - smooth.low) + np.pi * there
        rest = _unresolved([band for band in bands if band is not smooth], here)
        allowed = (AXIS + 100 * slack) * (size + float(np.abs(terms).sum())) + rest
        points.append(
            _AxisPoint(here, complex(value + float(terms.sum()), -np.pi * there), allowed)
        )
    low, high = law.hull
    gap = gap_place(law)
    beyond = [] if gap is None else [gap]
    if (thorough or gap is None) and math.isfinite(high - low):
        beyond.append(high + (high - low))
    for here in beyond:
        terms = masses / (here - x)
        off = (AXIS + 100 * slack) * float(np.abs(terms).sum()) + _unresolved(bands, here)
        points.append(_AxisPoint(here, complex(terms.sum()), off))
    return points


def _tails(law: Law, inner: Sequence[Between], survival: Real | None, slack: float) -> list[str]:
    """Survival function, where it is not given, and mass below, in bands and at atoms."""
    places, held = np.array([point.place for point in inner]), np.zeros(len(inner))
    below = np.array([point.below for point in inner])
    if law.atoms:
        atoms, weights = np.array(law.atoms).T
        places, held = np.append(places, atoms), np.append(held, weights)
        below = np.append(below, law._cdf(atoms))
    # Where a law has no mass below of its own, it is the distribution function less the atoms.
    is_own = type(law)._mass_below is not Law._mass_below
    left = law._mass_below(places) if is_own else below - held
    above = 1 - below
    if survival is not None:
        above[: survival.size] = survival
    else:
        with suppress(ConvergenceError):  # what is not known is not wrong
            above = law._sf(places)
    for name, found, expected in (
        ("survival function", above, 1 - below),
        ("mass below", left, below - held),
    ):
        off = np.abs(found - expected)
        if not (off <= slack + 1e-9).all():
            worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
            return [
                f"its {name} is {found[worst]:.12g} at x = {float(places[worst])!r}, where its "
                f"distribution function is {below[worst]:.12g}"
            ]
    return []


def _unresolved(bands: Sequence[SampledBand], x: float) -> float:
    """Return what rules in s leave of integrals of 1/(x - t) over bands beside x.

    In a band that is all of it. The pole is at cos s = 1 + 2 distance / width.
    """
    total = 0.0
    for band in bands:
        distance = max(band.low - x, x - band.high)
        if distance <= 0:
            return math.inf
        ratio = math.acosh(1 + 2 * distance / (band.high - band.low))
        total += 4 * band.mass / distance * math.exp(-band.order * ratio)
    return total

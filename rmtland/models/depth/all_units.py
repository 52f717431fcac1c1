r"""The law of features of networks whose units differ by offsets: of all units, not of a few kinds.

With the averages b(t), r(t) of `rmtland.models.depth.unit_offsets` and s the weight variance, the
Stieltjes transforms :math:`G_l(u_l)` of the kernels of all layers belong together: :math:`u_L = z`,

.. math::
    u_{l-1} = \frac{u_l - R_l}{B_l}, \qquad
    R_l = \operatorname{E}_t \frac{r(t)}{1 - g_l(t)}, \quad
    B_l = \operatorname{E}_t \frac{b(t)^2 s}{1 - g_l(t)}, \\
    G_l = \frac{G_{l-1}}{B_l}, \qquad
    g_l(t) = \frac{m}{n_l} \Bigl( b(t)^2 s \, \frac{u_{l-1} G_{l-1} - 1}{B_l} + r(t) \, G_l \Bigr),

with :math:`G_0` that of Marchenko-Pastur. At each z these are 2 L numbers, whatever the number of
kinds of units, so that the average over t is taken by a fine rule. They are found by iteration far
above the axis, and followed downwards by Newton's method.

The distribution function is an integral over a vertical line,

.. math:: F(x) = \frac12 + \frac1\pi \int_0^\infty \operatorname{Re} G(x + i y) \, dy ,

whose trapezoidal rule in log y has an error that falls exponentially with its step. `all_units_law`
tabulates it.

Examples
--------
A quarter as many units as samples: kinds of units would have bands of their own.

>>> from rmtland.models.depth.conjugate_kernel import ConjugateKernel
>>> model = ConjugateKernel(1.5, (0.25,), 1.0, activation="tanh", bias_variance=1.0)
>>> len(model.law.support), model.law.error < 5e-4
(1, True)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rmtland.laws import MarchenkoPastur
from rmtland.models.depth.unit_offsets import OffsetLayer
from rmtland.models.depth.wide_network import WideNetwork
from rmtland.models.dyson.tabulated_law import TabulatedLaw
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, Real

__all__ = ["ROUNDING", "all_units_cdf", "all_units_law"]

_STEP = 0.4
"""Step of log y."""
_TOP, _BOTTOM = 1e4, 1e-4
"""Heights between which a line is followed: in units of the largest point, and of the point."""
_TOLERANCE, _ROUNDED = 1e-11, 1e-9
"""Relative defects: that are good, and that are rounding where they do not fall."""
_ITERATIONS, _NEWTON = 200, 20
ROUNDING = 1e-9
"""Mass that counts as none, and error of a distribution function before it is tabulated."""
_GRID, _MOST = 40, 1200
_GOAL, _NARROW = 4e-5, 1e-7
"""What cells are to be off by; relative width of those that rounding, or an atom, moves."""
_DECADES, _ABOVE, _PARTS, _ROUNDS = 8, 3, 16, 3
_CHECKED = 40
_GAP, _TRACE = 1.3, 1e-15
"""Ratio of the ends of a gap that offsets of the rule do not make; what narrower ones carry."""
_SAME = 1e-6
"""Difference of the mass below a gap by two rules that is none."""


def all_units_law(network: WideNetwork) -> TabulatedLaw:
    """Tabulate the limit law of the last features, by all their units.

    Parameters
    ----------
    network : WideNetwork
        Sizes, variances and units.

    Returns
    -------
    TabulatedLaw
        Of the bulk; its `error` holds the interpolation between points and the rule for the
        offsets. The support ends where less than 1e-9 is left beyond, and holds gaps narrower
        than 1.3 times their place.

    Raises
    ------
    ConvergenceError
        If the equation is not solved, or the table does not end or has another mean than the
        features: means differ at most by the error times the width of the support.
    """
    ratio = network.hidden[-1] / network.samples
    atom = max(1 - ratio, 0.0)
    scale = network.units[-1].spread * (1 + ratio**-0.5) ** 2
    (least, low), (high, most) = _ends(network, scale, atom)
    shares = np.linspace(0, 1, _GRID + 1)
    grids = low + (high - low) * shares**2, high - (high - low) * shares**2
    inner = np.unique(np.concatenate([*grids, low * (high / low) ** shares]))
    inner = inner[(np.diff(inner, prepend=low) > 1e-6 * inner) & (inner < (1 - 1e-6) * high)]
    places = np.concatenate([[least, low], inner, [high, most]])
    levels = np.concatenate([[atom], all_units_cdf(network, places[1:-1]), [1.0]])
    off = np.full(places.size - 1, np.inf)  # of a cell, or of its double, in its middle
    off[[0, -1]] = 0.0
    divided = off > _GOAL
    while (chosen := np.flatnonzero(divided)).size and places.size + chosen.size <= _MOST:
        middle = (places[chosen] + places[chosen + 1]) / 2
        found = all_units_cdf(network, middle)
        seen = np.abs(found - (levels[chosen] + levels[chosen + 1]) / 2)
        wide = places[chosen + 1] - places[chosen] > _NARROW * places[chosen]
        off[chosen], divided[chosen] = seen, (seen > _GOAL) & wide  # halves are better than it
        off = np.insert(off, chosen + 1, off[chosen])
        divided = np.insert(divided, chosen + 1, divided[chosen])
        places = np.insert(places, chosen + 1, middle)
        levels = np.insert(levels, chosen + 1, found)
    if off.max() > _GOAL:
        raise ConvergenceError(
            f"the distribution function of {network} is tabulated to {off.max():.1g} by "
            f"{places.size} points, and {_GOAL:g} is wanted: it is not known well enough where "
            "layers of few units, or nearly linear ones, spread eigenvalues over many scales; "
            "take wider layers"
        )
    rising = np.minimum(np.maximum.accumulate(levels), 1.0)
    masses = _with_gaps(network, places, rising)
    some = places[1:-1][:: max(1, places.size // _CHECKED)]
    rule = np.abs(all_units_cdf(network, some) - all_units_cdf(_halved(network), some)).max()
    rounding = ROUNDING + float((rising - levels).max())
    errors = (("interpolation", 2 * float(off.max())), ("offsets", 2 * float(rule) + rounding))
    law = TabulatedLaw(
        places,
        masses * ((1 - atom) / masses.sum()),
        atom,
        sum(part for _, part in errors),
        (low - least, most - high),
        errors,
    )
    mean = network.units[-1].spread
    if not abs(law.mean() - mean) <= law.error * (most - least):
        raise ConvergenceError(
            f"the table of the law of {network} has the mean {law.mean():.9g} and not "
            f"{mean:.9g}, further off than its error {law.error:.1g} allows: the equation was "
            "solved by a root that is not the law's; take wider layers"
        )
    return law


def _with_gaps(network: WideNetwork, places: Real, levels: Real) -> Real:
    """Masses of cells: 0 in gaps, and a trace in those that are between offsets of the rule.

    Those are narrow, or have another mass below them where every second offset is left out.
    """
    masses = np.diff(levels)
    masses = np.where(masses <= ROUNDING / 5, 0.0, masses)
    full: list[int] = np.flatnonzero(masses).tolist()
    gaps = [(a + 1, b) for a, b in itertools.pairwise(full) if b > a + 1]
    wide = [one for one in gaps if places[one[1]] >= _GAP * places[one[0]]]
    closed = set(gaps) - set(wide)
    if wide:
        middles = np.sqrt([places[low] * places[high] for low, high in wide])
        below = np.array([levels[low] for low, _ in wide])
        moved = np.abs(all_units_cdf(_halved(network), middles) - below) > _SAME
        closed |= {one for one, off in zip(wide, moved, strict=True) if off}
    for low, high in closed:
        masses[low:high] = _TRACE
    return masses


def _ends(network: WideNetwork, scale: float, atom: float) -> list[tuple[float, float]]:
    """Brackets of the places below and above which there is a mass of 1e-9."""
    # The upper end of a product is at most that of its factors, large for layers of few units.
    tops = [2 * math.log10(1 + (network.samples / n) ** 0.5) for n in network.hidden[:-1]]
    decades = max(_ABOVE, math.ceil(sum(tops)))
    points = scale * np.logspace(-_DECADES, decades, 2 * (_DECADES + decades) + 1)
    levels = all_units_cdf(network, points)
    first = int((levels - atom > ROUNDING).argmax())
    last = int((1 - levels <= ROUNDING).argmax())
    if not 1 - levels[-1] <= ROUNDING:
        raise ConvergenceError(f"the features of {network} have no largest scale")
    low = np.append(0.0, points)[first], points[first]
    high = points[max(last - 1, 0)], points[last]
    for _ in range(_ROUNDS):
        below, above = np.linspace(*low, _PARTS + 1), np.linspace(*high, _PARTS + 1)
        levels = all_units_cdf(network, np.concatenate([below[1:], above[1:]]))
        if first:
            place = (levels[:_PARTS] - atom > ROUNDING).argmax()
            low = below[place], below[place + 1]
        place = (1 - levels[_PARTS:] <= ROUNDING).argmax()
        high = above[place], above[place + 1]
    return [low, high]


def _halved(network: WideNetwork) -> WideNetwork:
    """Return the network with every second offset of the rules."""
    layers = []
    for layer in network.units:
        units = layer.every or layer
        if units.masses.size > 1:
            shares = units.masses[::2] / units.masses[::2].sum()
            units = replace(units, masses=shares, slopes=units.slopes[::2], rests=units.rests[::2])
        layers.append(replace(layer, every=units))
    coarse = replace(network)
    vars(coarse)["units"] = tuple(layers)
    return coarse


def all_units_cdf(network: WideNetwork, x: Real) -> Real:
    """Return the distribution function of all units.

    Parameters
    ----------
    network : WideNetwork
        Sizes, variances and units.
    x : ndarray, shape (n,)
        Points > 0.

    Returns
    -------
    ndarray, shape (n,)
        Mass up to each point.

    Raises
    ------
    ConvergenceError
        If the equation is not solved.
    """
    layers = [layer.every or layer for layer in network.units]
    height, left = _TOP * float(x.max()), np.arange(x.size)
    whole = np.zeros(x.size)
    state = None
    while left.size:
        state, g = _solved(network, layers, np.asarray(x[left] + 1j * height, complex), state)
        part = _STEP * height * g.real
        if height == _TOP * float(x.max()):
            whole += part / -np.expm1(-_STEP)  # and above, where G = 1/z
        else:
            whole[left] += part
        ready = height < _BOTTOM * x[left]
        whole[left[ready]] += part[ready] / np.expm1(_STEP)  # below, where G is constant
        left, state = left[~ready], state[:, ~ready]
        height *= np.exp(-_STEP)
    return np.asarray(0.5 + whole / np.pi)


def _solved(
    network: WideNetwork, layers: Sequence[OffsetLayer], z: Complex, state: Complex | None
) -> tuple[Complex, Complex]:
    """Solve for R_1, ..., R_L, B_1, ..., B_L, shape (2 L, n), at points z; with G_L there."""
    if state is None:
        gain = network.weight_variance
        rests = [layer.masses @ layer.rests for layer in layers]
        gains = [gain * layer.masses @ layer.slopes**2 for layer in layers]
        state = np.repeat(np.array([*rests, *gains], complex)[:, None], z.size, axis=1)
        for _ in range(_ITERATIONS):
            new = _step(network, layers, z, state, slopes=False)[0]
            done = (np.abs(new - state) <= _TOLERANCE * np.abs(state)).all()
            state = new
            if done:
                break
    spreads = np.array([network.data_variance, *(layer.spread for layer in layers)])
    unit = np.concatenate([spreads[1:], spreads[1:] / spreads[:-1]])[:, None]
    before = np.inf
    for _ in range(_NEWTON):
        new, g, slopes = _step(network, layers, z, state)
        defect, size = new - state, unit * np.abs(state / unit).max(axis=0)
        off = float((np.abs(defect) / size).max())
        if off < _TOLERANCE or _ROUNDED > off > before / 2:
            if not (g.imag < 0).all():
                break
            return state, g
        before = off
        slopes = np.moveaxis(slopes, -1, 0) * (unit.T / unit) - np.eye(len(state))
        state = state - unit * np.linalg.solve(slopes, (defect / unit).T[..., None])[..., 0].T
    raise ConvergenceError(
        f"the equation of all units of {network} is not solved at heights of {z.imag.min():.2g}: "
        f"it is off by {off:.2g} of itself"
    )


def _step(
    network: WideNetwork,
    layers: Sequence[OffsetLayer],
    z: Complex,
    state: Complex,
    *,
    slopes: bool = True,
) -> tuple[Complex, Complex, Complex]:
    """Return R and B anew, G_L, and where asked the derivatives in R and B, shape (2 L, 2 L, n)."""
    depth, s = len(layers), network.weight_variance
    rests, gains = state.reshape(2, depth, -1)
    points, turns = [z], [np.zeros_like(state)]  # u_L, ..., u_0 and their derivatives
    for number in range(depth - 1, -1, -1):
        points.append((points[-1] - rests[number]) / gains[number])
        turn = turns[-1] / gains[number]
        turn[number] -= 1 / gains[number]
        turn[depth + number] -= points[-1] / gains[number]
        turns.append(turn)
    points, turns = points[::-1], turns[::-1]
    first = MarchenkoPastur(network.samples / network.inputs, network.data_variance)
    g, dg = first._jet(points[0])
    dg = dg * turns[0]
    found = np.empty((2, depth, z.size), dtype=np.complex128)
    moved = np.empty((2, depth, *state.shape), dtype=np.complex128)
    for number, layer in enumerate(layers):
        gain, here = gains[number], depth + number
        part = (points[number] * g - 1) / gain
        down = (turns[number] * g + points[number] * dg) / gain
        down[here] -= part / gain
        g, dg = g / gain, dg / gain
        dg[here] -= g / gain
        linear = s * layer.slopes**2
        ratio = network.samples / network.hidden[number]
        damping = 1 / (1 - ratio * (part[:, None] * linear + g[:, None] * layer.rests))
        each = np.array([layer.masses * layer.rests, layer.masses * linear])
        found[:, number] = each @ damping.T
        if slopes:
            pairs = np.concatenate([each * linear, each * layer.rests])
            rates = ratio * (pairs @ (damping**2).T).reshape(2, 2, -1)  # in part, and in G
            moved[:, number] = rates[0][:, None] * down + rates[1][:, None] * dg
    return found.reshape(state.shape), g, moved.reshape(2 * depth, *state.shape)

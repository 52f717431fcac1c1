"""Curves and numbers of the study of minimisers, from the results of its tasks.

Energies are epsilon, half the relative energies of the tasks; intervals are of 95 %.

>>> shape_name((48, 8, 192))
'48, 8, 192'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rmtland.models.minimisers import MinimiserEnergy, UnitField, exponent, linear_minimiser_energy
from rmtland.reproduction.figure import Series, mean_and_error
from rmtland.reproduction.minimisers_fits import (
    Known,
    fitted_power,
    limit_in_width,
    mean_interval,
)
from rmtland.reproduction.quantity import Quantity
from rmtland.sweep import Results
from rmtland.typing import Real, Record

__all__ = [
    "ADDED",
    "added_units",
    "fixed_data",
    "shape_name",
    "shapes",
    "single_units",
    "square_networks",
    "starts",
]

Numbers = dict[Quantity, float]
Key = tuple[Any, ...]  # parameters of the runs of a group

ADDED = {
    "noise_slope": "gain, fresh noise",
    "slope": "gain, residual",
    "regained": "gain, all units trained on",
}
"""What is measured when a unit is added, and its name in the picture."""

_RADII = {"tanh": (1.0, 2.0, 4.0), "sine": (1.0, 2.0, 8.0), "erf": (1.0, 2.0, 4.0)}
"""Lengths of weights at which the theory of one unit is given; any for homogeneous f."""


def shape_name(shape: Sequence[int]) -> str:
    """Return three numbers as a label.

    Parameters
    ----------
    shape : sequence of int
        Such as n0, n1, n2.

    Returns
    -------
    str
    """
    return ", ".join(str(n) for n in shape)


def square_networks(results: Results, numbers: Numbers) -> list[Series]:
    """Return energies and exponents over phi, at each width and in their limit.

    Parameters
    ----------
    results : Results
        Of `square_energies`.
    numbers : dict
        Gets them, and the verdict on the published form.

    Returns
    -------
    list of Series
    """
    found = {_key(one.parameters, "activation", "phi", "n"): one.value for one in results}
    activations, phis, widths = (list(dict.fromkeys(key[i] for key in found)) for i in range(3))
    series: list[Series] = []
    outside = 0
    ratios = []
    for f in activations:
        table = np.array(
            [[mean_and_error(found[f, phi, n]["energies"] / 2) for n in widths] for phi in phis]
        )
        for j, n in enumerate(widths):
            name = Quantity.of("energy", activation=f, n=n)
            series.append(Series("energy", name, np.array(phis), table[:, j, 0], table[:, j, 1]))
        limits = []
        for i, phi in enumerate(phis):
            missing = np.array([found[f, phi, n]["missing"].mean() / 2 for n in widths])
            errors = np.hypot(np.maximum(table[i, :, 1], 1e-12), missing)
            limits.append(limit := limit_in_width(np.array(widths), table[i, :, 0], errors))
            published = MinimiserEnergy().energy(phi)
            at: dict[str, str | float] = {"activation": f, "phi": round(phi, 4)}
            for j, n in enumerate(widths):
                numbers[energy := Quantity.of("energy", **at, n=n)] = table[i, j, 0]
                numbers[energy.having(statistic="standard error")] = table[i, j, 1]
            numbers[Quantity.of("energy, limit", **at)] = limit.value
            numbers[Quantity.of("energy, limit", **at, statistic="half interval")] = limit.error
            numbers[Quantity.of("limit over published energy", **at)] = limit.value / published
            if f == "linear":
                numbers[Quantity.of("least squares", **at)] = linear_minimiser_energy(phi)
            else:
                outside += abs(limit.value - published) > limit.error
                ratios.append(limit.value / published)
        y, error = np.array(limits).T
        series.append(
            Series("energy", Quantity.of("limit", activation=f), np.array(phis), y, error)
        )
        series.append(_exponents("exponent", f, np.array(phis), y, error, numbers))
    numbers[Quantity.of("nonlinear networks in the limit")] = len(ratios)
    numbers[Quantity.of("of these off the published energy beyond the interval")] = outside
    if ratios:
        numbers[Quantity.of("least ratio to the published energy")] = min(ratios)
        numbers[Quantity.of("largest ratio to the published energy")] = max(ratios)
    for n in widths:
        these = [value for (_, _, size), value in found.items() if size == n]
        missing = np.concatenate([value["missing"] / value["energies"] for value in these])
        gradients = np.concatenate([value["gradients"] for value in these])
        numbers[Quantity.of("relative gain of the second half of the steps", n=n)] = float(
            missing.mean()
        )
        numbers[Quantity.of("largest such gain", n=n)] = float(missing.max())
        numbers[Quantity.of("median gradient of the relative energy", n=n)] = float(
            np.median(gradients)
        )
    return series


def _exponents(
    panel: str, f: str, phi: Real, energy: Real, error: Real, numbers: Numbers
) -> Series:
    """Return ln(2 epsilon)/ln(1 - phi) with the half-width of its interval."""
    y = np.array([exponent(p, e) for p, e in zip(phi, energy, strict=True)])
    half = error / (energy * -np.log1p(-phi))
    for p, value, e in zip(phi, y, half, strict=True):
        name = Quantity.of(panel, activation=f, phi=round(float(p), 4))
        numbers[name], numbers[name.having(statistic="half interval")] = float(value), float(e)
    return Series(panel, Quantity.of("", activation=f), phi, y, half)


def shapes(results: Results, numbers: Numbers) -> list[Series]:
    """Return energies at equal phi by shape.

    Parameters
    ----------
    results : Results
        Of `shape_energies`.
    numbers : dict
        Gets them, and the ratio of the largest to the least for each activation.

    Returns
    -------
    list of Series
    """
    found = {_key(one.parameters, "activation", "shape"): one.value for one in results}
    activations, kinds = (list(dict.fromkeys(key[i] for key in found)) for i in range(2))
    series = []
    for f in activations:
        table = np.array([mean_and_error(found[f, shape]["energies"] / 2) for shape in kinds])
        for shape, (mean, error) in zip(kinds, table, strict=True):
            name = Quantity.of("energy at phi = 1/2", activation=f, shape=shape_name(shape))
            numbers[name], numbers[name.having(statistic="standard error")] = mean, error
        ratio = table[:, 0].max() / table[:, 0].min()
        numbers[Quantity.of("largest over least energy of a shape", activation=f)] = float(ratio)
        places = np.arange(len(kinds), dtype=float)
        series.append(Series("shapes", Quantity.of("", activation=f), places, *table.T))
    return series


def starts(results: Results, numbers: Numbers) -> list[Series]:
    """Return energies by scale of the start, for each memory of the minimiser.

    Parameters
    ----------
    results : Results
        Of `start_energies`.
    numbers : dict
        Gets them.

    Returns
    -------
    list of Series
    """
    found = {_key(one.parameters, "memory", "scale"): one.value for one in results}
    memories, scales = (list(dict.fromkeys(key[i] for key in found)) for i in range(2))
    series = []
    for memory in memories:
        table = np.array([mean_and_error(found[memory, s]["energies"] / 2) for s in scales])
        for scale, (mean, error) in zip(scales, table, strict=True):
            name = Quantity.of("energy at phi = 1/2", scale=scale, memory=memory)
            numbers[name], numbers[name.having(statistic="standard error")] = mean, error
        series.append(Series("starts", Quantity.of("", memory=memory), np.array(scales), *table.T))
    return series


def fixed_data(results: Results, numbers: Numbers) -> list[Series]:
    """Return exponents over phi on given data, and the slope of one unit beside the one fitted.

    Parameters
    ----------
    results : Results
        Of `fixed_data_energies`.
    numbers : dict
        Gets them.

    Returns
    -------
    list of Series
    """
    groups: dict[Key, list[Record]] = {}
    for one in results:
        groups.setdefault(_key(one.parameters, "data", "activation"), []).append(one.value)
    series: list[Series] = []
    pairs: dict[str, list[tuple[Known, Known, float]]] = {}
    for (data, f), values in groups.items():
        phi = values[0]["phi"]
        logs = np.log1p(-phi)
        local = np.array([np.log(value["energies"]) / logs for value in values])
        each = [mean_interval(column) for column in local.T]
        slope = mean_interval(np.array([fitted_power(phi, v["energies"]) for v in values]))
        unit = mean_interval(np.array([v["unit slopes"].mean() for v in values]))
        highest = np.mean([v["unit slopes"].max() for v in values])
        at: dict[str, str | float] = {"activation": f, "data": shape_name(data)}
        for name, known in (("S fitted", slope), ("S of one unit", unit)):
            numbers[quantity := Quantity.of(name, **at)] = known.value
            if np.isfinite(known.error):
                numbers[quantity.having(statistic="half interval")] = known.error
        numbers[Quantity.of("S of one unit, highest found", **at)] = float(highest)
        numbers[Quantity.of("S at the least phi", **at)] = each[0].value
        numbers[Quantity.of("S at the largest phi", **at)] = each[-1].value
        numbers[Quantity.of("spread of S over phi", **at)] = float(np.ptp([e.value for e in each]))
        y, error = np.array([mean_and_error(column) for column in local.T]).T
        error = np.where(np.isfinite(error), error, np.nan)
        series.append(Series(f"S on data {shape_name(data)}", f, phi, y, error))
        if f != "linear":  # no power at all
            deviation = mean_and_error(np.array([fitted_power(phi, v["energies"]) for v in values]))
            pairs.setdefault(shape_name(data), []).append((unit, slope, deviation[1]))
    for kind, beside in pairs.items():
        x = np.array([unit.value for unit, _, _ in beside])
        y = np.array([slope.value for _, slope, _ in beside])
        error = np.array([deviation for _, _, deviation in beside])
        series.append(Series("S fitted", kind, x, y, np.where(np.isfinite(error), error, np.nan)))
    return series


def single_units(results: Results, numbers: Numbers) -> list[Series]:
    """Return slopes of single units over m/n, and the theory of many samples.

    Parameters
    ----------
    results : Results
        Of `slopes_over_samples`.
    numbers : dict
        Gets them.

    Returns
    -------
    list of Series
    """
    groups: dict[Key, list[dict[str, float]]] = {}
    for one in results:
        groups.setdefault(_key(one.parameters, "activation", "n", "ratio"), []).append(one.value)
    series: list[Series] = []
    for f in dict.fromkeys(key[0] for key in groups):
        for n in dict.fromkeys(key[1] for key in groups):
            ratios = np.array([key[2] for key in groups if key[:2] == (f, n)], dtype=float)
            for kind in ("mean", "highest"):
                y = np.array([np.mean([v[kind] for v in groups[f, n, int(r)]]) for r in ratios])
                for ratio, value in zip(ratios, y, strict=True):
                    name = Quantity.of(
                        "S of one unit", activation=f, n=n, samples=int(ratio), statistic=kind
                    )
                    numbers[name] = float(value)
                series.append(Series("one unit", Quantity.of(kind, activation=f, n=n), ratios, y))
        for radius in _RADII.get(f, (1.0,)):
            field = UnitField(f, radius)
            at: dict[str, str | float] = {"activation": f, "radius": radius}
            reached = field.reachable_slope()
            numbers[Quantity.of("S reachable, many samples", **at)] = reached.value
            numbers[Quantity.of("S reachable, many samples", **at, statistic="error")] = (
                reached.error
            )
            numbers[Quantity.of("S at most, many samples", **at)] = field.slope_bound()
    return series


def added_units(results: Results, numbers: Numbers) -> list[Series]:
    """Return what a further unit gains over phi, in units of the slope of a single one.

    Parameters
    ----------
    results : Results
        Of `added_unit`.
    numbers : dict
        Gets it, and what the derivation assumes.

    Returns
    -------
    list of Series
    """
    groups: dict[Key, list[dict[str, float]]] = {}
    for one in results:
        groups.setdefault(_key(one.parameters, "activation", "phi"), []).append(one.value)
    activations, phis = (list(dict.fromkeys(key[i] for key in groups)) for i in range(2))
    series: list[Series] = []
    for f in activations:
        columns: dict[str, list[float]] = {name: [] for name in ADDED}
        at_phi = []
        for phi in phis:
            values = groups[f, phi]

            def mean(
                name: str, over: str | None = None, values: list[dict[str, float]] = values
            ) -> float:
                below = [1.0 if over is None else v[over] for v in values]
                return float(np.mean([v[name] / b for v, b in zip(values, below, strict=True)]))

            at: dict[str, str | float] = {"activation": f, "phi": round(phi, 4)}
            at_phi.append(mean("phi"))
            numbers[Quantity.of("rank of the Jacobian over parameters", **at)] = mean(
                "rank_share", "phi"
            )
            for name in ("noise_share", "share"):
                share = np.mean([v[name] / (1 - v["phi"]) for v in values])
                label = "fresh noise" if name == "noise_share" else "residual"
                numbers[Quantity.of("share outside over 1 - phi", **at, of=label)] = float(share)
            for name, label in ADDED.items():
                columns[name].append(mean(name, "single"))
                numbers[Quantity.of(f"{label}, over S", **at)] = columns[name][-1]
        for name, label in ADDED.items():
            series.append(Series(label, f, np.array(at_phi), np.array(columns[name])))
    return series


def _key(parameters: Record, *names: str) -> Key:
    return tuple(parameters[name] for name in names)

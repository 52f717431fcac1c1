"""The curves of one state: density, distribution function, index against energy, and numbers.

A curve that cannot be computed carries the sentence that says why; no other is empty.

>>> found = curves(ExplorerState(law="marchenko-pastur", phi=2.0))
>>> found.numbers["atoms"], len(found.density.x) == len(found.density.y) > 100
([[0.0, 0.5]], True)
>>> found.index.reason
'the Marchenko-Pastur law has no energy: nothing of it is below zero'
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rmtland.deferred import compile_at_first_call
from rmtland.drawing import law_points
from rmtland.explorer.families import FAMILIES, SLIDERS
from rmtland.explorer.state import TRACES, ExplorerState
from rmtland.laws import Law
from rmtland.models import HessianModel
from rmtland.typing import Real, Record

if TYPE_CHECKING:
    from rmtland.ensembles import Ensemble

__all__ = ["Curve", "ExplorerCurves", "curves", "prepare_curves"]

_POINTS = 240
_ENERGIES = 81
_SEEN = 1e-3
"""Parts of an index that a figure shows."""
_UNLIKE = (0.05, 0.5, 0.9999, 1.9999, 5.0, 7.6)
"""Aspect ratios whose laws are computed by different routes, near atoms and far from them."""
_PEAK, _USUAL = 3.0, 0.9
"""A density that exceeds three times what nine tenths of the mass lie under is cut off in view."""


@dataclass(frozen=True)
class Curve:
    """Points of a curve, or the reason why there are none.

    Made by `rmtland.explorer.curves`.

    Parameters
    ----------
    x, y : list of float
        Coordinates, all finite.
    reason : str
        A sentence where there is no curve; otherwise empty.
    """

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    reason: str = ""


@dataclass(frozen=True)
class ExplorerCurves:
    """All that the page draws of a law.

    Made by `rmtland.explorer.curves`.

    Parameters
    ----------
    title : str
        Name of the law with its parameters.
    density : Curve
        Density, per unit of eigenvalue; atoms are no part of it.
    cdf : Curve
        Distribution function, with its steps.
    index : Curve
        Index against energy.
    numbers : dict of str to values
        Edges, atoms, index, mean, variance; threshold and scales of a model.
    view : dict of str to list of float
        Ranges of the eigenvalues and densities that show the law.
    """

    title: str
    density: Curve
    cdf: Curve
    index: Curve
    numbers: Record
    view: dict[str, list[float]]

    def to_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            One entry for each attribute.
        """
        return asdict(self)


def curves(state: ExplorerState) -> ExplorerCurves:
    """Compute the curves of a state.

    Parameters
    ----------
    state : ExplorerState
        Law and parameters.

    Returns
    -------
    ExplorerCurves
        Exact values of the law; where one cannot be computed, why.
    """
    index = _index(replace(state, energy=1.0, sample="none", width=2, seed=0))
    try:
        matrix = state.family.matrix(**state.values)
        law = matrix.law
        x = law_points(law, _POINTS)
        density, cdf = _density(law, x), _distribution(law, x)
        numbers = _numbers(state, matrix, law)
        view = _view(law, density)
    except (ValueError, ArithmeticError) as error:
        nothing = Curve(reason=_sentence(error))
        return ExplorerCurves(_title(state), nothing, nothing, index, {}, {})
    return ExplorerCurves(_title(state), density, cdf, index, numbers, view)


def prepare_curves() -> None:
    """Compute curves of every family, so that no later ones wait for a compiler."""
    compile_at_first_call()
    for name in FAMILIES:
        for traces in TRACES:
            for phi in _UNLIKE:
                curves(ExplorerState(law=name, traces=traces, phi=phi))


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _title(state: ExplorerState) -> str:
    names = list(state.family.parameters)
    if state.traces == "activation":
        names = ["phi", *(name for name in names if name == "energy"), "activation"]
    words = [
        f"{name} = {value:.4g}" if isinstance(value := getattr(state, name), float) else value
        for name in names
    ]
    return f"{state.family.title}, {', '.join(words)}"


def _density(law: Law, x: Real) -> Curve:
    y = np.asarray(law.pdf(x), dtype=np.float64)
    good = np.isfinite(y)
    return Curve(x[good].tolist(), y[good].tolist())


def _distribution(law: Law, x: Real) -> Curve:
    """Return the distribution function: at an atom both values, and level lines beyond the ends."""
    places = np.array([place for place, _ in law.atoms], dtype=np.float64)
    low, high = _hull(law)
    margin = 0.06 * (high - low) or 0.5
    others = np.concatenate([np.setdiff1d(x, places), [low - margin, high + margin]])
    points = np.concatenate([others, places, places])
    values = np.concatenate([law.cdf(others), law.mass_below(places), law.cdf(places)])
    order = np.lexsort([values, points])
    return Curve(points[order].tolist(), values[order].tolist())


def _hull(law: Law) -> tuple[float, float]:
    ends = [end for band in law.support for end in band] + [place for place, _ in law.atoms]
    return min(ends), max(ends)


def _view(law: Law, density: Curve) -> dict[str, list[float]]:
    """Return ranges of the axes; a density that grows without bound is cut off."""
    low, high = _hull(law)
    margin = 0.06 * (high - low) or 0.5
    found = {"x": [low - margin, high + margin], "y": [0.0, 1.0]}
    if density.y:
        x, y = np.array(density.x), np.array(density.y)
        mass = np.abs(np.gradient(x)) * y
        order = np.argsort(y)
        below = np.cumsum(mass[order])
        usual = float(y[order][np.searchsorted(below, _USUAL * below[-1])])
        top = min(float(y.max()), _PEAK * usual) if usual > 0 else float(y.max())
        found["y"] = [0.0, 1.1 * top or 1.0]
    return found


def _numbers(state: ExplorerState, matrix: Ensemble, law: Law) -> Record:
    numbers: Record = {
        "support": [list(band) for band in law.support],
        "atoms": [list(atom) for atom in law.atoms],
        "index": law.index(),
        "mean": law.mean(),
        "variance": law.var(),
    }
    if isinstance(matrix, HessianModel):
        unit = state.family.matrix(**{**state.values, "energy": 1.0})
        assert isinstance(unit, HessianModel)
        numbers["critical energy"] = matrix.critical_energy / unit.epsilon
        if state.traces == "activation":
            numbers["sigma"], numbers["epsilon of the law"] = matrix.sigma, matrix.epsilon
    return numbers


@lru_cache(maxsize=32)
def _index(state: ExplorerState) -> Curve:
    """Return the index at the energies of the slider, in the units that the law has.

    Energies are halved twice where a chord would be off the curve by more than can be seen.
    """
    _, low, high = SLIDERS["energy"]
    try:
        unit = 1.0
        if state.traces == "printed" and "sigma" in state.family.parameters:
            unit = state.sigma**2
        energies = np.geomspace(low * unit, high * unit, _ENERGIES)
        places = np.arange(0, _ENERGIES, 4)
        index = state.family.index_curve(energies[places], **state.values)
        for step in (2, 1):
            new = _bent(places, index, step)
            if not new.size:
                break
            more = state.family.index_curve(energies[new], **state.values)
            places, index = np.concatenate([places, new]), np.concatenate([index, more])
            order = np.argsort(places)
            places, index = places[order], index[order]
    except (ValueError, ArithmeticError) as error:
        return Curve(reason=_sentence(error))
    return Curve(energies[places].tolist(), index.tolist())


def _bent(places: NDArray[np.intp], index: Real, step: int) -> NDArray[np.intp]:
    """Return the middles of intervals of twice the step beside points that are off their chord."""
    share = (places[1:-1] - places[:-2]) / (places[2:] - places[:-2])
    chord = index[:-2] + share * (index[2:] - index[:-2])
    bent = np.pad(np.abs(index[1:-1] - chord) > _SEEN, 1)
    wide = np.diff(places) == 2 * step
    return np.asarray(places[:-1][wide & (bent[:-1] | bent[1:])] + step)

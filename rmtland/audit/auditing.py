"""The audit of a Hessian: which assumption of random-matrix theory fails on a network.

The measured spectra of H, H0 and H1 at a point of a network are held against laws that know more
and more of it (`rmtland.audit.levels`); the misfit of the first and of the matrix Dyson equation
are split among their assumptions (`rmtland.audit.shares`), with errors from Hessians drawn anew
(`rmtland.audit.redraws`); and residuals and weights are tested for what the theory takes them to be
(`rmtland.audit.diagnostics`). The result ends in a plain sentence.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> rng, net = np.random.default_rng(0), MLP((6, 6, 6), activation="relu")
>>> x, theta = rng.normal(size=(24, 6)), net.init(rng=1)
>>> point = net.at(theta, x, net.predict(theta, x) - rng.normal(size=(24, 6)))
>>> audit = audit_hessian(point, draws=2, points=20)
>>> [level.number for level in audit.levels if level.family == "Wishart + Wigner"]
[0, 1, 2, 3, 4]
>>> audit["matrix Dyson, iid second layer"].comparison.kolmogorov < 0.1
True
>>> audit.sentence.startswith("The misfit")
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import count
from rmtland.arrays import ArrayLibrary, to_numpy
from rmtland.audit.diagnostics import diagnose
from rmtland.audit.hessian_audit import DYSON, WIGNER, HessianAudit, Level
from rmtland.audit.levels import (
    ATOMS,
    NAMES,
    dyson_law,
    dyson_models,
    free_of_parts,
    matched,
    why_not_dyson,
)
from rmtland.audit.redraws import Redraws
from rmtland.audit.shares import Share, dyson_shares, wigner_shares
from rmtland.comparison import Comparison, compare, fit
from rmtland.comparison.distances import merged_nodes
from rmtland.ensembles import HaarSum
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.laws import EmpiricalLaw, Law
from rmtland.models import HessianModel, WishartPlusReluBlock, WishartPlusWigner
from rmtland.networks import LossPoint
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng, streams
from rmtland.version import installed_version

__all__ = ["audit_hessian", "kolmogorov", "memory_needed", "two_sample"]

Real = NDArray[Any]  # float64
Progress = Callable[[str, int, int], object]
Distances = dict[tuple[str, str], float]
"""Kolmogorov distances by family and level."""

_RESIDUALS = {WIGNER: "Wigner", "Wishart + ReLU block": "ReLU block"}
_PIECEWISE_LINEAR = ("relu", "leaky_relu")
_ROTATIONS = 4
_LEAST = 8
_HEIGHT = 1e-5  # in widths of the spectrum: what it smooths is far below one eigenvalue
_FEW_ATOMS = 100  # for what is drawn many times: the distance hardly changes


def memory_needed(point: LossPoint) -> int:
    """Bytes that an audit takes: H0, H1, H and the workspace of their eigenvalues."""
    return 5 * 8 * point.net.parameter_count**2


def audit_hessian(
    point: LossPoint,
    *,
    draws: int = 8,
    points: int = 40,
    rng: Rng = 0,
    progress: Progress | None = None,
) -> HessianAudit:
    """Hold the Hessian of a network at a point against every level of theory.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data: `MLP.at`. Levels 5 and 6 and what is drawn anew need one
        hidden layer, no biases and half the mean squared error; without them they are left out and
        `not_applicable` says why.
    draws : int
        Hessians drawn anew, at least 2, or 0 for no errors and no shares of the Dyson law.
    points : int
        Points of the tables of the Dyson laws, at least 20.
    rng : anything `numpy.random.default_rng` takes
        For what is drawn; a fixed seed by default.
    progress : callable, optional
        Called as ``progress(what, done, all)``.

    Returns
    -------
    HessianAudit

    Raises
    ------
    MemoryError
        If the three dense matrices do not fit; it says what they need.
    ValueError
        If a number is out of range, or the network has fewer than 8 parameters.
    TypeError
        If `point` is not a LossPoint.
    """
    if not isinstance(point, LossPoint):
        raise TypeError(f"audit_hessian takes a LossPoint (see MLP.at); got {type(point).__name__}")
    if count("draws", draws, least=0) == 1:
        raise ValueError("draws must be 0 or at least 2; one Hessian has no spread")
    count("points", points, least=20)
    if point.net.parameter_count < _LEAST:
        raise ValueError(
            f"an audit needs at least {_LEAST} eigenvalues; {point.net} has "
            f"{point.net.parameter_count} parameters"
        )
    _check_memory(point)
    return _Audit(_in_double(point), draws, points, rng, progress).result()


def _in_double(point: LossPoint) -> LossPoint:
    """Return the point in NumPy's double precision, so that zero eigenvalues can be told."""
    if isinstance(point.theta, np.ndarray) and point.theta.dtype == np.float64:
        return point
    net: Any = point.net
    arrays = (to_numpy(array).astype(np.float64) for array in (point.theta, point.x, point.y))
    double: LossPoint = net.at(*arrays)
    return double


def _check_memory(point: LossPoint) -> None:
    needed, free = memory_needed(point), ArrayLibrary.of().free_memory()
    if needed > 0.9 * free:
        raise MemoryError(
            f"an audit of {point.net.parameter_count} parameters needs {needed / 2**30:.1f} GiB "
            f"for dense Hessians, {free / 2**30:.1f} GiB are free; take a narrower network"
        )


@dataclass(frozen=True)
class _Parts:
    """Eigenvalues of the Hessian and its two parts."""

    total: Real
    gauss_newton: Real
    residual: Real

    @classmethod
    def of(cls, gauss_newton: Real, residual: Real) -> _Parts:
        first = np.linalg.eigvalsh(gauss_newton)
        if not residual.any():  # equal eigenvalues must stay equal to the last bit
            return cls(first, first, np.zeros(first.shape))
        total = np.linalg.eigvalsh(gauss_newton + residual)
        return cls(total, first, np.linalg.eigvalsh(residual))

    @property
    def spectrum(self) -> Spectrum:
        return Spectrum(self.total)


class _Audit:
    """The work of `audit_hessian`, step by step."""

    def __init__(
        self, point: LossPoint, draws: int, points: int, rng: Rng, progress: Progress | None
    ) -> None:
        self.point, self.points, self.draws = point, points, draws
        self.say: Progress = progress or (lambda what, done, total: None)
        net: Any = point.net
        self.net = net
        self.size = net.parameter_count
        self.phi = self.size / (point.data.size * net.n_out)
        self.families: list[type[HessianModel]] = [WishartPlusWigner]
        if getattr(net.activation, "name", net.activation) in _PIECEWISE_LINEAR:
            self.families.append(WishartPlusReluBlock)
        self.reason = why_not_dyson(point)
        self.seeds = streams(rng, 4 * draws + 2)
        self.seed = rng if isinstance(rng, int) else repr(rng)

    # Levels 0-4 ------------------------------------------------------------------------------

    def free_laws(
        self, parts: _Parts, energy: float, atoms: int = ATOMS
    ) -> dict[tuple[str, str], Law]:
        """Laws of levels 0, 1, 3, 3' and 4 for measured parts."""
        laws: dict[tuple[str, str], Law] = {}
        for family in self.families:
            name = family.name
            near = matched(family, self.phi, parts.gauss_newton, parts.residual)
            laws[name, "0"] = family(self.phi, energy).law
            laws[name, "1"] = near.law
            laws[name, "3"] = free_of_parts(parts.gauss_newton, near.residual_law, atoms=atoms)
            if name == WIGNER:
                h1 = parts.residual if near.epsilon else None
                laws[name, "3'"] = free_of_parts(near.gauss_newton_law, h1, atoms=atoms)
                laws[name, "4"] = free_of_parts(parts.gauss_newton, h1, atoms=atoms)
        return laws

    def distances(self, parts: _Parts, energy: float) -> Distances:
        """Distances of measured parts to these laws."""
        laws = self.free_laws(parts, energy, _FEW_ATOMS)
        return {key: kolmogorov(parts.total, law) for key, law in laws.items()}

    @staticmethod
    def compared(
        spectrum: Spectrum, laws: dict[tuple[str, str], Law]
    ) -> dict[tuple[str, str], Comparison]:
        """Compare a spectrum with laws; sums of measured spectra divide by zero between bands."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return {key: compare(spectrum, law) for key, law in laws.items()}

    def turned(self, parts: _Parts) -> tuple[float, float]:
        """Distance to level 4 of the measured parts in general position: mean and error of mean."""
        if not parts.residual.any():
            return 0.0, 0.0
        law = free_of_parts(parts.gauss_newton, parts.residual, atoms=_FEW_ATOMS)
        pair = HaarSum(EmpiricalLaw(parts.gauss_newton), EmpiricalLaw(parts.residual))
        found: list[float] = []
        for generator in self.seeds[-1].spawn(_ROTATIONS):
            self.say("Haar rotations", len(found), _ROTATIONS)
            nodes = pair.sample(self.size, rng=generator).nodes
            found.append(kolmogorov(nodes[0], law))
        return float(np.mean(found)), float(np.std(found, ddof=1))

    # The result ------------------------------------------------------------------------------

    def result(self) -> HessianAudit:
        self.say("exact Hessian", 0, 1)
        split = self.point.hessian()
        parts = _Parts.of(_matrix(split.gauss_newton), _matrix(split.residual))
        del split
        spectrum = parts.spectrum
        energy = self.point.energy
        self.say("laws of free probability", 0, 1)
        laws = self.free_laws(parts, energy)
        found = self.compared(spectrum, laws)
        distances = {key: value.kolmogorov for key, value in found.items()}
        levels: list[Level] = []
        for family in self.families:
            name = family.name
            near = matched(family, self.phi, parts.gauss_newton, parts.residual)
            printed = {"phi": self.phi, "epsilon": energy, "sigma": 1.0}
            parameters = {0: printed, 1: _values(near)}
            if np.unique(parts.total).size > 5:  # fewer do not determine three parameters
                fitted = fit(spectrum, family, resamples=0)
                found[name, "2"], laws[name, "2"] = fitted.comparison, fitted.model.law
                parameters[2] = _values(fitted.model)
            outside = found[name, "1"].outliers
            for number in range(5):
                key = (name, str(number))
                if key in laws:
                    words = NAMES[number].format(model=name, residual=_RESIDUALS[name])
                    explained = max(0, outside - found[key].outliers)
                    levels.append(
                        Level(number, name, words, laws[key], found[key], explained,
                              parameters=parameters.get(number, {}))
                    )  # fmt: skip
        levels.sort(key=lambda level: level.number == 4)  # stable: the family-free level last
        outside = found[WIGNER, "1"].outliers
        levels += self.dyson_levels(spectrum, outside)
        turned, turned_error = self.turned(parts)
        first = wigner_shares(
            distances[WIGNER, "0"], distances[WIGNER, "1"], distances[WIGNER, "3"],
            distances[WIGNER, "3'"], distances[WIGNER, "4"], turned,
        )  # fmt: skip
        shares = [Share(WIGNER, key, *values, None) for key, values in first.items()]
        chance = spread = None
        if self.reason is None and self.draws:
            levels, shares, chance, spread = self.redrawn(
                parts, levels, shares, turned, turned_error
            )
        provenance = {
            "source": "network", "network": repr(self.net), "widths": list(self.net.widths),
            "samples": int(self.point.data.size), "parameters": int(self.size),
            "phi": self.phi, "energy": float(energy),
            "gradient_norm": float(np.linalg.norm(to_numpy(self.point.gradient))),
            "draws": self.draws, "points": self.points, "seed": self.seed,
            "rmtland": installed_version(),
        }  # fmt: skip

        def measured(values: Real, part: str) -> Spectrum:
            return Spectrum(values, provenance={**provenance, "part": part})

        self.say("diagnostics", 0, 1)
        return HessianAudit(
            levels=tuple(levels),
            shares=tuple(shares),
            spectrum=measured(parts.total, "total"),
            gauss_newton=measured(parts.gauss_newton, "gauss_newton"),
            residual=measured(parts.residual, "residual"),
            chance=chance,
            chance_error=spread,
            diagnostics=diagnose(self.point),
            not_applicable=self.reason,
            provenance=provenance,
        )

    def dyson_levels(self, spectrum: Spectrum, outside: int) -> list[Level]:
        """Levels 5 and 6; the second is the first where nothing that is measured is kept."""
        if self.reason is not None:
            return []
        drawn = Redraws.of_point(self.point, moments=False).draw(self.seeds[-2])
        *models, kept = dyson_models(self.point, drawn)
        self.bends = models[1].bends
        levels: list[Level] = []
        for number, model in zip((5, 6), models, strict=True):
            name = f"matrix Dyson equation, level {number}"
            law: Any = levels[0].law if levels and model is models[0] else dyson_law(
                model, spectrum=spectrum.eigenvalues, points=self.points,
                progress=lambda done, total, name=name: self.say(name, done, total),  # type: ignore[misc]
            )  # fmt: skip
            result = compare(spectrum, law)
            explained = max(0, outside - result.outliers)
            levels.append(
                Level(number, DYSON, NAMES[number], law, result, explained, law_error=law.error,
                      parameters=kept if number == 6 else {})
            )  # fmt: skip
        return levels

    # Errors ----------------------------------------------------------------------------------

    def redrawn(
        self,
        parts: _Parts,
        levels: list[Level],
        shares: list[Share],
        turned: float,
        turned_error: float,
    ) -> tuple[list[Level], list[Share], float, float]:
        """Levels and shares with errors, shares of the Dyson law, and chance with its spread."""
        model = Redraws.of_point(self.point)
        iid = Redraws.of_point(self.point, moments=False)
        dyson = {level.number: level.law for level in levels if level.family == DYSON}
        rows: list[Distances] = []
        kept: dict[str, list[Real]] = {"second": [], "residuals": []}
        for i in range(self.draws):
            self.say("Hessians drawn anew", i, self.draws)
            seeds = self.seeds[4 * i : 4 * i + 4]
            drawn = model.draw(seeds[0])
            own = _Parts.of(*model.parts(drawn, self.bends))
            row = self.distances(own, drawn.energy)
            row[DYSON, "6"] = kolmogorov(own.total, dyson[6])
            row[DYSON, "5"] = row[DYSON, "6"]
            if dyson[5] is not dyson[6]:
                other = iid.draw(seeds[3]).hessian("total")
                row[DYSON, "5"] = kolmogorov(np.linalg.eigvalsh(_matrix(other)), dyson[5])
            rows.append(row)
            for key, seed in (("second", 1), ("residuals", 2)):
                mixed = iid.draw(seeds[seed], **{key: False}).hessian("total")
                kept[key].append(np.linalg.eigvalsh(_matrix(mixed)))
        spread = {key: float(np.std([row[key] for row in rows], ddof=1)) for key in rows[0]}
        mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        levels = [
            replace(level, error=spread.get((level.family, str(level.number))),
                    expected=mean.get((level.family, str(level.number))))
            for level in levels
        ]  # fmt: skip
        drawn_shares = [
            wigner_shares(
                row[WIGNER, "0"], row[WIGNER, "1"], row[WIGNER, "3"], row[WIGNER, "3'"],
                row[WIGNER, "4"], turned,
            )
            for row in rows
        ]  # fmt: skip
        shares = [
            replace(share, error=_error([s[share.assumption][0] for s in drawn_shares],
                                        turned_error if share.assumption in ("freeness", "chance")
                                        else 0.0))
            for share in shares
        ]  # fmt: skip
        chance, chance_error = mean[DYSON, "5"], spread[DYSON, "5"]
        ends = {key: np.sort(np.concatenate(runs)) for key, runs in kept.items()}
        corner = {key: two_sample(parts.total, pool) for key, pool in ends.items()}
        loose = {
            key: _error([
                two_sample(runs[i], np.sort(np.concatenate(runs[:i] + runs[i + 1 :])))
                for i in range(len(runs))
            ], 0.0)
            for key, runs in kept.items()
        }  # fmt: skip
        own_level = next(level for level in levels if level.number == 5)
        d5 = own_level.comparison.kolmogorov
        found = dyson_shares(d5, corner["second"], corner["residuals"], chance)
        error = 0.5 * float(np.hypot(
            np.hypot(spread[DYSON, "5"], loose["second"]),
            np.hypot(loose["residuals"], chance_error / np.sqrt(self.draws)),
        ))  # fmt: skip
        errors = {"chance": chance_error / float(np.sqrt(self.draws))}
        shares += [
            Share(DYSON, key, *values, errors.get(key, error)) for key, values in found.items()
        ]
        return levels, shares, chance, chance_error


def kolmogorov(eigenvalues: Real, law: Law) -> float:
    """Kolmogorov distance of eigenvalues to a law, as `compare` has it, and nothing else."""
    nodes, weights = merged_nodes(Spectrum(eigenvalues), law, Spectrum(eigenvalues).zero_tolerance)
    places = np.unique(np.append(nodes, [place for place, _ in law.atoms]))
    mass = np.zeros(places.shape)
    mass[np.searchsorted(places, nodes)] = weights / weights.sum()
    above = np.cumsum(mass)
    atoms = np.zeros(places.shape)
    for place, weight in law.atoms:
        atoms[np.searchsorted(places, place)] = weight
    if isinstance(law, FreeSum):
        # just above the axis, where the bands of the sum need not be found: they take the time
        height = _HEIGHT * max(float(np.ptp(places)), 1e-300)
        upper = 1 - np.asarray(law.log_potential(places + 1j * height)).imag / np.pi + atoms / 2
    else:
        upper = np.asarray(law.cdf(places))
    lower = upper - atoms
    return float(max(np.abs(upper - above).max(), np.abs(lower - (above - mass)).max()))


def two_sample(eigenvalues: Real, pool: Real) -> float:
    """Kolmogorov distance of two sorted sets of eigenvalues."""
    places = np.concatenate([eigenvalues, pool])
    first = np.searchsorted(eigenvalues, places, side="right") / eigenvalues.size
    second = np.searchsorted(pool, places, side="right") / pool.size
    return float(np.abs(first - second).max())


def _matrix(array: Any) -> Real:
    return to_numpy(array).astype(np.float64)


def _values(model: HessianModel) -> dict[str, float]:
    return {"phi": model.phi, "epsilon": model.epsilon, "sigma": model.sigma}


def _error(values: list[float], other: float) -> float:
    return float(np.hypot(np.std(values, ddof=1), other))

r"""Levels 0-4 compared with estimated spectra: every distance with the range that is left open.

The distribution function of H is known within a band, and so are the laws of the levels
(`rmtland.audit.bands`, `rmtland.audit.estimated_levels`). Each distance has a value, between the
middles, and a range that holds the true one; all of them together at the stated level, which the
bands of H, H0 and H1 and the two traces share in equal parts. A level is refuted only where its
whole range lies above the threshold, and holds where all of it lies below.

For a fitted law the range ends below at the least distance that any member of the family may have
(by a descent from the fitted one), so that the family is refuted where even that is above the
threshold.

Examples
--------
>>> import numpy as np
>>> from rmtland import WishartPlusWigner
>>> from rmtland.audit.measured import MeasuredHessian
>>> from rmtland.estimate import spectral_density
>>> values = WishartPlusWigner(0.5, 0.3).sample(600, rng=0).nodes.ravel()
>>> total = spectral_density(lambda v: values * v, size=600, steps=60, rng=0)
>>> audit = audit_estimates(MeasuredHessian(total, phi=0.5, energy=0.3), levels=[Level.PRINTED])
>>> audit.levels[0].standing(0.1)
<Standing.HOLDS: 'holds'>
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
from scipy.optimize import minimize

from rmtland.arguments import positive
from rmtland.audit.bands import (
    Band,
    LawBand,
    MeasuredDistribution,
    Ranged,
    area_between,
    is_estimate,
    kolmogorov_distance,
)
from rmtland.audit.conditioned_levels import CONDITIONED
from rmtland.audit.estimated_levels import LevelBand, MeasuredParts, level_band, moment_interval
from rmtland.audit.findings import HessianAudit
from rmtland.audit.free_levels import ATOMS, MODELS, FreeTheory, free_theories
from rmtland.audit.level_comparisons import lost_words, wanted_levels
from rmtland.audit.level_result import LevelResult
from rmtland.audit.levels import Family, Level
from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.audit.shares import Contribution, Share, estimated_wigner_shares
from rmtland.comparison import Comparison
from rmtland.laws import Law
from rmtland.laws.first_check import unchecked
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Record

__all__ = ["EstimatedDistances", "audit_estimates"]

_SHARED = 5
"""Statements that share the probability of an error: three bands and two traces."""

_CHAIN = (
    Level.MATCHED,
    Level.MEASURED_GAUSS_NEWTON,
    Level.MEASURED_RESIDUAL,
    Level.MEASURED_PARTS,
)
"""Levels that shares need besides the printed one."""

_PLACES = 240
_ROUNDING = 1e-9
"""Relative size at which negative Ritz values of a semidefinite part are rounding."""


def audit_estimates(
    measured: MeasuredHessian,
    *,
    levels: Collection[Level] | None = None,
    laws: Mapping[str, Law] | None = None,
    confidence: float = 0.95,
    threshold: float = 0.05,
    nullity: int | None = None,
    atoms: int = ATOMS,
    progress: Progress | None = None,
    provenance: Mapping[str, object] | None = None,
) -> HessianAudit:
    """Compare estimated spectra of a Hessian and its parts with levels 0-4.

    Parameters
    ----------
    measured : MeasuredHessian
        Spectra of H, H0 and H1: estimates of `rmtland.estimate.spectral_density`, or complete. H0
        is taken to be without negative eigenvalues unless its Ritz values show one.
    levels : collection of Level, optional
        Levels to compare with; all by default.
    laws : mapping of str to Law, optional
        Further laws, by the name that tables show.
    confidence : float, optional
        Level at which all ranges hold together.
    threshold : float, optional
        Kolmogorov distance above which a level counts as refuted.
    nullity : int, optional
        Number of zero eigenvalues of H, where it is known.
    atoms : int, optional
        Point masses that stand for a measured part, at most.
    progress : callable, optional
        Called as ``progress(what, done, total)``.
    provenance : mapping, optional
        What to remember of the origin.

    Returns
    -------
    HessianAudit
        Levels with the ranges of their distances, and shares where all levels of the chain apply;
        after an interrupt those that were done.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    confidence, threshold = positive("confidence", confidence), positive("threshold", threshold)
    if confidence >= 1:
        raise ValueError(f"confidence must be below 1; got {confidence}")
    wanted = wanted_levels(levels)
    each = 1 - (1 - confidence) / _SHARED
    size = measured.size
    zeros = 0.0 if nullity is None else nullity / size
    total = MeasuredDistribution(measured.total, confidence=each, zeros=zeros)
    distances = EstimatedDistances(total, measured.total)
    parts = _parts(measured, each)
    results: list[LevelResult] = []
    inapplicable: dict[Level, str] = dict.fromkeys(
        (Level.DYSON, Level.DYSON_MOMENTS),
        "the matrix Dyson equation is compared with all eigenvalues of a network only",
    ) | dict.fromkeys(
        CONDITIONED,
        "Hessians are drawn for a network of rmtland.networks: take audit_hessian (MLP.from_torch)",
    )
    theories = [
        theory
        for theory in free_theories(measured, atoms=atoms)
        if _is_shown(theory) or wanted.issuperset(_CHAIN)
    ]
    chain: dict[Level, Contribution] = {}
    steps: list[Any] = [*theories, *(laws or {}).items()]
    interrupted = None
    for done, step in enumerate(steps):
        name = step[0] if isinstance(step, tuple) else step.level.title(step.family)
        try:
            if progress is not None:
                progress(name, done, len(steps))
            if isinstance(step, tuple):
                band = LevelBand(LawBand.of(step[1]), {})
                results.append(distances.result(Level.GIVEN, Family.OTHER, band, label=name))
                continue
            reason = "it was not asked for" if step.level not in wanted else step.applies(measured)
            if reason is None and step.level not in (Level.PRINTED, Level.FITTED):
                reason = "a part has no bounds" if parts is None else None
            if reason is not None:
                inapplicable.setdefault(step.level, reason)
                continue
            found = _compared(step, measured, parts, distances)
            if step.family is Family.WIGNER:
                chain[step.level] = Contribution(found.kolmogorov, *found.kolmogorov_range)
            if _is_shown(step):
                results.append(found)
        except KeyboardInterrupt:
            if not results:
                raise
            interrupted = name
            break
        except ConvergenceError as error:
            given = isinstance(step, tuple)
            level = Level.GIVEN if given else step.level
            inapplicable.setdefault(level, lost_words(error, name if given else None))
    return HessianAudit(
        levels=tuple(results),
        shares=_shares(chain),
        spectrum=measured.total,
        gauss_newton=measured.gauss_newton,
        residual=measured.residual,
        inapplicable=inapplicable,
        interrupted=interrupted,
        threshold=threshold,
        provenance={
            **(provenance or {}),
            "confidence": confidence,
            "threshold": threshold,
            "nullity": nullity,
        },
    )


def _is_shown(theory: FreeTheory) -> bool:
    return theory.level is not Level.MEASURED_RESIDUAL


def _shares(chain: Mapping[Level, Contribution]) -> tuple[Share, ...]:
    """Return what each assumption contributes, where all distances of the chain are known."""
    order = (Level.PRINTED, *_CHAIN)
    if not all(level in chain for level in order):
        return ()
    found = estimated_wigner_shares(*(chain[level] for level in order))
    return tuple(
        Share(Family.WIGNER, assumption, *values, None) for assumption, values in found.items()
    )


def _compared(
    theory: FreeTheory,
    measured: MeasuredHessian,
    parts: Any,
    distances: EstimatedDistances,
) -> LevelResult:
    band = level_band(theory, measured, parts)
    least = None
    if theory.level is Level.FITTED:
        least = distances.least_of_family(theory.family, band.parameters)
    return distances.result(theory.level, theory.family, band, least=least)


def _parts(measured: MeasuredHessian, confidence: float) -> MeasuredParts | None:
    """Return what is known of the parts; None where there is none."""
    first, second = measured.gauss_newton, measured.residual
    if first is None or second is None:
        return None
    if not all(part.is_complete or is_estimate(part) for part in (first, second)):
        return None
    scale = float(np.abs(first.nodes).max())
    semidefinite = bool(first.nodes.min() >= -_ROUNDING * scale) or (
        first.precision == "float32" and bool(first.nodes.min() >= -1e-4 * scale)
    )
    phi = measured.phi
    zeros = 1 - 1 / phi if semidefinite and phi is not None and phi > 1 else 0.0
    return MeasuredParts(
        MeasuredDistribution(first, confidence=confidence, semidefinite=semidefinite, zeros=zeros),
        MeasuredDistribution(second, confidence=confidence),
        moment_interval(first, 1, confidence=confidence),
        moment_interval(second, 2, confidence=confidence),
    )


class EstimatedDistances:
    """Distances of the spectrum of H, known within a band, to laws known within bands.

    Parameters
    ----------
    total : MeasuredDistribution
        Of H.
    spectrum : Spectrum
        The estimate of H.
    """

    def __init__(self, total: MeasuredDistribution, spectrum: Spectrum) -> None:
        self.total, self.spectrum = total, spectrum
        self._inner = total.quantiles(_PLACES)

    def grid(self, band: LawBand) -> tuple[Real, tuple[float, float]]:
        """Return points at which two distribution functions are compared, and ends of the law.

        Parameters
        ----------
        band : LawBand
            The law.

        Returns
        -------
        x : ndarray
            Ascending; finer where the law has much mass.
        ends : (float, float)
            Of the support of the middle law.
        """
        hulls = [law.hull for law in {id(a): a for a in _laws_of(band)}.values()]
        ends = band.middle.hull
        low = min([hull[0] for hull in hulls] + [self.total.ends[0]])
        high = max([hull[1] for hull in hulls] + [self.total.ends[1]])
        if not np.isfinite(high - low):  # tails: as far as they hold mass
            tails = np.asarray(band.middle.ppf(np.array([1e-6, 1 - 1e-6])))
            low, high = min(tails[0], self.total.ends[0]), max(tails[1], self.total.ends[1])
        pad = band.shift + 1e-9 * (high - low)
        even = np.linspace(low - pad, high + pad, _PLACES // 2)
        atoms = [place for place, _ in band.middle.atoms][:_PLACES]
        x = np.unique(np.concatenate([self._inner, even, ends, self.total.ends, atoms, [0.0]]))
        x = x[np.isfinite(x)]
        steps = np.diff(band.middle_at(x))
        pieces = np.minimum(np.ceil(steps * _PLACES).astype(int), 50)
        further = [
            np.linspace(start, end, number + 1)[1:-1]
            for start, end, number in zip(x[:-1], x[1:], pieces, strict=True)
            if number > 1
        ]
        return np.unique(np.concatenate([x, *further])), ends

    def result(
        self,
        level: Level,
        family: Family,
        found: LevelBand,
        *,
        least: float | None = None,
        label: str = "",
    ) -> LevelResult:
        """Return the distances to the law of a level, with their ranges.

        Parameters
        ----------
        level : Level
            The level.
        family : Family
            Of the law.
        found : LevelBand
            The law.
        least : float, optional
            Lower end of the range of the Kolmogorov distance, where it is not that of this law.
        label : str, optional
            Name in tables of a law that was given.

        Returns
        -------
        LevelResult
        """
        x, ends = self.grid(found.band)
        seen, law = self.total.at(x), found.band.at(x)
        distance, area = kolmogorov_distance(seen, law), area_between(seen, law)
        if least is not None:
            distance = Ranged(distance.value, min(least, distance.low), distance.high)
        unit = ends[1] - ends[0]
        if not np.isfinite(unit) or unit <= 0:
            unit = self.spectrum.std() or 1.0
        zero = int(np.searchsorted(x, 0.0))
        index, of_law = seen.below[zero], law.below[zero]
        difference = Ranged(
            float(of_law[1] - index[1]), float(of_law[0] - index[2]), float(of_law[2] - index[0])
        )
        comparison = Comparison(
            kolmogorov=distance.value,
            wasserstein=area.value / unit,
            spectrum_index=float(index[1]),
            law_index=float(of_law[1]),
            index_error=float(index[2] - index[0]) / 2,
            spectrum_edges=(float(self.spectrum.nodes.min()), float(self.spectrum.nodes.max())),
            law_edges=ends,
            mass_outside=_outside(seen, ends),
            outliers=self._outliers(ends),
            unit=unit,
            kolmogorov_range=distance.range,
            wasserstein_range=(area.low / unit, area.high / unit),
        )
        return LevelResult(
            level,
            family,
            found.band.middle,
            comparison,
            parameters=dict(found.parameters),
            label=label,
            wasserstein_range=(area.low / unit, area.high / unit),
            index_difference_range=difference.range,
        )

    def least_of_family(self, family: Family, parameters: Record) -> float:
        """Return the least Kolmogorov distance that a member of a family may have.

        Parameters
        ----------
        family : Family
            Of the models.
        parameters : mapping
            Where the descent begins: phi, epsilon and sigma.

        Returns
        -------
        float
            By Nelder and Mead's descent from there; 0 for the ReLU block, which is not searched.
        """
        model = MODELS[family]
        names = ("phi", "epsilon", "sigma")
        x, _ = self.grid(LawBand.of(model(**parameters).law))
        seen = self.total.at(x)

        def least(logarithms: Real, *, is_trial: bool = True) -> float:
            try:
                law = model(**dict(zip(names, np.exp(logarithms).tolist(), strict=True))).law
                # Only the one that is found is checked
                with unchecked(law) if is_trial else nullcontext():
                    return kolmogorov_distance(seen, LawBand.of(law).at(x)).low
            except (ConvergenceError, ValueError, OverflowError):
                return 1.0

        if family is not Family.WIGNER:
            return 0.0  # its laws take too long for a search: nothing is claimed
        start = np.log([max(float(parameters[name]), 1e-12) for name in names])
        here = least(start, is_trial=False)
        if here == 0.0:
            return 0.0
        options = {"maxfev": 240, "xatol": 1e-4, "fatol": 1e-5}
        found = minimize(least, start, method="Nelder-Mead", options=options)
        if found.fun >= here:
            return here
        return float(min(least(found.x, is_trial=False), here))

    def _outliers(self, ends: tuple[float, float]) -> int:
        """Eigenvalues beyond the ends of a law that Ritz values of one probe prove."""
        width = ends[1] - ends[0]
        if not np.isfinite(width):
            return 0
        margin = width * float(self.spectrum.dimension or self.spectrum.nodes.shape[1]) ** (-2 / 3)
        nodes = self.spectrum.nodes
        outside = (nodes < ends[0] - margin) | (nodes > ends[1] + margin)
        distinct = [np.unique(row[out]).size for row, out in zip(nodes, outside, strict=True)]
        return int(max(distinct))


def _laws_of(band: LawBand) -> tuple[Law, Law, Law]:
    return band.lowest, band.middle, band.highest


def _outside(seen: Band, ends: tuple[float, float]) -> float:
    """Mass of the middle distribution function outside an interval of the grid."""
    first, last = (int(np.searchsorted(seen.x, end)) for end in ends)
    last = min(last, seen.x.size - 1)
    inside = seen.upto[last, 1] - seen.below[min(first, last), 1]
    return float(min(max(1.0 - inside, 0.0), 1.0))

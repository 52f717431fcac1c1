r"""Laws of levels 0-4 from estimated spectra, with bounds.

What a law takes from a spectrum carries the errors of the estimate into the law:

- a **measured part** is bounded by two measures in the stochastic order, and free sums keep it;
- the **trace of H0** scales a measure on the positive axis: a larger one is larger in that order;
- the **trace of H1^2** scales a measure of both signs: changing the radius of its support by
  :math:`\delta` moves no eigenvalue of a sum by more, so that the law holds after a shift of the
  axis by :math:`\delta`;
- a **fitted** law is the one fitted to the estimate; what matters beside it is the best of its
  family (`rmtland.audit.estimated_audit`).

The mean over m Gaussian probes of :math:`v^* A v/|v|^2` has the variance
:math:`2 (\mathrm{tr} A^2/p - (\mathrm{tr} A/p)^2)/m(p + 2)` (half of it for complex ones); the
higher moments come from the same quadratures and are widened by their own errors, so that few large
eigenvalues that the probes see by chance do not make the interval too small.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate import spectral_density
>>> values = np.linspace(0.0, 2.0, 3000)
>>> spectrum = spectral_density(lambda v: values * v, size=3000, steps=20, rng=0)
>>> low, high = moment_interval(spectrum, 1, confidence=0.95)[1:]
>>> low < 1.0 < high < low + 0.05
True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from rmtland.audit.bands import LawBand, MeasuredDistribution, Ranged
from rmtland.audit.free_levels import MODELS, FreeTheory
from rmtland.audit.levels import Level
from rmtland.audit.measured import MeasuredHessian
from rmtland.comparison import fit
from rmtland.free import free_sum
from rmtland.laws import Law
from rmtland.models import HessianModel
from rmtland.spectrum import Spectrum

__all__ = ["LevelBand", "MeasuredParts", "level_band", "moment_interval"]


@dataclass(frozen=True, eq=False)
class LevelBand:
    """The law of a level within bounds.

    Parameters
    ----------
    band : LawBand
        The law.
    parameters : dict
        Of the model behind it, JSON-able.
    """

    band: LawBand
    parameters: dict[str, object]


@dataclass(frozen=True, eq=False)
class MeasuredParts:
    """What levels take from the parts of a Hessian, with bounds.

    Parameters
    ----------
    gauss_newton, residual : MeasuredDistribution
        Distribution functions of H0 and H1.
    mean : Ranged
        Trace of H0 over p.
    square : Ranged
        Trace of H1^2 over p.
    """

    gauss_newton: MeasuredDistribution
    residual: MeasuredDistribution
    mean: Ranged
    square: Ranged


def moment_interval(spectrum: Spectrum, order: int, *, confidence: float) -> Ranged:
    """Return a moment of a spectrum with its interval.

    Parameters
    ----------
    spectrum : Spectrum
        All eigenvalues, or an estimate from Gaussian probes.
    order : int
        1 or 2.
    confidence : float
        Two-sided level.

    Returns
    -------
    Ranged
        Without width for a complete spectrum.
    """
    value = spectrum.moment(order)
    if spectrum.is_complete:
        return Ranged(value, value, value)
    z = float(ndtri((1 + confidence) / 2))
    size = spectrum.dimension or 1
    parts = 2 if spectrum.provenance.get("probe_law") == "complex Gaussian" else 1
    per_variance = 2.0 / (parts * spectrum.runs * (size + 2.0))
    scale = float(np.abs(spectrum.nodes).max()) or 1.0
    moments = {k: spectrum.moment(k) / scale**k for k in (order, 2 * order, 4 * order)}
    fourth = moments[2 * order] + z * np.sqrt(per_variance * moments[4 * order])
    error = z * np.sqrt(per_variance * max(fourth - moments[order] ** 2, 0.0)) * scale**order
    return Ranged(value, float(value - error), float(value + error))


def level_band(theory: FreeTheory, measured: MeasuredHessian, parts: MeasuredParts) -> LevelBand:
    """Return the law of one of levels 0-4 with its bounds.

    Parameters
    ----------
    theory : FreeTheory
        Level and family, which applies.
    measured : MeasuredHessian
        Spectra, ratio and energy.
    parts : MeasuredParts
        What the estimates leave open; of the parts that the level needs.

    Returns
    -------
    LevelBand
    """
    model = MODELS[theory.family]
    level = theory.level
    if level is Level.PRINTED:
        assert measured.phi is not None
        assert measured.energy is not None
        found = model(measured.phi, measured.energy)
        return LevelBand(LawBand.of(found.law), _parameters(found))
    if level is Level.FITTED:
        best = fit(measured.total, model, resamples=0, rng=0).model
        return LevelBand(LawBand.of(best.law), _parameters(best))
    if level is Level.MEASURED_PARTS:
        pairs = zip(_laws(parts.gauss_newton, theory), _laws(parts.residual, theory), strict=True)
        lowest, middle, highest = (_sum(first, second) for first, second in pairs)
        return LevelBand(LawBand(lowest, middle, highest), {})
    assert measured.phi is not None
    low, near, high = _matched(model, measured.phi, parts)
    if level is Level.MATCHED:
        band = LawBand(low.law, near.law, high.law, _shift(model, measured.phi, parts))
        return LevelBand(band, _parameters(near))
    if level is Level.MEASURED_GAUSS_NEWTON:
        shift = _shift(model, measured.phi, parts)
        lowest, middle, highest = (
            _sum(first, near.residual_law) for first in _laws(parts.gauss_newton, theory)
        )
        return LevelBand(LawBand(lowest, middle, highest, shift), {})
    beside = zip((low, near, high), _laws(parts.residual, theory), strict=True)
    lowest, middle, highest = (_sum(one.gauss_newton_law, law) for one, law in beside)
    return LevelBand(LawBand(lowest, middle, highest), {})


def _matched(
    model: type[HessianModel], phi: float, parts: MeasuredParts
) -> tuple[HessianModel, HessianModel, HessianModel]:
    """Models of the lowest, the estimated and the highest trace of H0."""
    tiny = 1e-12 * abs(parts.mean.value) or 1e-300
    low, near, high = (
        model.from_moments(phi, mean=max(mean, tiny), residual_variance=max(parts.square.value, 0))
        for mean in (parts.mean.low, parts.mean.value, parts.mean.high)
    )
    return low, near, high


def _shift(model: type[HessianModel], phi: float, parts: MeasuredParts) -> float:
    """How far the radius of the support of H1 may be off."""

    def radius(square: float) -> float:
        law = model.from_moments(phi, mean=1.0, residual_variance=square).residual_law
        return 0.0 if law is None else max(abs(end) for end in law.hull)

    low, high = max(parts.square.low, 0.0), parts.square.high
    if high <= low:
        return 0.0
    unit = radius(high) / high**0.5  # the radius goes with the root of the mean square
    value = max(parts.square.value, 0.0)
    return float(unit * max(high**0.5 - value**0.5, value**0.5 - low**0.5))


def _laws(part: MeasuredDistribution, theory: FreeTheory) -> tuple[Law, Law, Law]:
    return part.laws(theory.atoms)


def _sum(first: Law, second: Law | None) -> Law:
    vanishes = second is None or (second.is_point_mass and second.mean() == 0.0)
    if vanishes:
        return first
    assert second is not None
    return free_sum(first, second)


def _parameters(model: HessianModel) -> dict[str, object]:
    return {"phi": model.phi, "epsilon": model.epsilon, "sigma": model.sigma}

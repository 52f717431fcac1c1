"""The audit of a Hessian: which assumption of random-matrix theory fails on a network.

The measured spectra of H, H0 and H1 at a point of a network are compared with laws that know more
and more of it (`rmtland.audit.levels`); the misfit of the first and of the matrix Dyson equation
are split among their assumptions (`rmtland.audit.shares`), with errors from Hessians drawn anew
(`rmtland.audit.redraws`); and residuals and weights are tested for what the theory takes them to be
(`rmtland.audit.diagnostics`). The result ends in a verdict.

Examples
--------
>>> import numpy as np
>>> from rmtland.audit import Family
>>> from rmtland.networks import MLP
>>> rng, net = np.random.default_rng(0), MLP((6, 6, 6), activation="relu")
>>> x, theta = rng.normal(size=(24, 6)), net.init(rng=1)
>>> point = net.at(theta, x, net.predict(theta, x) - rng.normal(size=(24, 6)))
>>> audit = audit_hessian(point, draws=2, points=20, rng=0)
>>> [result.number for result in audit.levels if result.family is Family.WIGNER]
[0, 1, 2, 3, 4]
>>> audit[Level.DYSON].kolmogorov < 0.1
True
>>> audit.verdict.startswith("Wishart + Wigner misses by")
True
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from rmtland.arguments import callable_or_none, choice
from rmtland.arrays import to_numpy
from rmtland.audit.bands import MeasuredDistribution
from rmtland.audit.conditioned_levels import CONDITIONED
from rmtland.audit.cost import check_audit, exact_memory_is_free
from rmtland.audit.diagnostics import diagnose
from rmtland.audit.estimated_audit import EstimatedDistances
from rmtland.audit.estimated_conditioned import conditioned_band
from rmtland.audit.findings import HessianAudit
from rmtland.audit.level_comparisons import LevelComparisons, as_laws
from rmtland.audit.levels import Family, Level
from rmtland.audit.measured import (
    MeasuredHessian,
    Progress,
    effective_ratio,
    is_piecewise_linear,
    silent,
)
from rmtland.audit.operator_audit import audit_operators
from rmtland.laws import Law
from rmtland.laws.spectral_model import SpectralModel
from rmtland.models.conditioned.given_residuals import in_double
from rmtland.networks import LossPoint
from rmtland.solution import ConvergenceError
from rmtland.streams import Rng, streams
from rmtland.typing import Record
from rmtland.version import installed_version

__all__ = ["audit_hessian"]

_CONFIDENCE = 0.95
_SHARED = 5  # statements of `audit_operators` that share the probability of an error


def audit_hessian(
    point: LossPoint,
    *,
    draws: int = 8,
    points: int = 40,
    laws: Mapping[str, Law | SpectralModel] | None = None,
    levels: Collection[Level] | None = None,
    method: str = "auto",
    probes: int = 10,
    steps: int = 80,
    threshold: float = 0.05,
    rng: Rng = None,
    progress: Progress | None = None,
) -> HessianAudit:
    """Compare the Hessian of a network at a point with every level of theory.

    An interrupt (Ctrl-C) after the first levels ends the audit early: what was done is returned,
    and `interrupted` says what was not.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data: `MLP.at`. Levels 5 and 6 and what is drawn anew need one
        hidden layer, no biases and half the mean squared error; without them they are left out and
        `inapplicable` says why.
    draws : int
        Hessians drawn anew, at least 2, or 0 for no errors and no shares of the Dyson law.
    points : int
        Points of the tables of the Dyson laws, at least 20.
    laws : mapping of str to Law or SpectralModel, optional
        Further laws to compare with, by the name that tables show.
    levels : collection of Level, optional
        Levels to compare with; all by default. Shares need those of their chain.
    method : {"auto", "exact", "estimate"}, optional
        Whether the Hessian is formed and diagonalised, or its spectra and those of its parts are
        estimated from products, with ranges for all distances at levels 0-4
        (`rmtland.audit.audit_operators`), 7 and 8 (as many Hessians are drawn as there are
        probes); "auto" estimates where the memory for the exact audit is not free.
    probes, steps : int, optional
        Gaussian probes of an estimate, and Lanczos steps of each.
    threshold : float, optional
        Kolmogorov distance above which a level counts as refuted, in an estimate.
    rng : anything `numpy.random.default_rng` takes
        For what is drawn.
    progress : callable, optional
        Called as ``progress(what, done, total)``.

    Returns
    -------
    HessianAudit
        Levels of theory, and the shares of assumptions in their misfits.

    Raises
    ------
    MemoryError
        If it takes more memory than is free, with ``method="exact"``; it says how much.
    ValueError
        If a number is out of range, or the network has fewer than 8 parameters.
    TypeError
        If `point` is not a LossPoint, or a law is none.

    See Also
    --------
    rmtland.audit.audit_operators : of products only.
    rmtland.audit.expected_cost : before it runs.
    """
    choice("method", method, ("auto", "exact", "estimate"))
    check_audit(point, draws=draws, points=points, method=method)
    given = as_laws(laws)
    if method == "estimate" or (method == "auto" and not exact_memory_is_free(point)):
        return _estimated(
            in_double(point),
            probes=probes,
            steps=steps,
            threshold=threshold,
            laws=laws,
            levels=levels,
            rng=rng,
            progress=progress,
        )
    show = callable_or_none("progress", progress) or silent
    double = in_double(point)
    show("exact Hessian", 0, 1)
    measured = MeasuredHessian.of_point(double)
    run = LevelComparisons(measured, levels, show)
    dyson_rng, draws_rng, haar_rng, conditioned_rng = streams(rng, 4)
    try:
        run.compare_free()
        run.compare_given(given)
        run.rotate(haar_rng)
        run.compare_dyson(points, dyson_rng)
        run.compare_conditioned(draws, conditioned_rng)
        run.redraw(draws, draws_rng)
    except KeyboardInterrupt:
        if not run.results:
            raise
        run.interrupted = run.step
    provenance = {
        **_origin(double),
        "phi": measured.phi,
        "energy": measured.energy,
        "draws": draws,
        "points": points,
        "seed": rng if isinstance(rng, int) else None if rng is None else repr(rng),
        "rmtland": installed_version(),
    }
    return replace(run.audit(provenance), diagnostics=diagnose(double))


def _estimated(
    point: LossPoint,
    *,
    levels: Collection[Level] | None,
    probes: int,
    steps: int,
    threshold: float,
    rng: Rng,
    progress: Progress | None,
    laws: Mapping[str, Law | SpectralModel] | None,
) -> HessianAudit:
    """Audit a network by estimates, with tests of residuals and weights."""
    net = point.net
    wanted = [level for level in CONDITIONED if levels is None or level in levels]
    open_ = (1 - _CONFIDENCE) / (_SHARED + len(wanted))  # each statement may fail so often
    *_, first_rng, second_rng = streams(rng, 5)
    audit = audit_operators(
        point.operator("total"),
        gauss_newton=point.operator("gauss_newton"),
        residual=point.operator("residual"),
        phi=effective_ratio(point),
        energy=float(point.energy),
        piecewise_linear=is_piecewise_linear(net),
        method="estimate",
        levels=levels,
        probes=probes,
        steps=steps,
        confidence=1 - _SHARED * open_,
        threshold=threshold,
        rng=rng,
        progress=progress,
        laws=laws,
    )
    provenance = {**audit.provenance, **_origin(point), "confidence": _CONFIDENCE}
    audit = replace(audit, provenance=provenance, diagnostics=diagnose(point))
    distances = EstimatedDistances(
        MeasuredDistribution(audit.spectrum, confidence=1 - open_), audit.spectrum
    )
    for level, generator in zip(CONDITIONED, (first_rng, second_rng), strict=True):
        if level not in wanted or audit.interrupted:
            continue
        try:
            if progress is not None:
                progress(f"residuals conditioned, level {level.number}", 0, 1)
            band = conditioned_band(
                point, level, draws=probes, steps=steps, confidence=1 - open_, rng=generator
            )
        except KeyboardInterrupt:
            return replace(audit, interrupted=level.title(Family.CONDITIONED))
        except (ValueError, ConvergenceError) as error:
            reasons = {**audit.inapplicable, level: str(error)}
            audit = replace(audit, inapplicable=reasons)
            continue
        found = distances.result(level, Family.CONDITIONED, band)
        reasons = {key: why for key, why in audit.inapplicable.items() if key is not level}
        audit = replace(audit, levels=(*audit.levels, found), inapplicable=reasons)
    return audit


def _origin(point: LossPoint) -> Record:
    """Where a network's spectra come from."""
    net = point.net
    return {
        "source": "network",
        "network": repr(net),
        "widths": list(net.widths),
        "samples": int(point.data.size),
        "parameters": int(net.parameter_count),
        "gradient_norm": float(np.linalg.norm(to_numpy(point.gradient))),
    }

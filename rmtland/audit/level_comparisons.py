"""An audit under way: levels compared one after the other, parts rotated, Hessians drawn anew.

Examples
--------
>>> from rmtland import Spectrum
>>> measured = MeasuredHessian(Spectrum(range(8)), phi=0.5, energy=0.1)
>>> found = LevelComparisons(measured, [Level.PRINTED], lambda what, done, total: None)
>>> found.compare_free()
>>> [result.level for result in found.results]
[<Level.PRINTED: 'printed'>]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from rmtland.arguments import callable_or_none, entries
from rmtland.audit.conditioned_levels import CONDITIONED, conditioned_theories
from rmtland.audit.distance import kolmogorov
from rmtland.audit.dyson_levels import DysonTheory, dyson_theories
from rmtland.audit.ensemble_distances import (
    CHAIN,
    Distances,
    EnsembleDistances,
    shares_of_chain,
)
from rmtland.audit.findings import HessianAudit
from rmtland.audit.free_levels import free_sum_of_parts, free_theories
from rmtland.audit.level_result import LevelResult
from rmtland.audit.levels import Family, Level, LevelLaw, Theory
from rmtland.audit.measured import MeasuredHessian, Progress, silent
from rmtland.audit.shares import Share
from rmtland.comparison import Comparison, compare
from rmtland.ensembles import HaarSum
from rmtland.laws import EmpiricalLaw, Law
from rmtland.laws.spectral_model import SpectralModel
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng, streams
from rmtland.typing import Record

__all__ = ["LevelComparisons", "as_laws", "lost_words"]

_ROTATIONS = 4


class LevelComparisons:
    """What an audit has found so far.

    Parameters
    ----------
    measured : MeasuredHessian
        Spectra, and the point they belong to.
    levels : collection of Level or None
        Which levels; None for all.
    progress : callable
        Called as ``progress(what, done, total)``.
    """

    def __init__(
        self,
        measured: MeasuredHessian,
        levels: Collection[Level] | None,
        progress: Progress | None,
    ) -> None:
        self.measured, self.wanted = measured, wanted_levels(levels)
        self.progress = callable_or_none("progress", progress) or silent
        self.results: list[LevelResult] = []
        self.inapplicable: dict[Level, str] = {}
        self.distances: Distances = {}
        self.dyson: DysonTheory | None = None
        self.drawn: EnsembleDistances | None = None
        self.turned: tuple[float, float] | None = None
        self.step = ""
        self.interrupted: str | None = None

    def show(self, what: str, done: int, total: int) -> None:
        """Tell what is being done, and remember it."""
        self.step = what
        self.progress(what, done, total)

    # Levels ----------------------------------------------------------------------------------

    def compare_free(self) -> None:
        """Levels 0-4, one family after the other; the one without a family last."""
        theories = free_theories(self.measured)
        for done, theory in enumerate(theories):
            self.show("laws of free probability", done, len(theories))
            if not self._applies(theory):
                continue
            with self._unless_lost(theory.level):
                found = theory.law(self.measured)
                if theory.level is not Level.MEASURED_RESIDUAL:
                    self._add(theory, found)
                elif self.measured.total.is_complete:  # for the shares only
                    eigenvalues = self.measured.total.eigenvalues
                    key = theory.level, theory.family
                    self.distances[key] = kolmogorov(eigenvalues, found.law)

    def compare_given(self, laws: Mapping[str, Law]) -> None:
        """Laws of the caller."""
        for label, law in laws.items():
            self.show(label, 0, 1)
            with self._unless_lost(Level.GIVEN, label):
                comparison = self._compared(law)
                self.results.append(
                    LevelResult(Level.GIVEN, Family.OTHER, law, comparison, label=label)
                )

    def compare_dyson(self, points: int, rng: Rng) -> None:
        """Levels 5 and 6."""
        wanted = self.wanted & {Level.DYSON, Level.DYSON_MOMENTS}
        if not wanted:
            reason = "it was not asked for"
            self.inapplicable |= {Level.DYSON: reason, Level.DYSON_MOMENTS: reason}
            return
        self.show("second moments", 0, 1)
        theories = dyson_theories(self.measured, points=points, rng=rng)
        for theory in theories:
            if self._applies(theory):
                with self._unless_lost(theory.level):
                    self._add(theory, theory.law(self.measured, progress=self.show))
                    self.dyson = theory

    def compare_conditioned(self, draws: int, rng: Rng) -> None:
        """Levels 7 and 8."""
        for theory in conditioned_theories(draws=draws, rng=rng):
            if self._applies(theory):
                with self._unless_lost(theory.level):
                    self._add(theory, theory.law(self.measured, progress=self.show))

    @contextmanager
    def _unless_lost(self, level: Level, label: str | None = None) -> Iterator[None]:
        """Leave out a level whose law cannot be computed, and say why; the others stay."""
        try:
            yield
        except ConvergenceError as error:
            self.inapplicable.setdefault(level, lost_words(error, label))

    def _applies(self, theory: Theory) -> bool:
        if theory.level not in self.wanted:
            self.inapplicable.setdefault(theory.level, "it was not asked for")
            return False
        reason = theory.applies(self.measured)
        if reason is not None:
            self.inapplicable.setdefault(theory.level, reason)
        return reason is None

    def _add(self, theory: Theory, found: LevelLaw) -> None:
        comparison = self._compared(found.law)
        self.distances[theory.level, theory.family] = comparison.kolmogorov
        self.results.append(
            LevelResult(
                theory.level,
                theory.family,
                found.law,
                comparison,
                law_error=found.error,
                expected=None if found.chance is None else float(found.chance.value),
                error=None if found.chance is None else float(np.asarray(found.chance.error)),
                curvature_spread=found.curvature_spread,
                parameters=dict(found.parameters),
            )
        )

    def _compared(self, law: Law) -> Comparison:
        # sums of measured spectra divide by zero between bands
        with np.errstate(divide="ignore", invalid="ignore"):
            return compare(self.measured.total, law)

    # Shares and errors -----------------------------------------------------------------------

    def rotate(self, rng: Rng) -> None:
        """Distance to level 4 of the measured parts in general position: mean and its error."""
        first, second = self.measured.gauss_newton, self.measured.residual
        if not all((level, Family.WIGNER) in self.distances for level in CHAIN):
            return
        assert first is not None
        assert second is not None
        if not second.nodes.any():
            self.turned = 0.0, 0.0
            return
        if not (first.is_complete and second.is_complete):
            return
        h0, h1 = first.eigenvalues, second.eigenvalues
        pair = HaarSum(EmpiricalLaw(h0), EmpiricalLaw(h1))
        found: list[float] = []
        try:
            law = free_sum_of_parts(h0, h1, atoms=100)
            for generator in streams(rng, _ROTATIONS):
                self.show("Haar rotations", len(found), _ROTATIONS)
                nodes = pair.sample(self.measured.size, rng=generator).nodes
                found.append(kolmogorov(nodes[0], law))
        except ConvergenceError:
            return  # no shares: what the finite size does is not known
        spread = float(np.std(found, ddof=1))
        self.turned = float(np.mean(found)), spread / float(np.sqrt(_ROTATIONS))

    def redraw(self, draws: int, rng: Rng) -> None:
        """Hessians drawn anew."""
        laws = {
            result.level: result.law for result in self.results if result.level not in CONDITIONED
        }
        models = None if self.dyson is None else self.dyson.models
        if not draws or models is None or not {Level.DYSON, Level.DYSON_MOMENTS} <= laws.keys():
            return
        self.drawn = EnsembleDistances(self.measured, models, laws)
        self.drawn.draw(draws, rng, self.show)

    def shares(self) -> list[Share]:
        """Return what the assumptions of both laws contribute, as far as it was measured."""
        found: list[Share] = []
        drawn = self.drawn if self.drawn is not None and self.drawn.enough else None
        if self.turned is not None:
            errors = {} if drawn is None else drawn.wigner_errors(*self.turned)
            found += [
                Share(Family.WIGNER, assumption, *values, errors.get(assumption))
                for assumption, values in shares_of_chain(self.distances, self.turned[0]).items()
            ]
        if drawn is not None:
            found += drawn.dyson_shares(self.distances[Level.DYSON, Family.DYSON])
        return found

    def audit(self, provenance: Record) -> HessianAudit:
        """Return all that was found."""
        drawn = self.drawn if self.drawn is not None and self.drawn.enough else None
        outside: dict[Family, int] = {
            result.family: result.comparison.outliers
            for result in self.results
            if result.level is Level.MATCHED
        }
        first = outside.get(Family.WIGNER, 0)
        order = sorted(self.results, key=lambda result: result.level is Level.GIVEN)
        results = []
        for result in order:
            explained = max(0, outside.get(result.family, first) - result.comparison.outliers)
            chance = result.error, result.expected
            if drawn is not None and result.level not in CONDITIONED:
                key = result.level, result.family
                chance = drawn.spread(*key), drawn.mean(*key)
            error, expected = chance
            results.append(replace(result, explained=explained, error=error, expected=expected))

        def kept(spectrum: Spectrum | None, part: str) -> Spectrum | None:
            if spectrum is None:
                return None
            return replace(spectrum, provenance={**spectrum.provenance, **provenance, "part": part})

        total = kept(self.measured.total, "total")
        assert total is not None
        models = None if self.dyson is None else self.dyson.models
        key = Level.DYSON, Family.DYSON
        return HessianAudit(
            levels=tuple(results),
            shares=tuple(self.shares()),
            spectrum=total,
            gauss_newton=kept(self.measured.gauss_newton, "gauss_newton"),
            residual=kept(self.measured.residual, "residual"),
            chance=None if drawn is None else drawn.mean(*key),
            chance_error=None if drawn is None else drawn.spread(*key),
            sampling=None if drawn is None else drawn.sampling,
            residual_covariance=None if models is None else models.moments.residuals,
            inapplicable=self.inapplicable,
            interrupted=self.interrupted,
            provenance=provenance,
        )


def lost_words(error: ConvergenceError, label: str | None = None) -> str:
    """Say why a level is left out whose law could not be computed.

    Parameters
    ----------
    error : ConvergenceError
        What was raised.
    label : str, optional
        Name of a law that was given.

    Returns
    -------
    str
    """
    return f"{'its law' if label is None else label} was not computed: {error}"


def wanted_levels(levels: Collection[Level] | None) -> set[Level]:
    """Return the levels to compare with, or say what is none.

    Parameters
    ----------
    levels : collection of Level or None
        Which; None for all.

    Returns
    -------
    set of Level
        At least one.

    Raises
    ------
    ValueError
        If there is none.
    TypeError
        If one is no `Level`.
    """
    if levels is None:
        return set(Level)
    wanted = set(entries("levels", levels))
    unknown = [level for level in wanted if not isinstance(level, Level)]
    if unknown:
        raise TypeError(f"levels must be members of rmtland.audit.Level; got {unknown[0]!r}")
    if not wanted:
        raise ValueError("levels must name at least one level of theory; leave it out for all")
    return wanted


def as_laws(laws: Mapping[str, Law | SpectralModel] | None) -> dict[str, Law]:
    """Return laws of the caller by name.

    Parameters
    ----------
    laws : mapping of str to Law or SpectralModel, or None
        A model counts by its law.

    Returns
    -------
    dict of str to Law

    Raises
    ------
    TypeError
        If one has no law.
    """
    if laws is not None and not isinstance(laws, Mapping):
        raise TypeError(f"laws must be a dictionary of laws by name; got {laws!r}")
    found = {}
    for name, given in (laws or {}).items():
        law = given if isinstance(given, Law) else getattr(given, "law", None)
        if not isinstance(law, Law):
            raise TypeError(
                f"laws must hold laws or models with a law; {name!r} is a {type(given).__name__}"
            )
        found[str(name)] = law
    return found

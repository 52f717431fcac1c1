"""Distances of Hessians drawn anew: what chance does, and which of W2 and residuals is to blame.

Every draw of the ensemble of level 6 is measured against all levels as the network itself is; every
draw of that of level 5 against its law and against the others; and draws that keep W2, or the
residuals, as measured make up the mean spectra that the shares of the matrix Dyson law need
(`rmtland.audit.shares`).

Examples
--------
>>> import numpy as np
>>> runs = [np.sort(np.random.default_rng(i).normal(size=50)) for i in range(4)]
>>> bool(0.05 < leave_one_out(runs).mean() < 0.25)
True
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from rmtland.arrays import to_numpy
from rmtland.audit.distance import kolmogorov, two_sample
from rmtland.audit.dyson_levels import DysonModels
from rmtland.audit.free_levels import free_theories
from rmtland.audit.levels import Family, Level
from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.audit.redraws import Redraws
from rmtland.audit.shares import Assumption, Contribution, Share, dyson_shares, wigner_shares
from rmtland.laws import Law
from rmtland.networks import LossPoint
from rmtland.solution import ConvergenceError
from rmtland.streams import Rng, streams
from rmtland.typing import Real

__all__ = [
    "CHAIN",
    "Distances",
    "EnsembleDistances",
    "free_distances",
    "leave_one_out",
    "shares_of_chain",
]

Distances = dict[tuple[Level, Family], float]
"""Kolmogorov distances by level and family."""

CHAIN = (
    Level.PRINTED,
    Level.MATCHED,
    Level.MEASURED_GAUSS_NEWTON,
    Level.MEASURED_RESIDUAL,
    Level.MEASURED_PARTS,
)
"""Levels of which the shares of Wishart + Wigner are made."""

_FEW_ATOMS = 100  # for what is drawn many times: the distance hardly changes
_STREAMS = 4  # of one draw


def free_distances(measured: MeasuredHessian) -> Distances:
    """Distances of a measured Hessian to levels 0-4, nothing fitted, with few point masses.

    Parameters
    ----------
    measured : MeasuredHessian
        Eigenvalues of H, H0 and H1.

    Returns
    -------
    dict
        By level and family; those whose law cannot be computed are left out.
    """
    found: Distances = {}
    for theory in free_theories(measured, atoms=_FEW_ATOMS):
        if theory.level is Level.FITTED or theory.applies(measured) is not None:
            continue
        with suppress(ConvergenceError):
            law = theory.law(measured).law
            found[theory.level, theory.family] = kolmogorov(measured.total.eigenvalues, law)
    return found


def shares_of_chain(distances: Distances, turned: float) -> dict[Assumption, Contribution]:
    """Split the misfit of Wishart + Wigner.

    Parameters
    ----------
    distances : dict
        By level and family, all those of the chain.
    turned : float
        Distance to level 4 of the measured parts in general position.

    Returns
    -------
    dict of Assumption to Contribution
    """

    def of(level: Level) -> float:
        return distances[level, Family.WIGNER]

    return wigner_shares(
        of(Level.PRINTED),
        of(Level.MATCHED),
        of(Level.MEASURED_GAUSS_NEWTON),
        of(Level.MEASURED_RESIDUAL),
        of(Level.MEASURED_PARTS),
        turned,
    )


def leave_one_out(runs: list[Real]) -> Real:
    """Distance of each of some spectra to the mean spectrum of the others.

    Parameters
    ----------
    runs : list of ndarray, at least 2
        Eigenvalues of each, ascending.

    Returns
    -------
    ndarray, shape (runs,)
    """
    return np.array(
        [
            two_sample(run, np.sort(np.concatenate(runs[:i] + runs[i + 1 :])))
            for i, run in enumerate(runs)
        ]
    )


@dataclass(eq=False)
class EnsembleDistances:
    """Distances of Hessians drawn anew, as they come.

    Parameters
    ----------
    measured : MeasuredHessian
        Of the point.
    models : DysonModels
        Its equations.
    laws : dict of Level to Law
        Of levels 5 and 6.
    """

    measured: MeasuredHessian
    models: DysonModels
    laws: dict[Level, Law]
    rows: list[Distances] = field(default_factory=list)
    iid: list[Real] = field(default_factory=list)
    with_weights: list[Real] = field(default_factory=list)
    with_residuals: list[Real] = field(default_factory=list)

    def draw(self, draws: int, rng: Rng, progress: Progress) -> None:
        """Draw Hessians and measure them; what is done stays if it is interrupted.

        Parameters
        ----------
        draws : int
            How many.
        rng : anything `numpy.random.default_rng` takes
            For them.
        progress : callable
            Called as ``progress(what, done, total)``.
        """
        seeds = streams(rng, _STREAMS * draws)
        ensemble = Redraws(self.models.point, self.models.moments)
        for i in range(draws):
            progress("Hessians drawn anew", i, draws)
            own, equal, weights, residuals = seeds[_STREAMS * i : _STREAMS * (i + 1)]
            drawn = ensemble.draw(rng=own)
            parts = ensemble.parts(drawn, self.models.measured_curvature)
            measured = MeasuredHessian.of_parts(drawn, *parts)
            row = free_distances(measured)
            eigenvalues = measured.total.eigenvalues
            row[Level.DYSON_MOMENTS, Family.DYSON] = kolmogorov(
                eigenvalues, self.laws[Level.DYSON_MOMENTS]
            )
            if self.laws[Level.DYSON] is not self.laws[Level.DYSON_MOMENTS]:
                eigenvalues = _eigenvalues(self.models.iid.draw(rng=equal))
            row[Level.DYSON, Family.DYSON] = kolmogorov(eigenvalues, self.laws[Level.DYSON])
            kept = [
                _eigenvalues(self.models.iid.draw(rng=weights, second_layer=False)),
                _eigenvalues(self.models.iid.draw(rng=residuals, residuals=False)),
            ]
            self.rows.append(row)
            self.iid.append(eigenvalues)
            self.with_weights.append(kept[0])
            self.with_residuals.append(kept[1])
        progress("Hessians drawn anew", draws, draws)

    @property
    def enough(self) -> bool:
        """Whether there are two draws, so that there is a spread."""
        return len(self.rows) > 1

    def mean(self, level: Level, family: Family) -> float | None:
        """Mean distance of the draws to a level.

        Parameters
        ----------
        level, family : Level, Family
            Which.

        Returns
        -------
        float or None
            None for a level that was not measured, as a fitted one.
        """
        found = [row[level, family] for row in self.rows if (level, family) in row]
        return float(np.mean(found)) if found else None

    def spread(self, level: Level, family: Family) -> float | None:
        """Return the standard deviation of the distances of the draws to a level.

        Parameters
        ----------
        level, family : Level, Family
            Which.

        Returns
        -------
        float or None
            None for a level that was not measured, as a fitted one.
        """
        found = [row[level, family] for row in self.rows if (level, family) in row]
        return float(np.std(found, ddof=1)) if len(found) > 1 else None

    @property
    def sampling(self) -> float:
        """Mean distance of one draw of the ensemble of level 5 to the mean spectrum of all."""
        fewer = np.sqrt((len(self.iid) - 1) / len(self.iid))  # the others are one less than all
        return float(leave_one_out(self.iid).mean() * fewer)

    def wigner_errors(self, turned: float, turned_error: float) -> dict[Assumption, float]:
        """Return standard errors of the shares of Wishart + Wigner.

        Parameters
        ----------
        turned, turned_error : float
            Distance in general position, and its standard error.

        Returns
        -------
        dict of Assumption to float
            Empty where fewer than two draws have all distances.
        """
        keys = {(level, Family.WIGNER) for level in CHAIN}
        drawn = [shares_of_chain(row, turned) for row in self.rows if keys <= row.keys()]
        if len(drawn) < 2:
            return {}
        rotated = (Assumption.FREENESS, Assumption.CHANCE)
        return {
            assumption: float(
                np.hypot(
                    np.std([one[assumption].value for one in drawn], ddof=1),
                    turned_error if assumption in rotated else 0.0,
                )
            )
            for assumption in drawn[0]
        }

    def dyson_shares(self, misfit: float) -> list[Share]:
        """Return the shares of the matrix Dyson law with their errors.

        Parameters
        ----------
        misfit : float
            Distance of the measured Hessian to level 5.

        Returns
        -------
        list of Share
        """
        eigenvalues = self.measured.total.eigenvalues
        weights, residuals = (
            two_sample(eigenvalues, np.sort(np.concatenate(runs)))
            for runs in (self.with_weights, self.with_residuals)
        )
        redrawn = self.mean(Level.DYSON, Family.DYSON)
        spread = self.spread(Level.DYSON, Family.DYSON)
        assert redrawn is not None
        assert spread is not None
        loose = [
            float(np.std(leave_one_out(runs), ddof=1))
            for runs in (self.with_weights, self.with_residuals)
        ]
        root = float(np.sqrt(len(self.rows)))
        error = 0.5 * float(np.linalg.norm([spread, *loose, spread / root]))
        noise = float(np.std(leave_one_out(self.iid), ddof=1)) / root
        errors = {
            Assumption.LAW: float(np.hypot(spread / root, noise)),
            Assumption.CHANCE: noise,
        }
        found = dyson_shares(misfit, weights, residuals, redrawn, self.sampling)
        return [
            Share(Family.DYSON, assumption, *values, errors.get(assumption, error))
            for assumption, values in found.items()
        ]


def _eigenvalues(point: LossPoint) -> Real:
    return np.linalg.eigvalsh(to_numpy(point.hessian("total")).astype(np.float64))

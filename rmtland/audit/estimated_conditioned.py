"""Levels 7 and 8 for networks too large to diagonalise: Hessians drawn anew that only multiply.

The law of conditioned residuals is the mean spectrum of Hessians that are drawn
(`rmtland.audit.conditioned_levels`). Here each is seen by one Gaussian probe, and the distribution
function is known within a band like that of the network's own Hessian; where the dimension of what
is free had to be estimated, the axis may be shifted by as much as the noise could be too large.
Residuals are projected by least squares (`rmtland.models.conditioned.projections`).

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(40, 4, rng=0), MLP((4, 5, 4))
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> found = conditioned_band(
...     point, Level.CONDITIONED_GRADIENT, draws=6, steps=12, confidence=0.99, rng=0
... )
>>> found.parameters["measured_numbers"], found.band.shift
(41, 0.0)
"""

from __future__ import annotations

import numpy as np

from rmtland.audit.bands import LawBand, MeasuredDistribution
from rmtland.audit.conditioned_levels import CONDITIONED
from rmtland.audit.estimated_levels import LevelBand
from rmtland.audit.levels import Level
from rmtland.estimate import krylov_quadratures, symmetric_operator
from rmtland.estimate.density import quadrature_spectrum
from rmtland.models import ConditionedHessian
from rmtland.models.conditioned.given_residuals import with_residuals
from rmtland.networks import LossPoint
from rmtland.streams import Rng, streams

__all__ = ["conditioned_band"]

_DEVIATIONS = 3.0
"""Standard errors of the dimension of what is free that the shift covers."""

_RADIUS_STEPS = 20


def conditioned_band(
    point: LossPoint,
    level: Level,
    *,
    draws: int,
    steps: int,
    confidence: float,
    atoms: int = 200,
    rng: Rng = None,
) -> LevelBand:
    """Return the law of level 7 or 8 within bounds.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data, in double precision.
    level : Level
        CONDITIONED_GRADIENT or CONDITIONED_INPUTS.
    draws : int
        Hessians that are drawn, a probe each.
    steps : int
        Lanczos steps of each.
    confidence : float
        Level at which the bounds hold, everywhere at once.
    atoms : int
        Point masses that stand for the law, at most.
    rng : anything `numpy.random.default_rng` takes
        For what is drawn.

    Returns
    -------
    LevelBand

    Raises
    ------
    ValueError
        If conditioning leaves nothing free.
    ConvergenceError
        If residuals are not projected.
    """
    draws_rng, radius_rng = streams(rng, 2)
    model = ConditionedHessian(point, CONDITIONED[level])
    steps = min(steps, model.parameter_count)
    spectrum = model.lanczos(None, steps, rng=draws_rng, runs=draws)
    laws = MeasuredDistribution(spectrum, confidence=confidence).laws(atoms)
    residuals = model.conditioned
    parameters: dict[str, object] = {
        "on": list(model.on),
        "measured_numbers": model.measured_numbers,
        "free_share": model.free_share,
        "free_share_error": model.free_share_error,
        "nearly_all_measured": model.is_marked,
        "known_energy_share": residuals.known_energy_share,
        "draws": draws,
    }
    shift = 0.0
    if residuals.sigma_error:
        noise = residuals.free_residuals(residuals.noise(radius_rng))
        free = symmetric_operator(with_residuals(point, noise).operator("residual"))
        seen = krylov_quadratures(
            free, probes=1, steps=min(_RADIUS_STEPS, steps), rng=radius_rng, progress=False
        )
        radius = float(np.abs(quadrature_spectrum(seen, free, np.zeros(0)).nodes).max())
        shift = _DEVIATIONS * residuals.sigma_error / residuals.sigma * radius
    return LevelBand(LawBand(*laws, shift), parameters)

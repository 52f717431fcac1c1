"""Pictures of the variance of SGD along the eigenvectors of the Hessian.

>>> import numpy as np
>>> from matplotlib.figure import Figure
>>> from rmtland.landscape.noise import NoisyDescent
>>> sgd = NoisyDescent.of_matrices(np.diag([1.0, 2.0]), np.eye(2), samples=9, step_size=0.1)
>>> len(draw_variances(Figure().subplots(), sgd))
2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from rmtland.arguments import instance
from rmtland.drawing import COLORS, given_axes
from rmtland.landscape.noise.escape import EscapeRun
from rmtland.landscape.noise.gradient_noise import SAMPLINGS
from rmtland.landscape.noise.simulation import Simulation
from rmtland.landscape.noise.stationary import NoisyDescent
from rmtland.typing import Logical

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.container import ErrorbarContainer

__all__ = ["draw_escape", "draw_variances"]


def draw_variances(
    ax: Axes, sgd: NoisyDescent, simulated: Simulation | None = None, *, gibbs: bool = True
) -> list[Artist | ErrorbarContainer]:
    """Draw stationary variances against curvature: predicted, simulated, and the Gibbs law.

    Parameters
    ----------
    ax : Axes
        Where to draw; variances become logarithmic, and curvatures where they span a decade.
    sgd : NoisyDescent
        The prediction.
    simulated : Simulation, optional
        Along the directions of ``sgd.stationary()``; bars of two standard errors.
    gibbs : bool, optional
        Whether the law of the texts, T/lambda, is drawn.

    Returns
    -------
    list of Artist
        Lines and bars.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("sgd", sgd, NoisyDescent, "a NoisyDescent")
    if simulated is not None:
        instance("simulated", simulated, Simulation, "a Simulation or None")
    curvatures = sgd.curvatures[sgd.stationary_directions]
    color = COLORS[SAMPLINGS.index(sgd.sampling) % len(COLORS)]
    name = {"with": "with replacement", "without": "without replacement"}.get(
        sgd.sampling, sgd.sampling
    )
    drawn: list[Artist | ErrorbarContainer] = [
        *ax.plot(
            curvatures, sgd.stationary().variances, color=color, lw=1.3, label=f"{name}: predicted"
        )
    ]
    if simulated is not None:
        drawn.append(
            ax.errorbar(
                curvatures,
                simulated.variances,
                yerr=2 * simulated.errors,
                fmt="o",
                ms=3.5,
                color=color,
                capsize=2,
                label=f"{name}: simulated",
            )
        )
    if gibbs:
        drawn += ax.plot(
            curvatures,
            sgd.gibbs(),
            color="0.4",
            ls=(0, (4, 2)),
            lw=1.2,
            label=r"Gibbs law of the texts, $\eta\,\mathrm{tr}\,\Sigma/(B \lambda)$",
        )
    if curvatures[-1] > 10 * curvatures[0]:
        ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(r"curvature $\lambda$ (eigenvalue of the Hessian)")
    ax.set_ylabel("variance along the eigenvector")
    ax.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=2, frameon=False)
    return drawn


def draw_escape(
    ax: Axes, sgd: NoisyDescent, run: EscapeRun, along: Logical, *, distance: float | None = None
) -> list[Artist]:
    """Draw how the mean square grows along negative directions: predicted and simulated.

    Parameters
    ----------
    ax : Axes
        Where to draw; mean squares become logarithmic.
    sgd : NoisyDescent
        The prediction.
    run : EscapeRun
        The simulation.
    along : ndarray of bool, shape (p,)
        Which eigenvectors the simulation was measured along.
    distance : float, optional
        Drawn as a line.

    Returns
    -------
    list of Artist
        Lines and points, two for each direction.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    instance("sgd", sgd, NoisyDescent, "a NoisyDescent")
    instance("run", run, EscapeRun, "an EscapeRun")
    steps = np.arange(len(run.variances))
    predicted = sgd.variances(steps)[:, along]
    shown = np.unique(np.geomspace(1, max(1, len(steps) - 1), 40).astype(int))
    drawn: list[Artist] = []
    for i, curvature in enumerate(sgd.curvatures[along]):
        color = COLORS[i % len(COLORS)]
        drawn += ax.plot(
            steps[1:], predicted[1:, i], color=color, lw=1.3, label=rf"$\lambda$ = {curvature:.3g}"
        )
        drawn += ax.plot(shown, run.variances[shown, i], "o", ms=3, color=color)
    if distance is not None:
        ax.axhline(distance**2, color="0.6", ls=(0, (4, 2)), lw=1.0, label="distance, squared")
    ax.set_yscale("log")
    ax.set_xlabel("step of SGD from the saddle")
    ax.set_ylabel("mean square along the eigenvector")
    ax.legend(fontsize=8, frameon=False, title="lines: predicted, points: simulated")
    return drawn

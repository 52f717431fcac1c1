"""`rmtland landscape noise --at saddle`: how SGD leaves a saddle, predicted and simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmtland.cli.landscape.problem_options import right_table
from rmtland.cli.landscape.stage_bar import stage_bar
from rmtland.cli.output import Output

if TYPE_CHECKING:
    from rmtland.landscape.noise import EscapeRun, NoisyDescent
    from rmtland.networks import MLP
    from rmtland.typing import Logical, Real

__all__ = ["escape"]

STARTS = 40
"""Networks trained a little and brought to a critical point, at most, until one is a saddle."""

SILENT = 1e-12
"""Noise along a direction, over its mean, that rounding leaves of none."""

LEGEND = (
    "predicted, simulated: steps until the root mean square along the eigenvector is the distance; "
    "ratio: mean squares, simulated over predicted, at the predicted step.",
    "A direction without noise breaks a symmetry of the saddle (units switched off, or copies): "
    "chains that start there never leave along it.",
)


def escape(
    output: Output,
    net: MLP,
    x: Any,
    y: Any,
    description: str,
    *,
    step_size: float,
    batch_size: int,
    sampling: str,
    chains: int,
    steps: int,
    distance: float,
    seed: int,
) -> None:
    """Find a saddle, predict and simulate how SGD leaves it, and print, draw and write it."""
    import numpy as np
    from matplotlib.figure import Figure

    from rmtland.landscape.noise import GradientNoise, NoisyDescent, draw_escape, simulate_escape

    if sampling == "reshuffling":
        raise ValueError("--at saddle: escape is for independent batches; take with or without")
    kind = "without" if sampling == "without" else "with"
    theta = _saddle(net, x, y, seed)
    point = net.at(theta, x, y)
    sgd = NoisyDescent.of_matrices(
        point.hessian("total"),
        GradientNoise.of(point).covariance,
        samples=point.data.size,
        step_size=step_size,
        batch_size=batch_size,
        sampling=kind,
    )
    along = sgd.escaping
    predicted = np.where(_noisy(sgd), sgd.escape_steps(distance), np.inf)[along]
    finite = predicted[np.isfinite(predicted)]
    last = int(min(steps, 1.25 * finite.max() + 10)) if finite.size else min(steps, 100)
    with stage_bar() as stage:
        run = simulate_escape(
            net,
            theta,
            x,
            y,
            sgd.directions[:, along],
            step_size=step_size,
            batch_size=batch_size,
            sampling=kind,
            steps=last,
            chains=chains,
            rng=seed,
            progress=stage("escape"),
        )
    output.line(f"{net}\n{description}")
    output.line(
        f"saddle: loss {point.loss:.6g}, gradient {np.linalg.norm(point.gradient):.1e}, "
        f"{int(along.sum())} negative directions of {net.parameter_count}; eta {step_size:g}, "
        f"batches of {batch_size} {kind} replacement, {chains} chains of {last} steps"
    )
    rows = _rows(sgd, run, predicted, distance)
    table = right_table(["curvature", "noise", "predicted", "simulated", "ratio", "s.e."])
    for row in rows:
        table.add_row(*row.values())
    output.table(table)
    for line in (f"distance {distance:g}; {LEGEND[0]}", LEGEND[1]):
        output.line(line)
    shown = along & _noisy(sgd)
    if shown.any():
        figure = Figure(figsize=(6.6, 4.6), layout="constrained")
        kept = shown[along]
        part = run._replace(variances=run.variances[:, kept], errors=run.errors[:, kept])
        draw_escape(figure.subplots(), sgd, part, shown, distance=distance)
        figure.suptitle(f"{net}\n{description}", fontsize=7)
        output.figure(figure, "noise")
    output.numbers(
        {
            "command": "landscape noise --at saddle",
            "network": repr(net),
            "data": description,
            "seed": seed,
            "loss": point.loss,
            "sampling": kind,
            "step_size": step_size,
            "batch_size": batch_size,
            "chains": chains,
            "distance": distance,
            "curvatures": sgd.curvatures[along],
            "noise": np.diag(sgd.noise)[along],
            "predicted_steps": predicted,
            "simulated_steps": run.steps_to(distance),
            "variances": run.variances,
            "errors": run.errors,
        }
    )


def _noisy(sgd: NoisyDescent) -> Logical:
    """Return which directions have gradient noise above rounding."""
    import numpy as np

    variances = np.diag(sgd.noise)
    return np.asarray(variances > SILENT * variances.mean())


def _saddle(net: MLP, x: Any, y: Any, seed: int) -> Real:
    """Train a little from several starts, and return the first saddle that Newton's method finds.

    One with noise along a negative direction if there is one, as most that are not symmetric have.
    """
    import numpy as np
    from numpy.random import SeedSequence

    from rmtland.landscape.connectivity import saddle_near
    from rmtland.landscape.noise import GradientNoise
    from rmtland.landscape.surface import NetworkSurface
    from rmtland.networks import train
    from rmtland.solution import ConvergenceError

    surface, quiet = NetworkSurface.of(net, x, y), None
    for start in range(STARTS):
        theta = train(net, net.init(rng=SeedSequence([seed, start])), x, y, max_steps=8).theta
        try:
            found = saddle_near(surface, theta, max_steps=100)
        except ConvergenceError:
            continue
        if not found.index:
            continue
        point = net.at(found.theta, x, y)
        noise = GradientNoise.of(point).covariance
        values, vectors = np.linalg.eigh(point.hessian("total"))
        worst = vectors[:, 0]
        if worst @ noise @ worst > SILENT * np.trace(noise) / len(values):
            return found.theta
        quiet = found.theta if quiet is None else quiet
    if quiet is None:
        raise ValueError(
            f"no saddle was found from {STARTS} starts (a convex loss has none): give --hidden, "
            "fewer --samples or another --weight-decay"
        )
    return quiet


def _rows(
    sgd: NoisyDescent, run: EscapeRun, predicted: Real, distance: float
) -> list[dict[str, str]]:
    import numpy as np

    along = np.flatnonzero(sgd.escaping)
    simulated = run.steps_to(distance)
    rows = []
    for i, direction in enumerate(along[:12]):
        when = int(min(predicted[i], len(run.variances) - 1))
        expected = float(sgd.variances(when)[direction])
        told = np.isfinite(predicted[i]) and expected > 0.0
        rows.append(
            {
                "curvature": f"{sgd.curvatures[direction]:.4g}",
                "noise": f"{sgd.noise[direction, direction]:.2g}" if told else "none",
                "predicted": f"{predicted[i]:.0f}" if told else "never",
                "simulated": f"{simulated[i]:.0f}" if np.isfinite(simulated[i]) else "-",
                "ratio": f"{run.variances[when, i] / expected:.3f}" if told else "-",
                "error": f"{run.errors[when, i] / expected:.3f}" if told else "-",
            }
        )
    return rows

"""`rmtland landscape noise --at saddle`: how SGD leaves a saddle, predicted and simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rmtland.cli.landscape.problem_options import right_table
from rmtland.cli.landscape.stage_bar import stage_bar
from rmtland.cli.output import Output
from rmtland.typing import Array

if TYPE_CHECKING:
    from rmtland.landscape.noise import EscapeRun, NoisyDescent
    from rmtland.networks import MLP
    from rmtland.typing import Logical, Real

__all__ = ["ChainOptions", "escape"]

LEGEND = (
    "predicted, simulated: steps until the root mean square along the eigenvector is the distance; "
    "ratio: mean squares, simulated over predicted, at the predicted step.",
    "A direction without noise breaks a symmetry of the saddle (units switched off, or copies): "
    "chains that start there never leave along it.",
)


class ChainOptions(NamedTuple):
    """Options of the chains of SGD that are simulated."""

    step_size: float
    batch_size: int
    chains: int
    steps: int
    seed: int


def escape(
    output: Output,
    net: MLP,
    x: Array,
    y: Array,
    description: str,
    options: ChainOptions,
    *,
    sampling: str,
    distance: float,
) -> None:
    """Find a saddle, predict and simulate how SGD leaves it, and print, draw and write it."""
    import numpy as np

    from rmtland.landscape.noise import GradientNoise, NoisyDescent, simulate_escape
    from rmtland.landscape.noise.noisy_saddle import noisy_directions, noisy_saddle

    if sampling == "reshuffling":
        raise ValueError("--at saddle: escape is for independent batches; take with or without")
    kind = "without" if sampling == "without" else "with"
    step_size, batch_size, chains, steps, seed = options
    theta = noisy_saddle(net, x, y, seed=seed)
    point = net.at(theta, x, y)
    sgd = NoisyDescent.of_matrices(
        point.hessian("total"),
        GradientNoise.of(point).covariance,
        samples=point.data.size,
        step_size=step_size,
        batch_size=batch_size,
        sampling=kind,
    )
    along, noisy = sgd.escaping, noisy_directions(sgd)
    predicted = np.where(noisy, sgd.escape_steps(distance), np.inf)[along]
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
    _draw(output, sgd, run, along & noisy, distance, f"{net}\n{description}")
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


def _draw(
    output: Output, sgd: NoisyDescent, run: EscapeRun, shown: Logical, distance: float, title: str
) -> None:
    """Draw the directions that chains leave along, where there are any."""
    from matplotlib.figure import Figure

    from rmtland.landscape.noise import draw_escape

    if not shown.any():
        return
    figure = Figure(figsize=(6.6, 4.6), layout="constrained")
    kept = shown[sgd.escaping]
    part = run._replace(variances=run.variances[:, kept], errors=run.errors[:, kept])
    draw_escape(figure.subplots(), sgd, part, shown, distance=distance)
    figure.suptitle(title, fontsize=7)
    output.figure(figure, "noise")

"""`rmtland landscape pac-bayes`: bounds of the error of a classifier beside held-out data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.landscape.problem_options import right_table
from rmtland.cli.landscape.stage_bar import stage_bar, until_interrupt
from rmtland.cli.landscape.subject import ActivationName, Decay, Model, minimised
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.typing import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmtland.landscape.pac_bayes import PacBayesBounds
    from rmtland.typing import Real

__all__ = ["pac_bayes"]

LARGEST = 600

LEGEND = (
    "network: errors of the trained network; Q: of draws from the posterior N(theta, (1/s^2 + "
    "lambda H)^-1), prior N(theta_0, s^2) at the start of training;",
    "kl, Catoni, McAllester: bounds of the held-out error of Q; printed: training error + "
    "sqrt((2 rho^2 + log(2 p/delta))/n), which is none.",
)


def pac_bayes(
    digit: Annotated[
        int, typer.Option(help="Classify this digit, 0 to 9, against the others.")
    ] = 0,
    hidden: Annotated[str, typer.Option(help="Widths of hidden layers; none: ''.")] = "10",
    samples: Annotated[
        int, typer.Option(help="Digits to train on; the others are held out.")
    ] = 1200,
    activation: ActivationName = "tanh",
    weight_decay: Decay = 1e-3,
    rho: Annotated[float, typer.Option(help="Flatness in the printed bound.")] = 0.05,
    delta: Annotated[float, typer.Option(help="Probability that a bound fails.")] = 0.05,
    draws: Annotated[int, typer.Option(help="Draws from the posterior.")] = 500,
    random_labels: Annotated[bool, typer.Option(help="Train on random labels too.")] = True,
    model: Model = None,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Compute PAC-Bayes bounds on 4x4 digits, on true and on random labels."""
    import numpy as np

    from rmtland.arguments import count, nonnegative
    from rmtland.cli.problem import hidden_widths
    from rmtland.files import check_target
    from rmtland.landscape.pac_bayes import pac_bayes_bounds
    from rmtland.networks import MLP, digits

    if model is not None:
        raise ValueError(
            "--model: a bound needs the parameters before training and held-out data, which a "
            "trained model does not have; give them to rmtland.landscape.pac_bayes"
        )
    if not 0 <= digit <= 9:
        raise ValueError(f"--digit must be 0 to 9; got {digit}")
    nonnegative("rho", rho)
    count("draws", draws)
    if not 0.0 < delta < 1.0:
        raise ValueError(f"--delta must be between 0 and 1; got {delta}")
    widths = hidden_widths(hidden) if hidden else []
    net = MLP((16, *widths, 1), activation, True, loss="logistic", weight_decay=weight_decay)
    if net.parameter_count > LARGEST:
        raise ValueError(
            f"the network has {net.parameter_count} parameters; this command takes at most "
            f"{LARGEST}: lower --hidden"
        )
    made = digits(size=4, whiten=True, target="one-hot")
    n = count("samples", samples)
    if n > len(made.x) - 100:
        raise ValueError(f"--samples must leave 100 of {len(made.x)} digits held out; got {n}")
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"pac-bayes.{format}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(made.x))
    tasks = {f"digit {digit} or not": (made.labels == digit).astype(float)}
    if random_labels:
        tasks["random labels"] = rng.integers(2, size=len(made.x)).astype(float)

    def bounds(labels: Real) -> PacBayesBounds:
        (x, away), (y, other) = (np.split(each[order], [n]) for each in (made.x, labels[:, None]))
        start = net.init(rng=seed)
        theta = minimised(net, start, x, y, gradient_norm=1e-6, max_steps=3000).theta
        return pac_bayes_bounds(
            net,
            theta,
            start,
            x,
            y,
            held_out=(away, other),
            rho=rho,
            delta=delta,
            draws=draws,
            rng=seed,
        )

    with stage_bar() as stage:
        stage("training, and bounds of draws from the posterior")(0.0)
        results, stopped = until_interrupt(bounds(labels) for labels in tasks.values())
    found = dict(zip(tasks, results, strict=False))
    _print(output, found, net.parameter_count, repr(net))
    output.figure(_figure(found, repr(net)), "pac-bayes")
    output.numbers(_report(found, repr(net), seed))
    if stopped:
        raise Stopped(f"interrupted; {len(found)} of {len(tasks)} sets of labels are written")


def _print(output: Output, found: dict[str, PacBayesBounds], p: int, title: str) -> None:
    output.line(f"{title}, {p} parameters")
    columns = [
        "labels",
        "network: training",
        "held out",
        "Q: training",
        "held out",
        "KL",
        "kl",
        "Catoni",
        "McAllester",
        "printed",
    ]
    table = right_table(columns, left=("labels",))
    for name, one in found.items():
        table.add_row(
            name,
            f"{one.training:.3f}",
            f"{one.held_out:.3f}",
            f"{one.posterior_training:.3f}",
            f"{one.posterior_held_out:.3f}",
            f"{one.posterior.kl:.1f}",
            f"{one.seeger:.3f}",
            f"{one.catoni:.3f}",
            f"{one.mcallester:.3f}",
            f"{one.printed:.3f}",
        )
    output.table(table)
    for line in LEGEND:
        output.line(line)
    for name, one in found.items():
        if one.held_out > one.printed:
            output.line(
                f"{name}: the printed bound {one.printed:.3f} is below the held-out error "
                f"{one.held_out:.3f}"
            )


def _figure(found: dict[str, PacBayesBounds], title: str) -> Figure:
    from matplotlib.figure import Figure

    from rmtland.landscape.pac_bayes import draw_bounds

    figure = Figure(figsize=(7.0, 3.0 + 0.8 * len(found)), layout="constrained")
    draw_bounds(figure.subplots(), found)
    figure.suptitle(title, fontsize=7)
    return figure


def _report(found: dict[str, PacBayesBounds], title: str, seed: int) -> Record:
    names = (
        "training",
        "held_out",
        "posterior_training",
        "posterior_held_out",
        "empirical",
        "seeger",
        "mcallester",
        "catoni",
        "printed",
        "samples",
        "delta",
        "draws",
    )
    return {
        "command": "landscape pac-bayes",
        "network": title,
        "seed": seed,
        "labels": {
            label: {
                **{name: getattr(one, name) for name in names},
                "kl": one.posterior.kl,
                "prior_scale": one.posterior.prior_scale,
            }
            for label, one in found.items()
        },
    }

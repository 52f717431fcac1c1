"""`rmtland overlay`: train a network, measure its Hessian, lay theories over it."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmtland.cli.eigenvalues import FAMILIES, overlay_eigenvalues
from rmtland.cli.options import MODELS, OUT, Format, Html, Json, Out, Seed, model_class
from rmtland.cli.output import Output
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.comparison.overlay import Overlay
    from rmtland.networks import MLP, Dataset, LossPoint, TrainResult

__all__ = ["overlay"]

LARGEST = 8000

LEGEND = (
    "phi: parameters per effective example, p / (m n_out); epsilon: energy, the loss per output.",
    "H0: Gauss-Newton part of the Hessian, J^T J / m, without negative eigenvalues; a Wishart "
    "matrix of mean sigma in the theory.",
    "H1 = H - H0: residual part, second derivatives times residuals, of size epsilon; a Wigner "
    "matrix or a ReLU block in the theory, free of H0.",
    "KS: Kolmogorov distance; W1: Wasserstein-1 distance in widths of the law; index: fraction of "
    "negative eigenvalues; outliers: eigenvalues outside the law by more than chance moves them.",
)

BELOW = (
    "Kolmogorov: largest vertical distance to the measured curve on the right; W1: Wasserstein "
    "distance in widths of the law; index: fraction of negative eigenvalues.",
)
"""What the picture says under its panels."""


OF_A_NETWORK = (
    *("data", "width", "samples", "activation", "energy", "model", "dyson", "conditioned"),
    "max_steps",
)
OF_A_FILE = ("families", "method", "outliers")
"""Options that mean nothing without, or with, a network: refused where they are given."""


def overlay(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            help="Data: digits-labels (4x4 images, whitened, and their labels), digits (the same, "
            "autoencoder), digits8 (8x8, autoencoder) or gaussian (iid memorisation, --width "
            "inputs)."
        ),
    ] = "digits-labels",
    width: Annotated[int, typer.Option(help="Hidden units.")] = 24,
    samples: Annotated[int, typer.Option(help="Training samples m.")] = 256,
    activation: Annotated[str, typer.Option(help="tanh, relu, linear, erf, gelu, ...")] = "relu",
    energy: Annotated[
        float,
        typer.Option(help="Energy (loss per output) at which training stops; 0: where it ends."),
    ] = 0.0065,
    seed: Seed = 0,
    model: Annotated[
        str, typer.Option(help=f"Theory: {', '.join(MODELS)} or both.")
    ] = "wishart-wigner",
    dyson: Annotated[
        bool, typer.Option(help="Add the matrix Dyson equation, which knows first layer and data.")
    ] = True,
    conditioned: Annotated[
        bool,
        typer.Option(
            help="Add the law of residuals conditioned on the gradient, which holds after training."
        ),
    ] = True,
    max_steps: Annotated[int, typer.Option(help="Training steps at most.")] = 5000,
    eigenvalues: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Eigenvalues you have, in place of a network: .npy, .npz, .csv, or - for "
            "standard input.",
        ),
    ] = None,
    families: Annotated[
        str,
        typer.Option(help=f"With --eigenvalues, laws to fit, with commas: {', '.join(FAMILIES)}."),
    ] = "marchenko-pastur,semicircle,wishart-wigner",
    method: Annotated[
        str,
        typer.Option(
            help="With --eigenvalues, how to fit: distance, quantiles or likelihood (of "
            "marchenko-pastur and semicircle)."
        ),
    ] = "distance",
    outliers: Annotated[
        str,
        typer.Option(
            help="With --eigenvalues, whether spikes are left out of the fits: keep, exclude, or "
            "a number."
        ),
    ] = "keep",
    out: Out = OUT,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
) -> None:
    """Train on data, compute the exact Hessian, overlay random-matrix theory on its spectrum.

    Writes a figure, overlay.json and the spectrum (overlay-spectrum.npz). Ends with exit code 1
    if training does not reach the energy: all is of the point it did reach.
    """
    from rmtland.arguments import count, nonnegative

    _refuse_others(context, OF_A_FILE if eigenvalues is None else OF_A_NETWORK)
    if eigenvalues is not None:
        output = Output(out, format=format, json=json_file, html=html)
        overlay_eigenvalues(output, eigenvalues, families, seed, method=method, outliers=outliers)
        return
    settings = {
        "data": data,
        "width": count("width", width),
        "samples": samples,
        "activation": activation,
        "energy": nonnegative("energy", energy),
        "seed": seed,
        "model": model,
        "dyson": dyson,
        "conditioned": conditioned,
        "max_steps": count("max_steps", max_steps, min_value=0),
    }
    _overlay_network(Output(out, format=format, json=json_file, html=html), settings)


def _overlay_network(output: Output, settings: Record) -> None:
    """Train, overlay, print and write; exit code 1 where the energy was missed."""
    from rmtland.audit.network_overlay import left_out
    from rmtland.files import check_target

    model, seed = settings["model"], settings["seed"]
    classes = [model_class(name) for name in (MODELS if model == "both" else [model])]
    for name in (f"overlay.{output.format}", "overlay.json", "overlay-spectrum.npz"):
        check_target(output.out / name)
    dataset = _dataset(settings["data"], settings["samples"], settings["width"], seed)
    trained, net = _trained(dataset, settings)
    point = net.at(trained.theta, dataset.x, dataset.y)
    result = _overlay_with_spinner(
        point,
        models=classes,
        dyson=settings["dyson"],
        conditioned=settings["conditioned"],
        rng=seed,
        data=dataset.description,
        seed=seed,
    )
    reached = settings["energy"] == 0 or trained.reason == "energy"
    training = {
        "energy": trained.energy,
        "gradient_norm": trained.gradient_norm,
        "steps": trained.steps,
        "reason": trained.reason,
        "reached": reached,
    }
    report = {
        "settings": {**settings, "samples": len(dataset)},
        "data": dataset.description,
        "network": {"widths": list(net.widths), "parameters": net.parameter_count},
        "training": training,
        **result.to_dict(),
        "left_out": left_out(
            point, result, dyson=settings["dyson"], conditioned=settings["conditioned"]
        ),
    }
    _print(output, report, result)
    _write(output, report, result)
    if not reached:
        output.warn(_missed(report))
    output.numbers(report)
    if not reached:
        raise typer.Exit(1)


def _refuse_others(context: typer.Context, names: tuple[str, ...]) -> None:
    """Refuse options that do not apply, given on the command line."""
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name in names
        and getattr(context.get_parameter_source(str(option.name)), "name", "") == "COMMANDLINE"
    ]
    if given and names is OF_A_FILE:
        raise ValueError(f"{', '.join(given)}: for fits to --eigenvalues FILE only")
    if given:
        raise ValueError(
            f"{', '.join(given)}: of a network that is trained here; with --eigenvalues FILE there "
            "is none, so leave it out"
        )


def _trained(dataset: Dataset, settings: Record) -> tuple[TrainResult, MLP]:
    """Train a network of one hidden layer, with a bar on standard error."""
    from rmtland.cli.training_bar import training_bar
    from rmtland.networks import MLP, train

    widths = (dataset.n_in, settings["width"], dataset.n_out)
    net = MLP(widths, activation=settings["activation"])
    if net.parameter_count > LARGEST:
        raise ValueError(
            f"the network has {net.parameter_count} parameters; this command diagonalises the "
            f"exact Hessian and takes at most {LARGEST}: lower --width"
        )
    start = net.init(rng=settings["seed"] + 1)
    with training_bar() as bar:
        trained = train(
            net,
            start,
            dataset.x,
            dataset.y,
            energy=settings["energy"],
            max_steps=settings["max_steps"],
            progress=bar,
        )
    return trained.unless_interrupted(), net


def _overlay_with_spinner(point: LossPoint, **options: Any) -> Overlay:
    """Overlay the Hessian at a point, and show on standard error what is being computed."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from rmtland.audit.network_overlay import overlay_network

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as spinner:
        size = point.net.parameter_count
        task = spinner.add_task(f"Hessian of {size} parameters", total=None)

        def show(what: str, done: int, total: int) -> None:
            spinner.update(task, description=f"{what} {done}/{total}" if total else what)

        result = overlay_network(point, progress=show, **options)
        spinner.update(task, description="done")
    return result


def _dataset(name: str, samples: int, width: int, seed: int) -> Dataset:
    from rmtland.arguments import choice
    from rmtland.networks import digits, gaussian

    choice("data", name, ("digits", "digits8", "digits-labels", "gaussian"))
    if name == "gaussian":
        return gaussian(samples, width, rng=seed)
    target = "one-hot" if name == "digits-labels" else "autoencoder"
    return digits(samples, size=8 if name == "digits8" else 4, whiten=True, target=target, rng=seed)


def _title(report: Record) -> str:
    widths = "-".join(str(n) for n in report["network"]["widths"])
    training, settings = report["training"], report["settings"]
    how = "trained to" if training["steps"] else "at"
    return (
        f"Hessian of a {widths} {settings['activation']} network, "
        f"{report['network']['parameters']} parameters, {how} energy {training['energy']:.3g}"
    )


def _known(report: Record) -> list[str]:
    """Sentence on what the conditioned law knows, and why laws are left out."""
    lines = [
        f"{name}: knows weights, data (and so H0, which alone is {one['gauss_newton_alone']:.3f} "
        f"off) and {one['measured_numbers']} numbers of {one['residuals']} residuals, "
        f"{one['free_share']:.0%} of which stay free; chance: distance of one draw of it to the "
        "others."
        for name, one in report["laws"].items()
        if "chance" in one
    ]
    return lines + [f"{name}: left out: {why}" for name, why in report["left_out"].items()]


def _missed(report: Record) -> str:
    training, settings = report["training"], report["settings"]
    remedy = {
        "max_steps": "raise --max-steps or --energy",
        "stalled": "no step lowers it any more: raise --energy, --width or lower --samples",
    }.get(training["reason"], "raise --energy")
    return (
        f"The target energy {settings['energy']:g} was missed: training ended at "
        f"{training['energy']:.4g} after {training['steps']} steps ({training['reason']}). "
        f"All numbers are of that point; {remedy}."
    )


def _write(output: Output, report: Record, result: Overlay) -> None:

    from matplotlib.figure import Figure

    from rmtland.audit.network_overlay import overlay_styles
    from rmtland.comparison.drawing import triple_of

    figure = Figure(figsize=(9.4, 6), layout="constrained")
    axes, legend = triple_of(figure)
    result.plot(axes, styles=overlay_styles(result), legend=legend)
    figure.suptitle(_title(report), fontsize=10)
    words = [f"Data: {report['data']}.", *BELOW, *_known(report)]
    below = "\n".join(fill(text, 165) for text in words)
    figure.supxlabel(below, fontsize=6.5, ha="left", x=0.01)
    output.figure(figure, "overlay", dpi=135)
    output.json_file("overlay.json", report)
    output.wrote(result.spectrum.save(output.out / "overlay-spectrum.npz"))


def _print(output: Output, report: Record, result: Overlay) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    measured, training = report["spectrum"], report["training"]
    output.line(
        f"{_title(report)}\n"
        f"{report['data']}\n"
        f"training ended after {training['steps']} steps ({training['reason']}), "
        f"gradient norm {training['gradient_norm']:.2e}\n"
        f"{measured['negative']} negative, {measured['zero']} zero, {measured['positive']} "
        f"positive eigenvalues (zero: at most {measured['zero_tolerance']:.1e}), "
        f"from {measured['edges'][0]:.4g} to {measured['edges'][1]:.4g}"
    )
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in (
        *("law", "phi", "epsilon", "sigma", "KS", "chance", "W1", "index", "edges", "outliers"),
    ):
        table.add_column(column, justify="left" if column == "law" else "right", no_wrap=True)
    for name, *numbers in result.rows():
        entry = report["laws"].get(name, {})
        own = [f"{entry[key]:.3g}" if key in entry else "" for key in ("phi", "epsilon", "sigma")]
        distance, *others = numbers
        chance = f"{entry['chance']:.3f}" if "chance" in entry else ""
        shown = name.replace(", ", "\n").replace("residuals ", "residuals\n")
        table.add_row(shown, *own, distance, chance, *others)
    output.table(table)
    for line in _known(report):
        output.line(line)
    for line in LEGEND:
        output.line(line)

"""`rmtland audit`: hold a network's Hessian against every level of theory, say what fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmtland.cli.output import check_folder, print_table, replaced, write_png

if TYPE_CHECKING:
    from rich.console import Console

    from rmtland.audit import HessianAudit
    from rmtland.networks import MLP, Dataset

__all__ = ["audit"]


def audit(
    data: Annotated[
        str,
        typer.Option(
            help="Data: digits (4x4 images, whitened, autoencoder), digits-labels (one-hot), "
            "or gaussian (iid memorisation, --width inputs)."
        ),
    ] = "gaussian",
    width: Annotated[int, typer.Option(help="Hidden units.")] = 12,
    samples: Annotated[int, typer.Option(help="Samples m.")] = 96,
    activation: Annotated[str, typer.Option(help="tanh, relu, linear, erf, gelu, ...")] = "tanh",
    step: Annotated[
        list[int] | None,
        typer.Option(help="Audit after so many training steps; may be repeated. 0: no training."),
    ] = None,
    energy: Annotated[
        list[float] | None,
        typer.Option(help="Audit when training has come down to this energy; may be repeated."),
    ] = None,
    max_steps: Annotated[int, typer.Option(help="Training steps to an energy at most.")] = 5000,
    point: Annotated[
        Path | None,
        typer.Option(
            help="Audit the parameters in this .npz file: a training checkpoint, or an "
            "array `theta`, with `x` and `y` if they are not those of --data."
        ),
    ] = None,
    residuals: Annotated[
        str,
        typer.Option(
            help="own, or gaussian: replaced by noise of energy --noise-energy, as the "
            "theory has it (no training then)."
        ),
    ] = "own",
    noise_energy: Annotated[float, typer.Option(help="Energy of that noise.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of data, initial weights and draws.")] = 0,
    draws: Annotated[int, typer.Option(help="Hessians drawn anew for the errors; 0: none.")] = 8,
    points: Annotated[int, typer.Option(help="Points of the Dyson tables.")] = 40,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all numbers to this file.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("rmtland-output"),
) -> None:
    """Audit the assumptions of random-matrix theory on a network's Hessian.

    At initialisation by default, along training with --step or --energy, at a given point with
    --point. Prints a table of levels, the shares of the misfit and a sentence; writes a figure.
    """
    from rich.console import Console

    from rmtland.arguments import choice, count, nonnegative

    choice("residuals", residuals, ("own", "gaussian"))
    nonnegative("noise-energy", noise_energy)
    count("seed", seed, least=0)
    stages = _stages(step, energy, point, residuals)
    check_folder(out)
    if json_file is not None:
        check_folder(json_file.parent)
        if json_file.is_dir():
            raise IsADirectoryError(f"{json_file} is a folder; give a file to --json")
    dataset = _dataset(data, samples, width, seed)
    net, theta, x, y, words = _network(point, dataset, width, activation, seed)
    notes, console = Console(stderr=True), Console()
    if residuals == "gaussian":
        import numpy as np

        noise = np.random.default_rng([seed, 2]).normal(size=(len(x), net.n_out))
        y = net.predict(theta, x) - noise * (2 * noise_energy) ** 0.5
        words += f"; residuals replaced by Gaussian noise of energy {noise_energy:g}"
    found: list[dict[str, Any]] = []
    done = 0
    for number, (kind, target) in enumerate(stages):
        theta, done, how = _trained(net, theta, x, y, kind, target, done, max_steps)
        result = _audited(net, theta, x, y, draws, points, seed, notes)
        title = (
            f"Hessian of a {'-'.join(map(str, net.widths))} {activation} network, "
            f"{net.parameter_count} parameters, {how}, energy "
            f"{result.provenance['energy']:.3g}\n{words}"
        )
        name = "audit.png" if len(stages) == 1 else f"audit-{number + 1}.png"
        _draw(out, name, result, title)
        _print(console, result, title)
        console.print(f"wrote {out / name}", soft_wrap=True, highlight=False, markup=False)
        found.append({"stage": how, "steps": done, "data": words, **result.as_dict()})
    if len(found) > 1:
        _print_stages(console, found)
    if json_file is not None:
        text = json.dumps({"format": "rmtland audit 1", "stages": found}, indent=1, allow_nan=False)
        with replaced(json_file.parent, json_file.name) as (stream, _):
            stream.write((text + "\n").encode())
        console.print(f"wrote {json_file}", soft_wrap=True, highlight=False, markup=False)


def _stages(
    steps: list[int] | None, energies: list[float] | None, point: Path | None, residuals: str
) -> list[tuple[str, float]]:
    """Return what to audit, in order of training: ("step", k), ("energy", e) or ("as is", 0)."""
    from rmtland.arguments import count, positive

    if steps and energies:
        raise ValueError("give --step or --energy, not both")
    if (point is not None or residuals == "gaussian") and (energies or any(steps or [])):
        raise ValueError("--point and --residuals gaussian are audited as they are, not trained")
    if point is not None:
        return [("as is", 0.0)]
    if energies:
        targets = sorted({positive("energy", e) for e in energies}, reverse=True)
        return [("energy", target) for target in targets]
    return [("step", float(count("step", k, least=0))) for k in sorted(set(steps or [0]))]


def _dataset(name: str, samples: int, width: int, seed: int) -> Dataset:
    from rmtland.arguments import choice
    from rmtland.networks import digits, gaussian

    choice("data", name, ("digits", "digits-labels", "gaussian"))
    if name == "gaussian":
        return gaussian(samples, width, rng=seed)
    target = "one-hot" if name == "digits-labels" else "autoencoder"
    return digits(samples, size=4, whiten=True, target=target, rng=seed)


def _network(
    path: Path | None, dataset: Dataset, width: int, activation: str, seed: int
) -> tuple[MLP, Any, Any, Any, str]:
    """Return network, parameters, data and words on the data."""
    import numpy as np

    from rmtland.networks import MLP

    if path is None:
        net = MLP((dataset.n_in, width, dataset.n_out), activation=activation)
        return net, net.init(rng=seed + 1), dataset.x, dataset.y, dataset.description
    x, y, words = dataset.x, dataset.y, dataset.description
    with open(path, "rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as content:
                arrays = {key.removeprefix("array_"): content[key] for key in content.files}
        except Exception as error:
            raise ValueError(f"{path} is not an .npz file of arrays: {error}") from error
    if "theta" not in arrays:
        raise ValueError(f"{path} holds no array `theta`; it has {', '.join(arrays) or 'nothing'}")
    if ("x" in arrays) != ("y" in arrays):
        raise ValueError(f"{path} holds one of `x` and `y`; give both or neither")
    if "x" in arrays:
        x, y, words = arrays["x"], arrays["y"], f"data of {path.name}"
        if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
            raise ValueError(f"x and y in {path} must be of shape (m, n); got {x.shape}, {y.shape}")
    net = MLP((x.shape[1], width, y.shape[1]), activation=activation)
    if arrays["theta"].shape != (net.parameter_count,):
        raise ValueError(
            f"theta in {path} has shape {arrays['theta'].shape}, but a {x.shape[1]}-{width}-"
            f"{y.shape[1]} network has {net.parameter_count} parameters; give the --data and "
            "--width that it was trained with"
        )
    return net, arrays["theta"], x, y, words


def _trained(
    net: MLP, theta: Any, x: Any, y: Any, kind: str, target: float, done: int, max_steps: int
) -> tuple[Any, int, str]:
    """Return parameters after training to a stage, steps taken in all, and words."""
    from contextlib import nullcontext

    from rmtland.cli.training_bar import training_bar
    from rmtland.networks import train

    if kind == "as is":
        return theta, 0, "at the given point"
    more = max_steps if kind == "energy" else int(target) - done
    if more == 0:
        return theta, done, "at initialisation" if done == 0 else f"after {done} steps"
    with training_bar() if kind == "energy" else nullcontext() as show:
        result = train(
            net,
            theta,
            x,
            y,
            energy=target if kind == "energy" else None,
            max_steps=more,
            progress=show,
        )
    if result.reason == "interrupted":
        raise KeyboardInterrupt
    done += result.steps
    return result.theta, done, f"after {done} steps ({result.reason})"


def _audited(
    net: MLP, theta: Any, x: Any, y: Any, draws: int, points: int, seed: int, notes: Console
) -> HessianAudit:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from rmtland.audit import audit_hessian

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes) as bar:
        task = bar.add_task("exact Hessian", total=1)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        result = audit_hessian(
            net.at(theta, x, y), draws=draws, points=points, rng=seed, progress=show
        )
        bar.update(task, description="done", completed=1, total=1)
    return result


def _draw(out: Path, name: str, result: HessianAudit, title: str) -> None:
    from textwrap import fill

    from matplotlib.figure import Figure

    from rmtland.audit.drawing import draw_audit

    figure = Figure(figsize=(12, 8), layout="constrained")
    draw_audit(list(figure.subplots(2, 2).ravel()), result)
    figure.suptitle(f"{title}\n{fill(result.sentence, 165)}", fontsize=8)
    write_png(figure, out, name, dpi=100)


def _print(console: Console, result: HessianAudit, title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    seen = result.spectrum
    inertia = seen.inertia()
    console.print(
        f"{title}\n{inertia.negative} negative, {inertia.zero} zero, {inertia.positive} positive "
        f"eigenvalues, from {seen.nodes.min():.4g} to {seen.nodes.max():.4g}",
        highlight=False, soft_wrap=True, markup=False,
    )  # fmt: skip
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("level", "KS", "+-", "W1", "index", "low edge", "high edge", "out", "explained"):
        table.add_column(column, justify="left" if column == "level" else "right", no_wrap=True)
    for level in result.levels:
        comparison, edges = level.comparison, level.edge_errors
        table.add_row(
            f"{level.number} {level.name}", f"{comparison.kolmogorov:.3f}",
            "" if level.error is None else f"{level.error:.3f}", f"{comparison.wasserstein:.4f}",
            f"{level.index_error:+.3f}", f"{edges[0]:+.2f}", f"{edges[1]:+.2f}",
            str(comparison.outliers), str(level.explained),
        )  # fmt: skip
    print_table(console, table)
    shares = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("misfit of", "assumption", "share", "+-", "over orders"):
        left = column in ("misfit of", "assumption")
        shares.add_column(column, justify="left" if left else "right", no_wrap=True)
    for share in result.shares:
        shares.add_row(
            share.law, share.assumption, f"{share.value:+.3f}",
            "" if share.error is None else f"{share.error:.3f}",
            f"{share.low:+.3f} {share.high:+.3f}",
        )  # fmt: skip
    print_table(console, shares)
    console.print(
        "KS: Kolmogorov distance, +- its spread over Hessians drawn anew; W1: Wasserstein-1 "
        "distance in widths of the law; index, edges: law less measured; out: eigenvalues outside "
        "the law; explained: of those outside level 1, how many no longer are.",
        highlight=False, markup=False,
    )  # fmt: skip
    console.print(result.sentence, highlight=False, markup=False)


def _print_stages(console: Console, found: list[dict[str, Any]]) -> None:
    """Print Kolmogorov distances of all levels along training."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("Kolmogorov distance at energy", no_wrap=True)
    for stage in found:
        table.add_column(f"{stage['provenance']['energy']:.3g}", justify="right", no_wrap=True)
    for i, level in enumerate(found[0]["levels"]):
        row = [f"{stage['levels'][i]['kolmogorov']:.3f}" for stage in found]
        table.add_row(f"{level['number']} {level['name']}", *row)
    print_table(console, table)

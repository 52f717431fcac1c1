"""`rmtland audit`: compare a network's Hessian with every level of theory, say what fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.audit_model import audit_model
from rmtland.cli.audit_tables import print_audit, print_stages
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.typing import Array, Record

if TYPE_CHECKING:
    from rmtland.audit import HessianAudit
    from rmtland.networks import MLP, Dataset, LossPoint

__all__ = ["audit"]


Target = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:FUNCTION",
        help="Audit a model of your own: a function as `rmtland measure` takes it, or one that "
        "returns a mapping of operators (total, gauss_newton, residual) and of phi, energy.",
    ),
]
DataName = Annotated[
    str,
    typer.Option(
        help="Data: digits (4x4 images, whitened, autoencoder), digits-labels (one-hot), "
        "or gaussian (iid memorisation, --width inputs)."
    ),
]
Steps = Annotated[
    list[int] | None,
    typer.Option(help="Audit after so many training steps; may be repeated. 0: no training."),
]
Energies = Annotated[
    list[float] | None,
    typer.Option(help="Audit when training has come down to this energy; may be repeated."),
]
PointFile = Annotated[
    Path | None,
    typer.Option(
        help="Audit the parameters in this .npz file: a training checkpoint, or an "
        "array `theta`, with `x` and `y` if they are not those of --data."
    ),
]
Residuals = Annotated[
    str,
    typer.Option(
        help="own, or gaussian: replaced by noise of energy --noise-energy, as the "
        "theory has it (no training then)."
    ),
]
Method = Annotated[
    str,
    typer.Option(
        help="exact: all eigenvalues; estimate: from products, distances with ranges; auto: "
        "estimate where the memory for the exact audit is not free."
    ),
]


def audit(
    context: typer.Context,
    target: Target = None,
    data: DataName = "gaussian",
    width: Annotated[int, typer.Option(help="Hidden units.")] = 12,
    samples: Annotated[int, typer.Option(help="Samples m.")] = 96,
    activation: Annotated[str, typer.Option(help="tanh, relu, linear, erf, gelu, ...")] = "tanh",
    step: Steps = None,
    energy: Energies = None,
    max_steps: Annotated[int, typer.Option(help="Training steps to an --energy, at most.")] = 5000,
    point: PointFile = None,
    residuals: Residuals = "own",
    noise_energy: Annotated[
        float, typer.Option(help="Energy of that noise, with --residuals gaussian.")
    ] = 0.5,
    seed: Seed = 0,
    draws: Annotated[int, typer.Option(help="Hessians drawn anew for the errors; 0: none.")] = 8,
    points: Annotated[int, typer.Option(help="Points of the Dyson tables.")] = 40,
    method: Method = "auto",
    probes: Annotated[int, typer.Option(help="Gaussian probes of an estimate.")] = 10,
    lanczos: Annotated[int, typer.Option(help="Lanczos steps of each probe.")] = 80,
    threshold: Annotated[
        float, typer.Option(help="Kolmogorov distance above which an estimate refutes a level.")
    ] = 0.05,
    parameters: Annotated[
        str | None,
        typer.Option(help="With MODULE:FUNCTION: names or patterns of parameters, with commas."),
    ] = None,
    double: Annotated[
        bool, typer.Option("--double", help="With MODULE:FUNCTION: compute in float64.")
    ] = False,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
    out: Out = OUT,
) -> None:
    """Audit the assumptions of random-matrix theory on a network's Hessian.

    At initialisation by default, along training with --step or --energy, at a given point with
    --point; or of a model of your own, MODULE:FUNCTION. Prints a table of levels, the shares of
    the misfit and a verdict; writes a figure. Large Hessians are estimated from products.
    An interrupt (Ctrl-C) ends it early: what was done is printed and written.
    """
    from rmtland.arguments import choice, count, nonnegative
    from rmtland.audit import check_audit

    settings = {"method": method, "probes": probes, "steps": lanczos, "threshold": threshold}
    if target is not None:
        _refuse_own_network(context)
        output = Output(out, format=format, json=json_file, html=html)
        audit_model(
            output,
            target,
            parameters=parameters,
            double=double,
            settings={**settings, "rng": count("seed", seed, min_value=0)},
        )
        return
    if parameters is not None or double:
        raise ValueError("--parameters and --double go with MODULE:FUNCTION")
    choice("residuals", residuals, ("own", "gaussian"))
    nonnegative("noise-energy", noise_energy)
    count("width", width)
    count("max-steps", max_steps)
    _refuse_ignored(context, residuals, energy)
    stages = _stages(step, energy, point, residuals)
    output = Output(out, format=format, json=json_file, html=html)
    dataset = _dataset(data, samples, width, count("seed", seed, min_value=0))
    net, theta, x, y, words = _network(context, point, dataset, width, activation, seed)
    start = net.at(theta, x, y)
    if residuals == "gaussian":
        start = _noisy(start, noise_energy, seed)
        words += f"; residuals replaced by Gaussian noise of energy {noise_energy:g}"
    check_audit(start, draws=draws, points=points, method=method)
    _notes(_what_it_takes(start, draws, points, settings, len(stages)))
    _run_stages(output, start, stages, words, activation, max_steps, draws, points, seed, settings)


def _run_stages(
    output: Output,
    start: LossPoint,
    stages: list[tuple[str, float]],
    words: str,
    activation: str,
    max_steps: int,
    draws: int,
    points: int,
    seed: int,
    estimate: Record,
) -> None:
    """Train to each stage and audit it; an interrupt ends it when what was done is written."""
    net = start.net
    theta = start.theta
    found: list[Record] = []
    done = 0
    stopped = False
    for number, (kind, target) in enumerate(stages):
        try:
            theta, done, how = _trained(start, theta, kind, target, done, max_steps)
            result = _audited(start.at(theta), draws, points, seed, estimate)
        except KeyboardInterrupt:
            stopped = True
            break
        name = "audit" if len(stages) == 1 else f"audit-{number + 1}"
        title = (
            f"Hessian of a {'-'.join(map(str, net.widths))} {activation} network, "
            f"{net.parameter_count} parameters, {how}, energy {result.provenance['energy']:.3g}"
        )
        print_audit(output, result, title, words)
        _draw(output, name, result, title)
        found.append({"stage": how, "steps": done, "data": words, **result.as_dict()})
        if result.interrupted:
            stopped = True
            break
    if len(found) > 1:
        output.part()
        output.line("All stages")
        print_stages(output, found)
    if found:
        output.numbers({"format": "rmtland audit 1", "stages": found})
    if stopped:
        kept = "what was done is printed and written" if found else "nothing was done yet"
        raise Stopped(f"interrupted; {kept}")


def _what_it_takes(point: LossPoint, draws: int, points: int, settings: Record, stages: int) -> str:
    """Return in words what an audit takes, and what it estimates."""
    from rmtland.audit import expected_cost, memory_needed
    from rmtland.audit.cost import exact_memory_is_free

    net = point.net
    each = " a stage" if stages > 1 else ""
    size = f"{net.parameter_count} parameters"
    method = settings["method"]
    if method == "estimate" or (method == "auto" and not exact_memory_is_free(point)):
        return (
            f"{size}: spectra of H, H0 and H1 are estimated from {settings['probes']} probes x "
            f"{settings['steps']} products{each}, and levels 0-4 compared within their ranges; all "
            f"eigenvalues would take {memory_needed(point) / 2**30:.1f} GiB"
        )
    return f"{size}: {expected_cost(point, draws=draws, points=points)}{each}"


_OF_OWN_NETWORKS = (
    "data",
    "width",
    "samples",
    "activation",
    "step",
    "energy",
    "max_steps",
    "point",
    "residuals",
    "noise_energy",
    "draws",
    "points",
)


def _refuse_own_network(context: typer.Context) -> None:
    """Refuse options of our own networks beside a model of the user's."""
    for name in _OF_OWN_NETWORKS:
        if _is_given(context, name):
            raise ValueError(f"--{name.replace('_', '-')} has no effect with MODULE:FUNCTION")


def _refuse_ignored(context: typer.Context, residuals: str, energy: list[float] | None) -> None:
    """Refuse options that would have no effect."""
    if _is_given(context, "noise_energy") and residuals != "gaussian":
        raise ValueError("--noise-energy has no effect without --residuals gaussian")
    if _is_given(context, "max_steps") and not energy:
        raise ValueError("--max-steps has no effect without --energy")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


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
    return [("step", float(count("step", k, min_value=0))) for k in sorted(set(steps or [0]))]


def _dataset(name: str, samples: int, width: int, seed: int) -> Dataset:
    from rmtland.arguments import choice
    from rmtland.networks import digits, gaussian

    choice("data", name, ("digits", "digits-labels", "gaussian"))
    if name == "gaussian":
        return gaussian(samples, width, rng=seed)
    target = "one-hot" if name == "digits-labels" else "autoencoder"
    return digits(samples, size=4, whiten=True, target=target, rng=seed)


def _network(
    context: typer.Context,
    path: Path | None,
    dataset: Dataset,
    width: int,
    activation: str,
    seed: int,
) -> tuple[MLP, Array, Array, Array, str]:
    """Return network, parameters, data and words on the data."""
    import numpy as np

    from rmtland.networks import MLP

    if path is None:
        net = MLP((dataset.n_in, width, dataset.n_out), activation=activation)
        return net, net.init(rng=seed + 1), dataset.x, dataset.y, dataset.description
    x, y, words = dataset.x, dataset.y, dataset.description
    with open(path, "rb") as stream:
        if stream.read(2) != b"PK":
            raise ValueError(f"{path} is not an .npz file of arrays")
        stream.seek(0)
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
        ignored = [name for name in ("data", "samples") if _is_given(context, name)]
        if ignored:
            raise ValueError(f"--{ignored[0]} has no effect: {path.name} has data of its own")
    net = MLP((x.shape[1], width, y.shape[1]), activation=activation)
    if arrays["theta"].shape != (net.parameter_count,):
        raise ValueError(
            f"theta in {path} has shape {arrays['theta'].shape}, but a {x.shape[1]}-{width}-"
            f"{y.shape[1]} network has {net.parameter_count} parameters; give the --data and "
            "--width that it was trained with"
        )
    return net, arrays["theta"], x, y, words


def _noisy(start: LossPoint, energy: float, seed: int) -> LossPoint:
    import numpy as np

    from rmtland.audit.redraws import with_gaussian_residuals

    return with_gaussian_residuals(start, energy, rng=np.random.default_rng([seed, 2]))


def _trained(
    start: LossPoint, theta: Array, kind: str, target: float, done: int, max_steps: int
) -> tuple[Array, int, str]:
    """Return parameters after training to a stage, steps taken in all, and words."""
    from contextlib import nullcontext

    from rmtland.cli.training_bar import training_bar
    from rmtland.networks import MLP, train

    if kind == "as is":
        return theta, 0, "at the given point"
    more = max_steps if kind == "energy" else int(target) - done
    if more == 0:
        return theta, done, "at initialisation" if done == 0 else f"after {done} steps"
    net = start.net
    assert isinstance(net, MLP)
    with training_bar() if kind == "energy" else nullcontext() as show:
        result = train(
            net,
            theta,
            start.x,
            start.y,
            energy=target if kind == "energy" else None,
            max_steps=more,
            progress=show,
        )
    done += result.unless_interrupted().steps
    return result.theta, done, f"after {done} steps ({result.reason})"


def _notes(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text)


def _audited(
    point: LossPoint, draws: int, points: int, seed: int, estimate: Record
) -> HessianAudit:
    from rmtland.audit import audit_hessian
    from rmtland.cli.audit_bar import audit_bar

    with audit_bar() as show:
        return audit_hessian(point, draws=draws, points=points, rng=seed, progress=show, **estimate)


def _draw(output: Output, name: str, result: HessianAudit, title: str) -> None:
    from rmtland.audit.drawing import audit_figure

    output.figure(audit_figure(result, title), name, dpi=100)

"""`rmtland overlay`: train a network, measure its Hessian, lay theory over it."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmtland.cli.options import MODELS, model_class
from rmtland.cli.output import check_folder, print_table, replaced

if TYPE_CHECKING:
    from rmtland.comparison import Comparison
    from rmtland.laws import Law
    from rmtland.models import HessianModel
    from rmtland.networks import MLP, Dataset, HessianSplit, LossPoint

__all__ = ["overlay"]

LARGEST = 8000


def overlay(
    data: Annotated[
        str,
        typer.Option(
            help="Data: digits (4x4 images, whitened, autoencoder), digits8 (8x8), "
            "digits-labels (4x4, one-hot) or gaussian (iid memorisation, --width inputs)."
        ),
    ] = "digits",
    width: Annotated[int, typer.Option(help="Hidden units.")] = 32,
    samples: Annotated[int, typer.Option(help="Training samples m.")] = 256,
    activation: Annotated[str, typer.Option(help="tanh, relu, linear, erf, gelu, ...")] = "tanh",
    energy: Annotated[
        float, typer.Option(help="Energy (loss per output) at which training stops.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of data and initial weights.")] = 0,
    model: Annotated[
        str, typer.Option(help=f"Theory: {', '.join(MODELS)} or both.")
    ] = "wishart-wigner",
    max_steps: Annotated[int, typer.Option(help="Training steps at most.")] = 5000,
    out: Annotated[Path, typer.Option(help="Folder for what is written.")] = Path("rmtland-output"),
) -> None:
    """Train on data, compute the exact Hessian, overlay random-matrix theory on its spectrum.

    Writes overlay.png, overlay.json and the spectrum (overlay-spectrum.npz).
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from rmtland.arguments import count
    from rmtland.cli.training_bar import training_bar
    from rmtland.comparison import compare, fit
    from rmtland.networks import MLP, train
    from rmtland.spectrum import Spectrum

    names = list(MODELS) if model == "both" else [model]
    classes = [model_class(name) for name in names]
    count("seed", seed, least=0)
    check_folder(out)
    dataset = _dataset(data, samples, width, seed)
    net = MLP((dataset.n_in, width, dataset.n_out), activation=activation)
    if net.parameter_count > LARGEST:
        raise ValueError(
            f"the network has {net.parameter_count} parameters; this command diagonalises the "
            f"exact Hessian and takes at most {LARGEST}: lower --width"
        )
    notes = Console(stderr=True)
    with training_bar() as show:
        trained = train(
            net,
            net.init(rng=seed + 1),
            dataset.x,
            dataset.y,
            energy=energy,
            max_steps=max_steps,
            progress=show,
        )
    if trained.reason == "interrupted":
        raise KeyboardInterrupt
    point = net.at(trained.theta, dataset.x, dataset.y)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=notes) as bar:
        task = bar.add_task("exact Hessian", total=None)
        split = point.hessian()
        bar.update(task, description=f"eigenvalues of {net.parameter_count} x "
                   f"{net.parameter_count}")  # fmt: skip
        spectrum = Spectrum.from_matrix(
            split, source="network", network=repr(net), data=dataset.description, seed=seed,
            energy=point.energy,
        )  # fmt: skip
        bar.update(task, description="theory")
        laws: dict[str, Law] = {}
        found: dict[str, Any] = {}
        for chosen in classes:
            for name, theory, extra in _levels(chosen, net, point, split, len(dataset)):
                laws[name] = theory.law
                found[name] = _entry(theory, extra)
            fitted = fit(spectrum, chosen)
            name = f"{chosen.name}, fitted"
            laws[name] = fitted.model.law
            errors = {key: e if isfinite(e) else None for key, e in fitted.errors.items()}
            found[name] = _entry(fitted.model, {"errors": errors})
        comparisons = {name: compare(spectrum, law) for name, law in laws.items()}
        bar.update(task, description="done")
    inertia = spectrum.inertia()
    report = {
        "settings": {
            "data": data, "width": width, "samples": len(dataset), "activation": activation,
            "energy": energy, "seed": seed, "model": model, "max_steps": max_steps,
        },
        "data": dataset.description,
        "network": {"widths": list(net.widths), "parameters": net.parameter_count},
        "training": {
            "energy": trained.energy, "gradient_norm": trained.gradient_norm,
            "steps": trained.steps, "reason": trained.reason,
        },
        "spectrum": {
            **inertia._asdict(),
            "index": spectrum.index(),
            "edges": [float(spectrum.nodes.min()), float(spectrum.nodes.max())],
        },
        "laws": {
            name: {**found[name], **comparisons[name].as_dict()} for name in laws
        },
    }  # fmt: skip
    _write(out, report, spectrum, laws, comparisons, _title(report))
    _print(report, out)


def _dataset(name: str, samples: int, width: int, seed: int) -> Dataset:
    from rmtland.arguments import choice
    from rmtland.networks import digits, gaussian

    choice("data", name, ("digits", "digits8", "digits-labels", "gaussian"))
    if name == "gaussian":
        return gaussian(samples, width, rng=seed)
    target = "one-hot" if name == "digits-labels" else "autoencoder"
    return digits(samples, size=8 if name == "digits8" else 4, whiten=True, target=target, rng=seed)


def _levels(
    chosen: type[HessianModel], net: MLP, point: LossPoint, split: HessianSplit, samples: int
) -> list[tuple[str, HessianModel, dict[str, Any]]]:
    """Return the theory as printed, and with the traces of its parts matched to the measured."""
    p = net.parameter_count
    phi = p / (samples * net.n_out)
    printed = chosen(phi, point.energy)
    matched = chosen.from_moments(
        phi,
        mean=float(split.gauss_newton.trace()) / p,
        residual_variance=float((split.residual**2).sum()) / p,
    )
    return [
        (f"{chosen.name}, as printed", printed, {}),
        (f"{chosen.name}, traces matched", matched, {}),
    ]


def _entry(theory: HessianModel, extra: dict[str, Any]) -> dict[str, Any]:
    return {
        "phi": theory.phi, "epsilon": theory.epsilon, "sigma": theory.sigma,
        "critical_energy": theory.critical_energy, **extra,
    }  # fmt: skip


def _title(report: dict[str, Any]) -> str:
    widths = "-".join(str(n) for n in report["network"]["widths"])
    training, settings = report["training"], report["settings"]
    return (
        f"Hessian of a {widths} {settings['activation']} network, "
        f"{report['network']['parameters']} parameters, at energy {training['energy']:.3g}\n"
        f"{report['data']}"
    )


def _write(
    out: Path,
    report: dict[str, Any],
    spectrum: Any,
    laws: dict[str, Law],
    comparisons: dict[str, Comparison],
    title: str,
) -> None:
    from matplotlib.figure import Figure

    from rmtland.plot import draw_overlay

    figure = Figure(figsize=(11, 4.8), layout="constrained")
    axes = figure.subplots(1, 2)
    draw_overlay((axes[0], axes[1]), spectrum, laws, comparisons)
    figure.suptitle(title, fontsize=10)
    with replaced(out, "overlay.png") as (stream, _):
        figure.savefig(stream, format="png", dpi=115, pil_kwargs={"optimize": True})
    with replaced(out, "overlay.json") as (stream, _):
        stream.write((json.dumps(report, indent=1, allow_nan=False) + "\n").encode())
    spectrum.save(out / "overlay-spectrum.npz")


def _print(report: dict[str, Any], out: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    measured, training = report["spectrum"], report["training"]
    console.print(
        f"{_title(report)}\n"
        f"training ended after {training['steps']} steps ({training['reason']}), "
        f"gradient norm {training['gradient_norm']:.2e}\n"
        f"{measured['negative']} negative, {measured['zero']} zero, {measured['positive']} "
        f"positive eigenvalues (zero: at most {measured['zero_tolerance']:.1e}), "
        f"from {measured['edges'][0]:.4g} to {measured['edges'][1]:.4g}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("law", "phi", "epsilon", "sigma", "KS", "W1", "index", "edges", "out"):
        table.add_column(column, justify="left" if column == "law" else "right", no_wrap=True)
    table.add_row("measured", "", "", "", "", "", f"{measured['index']:.3f}",
                  f"{measured['edges'][0]:.2f} {measured['edges'][1]:.2f}", "")  # fmt: skip
    for name, entry in report["laws"].items():
        table.add_row(
            name.replace(", ", "\n"),
            f"{entry['phi']:.3g}", f"{entry['epsilon']:.3g}", f"{entry['sigma']:.3g}",
            f"{entry['kolmogorov']:.3f}", f"{entry['wasserstein']:.3f}",
            f"{entry['law_index']:.3f}",
            f"{entry['law_edges'][0]:.2f} {entry['law_edges'][1]:.2f}",
            f"{entry['mass_outside']:.3f}",
        )  # fmt: skip
    print_table(console, table)
    console.print(
        "KS: Kolmogorov distance; W1: Wasserstein-1 distance in widths of the law;\n"
        "out: fraction of the eigenvalues outside the support of the law.",
        highlight=False,
    )
    for name in ("overlay.png", "overlay.json", "overlay-spectrum.npz"):
        console.print(f"wrote {out / name}", soft_wrap=True, highlight=False, markup=False)

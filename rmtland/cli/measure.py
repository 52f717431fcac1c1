"""`rmtland measure`: the spectrum of the Hessian of anybody's model, from its products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmtland.cli.eigenvalues import FAMILIES, families_of, print_laws
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output
from rmtland.cli.user_function import function_of

if TYPE_CHECKING:
    from rmtland.comparison import Measurement
    from rmtland.estimate import MassEstimate

__all__ = ["measure"]


def measure(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FUNCTION",
            help="Function without arguments that returns (model, loss, data) of PyTorch, (loss, "
            "params, data) of JAX, or an operator; MODULE may be a file such as run.py.",
        ),
    ],
    part: Annotated[
        str,
        typer.Option(help="total, gauss_newton, residual, fisher or empirical_fisher."),
    ] = "total",
    parameters: Annotated[
        str | None,
        typer.Option(help="Names, modules or patterns of parameters, with commas: 'layer1.*'."),
    ] = None,
    probes: Annotated[int, typer.Option(help="Gaussian probes.")] = 10,
    steps: Annotated[int, typer.Option(help="Lanczos steps of each probe.")] = 80,
    eigenvalues: Annotated[int, typer.Option(help="Extremal eigenvalues at each end.")] = 6,
    double: Annotated[bool, typer.Option("--double", help="Compute in float64.")] = False,
    families: Annotated[
        str, typer.Option(help=f"Laws to fit, with commas: {', '.join(FAMILIES)}.")
    ] = "marchenko-pastur,semicircle,wishart-wigner",
    resamples: Annotated[
        int, typer.Option(help="Bootstrap samples for the errors of fitted parameters.")
    ] = 0,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json_file: Json = None,
    html: Html = None,
) -> None:
    """Measure the spectrum of a model's Hessian: density, index, extremes, trace, fitted laws.

    The matrix is formed only where that takes no more products than estimates would. Writes a
    figure, measure.json and the spectrum (measure-spectrum.npz).
    """
    from matplotlib.figure import Figure

    from rmtland.comparison import measure as measured
    from rmtland.comparison.drawing import triple_of
    from rmtland.files import check_target

    output = Output(out, format=format, json=json_file, html=html)
    for name in (f"measure.{format}", "measure.json", "measure-spectrum.npz"):
        check_target(out / name)
    wanted = families_of(families)
    patterns = None if parameters is None else [p.strip() for p in parameters.split(",")]
    operator = operator_of(function_of(target)(), part=part, parameters=patterns, double=double)
    result = measured(
        operator,
        probes=probes,
        steps=steps,
        eigenpairs=eigenvalues,
        families=wanted,
        resamples=resamples,
        rng=seed,
    )
    report = {
        "settings": {
            "target": target,
            "part": part,
            "parameters": patterns,
            "probes": probes,
            "steps": steps,
            "double": double,
            "seed": seed,
        },
        **result.to_dict(),
    }
    _print(output, target, part, result)
    output.json_file("measure.json", report)  # numbers first: a picture can be drawn again
    output.wrote(result.spectrum.save(out / "measure-spectrum.npz"))
    figure = Figure(figsize=(11, 5.8), layout="constrained")
    axes, legend = triple_of(figure)
    result.plot(axes, legend=legend)
    figure.suptitle(f"{target}, {part}, {result.size} parameters", fontsize=10)
    output.figure(figure, "measure", dpi=115)
    output.numbers(report)


_WANTED = "the function must return (model, loss, data), (loss, params, data) or an operator"


def operator_of(
    made: object, *, part: str, parameters: str | Sequence[str] | None, double: bool
) -> Any:
    """Return the operator of what a user's function returned."""
    if not isinstance(made, tuple):
        if part != "total" or parameters is not None or double:
            raise ValueError(
                "--part, --parameters and --double are for models; the function returned none"
            )
        if made is None or isinstance(made, dict | list | str):
            raise ValueError(f"{_WANTED}; got {type(made).__name__}")
        return made
    if len(made) != 3:
        raise ValueError(f"{_WANTED}; got a tuple of {len(made)}")
    if hasattr(made[0], "named_parameters"):
        from rmtland.adapters import from_torch
        from rmtland.adapters.optional import optional

        dtype = optional("torch", extra="torch").float64 if double else None
        return from_torch(*made, part=part, parameters=parameters, dtype=dtype, keep_graph=None)
    from rmtland.adapters import from_jax

    dtype = "float64" if double else None
    return from_jax(*made, part=part, parameters=parameters, dtype=dtype)


def _zeros(index: MassEstimate) -> list[str]:
    """Say what zeros, and rounding, do to an index."""
    if index.method == "inertia" and index.width > 0.0:
        return [
            f"  {100 * index.width:.2f} % are zero to the rounding of single precision, and may be "
            "negative; --double tells"
        ]
    if index.method != "lanczos" or index.at_point <= index.width / 2:
        return []
    return [
        f"  zeros count one half there; up to {100 * index.at_point:.2f} % of the eigenvalues may "
        "be zeros, and only the certain interval holds without them"
    ]


def _print(output: Output, target: str, part: str, result: Measurement) -> None:
    from rmtland.intervals import interval_words

    index, (trace, error) = result.index, result.trace
    interval, certain = (
        interval_words(100 * low, 100 * high, decimals=2)
        for low, high in (index.interval, index.rigorous)
    )
    lines = [
        f"{target}, {part}: {result.size} parameters, {result.products} products",
        f"negative eigenvalues: {100 * index.value:.2f} % ({100 * index.confidence:g} % interval "
        f"{interval} %, certain {certain} %)",
        *_zeros(index),
        f"trace: {trace:.6g}" + (f" +- {error:.2g}" if error else ""),
    ]
    if result.eigenpairs is not None:
        values = ", ".join(f"{value:.5g}" for value in result.eigenpairs.values)
        lines.append(
            f"extremal eigenvalues: {values} (residuals at most "
            f"{result.eigenpairs.residuals.max():.1e})"
        )
    if result.outliers.size:
        values = ", ".join(f"{value:.5g}" for value in result.outliers)
        lines.append(f"of these outside the nearest law: {values}")
    lines += [f"{name} was not fitted: {reason}" for name, reason in result.unfitted.items()]
    output.line("\n".join(lines))
    print_laws(output, result.overlay)

"""Options that commands share: models by name, where results go, formats of figures, JSON.

An option means the same in every command: `--out` is the folder for what is written, `--format`
the format of figures, `--json` a file for the numbers of the command, `-` for standard output,
`--html` a file for a report.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from rmtland.models import HessianModel

__all__ = [
    "FORMATS",
    "MODELS",
    "OUT",
    "Epsilon",
    "Format",
    "Html",
    "Json",
    "ModelName",
    "Out",
    "Phi",
    "Seed",
    "Sigma",
    "figure_format",
    "model_class",
]

MODELS = {
    "wishart-wigner": "WishartPlusWigner",
    "wishart-relu": "WishartPlusReluBlock",
}

FORMATS = ("png", "pdf", "svg")

OUT = Path("rmtland-output")
"""Folder for what is written, where none is given."""

Out: TypeAlias = Annotated[Path, typer.Option("--out", help="Folder for what is written.")]
Format: TypeAlias = Annotated[
    str, typer.Option("--format", help=f"Format of figures: {', '.join(FORMATS)}.")
]
Json: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the numbers as JSON; '-' for standard output and nothing else there.",
    ),
]
Html: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write a report: figures, tables and where they come from on one page.",
    ),
]
ModelName: TypeAlias = Annotated[str, typer.Argument(help=f"Model: {' or '.join(MODELS)}.")]
Phi: TypeAlias = Annotated[float, typer.Option(help="Parameters per effective example, > 0.")]
Epsilon: TypeAlias = Annotated[float, typer.Option(help="Energy: loss per output, >= 0.")]
Sigma: TypeAlias = Annotated[float, typer.Option(help="Mean of the Gauss-Newton part, > 0.")]


def _seed(value: int) -> int:
    from rmtland.arguments import count

    return count("seed", value, min_value=0)


Seed: TypeAlias = Annotated[int, typer.Option(help="Seed of all random numbers.", callback=_seed)]


def model_class(name: str) -> type[HessianModel]:
    """Return the model of a name, or say which names there are."""
    from rmtland import models
    from rmtland.arguments import choice

    chosen: type[HessianModel] = getattr(models, MODELS[choice("model", name, tuple(MODELS))])
    return chosen


def figure_format(name: str) -> str:
    """Return the format of a figure, or say which there are."""
    from rmtland.arguments import choice

    return choice("format", name, FORMATS)

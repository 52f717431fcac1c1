"""Options and tables that the commands on training dynamics share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

from rmtland.typing import Array

if TYPE_CHECKING:
    from rich.table import Table

    from rmtland.networks import MLP

__all__ = ["Targets", "chosen_targets", "labelled_problem", "numbers_of", "right_table"]

Number = TypeVar("Number", int, float)

Targets: TypeAlias = Annotated[
    int | None,
    typer.Option("--outputs", help="Take the first targets only; of labels, digit 0 or not, ..."),
]


def chosen_targets(y: Array, outputs: int | None) -> Array:
    """Return the first targets of each sample, all of them for None."""
    from rmtland.arguments import count

    if outputs is None:
        return y
    if y.ndim != 2:
        raise ValueError("--outputs: of targets in columns only; leave it out")
    many = count("outputs", outputs)
    if many > y.shape[1]:
        raise ValueError(f"--outputs: there are {y.shape[1]} targets; got {many}")
    return y[:, :many]


def labelled_problem(
    data: str,
    outputs: int | None,
    samples: int | None,
    hidden: str,
    activation: str,
    loss: str,
    bias: bool,
    weight_decay: float,
    seed: int,
) -> tuple[MLP, Array, Array, str]:
    """Return a network, inputs, some of the targets, and a line on the data."""
    from rmtland.cli.problem import hidden_widths, problem_data
    from rmtland.networks import MLP

    found = problem_data(data, None if data.endswith(".npz") else samples, None, loss, seed)
    y = found.y if loss == "cross_entropy" else chosen_targets(found.y, outputs)
    many = found.outputs if loss == "cross_entropy" else y.shape[1]
    widths = (found.x.shape[1], *(hidden_widths(hidden) if hidden else ()), many)
    net = MLP(widths, activation, bias, loss=loss, weight_decay=weight_decay)
    return net, found.x, y, found.description


def numbers_of(option: str, text: str, kind: type[Number]) -> list[Number]:
    """Return numbers from text such as "1,2,4"."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"--{option} takes {what} with commas; got {text!r}") from None


def right_table(columns: Sequence[str], *, left: Sequence[str] = ()) -> Table:
    """Return an empty table whose columns are aligned to the right, but for some."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    return table

"""What the commands share: models by name, tables, files that appear whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rmtland.files import atomic_write, check_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console
    from rich.table import Table

    from rmtland.models import HessianModel

__all__ = ["MODELS", "check_folder", "model_class", "print_table", "replaced", "write_png"]

MODELS = {
    "wishart-wigner": "WishartPlusWigner",
    "wishart-relu": "WishartPlusReluBlock",
}


def model_class(name: str) -> type[HessianModel]:
    """Return the model of a name, or say which names there are."""
    from rmtland import models
    from rmtland.arguments import choice

    chosen: type[HessianModel] = getattr(models, MODELS[choice("model", name, tuple(MODELS))])
    return chosen


def print_table(console: Console, table: Table) -> None:
    """Print a table whole: a line longer than the terminal is better than a number cut short."""
    whole = console.measure(table, options=console.options.update(max_width=1000)).maximum
    console.width = max(console.width, whole)
    console.print(table)


@contextmanager
def replaced(folder: Path, name: str) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a temporary file in `folder` that takes its name when the block ends without error."""
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    with atomic_write(target) as stream:
        yield stream, target


def write_png(figure: Figure, folder: Path, name: str, *, dpi: int) -> None:
    """Write a figure with a palette: lines and text look the same in a third of the size."""
    from PIL import Image

    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi)
    with Image.open(picture) as whole, replaced(folder, name) as (stream, _):
        whole.convert("RGB").quantize(128).save(stream, format="png", optimize=True)

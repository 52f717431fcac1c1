"""The bar that shows training on its way to the target.

>>> with training_bar() as show:
...     show(1.0, energy=0.2, steps=7)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rmtland.networks.training.run import Progress

__all__ = ["training_bar"]


@contextmanager
def training_bar() -> Iterator[Progress]:
    """Show a bar on stderr for the time of a training run; for ``train(progress=...)``."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("energy {task.fields[energy]:.4g}, step {task.fields[steps]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=1.0, energy=float("nan"), steps=0)

        def show(fraction: float, *, energy: float, steps: int) -> None:
            bar.update(task, completed=fraction, energy=energy, steps=steps)

        yield show

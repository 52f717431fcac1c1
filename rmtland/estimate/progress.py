"""A bar with the time left, and what Ctrl-C leaves behind.

>>> with products_bar(10, False) as show:
...     show(3)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Interrupted", "products_bar"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended an estimate: its message says what is kept and how to resume.

    Parameters
    ----------
    message : str
        What is done.
    partial : optional
        The same estimate from what was done by then; None where that is not enough for one.
    """

    def __init__(self, message: str, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


@contextmanager
def products_bar(total: int, progress: bool | None) -> Iterator[Callable[[int], None]]:
    """Show how many products are done, and the time left, on stderr.

    Parameters
    ----------
    total : int
        Products to be done.
    progress : bool or None
        Whether to show a bar; None for where stderr is a terminal.

    Yields
    ------
    callable
        Takes the number of products done so far.
    """
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    if not progress:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("products"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as bar:
        line = bar.add_task("products", total=total)
        yield lambda done: bar.update(line, completed=done)

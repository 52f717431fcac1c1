"""The bar of a landscape command: what is under way, and how much of it is done.

On standard error, and only where that is a terminal; what was interrupted is kept by the commands.

>>> with stage_bar() as stage:
...     stage("random plane")(0.5)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

__all__ = ["Stage", "stage_bar", "until_interrupt"]

Stage: TypeAlias = Callable[[str], Callable[[float], None]]
"""From the name of what is under way to what is called with the share that is done."""

Result = TypeVar("Result")


@contextmanager
def stage_bar() -> Iterator[Stage]:
    """Show the stages of a command one after the other."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:  # a hidden bar of Rich 13 still ends in an empty line
        yield lambda name: lambda share: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:

        def stage(name: str) -> Callable[[float], None]:
            task = bar.add_task(name, total=1.0)

            def show(share: float) -> None:
                bar.update(task, completed=share, visible=share < 1.0)

            return show

        yield stage


def until_interrupt(results: Iterable[Result]) -> tuple[list[Result], bool]:
    """Return the results that were made before Ctrl-C, and whether it came; some, or raise it."""
    found: list[Result] = []
    try:
        found.extend(results)
    except KeyboardInterrupt:
        if not found:
            raise
        return found, True
    return found, False

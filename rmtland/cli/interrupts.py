"""Interrupts (Ctrl-C) that arrive while a library calls back from compiled code.

Such a callback has nobody to pass an exception to: Python prints it ("Exception ignored in ...")
and goes on as if nothing had happened. The compiler of numba calls back so while it compiles, so
that a command interrupted at that moment would run to its end and report success.

Examples
--------
>>> with no_interrupt_lost():
...     sum(range(3))
3
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["no_interrupt_lost"]

_PAUSE = 0.02


@contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """Raise an interrupt again that a callback from compiled code swallowed.

    It is raised in the main thread a moment later, until it arrives outside such a callback, and at
    the latest at the end of the block.

    Raises
    ------
    KeyboardInterrupt
        Where one was swallowed inside the block.
    """
    before = sys.unraisablehook
    swallowed: list[threading.Timer] = []

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        again = threading.Timer(_PAUSE, _interrupt)
        again.daemon = True
        swallowed.append(again)
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in swallowed:
            timer.cancel()
    if swallowed:
        raise KeyboardInterrupt


def _interrupt() -> None:
    """Interrupt the main thread, where the system can also while it waits."""
    if hasattr(signal, "pthread_kill") and callable(signal.getsignal(signal.SIGINT)):
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()

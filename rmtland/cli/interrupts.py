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
    again = _Again()

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            again.interrupt()
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        again.stop()
    if again.asked:
        raise KeyboardInterrupt


class _Again:
    """An interrupt of the main thread, a moment later; at most one is under way."""

    def __init__(self) -> None:
        self.asked = False
        self._under_way = False
        self._timer: threading.Timer | None = None

    def interrupt(self) -> None:
        self.asked = True
        if not self._under_way:
            self._under_way = True
            self._timer = threading.Timer(_PAUSE, self._send)
            self._timer.start()

    def _send(self) -> None:
        self._under_way = False  # a callback may swallow this one too
        if hasattr(signal, "pthread_kill") and callable(signal.getsignal(signal.SIGINT)):
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)  # ends a wait too
        else:
            _thread.interrupt_main()

    def stop(self) -> None:
        """Make sure that no interrupt is still to come."""
        timer = self._timer
        while timer is not None:
            try:
                timer.cancel()
                timer.join()
                return
            except KeyboardInterrupt:
                continue

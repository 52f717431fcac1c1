"""The program `rmtland`, also as `python -m rmtland`.

The command line takes a moment to load; an interrupt (Ctrl-C) in that time ends the program with
one line, as it does later.
"""

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Load the command line and run it."""
    before = signal.getsignal(signal.SIGINT)
    try:
        # A job in the background of a shell ignores interrupts from its start to its end
        before = None if before is signal.SIG_IGN else signal.signal(signal.SIGINT, _stop)
    except ValueError:  # not in the main thread, where interrupts are somebody else's
        before = None
    from rmtland.cli.app import main as run

    try:
        if before is not None:
            signal.signal(signal.SIGINT, before)
        run()
    except KeyboardInterrupt:  # between the two guards
        _stop(signal.SIGINT, None)
    finally:
        if before is not None:  # the work is done: an interrupt of the clearing up says nothing
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> None:
    """End the program: nothing has been opened yet."""
    if sys.stderr is not None:
        sys.stderr.write("rmtland: error: interrupted; no file was left half written\n")
        sys.stderr.flush()
    os._exit(130)


if __name__ == "__main__":
    main()

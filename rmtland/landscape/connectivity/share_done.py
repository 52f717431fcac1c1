"""The share of a path that is made: whether Ctrl-C came before its end.

Trained curves, relaxed paths and exchanges of units keep what is there at Ctrl-C, and come back as
if they were whole: what follows asks here.

>>> done = ShareDone()
>>> done(0.4)
>>> done.is_whole
False
>>> done(1.0)
>>> done.is_whole
True
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["ShareDone"]


class ShareDone:
    """A callback of progress that remembers the last share, and passes it on.

    Parameters
    ----------
    progress : callable, optional
        Called with each share.
    """

    def __init__(self, progress: Callable[[float], object] | None = None) -> None:
        self._progress, self._share = progress, 0.0

    def __call__(self, share: float) -> None:
        """Take a share that is done."""
        self._share = share
        if self._progress is not None:
            self._progress(share)

    @property
    def is_whole(self) -> bool:
        """Whether the end was reached."""
        return self._share >= 1.0

    def pass_on(self) -> None:
        """Raise Ctrl-C again, if that is what came before the end."""
        if not self.is_whole:
            raise KeyboardInterrupt

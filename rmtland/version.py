"""The version of rmtland that is installed."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["installed_version"]


@cache
def installed_version() -> str:
    """Return the version of rmtland that is installed."""
    try:
        return version("rmtland")
    except PackageNotFoundError:
        return "not installed"

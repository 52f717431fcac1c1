"""Where a report comes from: the command that repeats it, seed, versions, machine, date.

>>> provenance_of("rmtland overlay --seed 3", seed=3).seed
3
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from rmtland.version import installed_version

__all__ = ["Provenance", "provenance_of"]

PACKAGES = ("numpy", "scipy", "numba", "matplotlib", "torch", "jax")
"""Packages whose versions a report states where they are installed."""


@dataclass(frozen=True)
class Provenance:
    """Where a report comes from.

    Made by `rmtland.report.provenance_of`.

    Parameters
    ----------
    command : str
        The command line that repeats it, as a shell takes it.
    seed : int or None
        Of all random numbers; None where there are none.
    versions : tuple of (str, str)
        Names and versions of programs and packages.
    system : str
        Operating system and processor.
    written : str
        Date and time (UTC).
    """

    command: str
    seed: int | None
    versions: tuple[tuple[str, str], ...]
    system: str
    written: str


def provenance_of(command: str, *, seed: int | None = None) -> Provenance:
    """Return the provenance of what this process computes now.

    Parameters
    ----------
    command : str
        The command line.
    seed : int, optional
        The seed of its random numbers.

    Returns
    -------
    Provenance
        With the versions that are installed. Names of users, folders and machines are left out.
    """
    found = [("rmtland", installed_version()), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return Provenance(
        command=command,
        seed=seed,
        versions=tuple(found),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )

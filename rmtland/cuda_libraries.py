"""Libraries of CUDA that CuPy has loaded: found again by ctypes, for what CuPy has no call for.

>>> found = loaded_library("libm", ["libm.so.6"], "cos")  # the same for any shared library
>>> found is None or hasattr(found, "sin")
True
>>> loaded_library("libm", [], "no_such_function") is None
True
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

__all__ = ["loaded_library"]


def loaded_library(name: str, versions: Sequence[str], function: str) -> ctypes.CDLL | None:
    """Return a shared library that this process has loaded, if it has a function.

    Parameters
    ----------
    name : str
        Of its file, without version: "libcublas".
    versions : sequence of str
        Files that are tried where the loaded one is not seen, the first one first.
    function : str
        What it must have.

    Returns
    -------
    ctypes.CDLL or None
        None where no library has it.
    """
    places = list(versions)  # found by name, as they are loaded
    try:
        with open("/proc/self/maps", encoding="ascii", errors="replace") as lines:
            mapped = {line.split(maxsplit=5)[-1].strip() for line in lines}
        places = sorted(place for place in mapped if f"/{name}." in place) + places
    except OSError:
        pass
    for place in places:
        try:
            library = ctypes.CDLL(place)
        except OSError:
            continue
        if hasattr(library, function):
            return library
    return None

"""Optional packages: imported when they are needed, with the install command where one is missing.

>>> optional("json", extra="torch").__name__
'json'
>>> optional("no_such_package", extra="torch")
Traceback (most recent call last):
    ...
ImportError: no_such_package is not installed; install it with: pip install 'rmtland[torch]'
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["optional"]


def optional(name: str, *, extra: str) -> ModuleType:
    """Import an optional package.

    Parameters
    ----------
    name : str
        The module, such as "torch" or "jax.numpy".
    extra : str
        The extra of rmtland that installs it.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        If it is not installed; the message gives the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        root = name.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != root:
            raise  # the package is there, and misses something itself
        raise ImportError(
            f"{root} is not installed; install it with: pip install 'rmtland[{extra}]'"
        ) from None

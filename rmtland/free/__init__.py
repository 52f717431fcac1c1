"""Free probability: new laws out of laws.

What is public here is listed in `__init__.pyi`, and imported when it is first used.
"""

import lazy_loader

import rmtland.laws
from rmtland.deprecation import old_names

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
_find_old = old_names(
    __name__,
    {
        "DeconvolvedLaw": "rmtland.free:Deconvolution",
        "Image": "rmtland.laws.pushforward:Pushforward",
        "image": "rmtland.laws.pushforward:pushforward",
    },
)


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, or find one that is elsewhere now."""
    if name in {"Pushforward", "pushforward"}:  # public in rmtland.laws
        return getattr(rmtland.laws, name)
    return _find(name) if name in __all__ else _find_old(name)

"""Random-matrix theory for the loss surfaces of neural networks.

Laws, free operations, ensembles, models, networks and comparisons are imported when they are first
used; the names are listed in `__init__.pyi`, for type checkers and for this module alike. Rooms
such as `rmtland.audit` and `rmtland.plot` are attributes too. Until a name is asked for, importing
rmtland imports nothing at all.
"""

import sys

_OLD = {
    "DeconvolvedLaw": "rmtland.free",
    "SyntheticHessian": "rmtland.ensembles",
    "WishartReluBlock": "rmtland.ensembles",
    "WishartWigner": "rmtland.ensembles",
}
"""Names that go in the next version, and the room that says what they are called now."""


def _load_names() -> None:
    """Read the names of the stub: what finds them, all of them, and which are rooms."""
    import os

    import lazy_loader

    find, _, names = lazy_loader.attach_stub(__name__, __file__)
    here = {entry.name.removesuffix(".py") for entry in os.scandir(os.path.dirname(__file__))}
    rooms = here.intersection(names)
    globals().update(_find=find, _names=sorted(names), _rooms=rooms)
    globals()["__all__"] = sorted(set(names) - rooms)


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    values = globals()
    if name in {"_find", "_names", "_rooms", "__all__"}:
        _load_names()
        return values[name]
    if name == "__version__":
        from rmtland.version import installed_version

        values[name] = installed_version()
        return values[name]
    if not name.startswith("_"):
        import importlib

        if name in _OLD:
            return getattr(importlib.import_module(_OLD[name]), name)
        if "_find" not in values:
            _load_names()
        if name in values["_names"]:
            values[name] = values["_find"](name)
            return values[name]
        there = _name_in_a_room(name) or _synonym(name)
        if there:
            raise AttributeError(f"module 'rmtland' has no attribute {name!r}; there is {there}")
    raise AttributeError(
        f"module 'rmtland' has no attribute {name!r}", name=name, obj=sys.modules[__name__]
    )


def _synonym(name: str) -> str | None:
    """Return what is public here of what the field also calls so."""
    from rmtland.synonyms import PACKAGE, meant

    return meant(name, PACKAGE)


def _name_in_a_room(name: str) -> str | None:
    """Return where in a room a name is public, by a look into the files of all rooms, once."""
    values = globals()
    if "_names_in_rooms" not in values:
        from pathlib import Path

        here, found = Path(__file__).parent, {}
        for file in sorted(here.rglob("__init__.py*"), reverse=True):
            public = file.read_text("utf-8").partition("__all__ = [")[2].partition("]")[0]
            if file.parent != here:
                room = ".".join(("rmtland", *file.parent.relative_to(here).parts))
                found.update({each: f"{room}.{each}" for each in public.split('"')[1::2]})
        values["_names_in_rooms"] = found
    place: str | None = values["_names_in_rooms"].get(name)
    return place


def __dir__() -> list[str]:
    ordinary = {"__all__", "__doc__", "__file__", "__name__", "__path__", "__version__"}
    if "_names" not in globals():
        _load_names()
    return sorted({*globals()["_names"], *ordinary})

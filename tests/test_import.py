"""`import rmtland` is light, and public names come when they are used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import rmtland

HEAVY = ("numpy", "scipy", "numba", "matplotlib", "sklearn", "typer", "rich")


def modules_after(code):
    """Return which of the heavy packages and rooms are loaded by `code` in a fresh interpreter."""
    code += "; import sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_loads_nothing_heavy():
    loaded = modules_after("import rmtland")
    assert "rmtland" in loaded
    assert not loaded & set(HEAVY)
    assert {name for name in loaded if name.startswith("rmtland.")} == set()


def test_listing_the_names_loads_nothing_heavy():
    assert not modules_after("import rmtland; dir(rmtland); rmtland.__all__") & set(HEAVY)


def test_a_closed_form_loads_neither_numba_nor_matplotlib():
    loaded = modules_after(
        "import rmtland; rmtland.MarchenkoPastur(0.5).pdf(1.0); rmtland.WishartPlusWigner(0.5, 0.3)"
    )
    assert "numpy" in loaded
    assert not loaded & {"numba", "matplotlib", "sklearn", "typer"}


@pytest.mark.parametrize("name", rmtland.__all__)
def test_public_names_are_what_their_rooms_define(name):
    value = getattr(rmtland, name)
    assert value is getattr(importlib.import_module(rmtland._HOME[name]), name)
    assert value.__module__.startswith(rmtland._HOME[name])
    assert getattr(value, "__doc__", None)
    assert name in dir(rmtland)


def test_names_for_type_checkers_are_the_names_at_run_time():
    tree = ast.parse(Path(rmtland.__file__).read_text("utf-8"))
    guarded = next(
        node for node in tree.body
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    )  # fmt: skip
    names = {alias.asname: node.module for node in guarded.body for alias in node.names}
    assert names == rmtland._HOME


def test_the_laws_models_and_verbs_are_public():
    assert {
        "Law", "LevyTriplet", "MarchenkoPastur", "Semicircle", "free_sum", "HessianModel",
        "WishartPlusWigner", "WishartPlusReluBlock", "Spectrum", "MLP", "compare", "fit",
    } <= set(rmtland.__all__)  # fmt: skip
    assert rmtland.__all__ == sorted(rmtland.__all__)


def test_dir_holds_the_public_names_and_the_ordinary_ones():
    assert set(rmtland.__all__) | {"__doc__", "__all__"} <= set(dir(rmtland))
    assert dir(rmtland) == sorted(dir(rmtland))


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="module 'rmtland' has no attribute 'Wishart'"):
        rmtland.Wishart  # noqa: B018
    with pytest.raises(ImportError):
        from rmtland import Wishart  # noqa: F401
    assert not hasattr(rmtland, "nothing")


def test_a_room_is_still_importable_as_a_module():
    assert importlib.import_module("rmtland.laws").Law is rmtland.Law
    assert rmtland.Law is rmtland.Law

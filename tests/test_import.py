"""`import rmtland` is light, and public names come when they are used."""

import ast
import contextlib
import importlib
import os
import signal
import subprocess
import sys
from importlib.metadata import version
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


def listed():
    """Names in the stub, and the module that each comes from."""
    tree = ast.parse(Path(rmtland.__file__).with_suffix(".pyi").read_text("utf-8"))
    return {
        alias.name: f"rmtland.{node.module}" if node.module else "rmtland"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("name", rmtland.__all__)
def test_public_names_are_what_their_rooms_define(name):
    value = getattr(rmtland, name)
    home = listed()[name]
    assert value is getattr(importlib.import_module(home), name)
    assert value.__module__.startswith(home)
    assert getattr(value, "__doc__", None)
    assert name in dir(rmtland)


def test_the_stub_names_what_is_there_and_each_name_once():
    assert set(listed()) == set(rmtland.__all__) | rmtland._rooms
    text = Path(rmtland.__file__).with_suffix(".pyi").read_text("utf-8")
    aliases = [
        alias
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert len({alias.name for alias in aliases}) == len(aliases)
    assert all(alias.asname == alias.name for alias in aliases)  # else they are private


REACH = """
import os, sys
import matplotlib.figure, numpy, numba, scipy.linalg, scipy.optimize, scipy.special, scipy.stats
for room in sys.argv[1:]:
    if os.fork() == 0:  # a process that has imported nothing of the package
        import rmtland
        os._exit(getattr(rmtland, room).__name__ != f"rmtland.{room}")
    if os.wait()[1] != 0:
        print(room)
"""


def test_rooms_are_reachable_after_import_rmtland():
    rooms = sorted(rmtland._rooms)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", REACH, *rooms], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(rooms) > 10
    assert set(rooms) <= set(dir(rmtland))


def test_the_version():
    assert rmtland.__version__ == version("rmtland")
    assert "__version__" in dir(rmtland)


def test_a_star_imports_names_and_no_rooms():
    loaded = modules_after("from rmtland import *; assert Law and 'audit' not in globals()")
    assert not loaded & {"typer", "rich", "rmtland.audit", "scipy.stats"}


@pytest.mark.parametrize("name", ["WishartWigner", "WishartReluBlock", "SyntheticHessian"])
def test_old_names_work_with_a_warning(name):
    with pytest.warns(DeprecationWarning, match=f"{name} is now"):
        assert issubclass(getattr(rmtland, name), rmtland.HessianModel)
    assert name not in dir(rmtland)


@pytest.mark.parametrize(
    ("room", "name"),
    [
        ("rmtland", "WishartWigner"),
        ("rmtland.ensembles", "SyntheticHessian"),
        ("rmtland.free", "DeconvolvedLaw"),
        ("rmtland.laws.pushforward", "image"),
        ("rmtland.sweep", "Status"),
    ],
)
def test_the_warning_of_an_old_name_is_of_the_line_that_uses_it(room, name):
    """Python shows nothing of a warning in a module: those of rmtland.free had been in its own."""
    module = importlib.import_module(room)
    with pytest.warns(DeprecationWarning, match=f"{name} is now") as caught:
        getattr(module, name)
    assert [one.filename for one in caught] == [__file__]
    with pytest.warns(DeprecationWarning, match="now called 'scale'") as caught:
        rmtland.MarchenkoPastur(0.5, variance=2.0)
    assert [one.filename for one in caught] == [__file__]


def test_a_name_that_is_in_a_room_is_said_to_be_there():
    with pytest.raises(AttributeError, match=r"there is rmtland\.networks\.LossPoint$"):
        rmtland.LossPoint  # noqa: B018
    with pytest.raises(AttributeError, match=r"there is rmtland\.landscape\.sharpness\.curvature$"):
        rmtland.curvature  # noqa: B018
    for old_or_no_name in ("Status", "Image", "slice"):  # of a command, the last
        with pytest.raises(AttributeError, match=rf"no attribute '{old_or_no_name}'$"):
            getattr(rmtland, old_or_no_name)
    with pytest.raises(AttributeError, match=r"no attribute 'Semicirle'$") as caught:
        rmtland.Semicirle  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("Semicirle", rmtland)  # Python then suggests


def test_python_m_rmtland():
    done = subprocess.run(
        [sys.executable, "-m", "rmtland", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"rmtland {version('rmtland')}\n"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    "command",
    [
        ["spectrum", "wishart-wigner", "--phi", ".5", "--epsilon", ".3"],
        pytest.param(["overlay"], marks=pytest.mark.slow),
    ],
    ids=lambda c: c[0],
)
def test_ctrl_c_at_any_moment_of_the_start(tmp_path, command):
    """From the program's first line on: one line, no traceback, nothing written."""
    # Tests that run in the background of a shell inherit that interrupts are ignored
    code = (
        "import sys, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from rmtland.__main__ import main; print(1, flush=True); main()"
    )
    answers = []
    for delay in (0.01, 0.03, 0.05, 0.08, 0.12, 0.15, 0.25, 0.4, 0.8, 1.2):
        with subprocess.Popen(
            [sys.executable, "-c", code, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        ) as process:
            process.stdout.readline()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay)  # no longer than it takes
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        if process.returncode == 0:
            continue  # it was done before
        answers.append((process.returncode, err.removeprefix("\n")))
    assert answers
    line = "rmtland: error: interrupted; no file was left half written\n"
    assert all(code == 130 and err.endswith(line) for code, err in answers), answers
    assert all("Traceback" not in err for _, err in answers)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_job_that_ignores_interrupts_ignores_them_from_its_start():
    code = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
class Interrupt:
    def find_spec(name, path, target=None):
        if name == "rmtland.cli.app":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt)
from rmtland.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"rmtland {version('rmtland')}\n"


def test_the_laws_models_and_verbs_are_public():
    assert {
        "Law",
        "LevyTriplet",
        "MarchenkoPastur",
        "Semicircle",
        "free_sum",
        "HessianModel",
        "WishartPlusWigner",
        "WishartPlusReluBlock",
        "Spectrum",
        "MLP",
        "compare",
        "fit",
    } <= set(rmtland.__all__)
    assert rmtland.__all__ == sorted(rmtland.__all__)


def test_dir_holds_the_public_names_and_nothing_else():
    """`Any`, `annotations` and `importlib` were there once."""
    others = {name for name in dir(rmtland) if not name.startswith("__")}
    assert others == set(rmtland.__all__) | rmtland._rooms
    assert {"__doc__", "__all__"} <= set(dir(rmtland))
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

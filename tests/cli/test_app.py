"""The command `rmtland` itself: help, version, and one clear line for every error."""

import contextlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from rmtland import networks
from rmtland.cli import output
from rmtland.cli.app import app

SPECTRUM = ("spectrum", "wishart-wigner", "--phi", ".5", "--epsilon", ".3")
TINY = (
    "overlay",
    "--data",
    "gaussian",
    "--width",
    "4",
    "--samples",
    "12",
    "--energy",
    "0",
    "--max-steps",
    "3",
    "--no-dyson",
)
PROGRAM = Path(sys.executable).parent / "rmtland"


def test_help(rmtland):
    for arguments in (("--help",), ("-h",), ()):
        result = rmtland(*arguments)
        assert (result.code, result.err) == (0, "")
        for word in ("overlay", "spectrum", "sample", "sweep", "--version", "loss surfaces of"):
            assert word in result.out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "overlay",
            [
                "--data",
                "--width",
                "--samples",
                "--activation",
                "--energy",
                "--seed",
                "--model",
                "--max-steps",
                "--out",
                "digits",
                "gaussian",
                "relu",
                "wishart-relu",
            ],
        ),
        (
            "spectrum",
            [
                "--phi",
                "--epsilon",
                "--sigma",
                "--points",
                "--plot",
                "--csv",
                "--out",
                "wishart-wigner",
            ],
        ),
        (
            "sample",
            [
                "--phi",
                "--epsilon",
                "--sigma",
                "--n",
                "--runs",
                "--seed",
                "--lanczos",
                "--plot",
                "--save",
                "--out",
                "wishart-relu",
            ],
        ),
        ("sweep", ["index", "status", "export", "in a store"]),
    ],
)
def test_help_of_a_command(rmtland, command, words):
    result = rmtland(command, "--help")
    assert (result.code, result.err) == (0, "")
    for word in words:
        assert word in result.out


COMMANDS = [
    "advise",
    "overlay",
    "measure",
    "weights",
    "spectrum",
    "sample",
    "shrink",
    "audit",
    "reproduce",
    "report",
    "explore",
    "statements",
    "sweep index",
    "sweep status",
    "sweep export",
    "critical-points find",
    "critical-points model",
    "critical-points verify",
    "landscape sharpness",
    "landscape slice",
    "landscape connect",
    "landscape levels",
    "landscape linearize",
    "landscape manifold",
    "landscape noise",
    "landscape pac-bayes",
    "landscape depth",
]


def test_the_list_of_commands_is_whole():
    assert {one.name for one in app.registered_commands} == {
        name for name in COMMANDS if " " not in name
    }
    groups = {
        f"{group.typer_instance.info.name} {one.name}"
        for group in app.registered_groups
        for one in group.typer_instance.registered_commands
    }
    assert groups == {name for name in COMMANDS if " " in name}


@pytest.mark.parametrize("group", ["sweep", "critical-points", "landscape"])
def test_a_list_of_commands_cuts_no_sentence_short(rmtland, group):
    _, listed = rmtland(group).out.split("Commands:")
    assert "..." not in listed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_speaks_to_machines_and_draws_in_every_format(rmtland, command):
    text = rmtland(*command.split(), "--help").out
    assert "--json" in text
    draws_nothing = {"explore", "report", "sweep status", "sweep export", "critical-points verify"}
    assert ("--format" in text) == (command not in draws_nothing)


def test_version(rmtland):
    result = rmtland("--version")
    assert (result.code, result.out) == (0, f"rmtland {version('rmtland')}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # unknown names
        (("spectrum", "foo", "--phi", "1", "--epsilon", "1"), "unknown model 'foo'.*wishart-relu"),
        ((*TINY, "--model", "foo"), "unknown model 'foo'"),
        ((*TINY, "--data", "mnist"), "unknown data 'mnist'.*digits"),
        ((*TINY, "--activation", "swoosh"), "unknown activation 'swoosh'.*tanh"),
        # parameters of the model
        ((*SPECTRUM, "--phi", "-1"), "phi must be a positive finite number; got -1"),
        ((*SPECTRUM, "--phi", "0"), "phi must be"),
        ((*SPECTRUM, "--phi", "nan"), "phi must be a positive finite number; got nan"),
        ((*SPECTRUM, "--phi", "inf"), "phi must be"),
        ((*SPECTRUM, "--epsilon", "-0.1"), "epsilon must be zero or a positive"),
        ((*SPECTRUM, "--epsilon", "nan"), "epsilon must be"),
        ((*SPECTRUM, "--sigma", "0"), "sigma must be"),
        ((*SPECTRUM, "--points", "1", "--csv"), "points must be an integer of at least 2"),
        # sizes of the network and the data
        ((*TINY, "--width", "0"), "error: width must be an integer of at least 1; got 0"),
        (("overlay", "--width", "0"), "error: width must be .* at least 1; got 0"),
        ((*TINY, "--width", "-3"), "error: width must be .* at least 1; got -3"),
        ((*TINY, "--samples", "0"), "samples must be an integer of at least 1; got 0"),
        (("overlay", "--samples", "0"), "samples must be"),
        (("overlay", "--samples", "1798"), "there are 1797 digits; got samples=1798"),
        (("overlay", "--width", "2000"), "52000 parameters.*at most 8000: lower --width"),
        ((*TINY, "--energy", "-1"), "energy must be zero or a positive"),
        ((*TINY, "--energy", "nan"), "energy must be"),
        ((*TINY, "--seed", "-1"), "seed must be an integer of at least 0; got -1"),
        (("overlay", "--eigenvalues", "f", "--seed", "-1"), "seed must be .* at least 0; got -1"),
        (("measure", "own:f", "--seed", "-1"), "seed must be an integer of at least 0; got -1"),
        ((*TINY, "--max-steps", "-1"), "max_steps must be an integer of at least 0"),
        (
            ("sample", *SPECTRUM[1:], "--n", "1e30"),
            "GiB are free: take a smaller --n, or --lanczos",
        ),
        # what the parser finds
        ((*SPECTRUM, "--phi", "abc"), "--phi.*valid"),
        ((*TINY, "--width", "3.5"), "--width.*valid"),
        (("spectrum", "wishart-wigner", "--epsilon", "1"), "Missing option '--phi'"),
        (("spectrum", "wishart-wigner", "--phi", "1"), "Missing option '--epsilon'"),
        (("spectrum",), "Missing argument"),
        ((*SPECTRUM, "--colour", "red"), "option:? '?--colour.*see 'rmtland spectrum --help'"),
        (("--colour",), "No such option:? '?--colour"),
        (("paint",), "No such command 'paint'.*see 'rmtland --help'"),
        (("sweep", "paint"), "No such command 'paint'.*see 'rmtland sweep --help'"),
        (("landscape", "slice", "--plane"), "see 'rmtland landscape slice --help'"),
        ((*SPECTRUM, "more"), "unexpected extra argument"),
        ((*SPECTRUM, "--phi"), "--phi.*requires an argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_error_is_one_line(rmtland, arguments, message):
    result = rmtland(*arguments)
    assert result.code == 2
    assert result.err.endswith("\n")
    (line,) = result.err.splitlines()
    assert line.startswith("rmtland: error: ")
    assert re.search(message, line)
    assert "Traceback" not in result.out + result.err
    assert list(result.folder.iterdir()) == []


@pytest.mark.parametrize("command", [TINY, (*SPECTRUM, "--csv")], ids=["overlay", "spectrum"])
@pytest.mark.parametrize("out", ["note", "note/below/it"])
def test_out_is_a_file(rmtland, tmp_path, command, out):
    note = tmp_path / "here" / "note"
    note.write_text("keep me")
    result = rmtland(*command, "--out", out)
    assert result.code == 2
    assert result.err == "rmtland: error: note is a file; give a folder\n"
    assert result.written == ["note"]
    assert note.read_text() == "keep me"


def test_too_few_eigenvalues_to_fit(rmtland):
    result = rmtland("overlay", "--data", "gaussian", "--width", "1", "--samples", "3")
    assert result.code == 2
    last = result.err.splitlines()[-1]
    assert last.startswith("rmtland: error: the spectrum has 2 distinct eigenvalues")
    assert result.err.count("rmtland: error") == 1
    assert result.written == []


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ArithmeticError("no\n  convergence"), "no convergence"),
        (MemoryError(), "MemoryError"),
        (PermissionError(13, "Permission denied", "o"), "[Errno 13] Permission denied: 'o'"),
        (ImportError("pip install scikit-learn"), "pip install scikit-learn"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_errors_are_one_line_too(rmtland, monkeypatch, error, line):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(networks, "gaussian", fail)
    result = rmtland(*TINY)
    assert (result.code, result.err) == (2, f"rmtland: error: {line}\n")
    assert result.written == []


def test_a_defect_of_ours_is_not_dressed_up_as_bad_input(rmtland, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("a defect")

    monkeypatch.setattr(networks, "gaussian", fail)
    with pytest.raises(RuntimeError, match="a defect"):
        rmtland(*TINY)


# Interrupts and failures in the middle -------------------------------------------------------


def test_ctrl_c(rmtland, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(networks, "gaussian", interrupted)
    result = rmtland(*TINY)
    assert result.code == 130
    assert result.err == "rmtland: error: interrupted; no file was left half written\n"
    assert result.written == []


def test_ctrl_c_while_training(rmtland, monkeypatch):
    """`train` itself returns where it is interrupted; the command must not go on."""
    train = networks.train

    def interrupt(step, point):
        if step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(networks, "train", lambda *a, **k: train(*a, **k, callback=interrupt))
    result = rmtland(*TINY)
    assert result.code == 130
    assert result.err.splitlines()[-1].startswith("rmtland: error: interrupted")
    assert (result.out, result.written) == ("", [])


@pytest.mark.parametrize(
    ("command", "error", "code"),
    [
        pytest.param(TINY, KeyboardInterrupt(), 130, id="overlay, interrupted"),
        pytest.param((*SPECTRUM, "--plot"), KeyboardInterrupt(), 130, id="spectrum, interrupted"),
        pytest.param((*SPECTRUM, "--plot"), OSError("full"), 2, id="spectrum, no space"),
    ],
)
def test_no_file_is_left_half_written(rmtland, monkeypatch, command, error, code):
    from matplotlib.figure import Figure

    def half(self, stream, **options):
        stream.write(b"half a picture")
        raise error

    monkeypatch.setattr(Figure, "savefig", half)
    result = rmtland(*command, "--out", "o")
    assert result.code == code
    assert result.written == []


def test_replaced_keeps_the_old_file_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "a").write_text("old")
    with contextlib.suppress(ZeroDivisionError), output.replaced(tmp_path, "a") as (stream, path):
        stream.write(b"new")
        assert path.read_text() == "old"
        raise ZeroDivisionError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
    with output.replaced(tmp_path, "a") as (stream, path):
        stream.write(b"new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "new")]


# The program ---------------------------------------------------------------------------------


def program(*arguments, cwd=None):
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, timeout=120, cwd=cwd
    )


def test_the_program_is_installed():
    done = program("--version")
    assert (done.returncode, done.stdout) == (0, f"rmtland {version('rmtland')}\n")
    done = program("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "overlay" in done.stdout


def test_the_program_prints_and_fails_as_its_functions_do(tmp_path):
    done = program(*SPECTRUM, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.205280313061948" in done.stdout
    done = program(*SPECTRUM, "--phi", "-1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rmtland: error: phi must be a positive finite number; got -1.0\n"
    assert list(tmp_path.iterdir()) == []


HEAVY = """
heavy = {"numba", "matplotlib", "scipy", "sklearn"} & set(sys.modules)
print("loaded:", sorted(heavy))
"""


@pytest.mark.parametrize(
    "code",
    [
        "import sys, rmtland",
        """
import sys
from rmtland.cli.app import main
sys.argv = ["rmtland", "--help"]
try:
    main()
except SystemExit:
    pass
""",
    ],
    ids=["import rmtland", "rmtland --help"],
)
def test_what_is_slow_to_load_is_loaded_when_used(code):
    done = subprocess.run(
        [sys.executable, "-c", code + HEAVY], capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "loaded: []"

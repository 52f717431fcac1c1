"""Ctrl-C while a library calls back from compiled code."""

import ctypes
import os
import subprocess
import sys

import pytest

from rmtland.cli.interrupts import no_interrupt_lost

INTERRUPTED = """
import ctypes, signal, sys, time
from rmtland.cli import app

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
callback = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))

@app.app.command("compile")
def compile_kernels() -> None:
    for _ in range({times}):
        callback()
    {after}
    print("done", flush=True)

sys.argv = ["rmtland", "compile"]
app.main()
"""


@pytest.mark.parametrize(
    ("times", "after"),
    [
        (1, "time.sleep(30)"),
        (50, "pass"),
        # compiled from text, as dataclasses are: Python would end itself by the signal
        (0, "exec('signal.raise_signal(signal.SIGINT); time.sleep(30)')"),
    ],
)
def test_an_interrupt_inside_a_callback_ends_the_command(tmp_path, times, after):
    """It was printed as ignored, and the command ran to its end with exit code 0."""
    code = INTERRUPTED.format(times=times, after=after)
    (tmp_path / "interrupted.py").write_text(code)
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 130
    assert done.stderr == "rmtland: error: interrupted; no file was left half written\n"


def test_other_exceptions_inside_callbacks_are_told_as_before(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(unraisable.exc_type))
    hook = sys.unraisablehook
    with no_interrupt_lost():
        ctypes.CFUNCTYPE(None)(lambda: 1 / 0)()
    assert seen == [ZeroDivisionError]
    assert sys.unraisablehook is hook

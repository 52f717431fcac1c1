"""The README's commands and code run as printed."""

import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rmtland.cli.app import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.+?)```", README, re.DOTALL))
COMMANDS = re.findall(r"^(?:pip install \. && )?(rmtland .+)$", SHELL, re.MULTILINE)
BLOCKS = re.findall(r"```python\n(.+?)```", README, re.DOTALL)


def test_commands_to_install():
    names = runpy.run_path(str(ROOT / "scripts/readme_command.py"))
    assert names["command"]("run") == "pip install . && rmtland overlay"
    assert "pytest -n auto" in names["command"]("test")


def test_the_readme_is_a_door():
    assert len(README.splitlines()) <= 110


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert capsys.readouterr().out


def test_there_are_commands_and_code():
    assert "rmtland overlay" in COMMANDS
    assert len(BLOCKS) >= 3


@pytest.mark.parametrize("code", BLOCKS)
def test_code_prints_what_its_comments_say(code):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(code, "README.md", "exec"), {})
    promised = re.findall(r"print\(.*\)  # (.+)", code)
    assert promised
    assert stream.getvalue().splitlines() == promised


@pytest.mark.slow
def test_code_is_clean_under_pyright(tmp_path):
    """What an editor would underline in a user's file."""
    pytest.importorskip("pyright", reason="pyright comes with the extra dev")
    for number, code in enumerate(BLOCKS):
        (tmp_path / f"block_{number}.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 errors, 0 warnings" in done.stdout


def test_pictures_exist():
    for name in re.findall(r"!\[.*?\]\((\S+)\)", README):
        assert (ROOT / name).stat().st_size <= 150_000

"""The README's commands and code run as printed."""

import contextlib
import io
import json
import re
import runpy
import shlex
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


def test_the_headline_command_says_what_the_readme_does(monkeypatch, tmp_path, capsys):
    """The only command, as printed, and every number that the README tells of it."""
    assert COMMANDS == ["rmtland overlay"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", shlex.split(COMMANDS[0]))
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert capsys.readouterr().out
    report = json.loads((tmp_path / "rmtland-output" / "overlay.json").read_text("utf-8"))
    laws = report["laws"]
    conditioned = laws["residuals conditioned on gradient"]
    said = [*(law["kolmogorov"] for law in laws.values()), conditioned["chance"]]
    paragraph = README[README.index("That command trained") :].split("\n\n")[0]
    assert re.findall(r"(?<!\d)\.\d{3}", paragraph) == [
        f".{round(1000 * value):03d}" for value in (*said, conditioned["gauss_newton_alone"])
    ]
    for number in (
        "-".join(map(str, report["network"]["widths"])),
        report["settings"]["samples"],
        f"energy {report['settings']['energy']:g}",
        report["network"]["parameters"],
        conditioned["measured_numbers"],
        conditioned["residuals"],
    ):
        assert str(number) in paragraph
    worst = laws["Wishart + Wigner, as printed"]["kolmogorov"]
    assert conditioned["kolmogorov"] < 1.5 * conditioned["chance"] + 0.01 < worst / 20


def test_there_is_code():
    assert len(BLOCKS) >= 3


@pytest.mark.parametrize("code", BLOCKS)
def test_code_prints_what_its_comments_say(code):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(code, "README.md", "exec"), {})
    promised = re.findall(r"print\(.*\)  # (.+)", code)
    assert promised
    assert stream.getvalue().splitlines() == promised


def test_pictures_exist():
    for name in re.findall(r"!\[.*?\]\((\S+)\)", README):
        assert (ROOT / name).stat().st_size <= 150_000

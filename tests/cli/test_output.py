"""Tables, figures, JSON and files of the commands."""

import io
import json
import math
import os
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rmtland.cli.app import main
from rmtland.cli.options import FORMATS
from rmtland.cli.output import Output, write_figure, write_json


def figure():
    made = Figure(figsize=(2, 2))
    made.subplots().plot([0, 1], [0, 1])
    return made


def test_a_report_has_a_title_entries_and_the_seed(tmp_path, capsys):
    output = Output(tmp_path, html=tmp_path / "r.html")
    output.title("What it is about")
    output.entries(("quantity", "value"), [("distance", "0.1")])
    output.answer("What comes of it, told at length")
    output.numbers({"seed": 3})
    assert capsys.readouterr().out.startswith("  distance: 0.1\nWhat comes of it")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "<h1>What it is about</h1>" in page
    assert page.index('stressed">What comes of it') < page.index("<td>distance</td>")
    assert "<dt>seed</dt><dd>3</dd>" in page


BEGINNINGS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.mark.parametrize("format", FORMATS)
def test_figures_in_every_format(tmp_path, format):
    path = write_figure(figure(), tmp_path / "o", "a", format=format, dpi=50)
    assert path == tmp_path / "o" / f"a.{format}"
    before = path.read_bytes()
    assert before.startswith(BEGINNINGS[format])
    write_figure(figure(), tmp_path / "o", "a", format=format, dpi=50)
    assert path.read_bytes() == before
    if format == "png":
        with Image.open(path) as image:
            assert image.size == (100, 100)


def test_an_unknown_format_is_refused_before_the_work(tmp_path):
    with pytest.raises(ValueError, match="unknown format 'gif'; choose one of png, pdf, svg"):
        Output(tmp_path, format="gif")


@pytest.mark.parametrize("target", ["folder", "note/a.json"])
def test_a_place_for_json_that_cannot_be_written(tmp_path, target):
    (tmp_path / "folder").mkdir()
    (tmp_path / "note").touch()
    with pytest.raises(OSError, match=r"is a folder|is a file"):
        Output(tmp_path, json=str(tmp_path / target))


VALUES = {
    "array": np.array([1.0, math.nan]),
    "numbers": (np.float64(0.1), np.int64(3), math.inf, True, None),
    "nested": {"law": {"mean": 1.0}},
}
PLAIN = {
    "array": [1.0, None],
    "numbers": [0.1, 3, None, True, None],
    "nested": {"law": {"mean": 1.0}},
}


def test_json_in_a_file_and_on_standard_output(tmp_path, capsys):
    write_json(VALUES, str(tmp_path / "o" / "a.json"))
    assert json.loads((tmp_path / "o" / "a.json").read_text()) == PLAIN
    write_json(VALUES, "-")
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (PLAIN, "")


def test_beside_json_nothing_else_is_on_standard_output(tmp_path, capsys):
    from rich.table import Table

    table = Table("a")
    table.add_row("1")
    for target in (None, "-"):
        output = Output(tmp_path, json=target)
        output.line("for people")
        output.table(table)
        output.figure(figure(), "a")
        output.numbers({"x": 1})
        out, err = capsys.readouterr()
        if target is None:
            assert ("for people" in out, "wrote" in out, err) == (True, True, "")
        else:
            found = json.loads(out)
            assert found.pop("written_by")["program"].startswith("rmtland ")
            assert found == {"x": 1}
            assert err.startswith("wrote ")
            assert "for people" not in err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp037", "utf-16-le"])
def test_nothing_is_lost_to_the_encoding_of_a_terminal(tmp_path, monkeypatch, encoding):
    """A terminal without Greek letters ended the command; a name of no encoding is told too."""
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"caf\xe9\xff.json")
    words = ["statements", "--text", "power of the energy", "--json", name]
    monkeypatch.setattr(sys, "argv", ["rmtland", *words])
    monkeypatch.setenv("COLUMNS", "300")
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    stream.flush()
    printed = stream.buffer.getvalue()
    epsilon = "ε".encode(encoding, "backslashreplace")
    assert epsilon in printed
    assert json.loads((tmp_path / name).read_text("utf-8"))


def test_json_on_a_standard_output_that_is_closed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rmtland", "statements", "--json", "-"])
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "standard output is closed: name a file after --json" in capsys.readouterr().err


def test_an_error_where_standard_error_is_closed(monkeypatch, capsys):
    """Its line is not among the results, and the exit code tells."""
    monkeypatch.setattr(sys, "argv", ["rmtland", "spectrum", "Unknown()"])
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().out == ""

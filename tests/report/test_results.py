"""Sections of a report from files: JSON of any shape, spectra, arrays, pictures, damaged files."""

import json

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from matplotlib.figure import Figure
from PIL import Image

from rmtland.cli.output import write_figure
from rmtland.report import (
    Heading,
    Picture,
    Report,
    Table,
    Text,
    page,
    picture_file,
    picture_of,
    read_results,
    sections_of,
)
from rmtland.report.pictures import words_of
from rmtland.spectrum import Spectrum


def kinds(sections):
    return [type(section).__name__ for section in sections]


@pytest.fixture
def folder(tmp_path):
    """A folder as a command leaves it, with files that are no results."""
    laws = {"A": {"mean": 1.0, "edges": [0, 2]}, "B": {"mean": 2, "note": None}}
    values = {
        "settings": {"seed": 3, "data": "digits"},
        "index": 0.25,
        "losses": [1.0, 2.0, 3.0] * 4,
        "verdict": "It fails.",
        "left_out": {},
        "laws": laws,
    }
    signed = {**values, "written_by": {"program": "rmtland 0.1.0", "command": "rmtland overlay"}}
    (tmp_path / "overlay.json").write_text(json.dumps(signed))
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1])
    figure.savefig(tmp_path / "overlay.png")
    Spectrum([-1.0, 0.5, 2.0], provenance={"seed": 3}).save(tmp_path / "overlay-spectrum.npz")
    np.savez(tmp_path / "slice.npz", x=np.zeros((3, 4)), y=np.float32(1.0))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "below").mkdir()
    return tmp_path


def test_a_folder_becomes_a_report(folder):
    sections, left_out = read_results([folder])
    headings = [one.words for one in sections if isinstance(one, Heading)]
    files = [words for words in headings if words.endswith((".json", ".npz"))]
    assert files == ["overlay.json", "overlay-spectrum.npz", "slice.npz"]
    assert set(left_out) == {"notes.txt", "broken.json"}
    assert "is not a file of JSON" in left_out["broken.json"]
    assert Text("It fails.", stressed=True) in sections
    tables = {one.caption: one for one in sections if isinstance(one, Table)}
    assert tables["laws"] == Table(
        ("", "A", "B"), (("mean", "1", "2"), ("edges", "0, 2", ""), ("note", "", "-")), "laws"
    )
    rows = [row for one in sections if isinstance(one, Table) for row in one.rows]
    for row in (
        ("seed", "3"),
        ("index", "0.25"),
        ("losses", "12 numbers from 1 to 3"),
        ("command", "rmtland overlay"),
        ("left_out", "-"),
        ("eigenvalues", "3"),
        ("index (fraction negative)", "0.333333"),
        ("x", "3 x 4", "float64"),
        ("y", "one value", "float32"),
    ):
        assert row in rows
    pictures = [one for one in sections if isinstance(one, Picture)]
    assert [one.name for one in pictures] == ["overlay.png", "overlay-spectrum.npz"]


def test_the_picture_beside_a_file_comes_with_it(folder):
    sections, left_out = read_results([folder / "overlay.json"])
    assert left_out == {}
    assert [one.name for one in sections if isinstance(one, Picture)] == ["overlay.png"]
    again, _ = read_results([folder / "overlay.json", folder / "overlay.png"])
    assert kinds(again) == kinds(sections)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "a.json is not a file of JSON"),
        ("a.json", b"[" * 100_000, "a.json is not a file of JSON"),
        ("a.json", b"\xff\xfe", "a.json is not a file of JSON"),
        ("a.json", b'{"a": {"b": 1, "c": 2, "b": 3}}', "a.json is .* it names 'b' twice"),
        ("a.npz", b"PK", "a.npz is not an .npz file of arrays"),
        ("a.png", b"\x89PNG\r\n", "a.png is not a picture in PNG"),
        ("a.svg", b"<html>", "a.svg is not a picture in SVG"),
        ("a.svg", b"not <svg really", "a.svg is not a picture in SVG"),
        ("a.svg", b"<html><svg/></html>", "a.svg is not a picture in SVG"),
        ("a.svg", b"<svg><g></svg>", "a.svg is not a picture in SVG"),
        ("a.svg", b'<!DOCTYPE svg [<!ENTITY a "b">]><svg/>', "a.svg is not a picture in SVG"),
        ("a.txt", b"", r"a.txt is none of .json, .npz, .png, .svg"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_results([tmp_path / name])
    with pytest.raises(ValueError, match="there is nothing to report"):
        read_results([tmp_path])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1]", "a list of 1 values without names"),
        ("[]", "an empty list"),
        ("{}", "an empty object"),
        ("3", "one value"),
        ("null", "one value"),
        ('[{"a": 1}, 2]', "a list of 2 values"),
        ("[{}]", "a list of 1 values"),
    ],
)
def test_values_without_names_are_no_result(content, words, tmp_path):
    (tmp_path / "list.json").write_text(content)
    with pytest.raises(ValueError, match=f"list.json holds {words}.*no command writes"):
        read_results([tmp_path / "list.json"])
    (tmp_path / "list.json").write_text('[{"a": 1}, {"a": 2}]')
    assert read_results([tmp_path / "list.json"])[0][1].rows


def test_pickles_are_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    sections, _ = read_results([tmp_path / "a.npz"])
    assert sections[1].rows == (("a", "1", "object"),)


def test_small_files_that_claim_much_are_not_read(tmp_path, monkeypatch):
    Image.new("1", (8000, 8000)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 20_000
    with pytest.raises(ValueError, match="it has more than 40000000 pixels"):
        read_results([tmp_path / "a.png"])
    Spectrum(np.zeros(100_000)).save(tmp_path / "b.npz")
    monkeypatch.setattr("rmtland.report.results.LARGEST_SPECTRUM", 100_000)
    sections, _ = read_results([tmp_path / "b.npz"])
    assert kinds(sections) == ["Heading", "Table"]


def test_many_columns_are_bounded_and_counted():
    many = [{f"{i} {j}": j for j in range(60)} for i in range(50)]
    (table,) = sections_of(many, "runs")
    assert table.caption == "runs: the first 100 of 3000 columns"
    assert len(table.heads) == 100
    (table,) = sections_of({"runs": {"a": many[0] | many[1] | many[2]}}, "all")
    assert len(table.rows) == 180  # rows have their own bound, on the page


@pytest.mark.parametrize("name", ["verdict", "sentence"])
@pytest.mark.parametrize("value", [3, None, ["x", "y"], {"x": 1.0}])
def test_an_answer_that_is_no_text_is_shown(name, value):
    shown = repr(sections_of({name: value, "index": 1}, "a"))
    assert shown == repr(sections_of({"other": value, "index": 1}, "a")).replace("other", name)


def test_a_file_of_another_system_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}', "utf-8-sig")
    assert read_results([tmp_path / "a.json"])[0][1].rows == (("a", "1"),)


def test_what_is_left_out_is_named_without_its_folder(folder):
    (folder / "lost.json").symlink_to(folder / "nowhere")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    _, left_out = read_results([folder])
    assert {"lost.json", "loop.json"} <= set(left_out)
    assert str(folder) not in str(left_out)


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there"):
        read_results([tmp_path / "a.json"])


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (3, "a: 3"),
        ([], "a: -"),
        ("x", "a: x"),
        (True, "a: yes"),
        ([[1, 2], [3, None]] * 5, "a: 10 x 2 numbers from 1 to 3"),
        ([[1, 2], [3]], "a: [1, 2], [3]"),
        ([[[1], []], []], "a: [[1], [-]], [-]"),
        ([[1], "b"] * 9, "a: 18 entries"),
        ([float("nan")] * 9, "a: 9 entries"),
        ([10**400] * 9, "a: 9 entries"),
        ([10**400, 1, -(10**400)] * 3, "a: 9 numbers from 1 to 1"),
    ],
)
def test_a_single_value_is_a_line(values, shown):
    assert sections_of(values, "a") == [Text(shown)]


def test_equal_entries_are_rows_and_entries_with_parts_are_headed():
    flat = [{"x": 1, "p": {"a": 1.5, "b": 2}}, {"x": 2, "y": [1, 2]}]
    (table,) = sections_of(flat, "runs")
    assert table == Table(("x", "p", "y"), (("1", "a 1.5; b 2", ""), ("2", "", "1, 2")), "runs")
    deep = sections_of([{"x": 1, "levels": flat}] * 2, "stages")
    assert kinds(deep) == ["Heading", "Table", "Table"] * 2
    assert [one.words for one in deep if isinstance(one, Heading)] == ["stages 1", "stages 2"]


def test_values_without_end_are_bounded():
    deep = []
    for _ in range(20_000):
        deep = {"a": {"b": deep}}
    assert "too deep" in sections_of(deep, "a")[0].words
    wide = [{"a": {"b": {"c": {"d": 1}}}}] * 5000
    found = sections_of(wide, "a")
    assert len(found) == 301
    assert "more sections are in the file" in found[-1].words


NAMES = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=30,
)


@examples(20)
@given(VALUES, NAMES)
def test_any_values_become_a_page(values, name):
    sections = sections_of(values, name)
    assert sections
    made = page(Report(name, tuple(sections)))
    assert made.endswith("</html>")
    assert made.count("<script") == 1
    for one in sections:
        if isinstance(one, Table):
            assert {len(row) for row in one.rows} <= {len(one.heads)}


def test_a_figure_says_what_it_shows():
    figure = Figure()
    left, right, _ = figure.subplots(1, 3)
    left.plot([0, 1], label="law\nfitted")
    left.set(xlabel=r"radius $\rho$", ylabel=r"loss $\pm$ error")
    right.set_title("Index")
    figure.axes[2].set_axis_off()
    figure.suptitle("A network\nof digits")
    words = "A network of digits. Panel 1, loss ± error against radius rho; shown: law fitted. "
    assert words_of(figure) == words + "Panel 2, Index."
    assert words_of(Figure()) == "A figure."


@pytest.mark.parametrize("format", ["png", "svg"])
def test_a_file_of_a_command_says_what_it_shows(tmp_path, format):
    figure = Figure(figsize=(2, 2))
    figure.subplots().set(xlabel="x < 1 & y", ylabel="density")
    path = write_figure(figure, tmp_path, "a", format=format, dpi=50)
    assert picture_file(path).words == "density against x < 1 & y."
    figure.savefig(path)  # without words
    assert picture_file(path).words == f"The picture a.{format}"


def test_a_figure_is_a_drawing_and_pixels_in_two_sizes():
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1])
    kind, *others = [version[0] for version in picture_of(figure).versions]
    assert (kind, others) == ("image/svg+xml", ["image/png", "image/png"])
    sizes = [len(version[1]) for version in picture_of(figure).versions]
    assert sizes[1] > sizes[2]
    crowded = figure.axes[0]
    crowded.scatter(*np.random.default_rng(0).random((2, 20_000)))
    assert [version[0] for version in picture_of(figure).versions] == ["image/png", "image/png"]

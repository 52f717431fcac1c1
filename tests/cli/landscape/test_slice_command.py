"""`rmtland landscape slice`: each plane, what is written, bad input refused before training."""

import json

import numpy as np
import pytest

SMALL = ("landscape", "slice", "--hidden", 3, "--samples", 30, "--train-steps", 40, "--points", 7)


@pytest.mark.parametrize("plane", ["random", "eigenvectors", "largest", "trajectory"])
def test_a_plane_is_drawn_and_written(rmtland, plane):
    page = ("--html", "s.html") if plane == "random" else ()
    result = rmtland(*SMALL, "--plane", plane, "--json", "s.json", *page, "--out", ".")
    assert (result.code, result.err) == (0, "")
    assert result.written == [*page[1:], "s.json", "slice.npz", "slice.png"]
    if page:
        assert "rmtland landscape slice</p>" in result.page("s.html")
    report = json.loads((result.folder / "s.json").read_text())
    with np.load(result.folder / "slice.npz") as arrays:
        assert np.array_equal(arrays["losses"], report["losses"])
        assert arrays["losses"].shape == (7, 7)
        assert arrays["directions"].shape == (2, 78)
    if plane == "trajectory":
        assert 0.0 < sum(report["shares_of_variance"]) <= 1.0 + 1e-12
        assert "% of the variance" in result.out
    else:
        assert report["losses"][3][3] == pytest.approx(min(map(min, report["losses"])), rel=0.2)


@pytest.mark.parametrize("plane", ["line", "line-largest"])
def test_a_line_is_drawn_and_written(rmtland, plane):
    result = rmtland(*SMALL, "--plane", plane, "--json", "s.json", "--out", ".")
    assert (result.code, result.err) == (0, "")
    assert result.written == ["s.json", "slice.npz", "slice.png"]
    report = json.loads((result.folder / "s.json").read_text())
    with np.load(result.folder / "slice.npz") as arrays:
        assert np.array_equal(arrays["losses"], report["losses"])
        assert arrays["directions"].shape == (1, 78)
    assert report["x"] == pytest.approx(np.linspace(-1.0, 1.0, 7))
    assert report["losses"][3] == min(report["losses"])
    assert len(report["labels"]) == 1


def test_an_interactive_page_is_written(rmtland):
    pytest.importorskip("plotly")
    result = rmtland(*SMALL, "--plane", "trajectory", "--surface", "--out", ".")
    assert (result.code, result.err) == (0, "")
    assert "slice.html" in result.written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plane", "pca"), "unknown plane"),
        (("--points", 1), "at least 2"),
        (("--extent", -1), "extent must be a positive"),
        (("--normalise", "unit"), "unknown normalise"),
        (("--scale", "sqrt"), "unknown scale"),
        (("--plane", "line", "--surface"), "for planes"),
        (("--model", "a:b", "--plane", "trajectory"), "trained here"),
    ],
)
def test_bad_input_ends_in_one_line(rmtland, options, message):
    result = rmtland(*SMALL, *options)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1

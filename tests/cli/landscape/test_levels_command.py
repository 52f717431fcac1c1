"""`rmtland landscape levels`: components of a slice and the exact examples."""

import json

import numpy as np
import pytest

from rmtland.landscape.surface import NetworkSurface

SMALL = ("landscape", "levels", "--hidden", 3, "--samples", 30, "--train-steps", 60, "--points", 15)


@pytest.mark.parametrize("plane", ["minima", "random"])
def test_components_are_counted_drawn_and_written(rmtland, plane):
    page = ("--html", "l.html") if plane == "minima" else ()
    result = rmtland(*SMALL, "--plane", plane, "--json", "l.json", *page, "--out", ".")
    assert (result.code, result.err) == (0, "")
    assert result.written == [*page[1:], "l.json", "levels.png"]
    if page:
        assert "rmtland landscape levels</p>" in result.page("l.html")
    report = json.loads((result.folder / "l.json").read_text())
    assert report["components"][-1] == 1
    assert max(report["components"]) <= len(report["basins"])
    assert report["basins"][0]["birth"] == min(map(min, report["losses"]))
    joined = [example["joined_at"] for example in report["examples"]]
    assert joined == ["5/2", "1/2", "-", "at least 4/3"]
    assert "5/2" in result.out


def test_an_interrupt_keeps_whole_rows(rmtland, monkeypatch):
    """Ctrl-C after 512 of 1681 points: 12 rows of 41 are whole."""
    plain, calls = NetworkSurface.plane_losses, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(NetworkSurface, "plane_losses", interrupted)
    options = ("--plane", "random", "--points", 41, "--json", "l.json", "--out", ".")
    result = rmtland(*SMALL, *options)
    assert result.code == 130
    assert "12 of 41 rows of the plane are written" in result.err
    assert "of the lowest 12 rows of 41" in result.out
    report = json.loads((result.folder / "l.json").read_text())
    assert not report["whole"]
    assert report["losses"][12][20] is None
    assert report["basins"][0]["birth"] == np.min(report["losses"][:12])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plane", "pca"), "unknown plane"),
        (("--neighbours", "some"), "unknown neighbours"),
        (("--points", 2), "at least 3"),
        (("--height", -1), "height must be zero or"),
    ],
)
def test_bad_input_ends_in_one_line(rmtland, options, message):
    result = rmtland(*SMALL, *options)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1

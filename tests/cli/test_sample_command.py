"""`rmtland sample`: matrices of a model, whole and by Lanczos, against its law."""

import json
import math
import re
import struct

import numpy as np
import pytest

from rmtland import Spectrum, WishartPlusReluBlock, WishartPlusWigner, compare

MODEL = ("sample", "wishart-wigner", "--phi", ".5", "--epsilon", ".3")
NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


def numbers(result, row):
    (line,) = [line for line in result.out.splitlines() if line.strip().startswith(row)]
    return [float(text) for text in re.findall(NUMBER, line.replace(row, ""))]


def test_the_example_of_the_readme(rmtland):
    result = rmtland(*MODEL, "--n", 200, "--runs", 5, "--seed", 1)
    assert (result.code, result.err, result.written) == (0, "", [])
    model = WishartPlusWigner(0.5, 0.3)
    spectrum = model.sample(200, rng=1, runs=5)
    found = compare(spectrum, model.law)
    assert "phi = 0.5, epsilon = 0.3, sigma = 1: eigenvalues, n = 200, 5 runs" in result.out
    index = numbers(result, "index (fraction negative)")
    assert index == pytest.approx(
        [spectrum.index(), spectrum.index_error(), model.index()], rel=0.05
    )  # the error is printed with two digits
    assert index[::2] == pytest.approx([spectrum.index(), model.index()], rel=1e-9)
    assert numbers(result, "mean")[::2] == pytest.approx([spectrum.mean(), 1.0], rel=1e-9)
    assert numbers(result, "second moment")[::2] == pytest.approx(
        [spectrum.moment(2), 2.1], rel=1e-9
    )
    assert numbers(result, "lowest") == pytest.approx(
        [spectrum.nodes.min(), model.law.support[0][0]], rel=1e-9
    )
    assert numbers(result, "highest") == pytest.approx(
        [spectrum.nodes.max(), model.law.support[0][1]], rel=1e-9
    )
    assert numbers(result, "Kolmogorov distance") == [float(f"{found.kolmogorov:.3g}")]


def test_one_run_has_no_standard_error(rmtland):
    result = rmtland(*MODEL, "--n", 20)
    assert len(numbers(result, "mean")) == 2
    assert "inf" not in result.out


def test_lanczos_at_any_size(rmtland):
    result = rmtland(*MODEL, "--n", "1e12", "--lanczos", 40, "--runs", 3, "--seed", 4)
    assert (result.code, result.err) == (0, "")
    assert "40 Lanczos steps, n = 1000000000000, 3 runs" in result.out
    spectrum = WishartPlusWigner(0.5, 0.3).lanczos(1e12, 40, rng=4, runs=3)
    assert numbers(result, "mean")[0] == pytest.approx(spectrum.mean(), rel=1e-9)
    low, high, law = numbers(result, "index (fraction negative)")
    assert low < law < high < low + 0.15
    assert "Kolmogorov" not in result.out
    result = rmtland(*MODEL, "--n", "inf", "--lanczos", 40)
    assert "n = infinite" in result.out
    assert numbers(result, "second moment")[0] == pytest.approx(2.1, rel=1e-9)


def test_files(rmtland):
    from matplotlib.image import imread

    result = rmtland(
        "sample",
        "wishart-relu",
        "--phi",
        2,
        "--epsilon",
        0.4,
        "--sigma",
        1.5,
        "--n",
        50,
        "--runs",
        2,
        "--plot",
        "--save",
        "--out",
        "o",
    )
    stem = "o/wishart-relu-phi2-epsilon0.4-sigma1.5-n50-runs2-seed0"
    assert result.written == [f"{stem}.npz", f"{stem}.png"]
    for name in result.written:
        assert f"wrote {name}\n" in result.out
    spectrum = Spectrum.load(result.folder / f"{stem}.npz")
    expected = WishartPlusReluBlock(2.0, 0.4, 1.5).sample(50, rng=0, runs=2)
    np.testing.assert_array_equal(spectrum.nodes, expected.nodes)
    assert spectrum.provenance["parameters"] == {"phi": 2.0, "epsilon": 0.4, "sigma": 1.5}
    path = result.folder / f"{stem}.png"
    assert struct.unpack(">II", path.read_bytes()[16:24]) == (1050, 630)
    pixels = imread(path)[..., :3]
    assert (np.abs(pixels - np.array([0, 0x79, 0x8C]) / 255).max(axis=2) < 0.02).sum() > 200


def test_the_figure_of_a_quadrature(rmtland):
    result = rmtland(*MODEL, "--n", "1e9", "--lanczos", 20, "--plot", "--save", "--out", "o")
    stem = "o/wishart-wigner-phi0.5-epsilon0.3-n1000000000-lanczos20-runs1-seed0"
    assert result.written == [f"{stem}.npz", f"{stem}.png"]
    spectrum = Spectrum.load(result.folder / f"{stem}.npz")
    assert spectrum.dimension == 10**9
    assert spectrum.nodes.shape == (1, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--n", "inf"), "with --lanczos it may be inf"),
        (("--n", "nan"), "n must be finite"),
        (("--n", "2.5"), "n must be an integer; got 2.5"),
        (("--n", "0"), "n must be an integer of at least 1"),
        (("--n", "1e9"), "GiB are free: take a smaller --n, or --lanczos STEPS"),
        (("--n", "10", "--lanczos", "11"), "allows 10 Lanczos steps; got 11"),
        (("--n", "10", "--lanczos", "0"), "steps must be an integer of at least 1"),
        (("--n", "nan", "--lanczos", "3"), "n must be"),
        (("--runs", "0"), "runs must be"),
        (("--seed", "-1"), "seed must be"),
        (("--phi", "0"), "phi must be a positive"),
    ],
)
def test_an_error_is_one_line(rmtland, arguments, message):
    result = rmtland(*MODEL, *arguments)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("rmtland: error: ")
    assert re.search(message, line)
    assert result.written == []


@pytest.mark.parametrize("x", [-0.9, -0.3, 0.05, 1.2])
def test_the_bracket_holds_the_mass(x):
    """Quadratures of a matrix whose eigenvalues are known, shifted to put x at zero."""
    model = WishartPlusWigner(0.5, 0.3)
    for steps in (1, 2, 7, 30):
        whole = model.lanczos(math.inf, steps)
        moved = Spectrum(whole.nodes - x, whole.weights)
        low, high = moved.index_bracket()
        assert low <= model.law.cdf(x) + 1e-12
        assert high >= model.law.cdf(x) - 1e-12
        assert 0 <= low < high <= 1
    assert high - low < 0.15


def test_json_and_formats(rmtland):
    arguments = ("sample", "wishart-wigner", "--phi", ".5", "--epsilon", ".3", "--n", "30")
    result = rmtland(*arguments, "--json", "-", "--plot", "--format", "svg")
    found = json.loads(result.out)
    assert result.code == 0
    assert result.err.startswith("wrote rmtland-output/")
    assert [name.rsplit(".")[-1] for name in result.written] == ["svg"]
    law = WishartPlusWigner(0.5, 0.3)
    assert found["values"]["index"]["law"] == law.index()
    assert found["values"]["mean"]["standard_error"] is None  # of one run
    assert 0 < found["kolmogorov"] < 1
    result = rmtland(*arguments, "--lanczos", "4", "--runs", "3", "--json", "a.json")
    found = json.loads((result.folder / "a.json").read_text())
    low, high = found["values"]["index"]["bracket"]
    assert low <= law.index() + 0.2
    assert high >= law.index() - 0.2
    assert found["kolmogorov"] is None

"""`rmtland spectrum`: the numbers of the table, the curve in a file, the figure."""

import inspect
import json
import re
import struct

import numpy as np
import pytest

from rmtland import (
    Discrete,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    WishartPlusReluBlock,
    WishartPlusWigner,
    affine,
    free_product,
    free_sum,
    law_of_polynomial,
    truncated,
)
from rmtland.cli.expressions import NAMES, theory

KINDS = {"wishart-wigner": WishartPlusWigner, "wishart-relu": WishartPlusReluBlock}
NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


def numbers(out, row):
    """Numbers in a row of the table."""
    (line,) = [line for line in out.splitlines() if line.strip("│ ").startswith(row)]
    return [float(text) for text in re.findall(NUMBER, line.split("│")[2])]


def test_the_example_of_the_issue(rmtland):
    result = rmtland("spectrum", "wishart-wigner", "--phi", ".5", "--epsilon", ".3")
    assert (result.code, result.err) == (0, "")
    edges = numbers(result.out, "edges")
    np.testing.assert_allclose(edges, [-0.923805235016100, 3.38257177312498], rtol=0, atol=5e-15)
    assert numbers(result.out, "index (fraction") == [0.205280313061948]
    (threshold,) = numbers(result.out, "critical energy")
    assert threshold == pytest.approx(0.0112712429686843, rel=1e-13)
    assert numbers(result.out, "index prefactor") == pytest.approx([0.0335006664189867])
    assert numbers(result.out, "mean, variance") == [1.0, 1.1]
    assert "none" in next(line for line in result.out.splitlines() if "atoms" in line)
    assert result.written == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("phi", "epsilon", "sigma"), [(0.2, 0.7, 2.5), (4.0, 0.4, 1.3)])
def test_table_holds_the_numbers_of_the_model(rmtland, kind, phi, epsilon, sigma):
    model = KINDS[kind](phi, epsilon, sigma)
    out = rmtland("spectrum", kind, "--phi", phi, "--epsilon", epsilon, "--sigma", sigma).out
    support = model.law.support
    for i, pair in enumerate(support):
        row = "edges" if len(support) == 1 else f"edges of interval {i + 1}"
        assert numbers(out, row)[-2:] == pytest.approx(pair, rel=1e-14)
    assert f"interval {len(support) + 1}" not in out
    assert numbers(out, "index (fraction") == pytest.approx([model.index()], rel=1e-14)
    assert numbers(out, "critical energy")[0] == pytest.approx(model.critical_energy, rel=1e-14)
    assert ("negative eigenvalues at every positive energy" in out) == (phi >= 1)
    if model.index_prefactor is None:
        assert "none (phi >= 1)" in out
    assert numbers(out, "mean, variance") == pytest.approx(
        [model.law.mean(), model.law.var()], rel=1e-14
    )
    expected = [float(value) for place, mass in model.law.atoms for value in (mass, place)]
    assert numbers(out, "atoms") == pytest.approx(expected, rel=1e-14)
    assert f"sigma = {sigma}" in out


def test_no_number_is_cut_on_a_narrow_terminal(rmtland, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    out = rmtland("spectrum", "wishart-wigner", "--phi", ".5", "--epsilon", ".3").out
    assert numbers(out, "index (fraction") == [0.205280313061948]
    assert "…" not in out


def test_csv_holds_the_curve(rmtland):
    result = rmtland(
        "spectrum",
        "wishart-relu",
        "--phi",
        4,
        "--epsilon",
        0.4,
        "--points",
        40,
        "--csv",
        "--out",
        "curves",
    )
    assert result.written == ["curves/wishart-relu-phi4-epsilon0.4.csv"]
    assert "wrote curves/wishart-relu-phi4-epsilon0.4.csv\n" in result.out
    path = result.folder / result.written[0]
    assert path.read_text().startswith("x,pdf,cdf\n")
    x, pdf, cdf = np.loadtxt(path, delimiter=",", skiprows=1).T
    law = WishartPlusReluBlock(4.0, 0.4).law
    assert x.size == 40 * len(law.support) > 40
    for i, (low, high) in enumerate(law.support):
        assert (x[40 * i], x[40 * i + 39]) == (low, high)
    np.testing.assert_array_equal(pdf, law.pdf(x))
    np.testing.assert_array_equal(cdf, law.cdf(x))
    assert (np.diff(cdf) >= 0).all()


def test_csv_of_an_unbounded_density(rmtland):
    result = rmtland(
        "spectrum", "wishart-wigner", "--phi", 1, "--epsilon", 0, "--csv", "--plot", "--out", "o"
    )
    assert (result.code, result.err) == (0, "")
    x, pdf, _ = np.loadtxt(result.folder / result.written[0], delimiter=",", skiprows=1).T
    assert (x[0], pdf[0]) == (0, np.inf)
    assert np.isfinite(pdf[1:]).all()


def test_plot_is_a_picture(rmtland):
    from matplotlib.image import imread

    result = rmtland(
        "spectrum",
        "wishart-wigner",
        "--phi",
        0.5,
        "--epsilon",
        0.3,
        "--sigma",
        2,
        "--plot",
        "--out",
        "a/b",
    )
    assert result.written == ["a/b/wishart-wigner-phi0.5-epsilon0.3-sigma2.png"]
    path = result.folder / result.written[0]
    assert struct.unpack(">II", path.read_bytes()[16:24]) == (1050, 630)
    assert 5_000 < path.stat().st_size < 200_000
    # The curve is there: its colour, #0072b2, on hundreds of pixels.
    pixels = imread(path)[..., :3]
    assert (np.abs(pixels - np.array([0, 0x72, 0xB2]) / 255).max(axis=2) < 0.06).sum() > 500


def test_a_folder_with_brackets_in_its_name(rmtland):
    for name in ("run[bold]", "x[/y]"):
        result = rmtland(
            "spectrum", "wishart-wigner", "--phi", 0.5, "--epsilon", 0.3, "--csv", "--out", name
        )
        assert result.code == 0
        assert f"wrote {name}/wishart-wigner-phi0.5-epsilon0.3.csv\n" in result.out


def test_a_second_run_replaces_the_file(rmtland):
    command = ("spectrum", "wishart-wigner", "--phi", 0.5, "--epsilon", 0.3, "--csv", "--out", "o")
    first = rmtland(*command)
    again = rmtland(*command, "--points", 7)
    assert again.written == first.written
    assert len((again.folder / again.written[0]).read_text().splitlines()) == 8


# Any law -----------------------------------------------------------------------------------------

EXPRESSIONS = {
    "free_sum(MarchenkoPastur(.5), Semicircle(.3))": free_sum(
        MarchenkoPastur(0.5), Semicircle(0.3)
    ),
    "Discrete((0., 1.), (.25, .75))": Discrete((0.0, 1.0), (0.25, 0.75)),
    "free_product(MarchenkoPastur(1/2), Uniform(1, high=+2.))": free_product(
        MarchenkoPastur(0.5), Uniform(1, 2)
    ),
    "affine(MarchenkoPastur(.5), scale=-2.5 * 2, shift=1)": affine(
        MarchenkoPastur(0.5), scale=-5.0, shift=1.0
    ),
    "WishartPlusWigner(phi=.5, epsilon=.3)": WishartPlusWigner(0.5, 0.3).law,
    "WishartEnsemble(.25)": MarchenkoPastur(0.25),
    "truncated(Uniform(-pi, pi), 1, inf)": truncated(Uniform(-np.pi, np.pi), 1.0, np.inf),
    "HaarProduct(Uniform(1, 2), MarchenkoPastur(.5))": free_product(
        Uniform(1, 2), MarchenkoPastur(0.5)
    ),
    "law_of_polynomial(2*x**2 + 1j*(x*y - y*x)/1, x=Semicircle(), y=Semicircle(.5))": (
        law_of_polynomial(
            lambda x, y: 2 * x**2 + 1j * (x * y - y * x), x=Semicircle(), y=Semicircle(0.5)
        )
    ),
    "law_of_polynomial(-(c*c.adjoint()), c=Circular(2))": affine(MarchenkoPastur(1.0), scale=-2.0),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_any_law_by_name_and_parameters(rmtland, text):
    law = EXPRESSIONS[text]
    result = rmtland("spectrum", text, "--json", "-")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert found["law"] == text
    bands = np.array(found["support"]).reshape(-1, 2)
    np.testing.assert_allclose(bands, np.array(law.support).reshape(-1, 2), atol=1e-13)
    assert found["atoms"] == [list(atom) for atom in law.atoms]
    assert found["mean"] == pytest.approx(law.mean(), rel=1e-14)
    assert found["variance"] == pytest.approx(law.var(), rel=1e-13)
    assert found["index"] == pytest.approx(law.mass_below(0.0), abs=1e-14)
    assert ("critical_energy" in found) == text.startswith("WishartPlus")
    table = rmtland("spectrum", text).out
    assert numbers(table, "mean, variance") == pytest.approx([law.mean(), law.var()], rel=1e-13)


def test_curve_and_figure_of_an_expression_and_of_atoms(rmtland):
    result = rmtland(
        "spectrum",
        "free_sum(MarchenkoPastur(4), Semicircle(.01))",
        "--csv",
        "--plot",
        "--points",
        50,
    )
    assert result.code == 0
    stem = "rmtland-output/free_sum-MarchenkoPastur-4-Semicircle-.01"
    assert result.written == [f"{stem}.csv", f"{stem}.png"]
    law = "Discrete((0., 2.), (.5, .5))"
    atoms = rmtland(
        "spectrum", law, "--plot", "--format", "svg", "--out", "o", "--html", "atoms.html"
    )
    assert (atoms.code, atoms.written[1]) == (0, "o/Discrete-0.-2.-.5-.5.svg")
    page = atoms.page("atoms.html")
    assert f"<h1>{law}</h1>" in page  # the caption of its only table
    assert "<thead>" not in page  # whose columns have no names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('touch here')", "has no place in a law"),
        ("__import__('os')", "unknown name '__import__'"),
        ("open('x', 'w')", "unknown name 'open'"),
        ("MarchenkoPastur(.5).cdf(0)", "has no place in a law"),
        ("MarchenkoPastur(*[.5])", "one by one|has no place"),
        ("MarchenkoPastur(**{'a': 1})", "one by one"),
        ("[Semicircle(1) for i in (1, 2)]", "has no place in a law"),
        ("lambda: 0", "has no place in a law"),
        ("Semicircle(9**9**9)", "has no place in a law"),
        ("Semicircle(1/0)", "divides by zero"),
        ("Semicircle(1e300)", "at most 1e\\+12"),
        ("Semicircle(1" + 30 * "0" + ")", "at most 1e\\+12 in modulus; got 1000.*31 characters"),
        ("Semicircle(e)", "unknown name 'e' in a law"),
        ("law_of_polynomial(inf*x, x=Semicircle())", "at most 1e\\+12 in modulus; got inf"),
        ("MarchenkoPastur(.5) + Semicircle(.3)", r"is not a number \(no operators .* free_sum"),
        ("GOE(2)", "unknown name 'GOE' in a law; GaussianEnsemble is what is meant"),
        ("MarchenkoPastur", "give a law with its parameters"),
        ("MarchenkoPastur(Semicircle)", "give it parameters"),
        ("MarchenkoPastur(-1)", "aspect_ratio must be a positive"),
        ("MarchenkoPastur()", "aspect_ratio"),
        ("MarchenkoPastur(nan)", "aspect_ratio must be a positive finite number; got nan"),
        ("Semicircle(inf - inf)", "at most 1e\\+12"),
        ("MarchenkoPastur(.5", "is not a law, such as"),
        ("(" * 200 + ")" * 200, "is tuple, not a law|is not a law"),
        ("3.5 + 1", "is float, not a law"),
        ("'text'", "is str, not a law"),
        ("Semicircle(1)" + " " * 3000, "2000 characters"),
        ("law_of_polynomial(x*y + z, x=Semicircle(), y=Semicircle())", "no law given for 'z'"),
        ("law_of_polynomial(x*y, x=Semicircle(), y=Semicircle())", "must be self-adjoint"),
        ("law_of_polynomial(x**-1, x=Semicircle())", "no place in a polynomial"),
        ("law_of_polynomial((x + 1)**30, x=Semicircle())", "words"),
        ("law_of_polynomial(x.__class__, x=Semicircle())", "no place in a polynomial"),
        ("law_of_polynomial(x/x, x=Semicircle())", "is not a polynomial"),
        ("free_sum(" * 40 + "Semicircle(1)" + ")" * 40, "30 nested parts"),
    ],
)
def test_what_is_no_law(rmtland, text, message):
    result = rmtland("spectrum", text)
    assert result.code == 2
    assert re.search(message.replace("\\\\", "\\"), result.err), result.err
    assert result.err.count("\n") == 1
    assert result.written == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Semicircle(1)", "--phi", 2), "--phi belongs to wishart-wigner"),
        (("wishart-wigner", "--phi", 2), "Missing option '--epsilon'"),
        (("wishart-relu", "--epsilon", 2), "Missing option '--phi'"),
        (("wishart-green", "--phi", 2), "unknown model 'wishart-green'"),
        (("Semicircle(1)", "--points", 10**7), "points must be at most 1000000"),
        (("Semicircle(1)", "--points", 1), "points must be"),
        (("Semicircle(1)", "--format", "gif"), "unknown format 'gif'"),
    ],
)
def test_options_that_do_not_fit(rmtland, arguments, message):
    result = rmtland("spectrum", *arguments)
    assert result.code == 2
    assert message in result.err


def test_constants_have_their_names_where_no_law_has():
    assert theory("law_of_polynomial(x*pi, x=Semicircle())").var() == pytest.approx(np.pi**2)
    assert theory("law_of_polynomial(pi*pi, pi=Semicircle())").mean() == pytest.approx(1.0)


ABSTRACT = {"Ensemble", "HessianModel", "Law", "SpectralModel", "TridiagonalEnsemble"}
OF_ARRAYS = {"DysonHessian", "EmpiricalLaw", "FiniteSizeHessian"}
"""What is made of measured eigenvalues, weights or data, which no command line holds."""
OF_OTHERS = {"FreeLevy", "ReluBlock", "ReluResidual", "SpikedEnsemble", "TwoLegHessian"}
"""Parts of WishartPlusReluBlock, an engine, and models whose law is that of others, or none."""


def test_every_public_law_model_and_ensemble_has_a_name_in_expressions():
    import rmtland

    kinds = {
        name
        for name, found in inspect.getmembers(rmtland, inspect.isclass)
        if issubclass(found, rmtland.Law | rmtland.SpectralModel)
    }
    assert len(kinds) > 30
    assert kinds - set(NAMES) == ABSTRACT | OF_ARRAYS | OF_OTHERS


def test_every_name_of_an_expression_is_public():
    import rmtland

    rooms = (rmtland, rmtland.models)
    assert all(any(callable(getattr(room, name, None)) for room in rooms) for name in NAMES)

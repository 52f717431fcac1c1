"""`rmtland measure` and `rmtland overlay --eigenvalues`: anybody's model, anybody's eigenvalues."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from rmtland import MarchenkoPastur, Semicircle, Spectrum
from rmtland.cli.eigenvalues import read_eigenvalues
from rmtland.cli.measure import operator_of
from rmtland.ensembles import GaussianEnsemble, WishartEnsemble

OWN = """
import numpy as np

def operator():
    return np.diag(np.linspace(0.0, 1.0, 40) ** 2)

def mostly_zero():
    return np.diag(np.repeat([0.0, 1.0], [250, 50]) * np.linspace(-1.0, 1.0, 300))

def one():
    return np.eye(40)

def model():
    import torch
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    x = torch.randn(30, 6)
    return net, torch.nn.CrossEntropyLoss(), (x, torch.arange(30) % 3)

def jax_model():
    import jax.numpy as jnp
    def loss(params, batch):
        return jnp.mean(jnp.sum((jnp.tanh(batch[0] @ params["w"]) - batch[1]) ** 2, axis=1))
    draw = np.random.default_rng(0).standard_normal
    return loss, {"w": draw((5, 4))}, (draw((20, 5)), draw((20, 4)))

def pair():
    return 1, 2

def state():
    return {"weight": one()}

number = 3
"""
LOOK_AT_PICTURES = set()
FAST = ("--families", "marchenko-pastur,semicircle", "--out", "o")


@pytest.fixture(autouse=True)
def own(rmtland, monkeypatch):
    """A module of the user's in the folder of the command."""
    with open("own.py", "w") as stream:
        stream.write(OWN)
    monkeypatch.delitem(sys.modules, "own", raising=False)


def test_an_operator(rmtland):
    result = rmtland(
        "measure", "own:operator", *FAST, "--json", "numbers.json", "--html", "../m.html"
    )
    assert (result.code, result.err) == (0, "")
    assert "own:operator, total: 40 parameters" in result.out
    assert "negative eigenvalues: 0.00 % (95 % interval 0.00 %, certain 0.00 %)" in result.out
    assert "marchenko-pastur, fitted" in result.out
    files = ["numbers.json", "o/measure-spectrum.npz", "o/measure.json", "o/measure.png", "own.py"]
    assert [name for name in result.written if "pycache" not in name] == files
    assert "own:operator, total, 40 parameters" in result.page("../m.html")  # of the figure
    report = json.loads((result.folder / "numbers.json").read_text())
    assert report == json.loads((result.folder / "o/measure.json").read_text())
    assert report["trace"]["value"] == pytest.approx(np.sum(np.linspace(0, 1, 40) ** 2))
    assert len(report["eigenvalues"]["values"]) == 12
    assert len(Spectrum.load(result.folder / "o/measure-spectrum.npz")) == 40


def test_what_zeros_do_to_the_index_is_said(rmtland):
    result = rmtland("measure", "own:mostly_zero", *FAST, "--probes", "2", "--steps", "12")
    assert result.code == 0
    assert "zeros count one half there; up to" in result.out
    result = rmtland("measure", "own:operator", *FAST)
    assert "zeros count" not in result.out


def test_what_was_measured_is_kept_where_nothing_can_be_fitted(rmtland):
    result = rmtland("measure", "own:one", *FAST)
    assert result.code == 0
    report = json.loads((result.folder / "o/measure.json").read_text())
    assert report["trace"]["value"] == 40
    assert set(report["unfitted"]) == {"marchenko-pastur", "semicircle"}
    assert "semicircle was not fitted: the spectrum has 1 distinct" in result.out


def test_json_alone_on_standard_output(rmtland):
    result = rmtland("measure", "own.py:operator", *FAST, "--json", "-", "--format", "svg")
    assert json.loads(result.out)["size"] == 40
    assert "wrote o/measure.svg" in result.err


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_torch_model(rmtland):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    options = ("--parameters", "0.weight, 2", "--part", "gauss_newton", "--double", "--json", "-")
    result = rmtland("measure", "own:model", *FAST, *options)
    assert result.code == 0
    report = json.loads(result.out)
    assert (report["size"], report["index"]["value"]) == (6 * 8 + 9 * 3, 0.0)
    assert report["settings"]["parameters"] == ["0.weight", "2"]
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_the_graph_of_a_torch_model_is_kept_where_it_is_the_same():
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    own = {}
    exec(OWN, own)
    net, loss, (x, y) = own["model"]()
    plain = {"part": "total", "parameters": None, "double": True}
    whole = operator_of((net, loss, (x, y)), **plain)
    halves = operator_of((net, loss, list(zip(x.split(15), y.split(15), strict=True))), **plain)
    assert (whole.keep_graph, halves.keep_graph) == (True, False)
    unit = np.eye(whole.shape[0])
    first = whole @ unit
    kept = whole._products._kept
    assert np.allclose(first, halves @ unit, atol=1e-12)
    assert (whole @ unit == first).all()
    assert kept is not None
    assert whole._products._kept is kept


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_what_single_precision_hides_is_said(rmtland):
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    result = rmtland("measure", "own:model", "--families", "semicircle", "--out", "o")
    assert "are zero to the rounding of single precision, and may be negative" in result.out
    index = json.loads((result.folder / "o/measure.json").read_text())["index"]
    low, high = index["interval"]
    assert low == index["value"] < high
    row = next(line for line in result.out.splitlines() if line.startswith(" measured"))
    assert f"{low:.3f} to {high:.3f}" in row


def test_a_jax_model(rmtland):
    pytest.importorskip("jax", reason="needs JAX: pip install 'rmtland[jax]'")
    result = rmtland("measure", "own:jax_model", *FAST, "--double", "--json", "-")
    assert json.loads(result.out)["size"] == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("own",), "expected MODULE:FUNCTION"),
        (("nowhere:f",), "no module 'nowhere'"),
        (("nowhere.py:f",), "no file nowhere.py"),
        (("own:nothing",), "own has no function 'nothing'; there are operator, mostly_zero"),
        (("own:number",), "has no function 'number'"),
        (("own:pair",), "got a tuple of 2"),
        (("own:state",), "(loss, params, data) or an operator; got dict"),
        (("own:operator", "--part", "residual"), "are for models"),
        (("own:operator", "--double"), "are for models"),
        (("own:operator", "--families", "gumbel"), "unknown family 'gumbel'"),
        (("own:operator", "--format", "bmp"), "unknown format"),
        (("own:operator", "--probes", "0"), "probes must be an integer of at least 1"),
    ],
)
def test_bad_input_is_one_line(rmtland, arguments, message):
    result = rmtland("measure", *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert [name for name in result.written if "pycache" not in name] == ["own.py"]


def test_a_file_without_functions(rmtland):
    Path("bare.py").write_text("size = 3\n")
    result = rmtland("measure", "bare.py:setup")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "bare.py has no function 'setup'; there is none in it" in result.err


@pytest.mark.parametrize(
    ("body", "raised", "line"),
    [
        ("def f():\n    return g()\ndef g():\n    return {}['loss']\n", "KeyError: 'loss'", 4),
        ("def f():\n    raise ValueError('no\\ndata')\n", "ValueError: no data", 2),
        ("def f():\n    raise SystemExit(0)\n", "SystemExit: 0", 2),
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'", 1),
        ("def f(:\n", "SyntaxError: invalid syntax", 1),
    ],
)
@pytest.mark.parametrize("module", ["mine.py", "mine"])
def test_what_the_users_own_code_raises(rmtland, monkeypatch, module, body, raised, line):
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # of a file of the same size and second
    Path("mine.py").write_text(body)
    path = list(sys.path)
    result = rmtland("measure", f"{module}:f")
    assert (result.code, sys.path) == (2, path)
    *frames, sentence = result.err.splitlines()
    assert sentence == f"rmtland: error: {module}:f raised {raised} (line {line} of mine.py)"
    files = [each.split('"')[1] for each in frames if each.startswith("  File ")]
    assert {Path(each).name for each in files} == {"mine.py"}  # none of ours, none of the parser
    assert any(f"line {line}" in each for each in frames)


def test_a_function_that_takes_arguments_has_no_frame(rmtland):
    Path("mine.py").write_text("def f(size):\n    return size\n")
    result = rmtland("measure", "mine.py:f")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "mine.py:f raised TypeError: f() missing 1 required positional" in result.err


def test_a_function_imports_what_lies_beside_its_file_when_it_is_called(rmtland, monkeypatch):
    for name in ("there", "beside_it", "below_us"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    Path("sub").mkdir()
    Path("sub/beside_it.py").write_text("SIZE = 30\n")
    Path("below_us.py").write_text("POWER = 2.0\n")
    Path("sub/there.py").write_text(
        "def f():\n    import numpy, beside_it, below_us\n"
        "    return numpy.diag(numpy.linspace(0, 1, beside_it.SIZE) ** below_us.POWER)\n"
    )
    result = rmtland("measure", "sub/there.py:f", "--families", "semicircle", "--out", "o")
    assert (result.code, result.err) == (0, "")


def test_what_is_wrong_of_all_families_is_said_once(rmtland):
    Path("few.txt").write_text("1\n2\n3\n")
    result = rmtland("overlay", "--eigenvalues", "few.txt")
    assert (result.code, result.err.count("3 distinct eigenvalues")) == (2, 1)
    assert "fitting 2 parameters needs at least 4; fitting 3 parameters" in result.err


VALUES = WishartEnsemble(0.4).sample(150, rng=0).nodes.ravel()


def saved(kind):
    name = f"values.{kind}"
    if kind == "npy":
        np.save(name, VALUES)
    elif kind == "npz":
        np.savez(name, eigenvalues=VALUES, other=np.ones(2))
    elif kind == "csv":
        np.savetxt(name, VALUES, header="eigenvalue", comments="")
    else:
        name = "spectrum.npz"
        Spectrum(VALUES).save(name)
    return name


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "spectrum"])
def test_files_of_all_kinds_hold_the_same_eigenvalues(kind):
    read = read_eigenvalues(saved(kind))
    np.testing.assert_array_equal(read.eigenvalues, Spectrum(VALUES).eigenvalues)


def test_eigenvalues_of_a_file(rmtland):
    result = rmtland("overlay", "--eigenvalues", saved("csv"), *FAST, "--json", "-")
    assert (result.code, result.err) == (0, "wrote o/overlay.png\n")
    report = json.loads(result.out)
    laws, tests = report["laws"], report["tests"]
    assert tests["marchenko-pastur, fitted"]["signals"]["count"] == 0
    assert tests["marchenko-pastur, fitted"]["goodness"]["p_value"] > 0.05
    fitted = laws["marchenko-pastur, fitted"]
    assert fitted["aspect_ratio"] == pytest.approx(0.4, abs=0.03)
    assert fitted["kolmogorov"] < 0.02 < laws["semicircle, fitted"]["kolmogorov"]


def test_eigenvalues_of_standard_input(rmtland, monkeypatch):
    values = GaussianEnsemble().sample(100, rng=0).nodes.ravel()
    monkeypatch.setattr(sys, "stdin", io.StringIO(" ".join(map(repr, values.tolist()))))
    result = rmtland("overlay", "--eigenvalues", "-", "--families", "semicircle", "--out", "o")
    assert result.code == 0
    assert "100 eigenvalues from -" in result.out
    assert "semicircle, fitted: 0 signals at 5 %" in result.out
    assert "goodness of fit p = " in result.out
    assert "scale" in result.out or "variance" in result.out


@pytest.mark.slow
def test_eigenvalues_by_likelihood_without_spikes(rmtland):
    np.save("spiked.npy", [*WishartEnsemble(0.5, 3.0).sample(24, rng=1).nodes.ravel(), 40.0, 90.0])
    for outliers, left_out in (("exclude", 2), ("1", 1)):
        result = rmtland(
            "overlay",
            "--eigenvalues",
            "spiked.npy",
            "--families",
            "marchenko-pastur,wishart-wigner",
            "--method",
            "likelihood",
            "--outliers",
            outliers,
            "--out",
            "o",
            "--json",
            "-",
        )
        assert result.code == 0
        report = json.loads(result.out)
        assert report["settings"]["method"] == "likelihood"
        fitted = report["laws"]["marchenko-pastur, fitted"]
        assert (abs(fitted["scale"] - 3.0) < 4 * 3.0 * (2 / 24 / 48) ** 0.5) == (left_out == 2)
        assert 0 < fitted["errors"]["scale"] < 1
        assert list(report["laws"]) == ["marchenko-pastur, fitted"]
        assert "joint density" in report["refused"]["wishart-wigner"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "moments"), "unknown method 'moments'"),
        (("--outliers", "some"), "--outliers takes keep, exclude, or how many; got 'some'"),
        (("--outliers", "-1"), "how many; got '-1'"),
        (("--outliers", "51"), "half of the 100 eigenvalues; got 51"),
        (("--families", "wishart-wigner", "--method", "likelihood"), "joint density"),
    ],
)
def test_refused_fits(rmtland, options, message):
    np.save("values.npy", WishartEnsemble(0.5).sample(100, rng=1).nodes)
    result = rmtland("overlay", "--eigenvalues", "values.npy", *FAST, *options)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--data", "digits"),
        ("--width", "32"),
        ("--samples", "9"),
        ("--activation", "relu"),
        ("--energy", "0.1"),
        ("--model", "both"),
        ("--dyson",),
        ("--no-dyson",),
        ("--max-steps", "7"),
    ],
)
def test_options_that_do_not_apply_are_refused(rmtland, options):
    """Also where the value given is the default."""
    np.save("values.npy", np.linspace(0.0, 1.0, 30))
    result = rmtland("overlay", "--eigenvalues", "values.npy", *FAST, *options)
    named = options[0].replace("--no-", "--")
    assert result.code == 2
    assert f"{named}: of a network that is trained here" in result.err
    assert result.err.count("\n") == 1
    assert not [name for name in result.written if name.startswith("o/")]


@pytest.mark.parametrize(
    "options", [("--families", "semicircle"), ("--method", "distance"), ("--outliers", "keep")]
)
def test_options_of_fits_are_refused_without_eigenvalues(rmtland, options):
    result = rmtland("overlay", *options)
    assert result.code == 2
    assert f"{options[0]}: for fits to --eigenvalues FILE only" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "holds no numbers"), ("a\nb\n", "'b' is no number"), ("1\nnan\n", "NaN")],
)
def test_bad_eigenvalues(rmtland, text, message):
    with open("bad.csv", "w") as stream:
        stream.write(text)
    result = rmtland("overlay", "--eigenvalues", "bad.csv", *FAST)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    np.savez("two.npz", a=np.ones(3), b=np.ones(3))
    assert "several arrays (a, b)" in rmtland("overlay", "--eigenvalues", "two.npz", *FAST).err
    np.save("complex.npy", np.array([1j, 2.0]))
    assert "complex" in rmtland("overlay", "--eigenvalues", "complex.npy", *FAST).err
    assert "no file none.csv" in rmtland("overlay", "--eigenvalues", "none.csv", *FAST).err


def test_families_are_those_of_the_package():
    from rmtland.cli.eigenvalues import families_of

    found = families_of("marchenko-pastur, semicircle")
    assert found == {"marchenko-pastur": MarchenkoPastur, "semicircle": Semicircle}

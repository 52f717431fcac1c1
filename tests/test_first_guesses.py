"""A newcomer who knows the field finds a formula at once: by file name, grep or index."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from test_documentation import resolved

import rmtland
from rmtland import MarchenkoPastur, WishartPlusWigner, synonyms
from rmtland.networks import MLP

ROOT = Path(__file__).parent.parent

GUESSES = {
    "Stieltjes transform of the semicircle": (
        "semicircle",
        "Stieltjes transform",
        "laws/semicircle.py",
        "rmtland.laws.Semicircle",
    ),
    "R-transform of the ReLU block": (
        "relu_block",
        "R-transform",
        "models/pennington_bahri/wishart_plus_relu_block.py",
        "rmtland.models.WishartPlusReluBlock",
    ),
    "prefactor of the 3/2 law": (
        "wishart_plus_wigner",
        "prefactor",
        "models/pennington_bahri/wishart_plus_wigner.py",
        "rmtland.models.WishartPlusWigner",
    ),
    "subordination equations": (
        "sum",
        "subordination equations",
        "free/subordination/sum_equation.py",
        "rmtland.free.free_sum",
    ),
    "matrix Dyson equation": (
        "matrix_dyson",
        "MDE",
        "free/operator_valued/matrix_dyson.py",
        "rmtland.free.MatrixDyson",
    ),
    "R-operator product": (
        "r_operator",
        "Hessian-vector product",
        "networks/derivatives/r_operator.py",
        "rmtland.networks.LossPoint.hvp",
    ),
    "BBP outlier": ("outlier", "BBP", "free/outliers.py", "rmtland.free.spiked"),
    "Tracy-Widom table": ("tracy_widom", "table", "laws/tracy_widom.py", "rmtland.laws.TracyWidom"),
}


@cache
def docstrings():
    """Docstring of every module, in one line, by its path in the package."""
    home = ROOT / "rmtland"
    first = re.compile(r'\A\w?"""(.*?)"""', re.DOTALL)  # to parse all modules takes two seconds
    found = {}
    for path in sorted(home.rglob("*.py")):
        match = first.match(path.read_text("utf-8"))
        assert match, path
        found[path.relative_to(home).as_posix()] = " ".join(match[1].split()).lower()
    return found


@pytest.mark.parametrize("question", GUESSES)
def test_a_file_name_and_a_word_lead_to_one_file(question):
    name, word, file, _ = GUESSES[question]
    found = [
        path
        for path, text in docstrings().items()
        if name in path.rsplit("/", 1)[-1] and word.lower() in text
    ]
    assert found == [file]


@pytest.mark.parametrize("question", GUESSES)
def test_the_formula_index_finds_it(question):
    """A row with all words of the question names the object, which the file or its room defines."""
    _, _, file, name = GUESSES[question]
    rows = (ROOT / "docs" / "formulas.md").read_text("utf-8").splitlines()
    words = [word for word in question.lower().split() if word not in ("of", "the")]
    found = [row for row in rows if all(word.rstrip("s") in row.lower() for word in words)]
    assert any(f"`{name}`" in row for row in found)
    assert len(found) <= 4
    room = resolved(name).__module__.removeprefix("rmtland.").replace(".", "/")
    assert file == f"{room}.py" or file.split("/")[0] == room.split("/")[0]


def owners():
    """An object of each kind, and the table of what its attributes are called elsewhere."""
    model, net = WishartPlusWigner(0.5, 0.3), MLP((2, 2, 1))
    spectrum = model.sample(6, rng=0)
    point = net.at(net.init(rng=0), np.ones((3, 2)), np.ones((3, 1)))
    fitted = rmtland.fit(spectrum, MarchenkoPastur, resamples=0, starts=1)
    return [
        (MarchenkoPastur(0.5), synonyms.LAWS),
        (model, synonyms.MODELS),
        (spectrum, synonyms.SPECTRA),
        (net, synonyms.NETWORKS),
        (point, synonyms.POINTS),
        (point.hessian(), synonyms.HESSIANS),
        (fitted, synonyms.FITS),
        (fitted.comparison, synonyms.COMPARISONS),
        (rmtland, synonyms.PACKAGE),
    ]


VALUES = {"g": 0.1, "w": 1.0, "k": 2, "n": 4, "x": 0.3, "q": 0.5, "z": 1j, "eta": 0.1, "seed": 0}
VALUES |= {"size": 3, "runs": 2, "f": np.cos}


def test_what_the_field_also_calls_it_leads_to_what_answers():
    """Every hint is given, and is true: what it names is there, and a law or model answers it."""
    for owner, table in owners():
        for here, others in table.items():
            name = re.match(r"[\w.]+", here)[0]
            if name.startswith(("rmtland.", "numpy.")):
                assert name == "numpy.asarray" or resolved(name)
            elif table in (synonyms.LAWS, synonyms.MODELS):
                asked = here.split(", wh")[0]
                assert eval(f"owner.{asked}", VALUES | {"owner": owner}) is not None
            else:
                assert hasattr(owner, name)
            for other in others.split():
                if other not in dir(owner):
                    with pytest.raises(AttributeError, match=f"{other}'; (use|there is) "):
                        getattr(owner, other)


@pytest.mark.parametrize(
    ("ask", "hint"),
    [
        ("MarchenkoPastur(0.5).stieltjes_transform", "use stieltjes(z)"),
        ("MarchenkoPastur(0.5).c", "use aspect_ratio"),
        ("Semicircle().moments", "use moment(k)"),
        ("Semicircle().boxplus", "use rmtland.free_sum(law, other)"),
        ("WishartPlusWigner(0.5, 0.3).edges", "use law.support"),
        ("WishartPlusWigner(0.5, 0.3).ppf", "use law.ppf"),
        ("WishartPlusWigner(0.5, 0.3).e_c", "use critical_energy"),
        ("GaussianEnsemble().density", "use law.pdf(x)"),
        ("Spectrum([1.0, 2.0]).values", "use eigenvalues"),
        ("GOE", "there is rmtland.GaussianEnsemble"),
        ("free_convolution", "there is rmtland.free_sum"),
        ("audit_hessian", "there is rmtland.audit.audit_hessian"),
    ],
)
def test_a_name_of_the_field_gets_a_hint(ask, hint):
    with pytest.raises(AttributeError, match=re.escape(hint)):
        eval(f"rmtland.{ask}")


@pytest.mark.parametrize("ask", ["Semicircle().c", "Semicircle().nothing", "Semicircle()._hidden"])
def test_no_hint_where_there_is_nothing_to_name(ask):
    with pytest.raises(AttributeError, match=r"^'Semicircle' object has no attribute '.*'$"):
        eval(f"rmtland.{ask}")


def test_what_a_property_raises_is_not_hidden():
    class Broken(rmtland.Semicircle):
        @property
        def moments(self):
            return self.center.nothing

    with pytest.raises(AttributeError, match="'float' object has no attribute 'nothing'"):
        _ = Broken().moments

"""A newcomer who knows the field finds a formula at once: by file name, grep or index."""

import re
from functools import cache
from pathlib import Path

import pytest
from test_documentation import resolved

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

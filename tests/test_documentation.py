"""Pages of the documentation name objects that exist, and public docstrings are whole."""

import contextlib
import importlib
import inspect
import io
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from rmtland.cli.app import main

DOCS = Path(__file__).parent.parent / "docs"
FORMULAS = [
    re.findall(r"`(rmtland[\w.]+)`", row[2])
    for line in (DOCS / "formulas.md").read_text("utf-8").splitlines()
    if len(row := re.split(r"(?<!\\)\|", line)) == 5 and not row[1].startswith((" formula", "--"))
]
"""Objects of each row of the formula index, the public one first."""
formula_index = runpy.run_path(str(DOCS.parent / "scripts" / "make_formula_index.py"))


def resolved(name):
    """Return the object of a dotted name, whatever part of it is the module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ImportError(name)


def test_the_formula_index_is_read():
    assert len(FORMULAS) >= 90
    alone = [names[0] for names in FORMULAS if len(names) == 1]
    twice = {name for name in alone if alone.count(name) > 1}
    assert twice == {
        "rmtland.free.free_power",
        "rmtland.models.ConditionedHessian",
        "rmtland.models.ConjugateKernel",
    }
    page = (DOCS / "formulas.md").read_text("utf-8")
    assert all(f"`{name}` with `" in page for name in twice)  # of other arguments


@pytest.mark.parametrize("names", FORMULAS, ids=lambda names: names[0])
def test_every_formula_names_objects_and_the_first_has_a_page(names):
    assert all(resolved(name).__doc__ for name in names)
    rooms = re.findall(r"^   (rmtland[\w.]+)$", (DOCS / "api.rst").read_text("utf-8"), re.MULTILINE)
    pages = {f"{room}.{name}" for room in rooms for name in importlib.import_module(room).__all__}
    owner = names[0].rpartition(".")[0]
    assert names[0] in {*rooms, *pages} or owner in pages  # a method is on the page of its class


def test_the_formula_index_is_that_of_the_docstrings():
    """With every formula of the package: none stands where no page shows it."""
    page = formula_index["page"]()
    assert page == (DOCS / "formulas.md").read_text("utf-8")
    sources = [path.read_text("utf-8") for path in (DOCS.parent / "rmtland").rglob("*.py")]
    assert sum(text.count(".. formula:: ") for text in sources) == len(FORMULAS)
    assert not re.search(r"\| +\|$", page, re.MULTILINE)  # each has a source


def test_a_formula_is_read_with_its_objects_and_the_references_that_it_cites():
    (row,) = formula_index["rows_of"]("room.stated", stated)
    assert row == (
        r"| A law, $\lvert x \rvert = 1$ | `room.stated`, `room.other` with `n=1` or `n=2`, "
        r"by `room.hidden` | Bee et al. 1999 |"
    )
    text = r"An old law, :math:`x`"
    assert formula_index["sources"](text, stated) == "E and O'Neill 1987; Bee et al. 1999"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (".. formula:: A law [3]_", "cites"),
        (".. formula:: A law |x|", "cannot hold a |"),
        (".. formula:: A law\n    :by: room.a|b", "cannot hold a |"),
        (".. formula:: A law\n    :buy: room.a", "options of a formula are"),
        (".. formula:: A law\n\n    and more", "is one paragraph"),
        (".. formula:: A law\n  and more", "is one paragraph"),
        (".. formula::\n    A law", "begins with"),
        ("..formula:: A law", "begins with"),
        (".. formula:: A law\n\n.. formulas:: Another", "begins with"),
    ],
)
def test_a_formula_that_would_be_read_in_part_is_refused(wrong, message):
    found = type("Found", (), {"__doc__": f"Found.\n\n{wrong}\n"})
    with pytest.raises(SystemExit, match=re.escape(message)):
        formula_index["rows_of"]("Found", found)


def stated():
    r"""Do nothing.

    .. formula:: A law, :math:`\lvert x \rvert
        = 1` [2]_
        :with: n=1 or
            n=2
        :by: room.hidden
        :and: room.other

    References
    ----------
    .. [1] W. E and M. E. O'Neill, On 1985 bees, Hives 1987.
    .. [2] A. Bee, C.-L. Dee, E. van der Fee and G. Hee, A long title, J. Bees 7 (1999)
           1801-1850.
    """


@pytest.mark.parametrize("words", ["Anonymous, A title, 1999.", "A. Bee, A title, J. Bees."])
def test_a_reference_without_authors_or_year_has_no_short_form(words):
    with pytest.raises(SystemExit, match="authors, with initials, and a year"):
        formula_index["short"](words)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_dotted_names_on_pages_exist(page):
    names = re.findall(r"`(rmtland(?:\.\w+)+)", page.read_text("utf-8"))
    missing = []
    for name in names:
        try:
            resolved(name)
        except (ImportError, AttributeError):
            missing.append(name)
    assert missing == []


PYTHON = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, code in enumerate(
        re.findall(r"```python\n(.+?)```", page.read_text("utf-8"), re.DOTALL)
    )
]
COMMANDS = [
    pytest.param(command, id=f"{page.stem}-{command}")
    for page in sorted(DOCS.glob("*.md"))
    for block in re.findall(r"```sh\n(.+?)```", page.read_text("utf-8"), re.DOTALL)
    for command in re.findall(r"^rmtland .+$", block, re.MULTILINE)
    if command != "rmtland overlay"  # of the README, where it runs
]


@pytest.mark.parametrize("code", [one for one in PYTHON if "torch" not in one.values[0]])
def test_code_on_pages_prints_what_its_comments_say(code):
    check_code(code)


@pytest.mark.parametrize("code", [one for one in PYTHON if "torch" in one.values[0]])
def test_code_with_torch_on_pages_prints_what_its_comments_say(code):
    pytest.importorskip("torch")
    check_code(code)


def check_code(code):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(code, "page", "exec"), {})
    promised = re.findall(r"print\(.*\)  # (.+)", code)
    assert promised
    assert stream.getvalue().splitlines() == promised


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_on_pages_run(command, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert capsys.readouterr().out


def test_the_bibliography_is_that_of_the_docstrings():
    names = runpy.run_path(str(DOCS.parent / "scripts" / "make_bibliography.py"))
    found = names["references"]()
    assert len(names["works"](found)) > 60
    assert names["disagreements"](found) == []
    assert not [text for text in found if '"""' in text or " return " in text]
    assert names["page"](found) == (DOCS / "bibliography.md").read_text("utf-8")


def test_references_are_numbered():
    """Others are not found by the bibliography."""
    header = re.compile(r"^ *References\n *-{4,}\n( *\S.*)", re.MULTILINE)
    sources = [path.read_text("utf-8") for path in (DOCS.parent / "rmtland").rglob("*.py")]
    first = [line.strip() for text in sources for line in header.findall(text)]
    assert len(first) > 200
    assert [line for line in first if not line.startswith(".. [1] ")] == []


def test_a_work_has_one_entry():
    """Two entries with one title are one work, whose authors are written in two ways."""
    page = (DOCS / "bibliography.md").read_text("utf-8").partition("\n- ")[2]
    entries = [" ".join(entry.partition("Cited in")[0].split()) for entry in page.split("\n- ")]
    titles = [re.search(r", ((?!and |[A-Z]\. )[^,]{30,})", entry) for entry in entries]
    found = [title.group(1) for title in titles if title is not None]
    assert len(found) > 100
    assert {title for title in found if found.count(title) > 1} == set()


def test_what_one_who_cites_says_of_a_work_is_told_of_no_other():
    names = runpy.run_path(str(DOCS.parent / "scripts" / "make_bibliography.py"))
    work = "A. Bee, A long and distinguished title about random matrices, J. Bees 1 (2001) 1-9"
    own = {
        ": wings and (w + x)": "wings and (w + x)",
        ", lectures 1 (wings) and 2 (legs)": "wings; legs",
    }
    for behind, words in own.items():
        page = names["page"]({work: {"one"}, work + behind: {"other"}})
        assert f"{work}. Cited in `one`, `other` ({words})." in " ".join(page.split())


def test_a_work_cited_with_two_places_is_seen():
    names = runpy.run_path(str(DOCS.parent / "scripts" / "make_bibliography.py"))
    title = "A. Bee, A long and distinguished title about random matrices, J. Bees"
    found = {f"{title} {volume} (2001) 1-9": {"room"} for volume in (1, 2)}
    assert len(names["disagreements"](found)) == 1


def test_every_row_of_the_decision_table_leads_on():
    """To the page of an object, another page, or a command; what names an object has one."""
    names = runpy.run_path(str(DOCS / "object_links.py"))
    page = names["linked"]((DOCS / "which_tool.md").read_text("utf-8"))
    rows = re.findall(r"^\| (?!---|question|what is known).*\| (.+) \|$", page, re.MULTILINE)
    assert len(rows) > 80
    assert [row for row in rows if not re.search(r"{py:obj}|{doc}|`rmtland [a-z]", row)] == []
    targets = re.findall(r"{py:obj}`[^`]* <([\w.]+)>`", page)
    assert len(targets) > 130
    for target in set(targets):
        room = max((room for room in names["rooms"]() if target.startswith(room)), key=len)
        assert (
            target == room
            or target.removeprefix(f"{room}.").split(".")[0]
            in vars(importlib.import_module(room))["__all__"]
        ), target
        found = importlib.import_module(room)
        for part in target.removeprefix(room).split(".")[1:]:
            found = getattr(found, part)
    linked = names["linked"]
    assert linked("`fit(spectrum, f)`") == "{py:obj}`fit(spectrum, f) <rmtland.comparison.fit>`"
    assert linked("`rmtland.fit`") == "{py:obj}`rmtland.fit <rmtland.comparison.fit>`"
    assert linked("`MLP.at`") == "{py:obj}`MLP.at <rmtland.networks.MLP.at>`"
    for code in ("`sample(n)`", "`rmtland overlay`", "{doc}`explorer`", "``fit``", "`Law.nothing`"):
        assert linked(code) == code


SERVING = {
    "free": "kronecker_covariance",
    "networks": "gaussian_averages leaky_relu",
    "comparison": "law_of",
    "audit": "check_audit diagnose residual_covariance",
    "optimizer": "design_margin sampled_errors smeared start_measure",
    "landscape.critical_points": "random_groups trained_start",
    "landscape.manifold": "polish",
    "landscape.noise": "chain_gradients noise_factor",
    "landscape.pac_bayes": "kl_inverse printed_bound",
    "landscape.minimisers": "minimise_batch minimised_networks random_weights",
    "landscape.connectivity": "unit_groups",
    "landscape.sharpness": "derivative_bounds linear_ranks",
    "models.minimisers": "exponent linear_minimiser_energy",
    "models.dyson": "averaged_over_curvature outlier_points",
}
"""Functions that answer no question by themselves: steps of those that do."""


def test_the_decision_table_has_every_function_that_answers_a_question():
    """Those of the rooms of the API, but for drawing, and the explorer's, reports' and ledger's."""
    names = runpy.run_path(str(DOCS / "object_links.py"))
    known = set(re.findall(r"\w+", (DOCS / "which_tool.md").read_text("utf-8")))
    pages = ("explorer", "report", "plot", "reproduction", "statements", "landscape.pictures")
    missing, needless = [], []
    for room in names["rooms"]():
        name = room.removeprefix("rmtland.")
        if name in pages or name == "rmtland":
            continue
        module, serving = importlib.import_module(room), set(SERVING.get(name, "").split())
        functions = {
            one
            for one in module.__all__
            if inspect.isfunction(getattr(module, one)) and not one.startswith("draw_")
        }
        missing += [f"{room}.{one}" for one in functions - known - serving]
        needless += sorted(serving - functions | serving & known)
    assert missing == []
    assert needless == []


def test_subjects_of_the_search_lead_to_a_page():
    """To a public object or a page each; what has no page would go to the formula index."""
    names = runpy.run_path(str(DOCS / "subject_index.py"))
    rooms = re.findall(r"rmtland[\w.]*", (DOCS / "api.rst").read_text("utf-8"))
    for subject, place in names["SUBJECTS"].items():
        if place.startswith("rmtland.") and place not in rooms:
            room, _, name = place.rpartition(".")
            assert room in rooms, subject
            assert name in importlib.import_module(room).__all__, subject
        elif place not in rooms:
            source = place.replace("auto_gallery/", "gallery/")
            assert (DOCS / f"{source}.md").exists() or (DOCS / f"{source}.py").exists(), subject
    found = names["formula_subjects"]((DOCS / "formulas.md").read_text("utf-8"))
    assert found["Generalised Marchenko-Pastur equation"] == "rmtland.free.general_marchenko_pastur"
    assert len(found) > 50

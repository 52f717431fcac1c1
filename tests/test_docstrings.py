"""Docstrings of all public names: parameters, results and their descriptions."""

import ast
import builtins
import dataclasses
import enum
import importlib
import inspect
import textwrap
from pathlib import Path

import pytest

from rmtland.arguments import positive

validate = pytest.importorskip("numpydoc.validate").validate
NumpyDocString = pytest.importorskip("numpydoc.docscrape").NumpyDocString

ROOMS = (
    "laws",
    "free",
    "ensembles",
    "models",
    "networks",
    "spectrum",
    "estimate",
    "adapters",
    "comparison",
    "sweep",
    "audit",
    "explorer",
    "plot",
    "reproduction",
    "report",
    "landscape",
    "optimizer",
    "landscape.critical_points",
    "landscape.surface",
    "landscape.linearisation",
    "landscape.manifold",
    "landscape.noise",
    "landscape.depth",
    "landscape.pac_bayes",
    "landscape.minimisers",
    "models.minimisers",
    "landscape.sharpness",
    "landscape.slices",
    "landscape.pictures",
    "landscape.connectivity",
    "landscape.level_sets",
    "statements",
    "models.conditioned",
    "models.depth",
    "models.dyson",
    "models.linear",
    "models.population",
    "models.two_leg",
    "networks.datasets",
)
PACKAGE = Path(__file__).parent.parent / "rmtland"
ACCEPTED = {
    "ES01": "no extended summary: the module has it",
    "EX01": "no examples: each module has them, and test_doctests runs them",
    "PR04": "a parameter without a type: several that are as for another function",
    "PR08": "a description of a parameter that begins with a small letter: a symbol",
    "RT04": "one of a result: a symbol",
    "SA01": "no See Also: what computes nearly the same has it, see below",
    "SA03": "one of a neighbour: it goes on the sentence",
    "SS02": "a summary that begins with a small letter: a symbol",
    "SS05": "a summary that begins with a noun in s, taken for a verb",
}
"""What the validator of numpydoc may find; everything else is a fault."""


def public_names(room):
    """Return the full names of public functions, classes and their public methods in a room."""
    module = importlib.import_module(f"rmtland.{room}")
    names = {}
    for name in module.__all__:
        found = getattr(module, name)
        if not (inspect.isclass(found) or inspect.isfunction(found)):
            continue
        names[f"{found.__module__}.{found.__qualname__}"] = found
        if inspect.isclass(found):
            for key, member in inspect.getmembers(found):
                function = member.fget if isinstance(member, property) else member
                if key.startswith("_") or not inspect.isfunction(function):
                    continue
                if getattr(function, "__override__", False):  # documented where it comes from
                    assert inspect.getdoc(getattr(found, key))
                    continue
                # deprecated names are made by rmtland.deprecation and have no place of their own
                if function.__module__.startswith("rmtland") and "<" not in function.__qualname__:
                    names[f"{function.__module__}.{function.__qualname__}"] = function
    return names


def faults_of(name, found):
    """Return what the validator demands of a name; no Enum, no Protocol is called."""
    not_called = inspect.isclass(found) and (
        issubclass(found, enum.Enum) or getattr(found, "_is_protocol", False)
    )
    skipped = {"PR01"} if not_called else set()
    return [
        f"{name}: {code} {text}"
        for code, text in validate(name)["errors"]
        if code not in ACCEPTED and code not in skipped
    ]


def test_no_room_is_left_out():
    """Every package that lists public names is one of ROOMS; commands are documented by --help."""
    packages = {
        path.parent.relative_to(PACKAGE).as_posix().replace("/", ".")
        for path in PACKAGE.glob("*/**/__init__.py")
        if "\n__all__" in path.read_text("utf-8")
    }
    assert {name for name in packages if not name.startswith("cli")} - set(ROOMS) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_document_parameters_and_results(room):
    names = public_names(room)
    assert names
    faults = [fault for name, found in names.items() for fault in faults_of(name, found)]
    assert not faults, "\n".join(faults)


def errors_of(found):
    """Return the errors that a function, or a class where one is made, raises by itself.

    Those of its `raise` statements, and those of the checks of rmtland.arguments that it calls.
    """
    makers = ("__init__", "__post_init__", "__new__")
    functions = [vars(found).get(name) for name in makers] if inspect.isclass(found) else [found]
    errors = set()
    for function in map(inspect.unwrap, functions):
        if not inspect.isfunction(function) or function.__module__ != found.__module__:
            continue  # written by a dataclass or an Enum
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except OSError:  # the __init__ of a dataclass
            continue
        known = vars(builtins) | function.__globals__
        for node in ast.walk(tree):
            if not isinstance(node, ast.Raise | ast.Call):
                continue
            called = node.exc if isinstance(node, ast.Raise) else node
            name = called.func if isinstance(called, ast.Call) else called
            if not isinstance(name, ast.Name) or name.id not in known:
                continue
            if isinstance(node, ast.Raise) and inspect.isclass(known[name.id]):
                errors.add(known[name.id])
            elif getattr(known[name.id], "__module__", "") == "rmtland.arguments":
                errors.update(getattr(builtins, error) for error in named_errors(known[name.id]))
    return errors


def named_errors(found):
    """Return the names in the section Raises of a docstring."""
    sections = NumpyDocString(inspect.getdoc(found) or "")["Raises"]
    return {word for entry in sections for word in (entry.type or entry.name).split(", ")}


def unnamed_errors(found):
    """Return the errors that are raised and that the section Raises does not name."""
    named = named_errors(found)
    return {
        error.__name__
        for error in errors_of(found)
        if named.isdisjoint(parent.__name__ for parent in error.__mro__)
    }


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_raised_is_documented(room):
    unnamed = {name: unnamed_errors(found) for name, found in public_names(room).items()}
    assert {name: errors for name, errors in unnamed.items() if errors} == {}


def test_an_error_that_is_not_documented_is_seen():
    assert unnamed_errors(refusing) == {"TypeError"}
    assert unnamed_errors(validating) == {"ValueError", "TypeError"}


def refusing(x):
    """Refuse.

    Raises
    ------
    ArithmeticError
        Of which an overflow is one.
    """
    if x:
        raise OverflowError(f"{x} is too large")
    raise TypeError


def validating(x):
    """Check."""
    return positive("x", x)


CITING = (
    "laws",
    "free",
    "ensembles",
    "models",
    "models.conditioned",
    "models.depth",
    "models.linear",
    "models.minimisers",
    "models.population",
    "models.two_leg",
    "adapters",
    "networks.datasets",
    "landscape.connectivity",
    "landscape.depth",
    "landscape.level_sets",
    "landscape.manifold",
    "landscape.minimisers",
    "landscape.noise",
    "landscape.pac_bayes",
    "landscape.sharpness",
    "landscape.slices",
)
"""Rooms of formulas and methods: each public name has its source."""
OWN = {"TabulatedLaw", "Dataset", "dataset", "surface_page", "teacher_student"}
"""What is no formula of the literature: containers, a page."""


def cites(text):
    """Whether a docstring has numbered references."""
    return "References\n-------" in text and ".. [1]" in text


@pytest.mark.parametrize("room", CITING)
def test_formulas_name_their_source(room):
    """In the docstring of the name, or in that of the file that holds its formula."""
    module = importlib.import_module(f"rmtland.{room}")
    without = []
    for name in module.__all__:
        found = getattr(module, name)
        if not (inspect.isclass(found) or inspect.isfunction(found)):
            continue
        texts = (inspect.getdoc(found) or "", inspect.getdoc(inspect.getmodule(found)) or "")
        if not any(map(cites, texts)) and not name.startswith("draw_") and name not in OWN:
            without.append(name)
    assert without == []


GIVEN = {
    "AtLeast",
    "AtMost",
    "Claim",
    "Counterexample",
    "Deconvolution",
    "Ensemble",
    "Equal",
    "Estimate",
    "LawFamily",
    "LayerFactor",
    "LayerSpectrum",
    "LinearAnswers",
    "Loss",
    "Near",
    "Redraws",
    "Report",
    "Section",
    "Serial",
    "Sweep",
    "SymmetryType",
    "Text",
    "TridiagonalEnsemble",
}
"""Records that are made by hand and take anything, or whose parts check themselves."""


@pytest.mark.parametrize("room", ROOMS)
def test_records_check_what_they_are_made_of_or_say_who_makes_them(room):
    module = importlib.import_module(f"rmtland.{room}")
    silent = set()
    for name in module.__all__:
        found = getattr(module, name)
        if not inspect.isclass(found) or name in GIVEN:
            continue
        is_record = dataclasses.is_dataclass(found) or hasattr(found, "_fields")
        text = inspect.getdoc(found) or ""
        if is_record and not hasattr(found, "__post_init__") and "ade by `" not in text:
            silent.add(name)
    assert silent == set()


@pytest.mark.parametrize("room", ROOMS)
def test_streams_are_named_and_drawn_anew_by_default(room):
    wrong = set()
    for name, found in public_names(room).items():
        if inspect.isclass(found) and issubclass(found, (BaseException, enum.Enum, dict)):
            continue  # not called with a stream, and without a signature
        stream = inspect.signature(found).parameters.get("rng")
        if stream is not None and (stream.kind, stream.default) != (stream.KEYWORD_ONLY, None):
            wrong.add(name)
    assert wrong == set()


def neighbours(found):
    """Return the names that the section See Also of a docstring lists."""
    text = inspect.getdoc(found) or ""
    listed = NumpyDocString(text)["See Also"]
    return [name for names, _ in listed for name, _ in names]


def exists(name):
    """Whether a dotted name leads to a public name of a room, or to one of another package."""
    module, _, last = name.rpartition(".")
    try:
        room = importlib.import_module(module)
    except ImportError:
        return False
    return last in room.__all__ if module.startswith("rmtland") else hasattr(room, last)


@pytest.mark.parametrize("room", ROOMS)
def test_neighbours_that_are_named_exist(room):
    named = {name: neighbours(found) for name, found in public_names(room).items()}
    wrong = {
        name: [other for other in others if not exists(other) or name.endswith(f".{other}")]
        for name, others in named.items()
    }
    assert {name: others for name, others in wrong.items() if others} == {}


@pytest.mark.parametrize("room", ["free", "estimate", "comparison"])
def test_what_computes_names_its_neighbours(room):
    """Functions of these rooms do nearly the same things: a reader of one sees the others."""
    module = importlib.import_module(f"rmtland.{room}")
    alone = [
        name
        for name in module.__all__
        if inspect.isfunction(found := getattr(module, name)) and not neighbours(found)
    ]
    assert alone == []


def test_a_neighbour_that_is_none_is_seen():
    assert neighbours(neighbourly) == ["rmtland.laws.Semicircle", "rmtland.laws.Hexagon"]
    assert [exists(name) for name in neighbours(neighbourly)] == [True, False]


def neighbourly():
    """Do nothing.

    See Also
    --------
    rmtland.laws.Semicircle : is there.
    rmtland.laws.Hexagon : is not.
    """


def test_the_validator_sees_what_is_missing():
    assert any("PR01" in fault for fault in faults_of(f"{__name__}.undocumented", undocumented))


def undocumented(x):
    """Do nothing."""
    return x

"""The house as it is read: no class too long, nothing private read from a floor above."""

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = 300  # lines of code of a class, docstrings left out: what a reader holds in mind
LONGEST = 320  # lines of a class, docstrings and all
FILE = 500  # lines of a file
PRIVATE = r"_[a-z]\w*"
DEFINED = re.compile(  # by regular expressions: to parse all modules takes ten times as long
    rf"(?:def|class) +({PRIVATE})|\b(?:self|cls|\w+)\.({PRIVATE})(?:: [^=\n]+)? = "
    rf"|^ *({PRIVATE})(?:: [^\n]+| = )",
    re.MULTILINE,
)
READ = re.compile(
    rf"([\w\])]+)\.({PRIVATE})\b(?! = )|(?:get|has)attr\([^,()]+, [\"']({PRIVATE})[\"']"
)
ANY = re.compile(r"(?:: |-> |\[|, |\| |= )Any\b(?! [a-z])")
MOST_ANY = 290  # places where no better type was found: fewer are welcome, more are not
CLASS = re.compile(r"^class (\w+).*\n(?:(?:[ \t)#].*)?\n)+", re.MULTILINE)


@cache
def modules():
    """Text of the modules of the package by path."""
    files = sorted((ROOT / "rmtland").rglob("*.py"))
    return {
        path.relative_to(ROOT / "rmtland").as_posix(): path.read_text("utf-8") for path in files
    }


@cache
def floors():
    """Number of the floor of each room, as the import rules have them; 0 is the lowest."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (layers,) = (
        rule["layers"] for rule in rules["contracts"] if rule.get("containers") == ["rmtland"]
    )
    return {
        room.strip(): number
        for number, layer in enumerate(reversed(layers))
        for room in layer.split("|")
    }


def floor_of(path):
    return floors().get(path.split("/")[0].removesuffix(".py"), len(floors()))


def climbs(texts):
    """Private attributes read by a floor below all floors that define one of that name."""
    home = {}
    for path, text in texts.items():
        for name in filter(None, (name for names in DEFINED.findall(text) for name in names)):
            home[name] = min(home.get(name, len(floors())), floor_of(path))
    return [
        f"{path}: {owner or 'getattr'} {name or asked}"
        for path, text in texts.items()
        for owner, name, asked in READ.findall(text)
        if owner not in ("self", "cls") and home.get(name or asked, -1) > floor_of(path)
    ]


def test_nothing_private_is_read_from_a_floor_above():
    found = [name for text in modules().values() for _, name, _ in READ.findall(text)]
    assert {"_jet", "_cdf"} < set(found)  # the hooks of Law: read above, which is allowed
    assert climbs(modules()) == []


@pytest.mark.parametrize("read", ["law._gaps", "getattr(law, '_gaps', None)", "laws()._gaps[0]"])
@pytest.mark.parametrize("above", ["    def _gaps(self):", "    self._gaps = 1", "    _gaps: int"])
def test_a_private_attribute_of_a_floor_above_is_seen(read, above):
    assert climbs({"free/sums.py": above, "laws/law.py": read}) != []
    assert climbs({"free/sums.py": read, "laws/law.py": above}) == []


CALLED_FROM_OUTSIDE = {
    *("version_string", "do_GET", "do_POST", "log_message"),  # http.server
    *("_updated_ctor_param", "_open_support_mask", "_munp", "_stats", "_entropy"),  # scipy.stats
    "_critical_points",  # a command, by its decorator
}
"""Names that another library reads."""
NAMED = re.compile(r"^ *(?:def|class) +(\w+)|^(\w+)(?:: [^=\n]+)? = ", re.MULTILINE)


def unread(texts, others):
    """Names that modules define and that stand nowhere else: neither in them nor in other texts."""
    counts = Counter(re.findall(r"\w+", "\n".join(texts.values())))
    named = {name for text in texts.values() for match in NAMED.findall(text) for name in match}
    rest = {name for name in named if counts[name] == 1 and not name.startswith("__")}
    return rest - set(re.findall(rf"\b(?:{'|'.join(rest)})\b", "\n".join(others)))


def test_what_is_defined_is_read_somewhere():
    folders = [(ROOT / folder).rglob("*.py") for folder in ("scripts", "tests")]
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "gallery").glob("*.py")]
    others = [path.read_text("utf-8") for paths in (*folders, pages) for path in paths]
    assert unread(modules(), [text for text in others if "CALLED_FROM_OUTSIDE" not in text]) == (
        CALLED_FROM_OUTSIDE
    )


def test_names_that_nothing_reads_are_seen():
    text = "A = 1\nC: int = A\n\n\nclass B:\n    def d(self):\n        e = 1\n        return e\n"
    assert unread({"f.py": text}, []) == {"B", "C", "d"}
    assert unread({"f.py": text}, ["B().d()", "CC = 1"]) == {"C"}


def lines_of_code(text):
    """Lines of a class that hold code: no docstring, no blank line, no comment."""
    (node,) = ast.parse(text).body
    strings, code = set(), set()
    for part in ast.walk(node):
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
            strings.update(range(part.lineno, part.end_lineno + 1))
        if hasattr(part, "lineno"):
            code.update((part.lineno, part.end_lineno))
    return len(code - strings)


def test_lines_of_code_are_counted_without_docstrings():
    text = 'class A:\n    """One.\n\n    Two.\n    """\n\n    x = 1  # three\n    # four\n'
    text += "    y = (\n    2)\n"
    assert lines_of_code(text) == 4


def classes_of(texts):
    """Text of each class by path and name, without what follows it."""
    return {
        f"{path}: {found[1]}": found[0].rstrip()
        for path, text in texts.items()
        for found in CLASS.finditer(text)
    }


def too_long(texts):
    """Classes and files that are longer than they may be, with their numbers of lines."""
    files = {path: len(text.splitlines()) for path, text in texts.items()}
    classes = classes_of(texts)
    lines = {name: len(text.splitlines()) for name, text in classes.items()}
    code = {name: lines_of_code(classes[name]) for name, size in lines.items() if size > CODE}
    return (
        {path: size for path, size in files.items() if size > FILE}
        | {name: size for name, size in lines.items() if size > LONGEST}
        | {name: size for name, size in code.items() if size > CODE}
    )


def test_no_class_or_file_is_longer_than_a_reader_holds_in_mind():
    classes = classes_of(modules())
    assert len(classes) > 400
    assert len(re.findall("^class ", "\n".join(modules().values()), re.MULTILINE)) == len(classes)
    assert too_long(modules()) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class A:\n" + "    x = 1\n" * 299, {}),
        ("class A:\n" + "    x = 1\n" * 300, {"f.py: A": 301}),
        ('class A:\n    """A.\n' + "\n" * 317 + '    """\n\n\n', {}),
        ('class A:\n    """A.\n' + "\n" * 318 + '    """\n', {"f.py: A": 321}),
        ("x = 1\n" * 500, {}),
        ("x = 1\n" * 501, {"f.py": 501}),
    ],
)
def test_long_classes_and_files_are_seen(text, found):
    assert too_long({"f.py": text}) == found


def places_of_any(text):
    """How often code says Any for a type: sentences and imports are left out."""
    lines = [line for line in text.splitlines() if not line.startswith("from typing import")]
    return sum(len(ANY.findall(line)) for line in lines)


def test_any_stands_only_where_nothing_better_was_found():
    assert places_of_any("from typing import IO, Any\n\n# Any of them: Any shape, and all.\n") == 0
    assert places_of_any("def f(x: Any, *y: dict[str, Any]) -> list[Any] | Any: ...\n") == 4
    assert sum(map(places_of_any, modules().values())) <= MOST_ANY  # see rmtland/typing.py

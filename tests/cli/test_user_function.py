"""Functions of the user's own: how what they raise is named, and what their files leave alone."""

import json
import sys

import pytest

from rmtland.cli.user_function import UserCodeError, function_of

CODE = """
def noted():
    error = ValueError("bad shape")
    error.add_note("see the manual")
    raise error


def long():
    raise RuntimeError("sizes differ:\\n    3 and 4")


def name():
    return __name__
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of scripts, and the modules as they were."""
    for file in ("run.py", "json.py", "rmtland.py"):
        (tmp_path / file).write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "run", raising=False)  # of other tests
    before = dict(sys.modules)
    yield tmp_path
    for module in set(sys.modules) - set(before):
        del sys.modules[module]


def test_an_error_is_named_in_one_line_and_its_notes_follow(folder):
    with pytest.raises(UserCodeError) as caught:
        function_of("run.py:noted")()
    assert str(caught.value) == "run.py:noted raised ValueError: bad shape (line 5 of run.py)"
    assert "see the manual" in caught.value.frames
    with pytest.raises(UserCodeError) as caught:
        function_of("run.py:long")()
    words = "run.py:long raised RuntimeError: sizes differ: 3 and 4 (line 9 of run.py)"
    assert str(caught.value) == words


@pytest.mark.parametrize("file", ["json", "rmtland"])
def test_a_file_of_the_name_of_a_module_does_not_take_its_place(folder, file):
    before = sys.modules[file]
    assert function_of(f"{file}.py:name")() == f"{file}_of_file"
    assert sys.modules[file] is before
    assert json.dumps([1]) == "[1]"


def test_a_file_read_twice_keeps_its_name(folder):
    assert [function_of("run.py:name")() for _ in range(2)] == ["run", "run"]


@pytest.mark.parametrize("target", [".:f", "..run:f", ".run:f"])
def test_relative_modules_are_refused(folder, target):
    with pytest.raises(ValueError, match="expected MODULE:FUNCTION"):
        function_of(target)

"""The suite runs with the options that a packager may give pytest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILE = "def test_asserts():\n    assert True\n\n\ndef test_does_not():\n    pass\n"


@pytest.mark.slow
def test_assertions_are_counted_or_not_whatever_the_last_run_left(tmp_path):
    """Code of tests that count is kept apart; what makes no reports may be left out of pytest."""
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    slow: takes long\n")
    (tmp_path / "test_two.py").write_text(FILE)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    counted = ["--count-assertions"]
    for options in (counted, ["-p", "no:junitxml"], counted):
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", *options],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        told = "1 failed, 1 passed" if options is counted else "2 passed"
        assert told in run.stdout, run.stdout + run.stderr
        assert ("passed without a single assertion" in run.stdout) == (options is counted)


def test_cases_left_of_many_are_of_every_kind(pytestconfig):
    """One in k by `slow_siblings(k)`, whatever the length of a row of the table."""

    class Case:
        def __init__(self, number):
            self.nodeid, self.number, self.marks = f"test_one[{number}]", number, []

        def get_closest_marker(self, name):
            return pytest.mark.slow_siblings(3).mark if name == "slow_siblings" else None

        def add_marker(self, mark):
            self.marks.append(mark.name)

    cases = [Case(number) for number in range(60)]
    conftest = pytestconfig.pluginmanager.get_plugin(str(TESTS / "conftest.py"))
    conftest.mark_slow_siblings(cases)
    left = [case.number for case in cases if case.marks != ["slow"]]
    assert left[0] == 0
    assert len(left) == 20
    for row in (2, 3, 4, 5):
        assert {number % row for number in left} == set(range(row))

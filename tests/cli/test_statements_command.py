"""`rmtland statements`: the ledger, its run, and counterexamples."""

import json
import sys

import pytest

from rmtland.statements import find_statement, ledger

SOME = ("statements", "--text", "wishart", "--document", "lecture")


def test_the_ledger_is_printed_and_filtered(rmtland):
    result = rmtland("statements")
    assert (result.code, result.err, result.written) == (0, "", [])
    for one in ledger():
        assert one.id in result.out
    some = rmtland("statements", "--verdict", "refuted", "--document", "abstract")
    names = [one.id for one in ledger(verdict="refuted", document="abstract")]
    assert [name for name in names if name not in some.out] == []
    assert f"{len(names)} statements: {len(names)} refuted" in some.out


def test_json_has_every_entry(rmtland):
    result = rmtland("statements", "--json", "-")
    entries = json.loads(result.out)["statements"]
    assert [entry["id"] for entry in entries] == [one.id for one in ledger()]
    assert {"printed", "tested", "verdict", "counterexample", "code"} <= set(entries[0])


def test_a_run_that_changes_nothing_ends_with_zero(rmtland):
    result = rmtland(*SOME, "--run", "--examples", 3, "--seed", 5, "--workers", 1, "--json", "-")
    assert result.code == 0
    found = json.loads(result.out)
    assert (found["seed"], found["examples"]) == (5, 3)
    assert not any(finding["changed"] for finding in found["findings"])
    assert result.written == []


def test_a_verdict_that_changes_ends_with_one(rmtland, monkeypatch):
    right = find_statement("lecture-wishart-edges")
    broken = right.replaced(holding=right.holding.instead(claim=lambda tau: tau))
    monkeypatch.setattr(sys.modules["rmtland.statements.ledger"], "_all", lambda: (broken,))
    result = rmtland(*SOME, "--run", "--examples", 3, "--workers", 1)
    assert result.code == 1
    assert "REFUTED" in result.out
    assert "1 changed" in result.out


def test_a_counterexample_is_run_again_and_drawn(rmtland):
    page = ("--html", "../s.html")
    result = rmtland("statements", "--counterexample", "lecture-relu-threshold", *page)
    assert "rmtland statements</p>" in result.page("../s.html")
    assert result.code == 0
    assert "at tau = 0.5, sigma = 1: printed 0.0202592, true 0.0810367" in result.out
    assert "both come out again" in result.out
    assert result.written == ["rmtland-output/counterexample-lecture-relu-threshold.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--verdict", "maybe"), "unknown verdict 'maybe'"),
        (("--document", "bible"), "unknown document 'bible'"),
        (("--text", "no such words"), "no statement fits"),
        (("--counterexample", "lecture-relu-treshold"), "did you mean lecture-relu-threshold"),
        (("--counterexample", "lecture-wishart-edges"), "there is no counterexample"),
        (("--run", "--examples", "0"), "examples must be"),
        (("--run", "--workers", "0"), "workers must be"),
        (("--counterexample", "lecture-relu-threshold", "--run"), "leave out --run beside"),
        (("--counterexample", "lecture-relu-threshold", "--text", "x"), "leave out --text beside"),
    ],
)
def test_mistakes_are_one_line(rmtland, arguments, message):
    result = rmtland("statements", *arguments)
    assert result.code == 2
    assert message in result.err

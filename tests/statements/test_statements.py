"""The ledger of statements: verdicts come out of runs, and every check notices a broken formula."""

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rmtland.ensembles import ReluResidual
from rmtland.models.minimisers import MinimiserEnergy
from rmtland.statements import (
    AtMost,
    Claim,
    Counterexample,
    Document,
    Equal,
    Kind,
    Number,
    Statement,
    Verdict,
    Whole,
    find_counterexample,
    find_statement,
    ledger,
    mutation_test,
    verify,
    verify_statement,
)

ROOT = Path(__file__).parents[2]
STATEMENTS = ledger()
FAILING = [one for one in STATEMENTS if one.failing is not None]


@pytest.mark.parametrize("one", STATEMENTS, ids=lambda one: one.id)
def test_a_run_gives_the_verdict_of_the_ledger(one):
    finding = verify_statement(one, examples=3)
    assert finding.verdict is one.verdict, finding.message


@pytest.mark.parametrize("one", STATEMENTS, ids=lambda one: one.id)
def test_every_broken_formula_is_noticed(one):
    outcome = mutation_test(one, examples=6)
    assert not outcome.missed
    assert outcome.caught


@pytest.mark.slow
@pytest.mark.parametrize("one", STATEMENTS, ids=lambda one: one.id)
def test_more_examples_give_the_same_verdict(one):
    """What fails on a twentieth of the examples is seen with probability 95 %."""
    finding = verify_statement(one, examples=60, seed=1)
    assert finding.verdict is one.verdict, finding.message


@pytest.mark.slow
@pytest.mark.parametrize("one", FAILING, ids=lambda one: one.id)
def test_counterexamples_are_found_again_and_are_minimal(one):
    found = find_counterexample(one.failing, examples=400, seed=7)
    assert found is not None
    whole = [
        name
        for name, range in one.failing.hypotheses.items()
        if isinstance(range, Whole) and name != "seed"
    ]
    assert sum(found[name] for name in whole) >= sum(one.counterexample.at[name] for name in whole)


@pytest.mark.parametrize("one", STATEMENTS, ids=lambda one: one.id)
def test_what_an_entry_names_exists(one):
    assert one.id.startswith(one.document.value)
    assert all((one.place, one.printed, one.tested, one.derivation))
    for name in one.code:
        module, rest = name, []
        while True:
            try:
                found = importlib.import_module(module)
                break
            except ModuleNotFoundError:
                module, _, last = module.rpartition(".")
                rest.insert(0, last)
        for part in rest:
            found = getattr(found, part)
    assert one.figure is None or (ROOT / one.figure).is_file()


def test_selections():
    assert {one.verdict for one in ledger(verdict="refuted")} == {Verdict.REFUTED}
    assert {one.document for one in ledger(document="abstract")} == {Document.ABSTRACT}
    assert find_statement("lecture-relu-threshold") in ledger(text="ReLU THRESHOLD")
    with pytest.raises(ValueError, match="did you mean lecture-relu-threshold"):
        find_statement("lecture-relu-treshold")
    with pytest.raises(ValueError, match="unknown verdict 'perhaps'"):
        ledger(verdict="perhaps")


# A run can fail ----------------------------------------------------------------------------------

SQUARE = Claim({"x": Number(-3, 3)}, claim=lambda x: x * x, truth=lambda x: abs(x) ** 2)


def entry(**parts):
    return Statement("lecture-x", Document.LECTURE, "", Kind.CLAIM, "", "", **parts)


def test_a_wrong_formula_is_refuted_with_its_simplest_counterexample():
    wrong = entry(verdict=Verdict.HOLDS, holding=SQUARE.instead(claim=lambda x: x))
    finding = verify_statement(wrong)
    assert (finding.verdict, finding.changed) == (Verdict.REFUTED, True)
    assert finding.counterexample == {"x": -1.0} or finding.counterexample == {"x": 2.0}


def test_a_counterexample_that_does_not_come_out_again_changes_the_verdict():
    failing = SQUARE.instead(claim=lambda x: x)
    right = Counterexample({"x": 2.0}, claim=2.0, truth=4.0)
    assert (
        verify_statement(
            entry(verdict=Verdict.REFUTED, failing=failing, counterexample=right)
        ).verdict
        is Verdict.REFUTED
    )
    for wrong in (
        Counterexample({"x": 2.0}, claim=2.0, truth=5.0),
        Counterexample({"x": 2.0}, claim=3.0, truth=4.0),
        Counterexample({"x": 1.0}, claim=1.0, truth=1.0),
        Counterexample({"y": 2.0}, claim=2.0, truth=4.0),
    ):
        broken = entry(verdict=Verdict.REFUTED, failing=failing, counterexample=wrong)
        finding = verify_statement(broken)
        assert finding.verdict is None
        assert finding.message


def test_a_value_that_is_no_number_is_a_failure():
    nothing = entry(verdict=Verdict.HOLDS, holding=SQUARE.instead(claim=lambda x: float("nan")))
    assert verify_statement(nothing).verdict is Verdict.REFUTED
    error = entry(verdict=Verdict.HOLDS, holding=SQUARE.instead(truth=lambda x: 1 / 0))
    finding = verify_statement(error)
    assert finding.verdict is None
    assert "ZeroDivisionError" in finding.message


def test_parts_that_do_not_go_with_the_verdict_are_refused():
    with pytest.raises(ValueError, match="has no holding claim and a failing one"):
        entry(verdict=Verdict.REFUTED, holding=SQUARE)
    with pytest.raises(ValueError, match="smallest counterexample"):
        entry(verdict=Verdict.REFUTED, failing=SQUARE)
    with pytest.raises(ValueError, match="a bound needs attained="):
        entry(verdict=Verdict.HOLDS, holding=SQUARE.instead(relation=AtMost()))


def test_a_check_that_is_too_wide_is_seen_by_the_mutations():
    wide = entry(verdict=Verdict.HOLDS, holding=SQUARE.instead(relation=Equal(rtol=100.0)))
    assert "twice" in mutation_test(wide).missed


@pytest.mark.parametrize(
    ("owner", "name", "entry"),
    [
        (ReluResidual, "_blocks", "lecture-relu-measured-variance"),
        (MinimiserEnergy, "energy", "lecture-figure-benefit"),
    ],
)
def test_a_formula_of_the_package_that_is_twice_too_large_is_noticed(
    owner, name, entry, monkeypatch
):
    right = getattr(owner, name)

    def twice(*given):
        value = right(*given)
        return ([2 * block for block in value[0]], value[1]) if name == "_blocks" else 2 * value

    monkeypatch.setattr(owner, name, twice)
    assert verify_statement(find_statement(entry), examples=3).changed


def test_a_changed_statement_cannot_be_sent_to_another_process():
    with pytest.raises(ValueError, match="only workers=1"):
        verify([STATEMENTS[0].replaced(place="elsewhere")] * 2, workers=2)


def test_a_run_from_python_writes_nothing(tmp_path):
    program = (
        "from rmtland.statements import find_counterexample, find_statement, verify_statement\n"
        "one = find_statement('lecture-relu-threshold')\n"
        "assert not verify_statement(one, examples=3).changed\n"
        "assert find_counterexample(one.failing) is not None\n"
    )
    kept = {k: v for k, v in os.environ.items() if k != "HYPOTHESIS_STORAGE_DIRECTORY"}
    inside = {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=inside, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_findings_do_not_depend_on_the_number_of_processes():
    some = STATEMENTS[4:8]
    seen = []
    first = verify(some, examples=3, workers=2, progress=lambda *step: seen.append(step[:2]))
    second = verify(some, examples=3)
    assert [(f.id, f.verdict, f.deviation) for f in first] == [
        (f.id, f.verdict, f.deviation) for f in second
    ]
    assert seen[-1] == (4, 4)


@pytest.mark.slow
def test_an_interrupted_run_ends_its_processes_at_once(monkeypatch):
    ended = []
    terminate = multiprocessing.process.BaseProcess.terminate
    monkeypatch.setattr(
        multiprocessing.process.BaseProcess,
        "terminate",
        lambda process: (ended.append(process), terminate(process)),
    )

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(STATEMENTS[4:8], examples=3, workers=2, progress=stop)
    gc.collect()
    assert len(set(ended)) == 2  # the pool ends a process again that it finds ended
    assert not any(process.is_alive() for process in ended)


def test_an_interrupt_that_a_formula_swallows_ends_the_run():
    def swallowing(x):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return x * x

    before = signal.getsignal(signal.SIGINT)
    one = entry(verdict=Verdict.HOLDS, holding=SQUARE.instead(claim=swallowing))
    with pytest.raises(KeyboardInterrupt):
        verify([one], examples=3)
    assert signal.getsignal(signal.SIGINT) is before

"""Statements put to the test: examples drawn, formulas beside truths, counterexamples found again.

The verdict of a run is what it finds, whatever the ledger says: `Finding.changed` tells the two
apart. Examples depend on the seed, the statement's name and the version of Hypothesis, not on the
number of processes.

>>> from rmtland.statements import find_statement
>>> finding = verify_statement(find_statement("lecture-semicircle-density"), examples=5)
>>> finding.verdict.value, finding.changed
('holds', False)
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import count
from rmtland.statements.hypotheses import draw, simplest_failure
from rmtland.statements.relations import Equal, Estimate
from rmtland.statements.statement import Claim, Statement, Verdict, called

__all__ = ["Finding", "examples_of", "find_counterexample", "reproduces", "verify_statement"]

MORE = 10
"""Examples of a search for a counterexample, for one of a check."""


@dataclass(frozen=True)
class Finding:
    """What a run says of a statement.

    Made by `rmtland.statements.verify` and `rmtland.statements.verify_statement`.

    Parameters
    ----------
    id : str
        Of the statement.
    expected : Verdict
        The verdict of the ledger.
    verdict : Verdict or None
        What was found; None where a stored counterexample does not come out again, or a check
        could not be computed.
    examples : int
        How many were tried.
    deviation : float
        Largest deviation of the claim that is said to hold, in units of its tolerance.
    message : str
        What failed, and where.
    counterexample : mapping or None
        The simplest example found in this run at which the claim said to hold fails.
    seconds : float
        CPU time.
    """

    id: str
    expected: Verdict
    verdict: Verdict | None
    examples: int
    deviation: float
    message: str
    counterexample: Mapping[str, object] | None
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether the verdict is another than that of the ledger."""
        return self.verdict is not self.expected


def examples_of(claim: Claim, examples: int, seed: int, name: str = "") -> list[dict[str, object]]:
    """Return examples of the hypotheses of a claim.

    Parameters
    ----------
    claim : Claim
        The claim.
    examples : int
        How many for a claim of share 1.
    seed : int
        Of the drawing.
    name : str
        Mixed into the seed.

    Returns
    -------
    list of dict
        Name -> value.
    """
    many = max(1, round(count("examples", examples) * claim.share))
    mixed = zlib.crc32(f"{name} {seed}".encode())
    where = None if claim.where is None else claim.admissible
    return draw(claim.hypotheses, many, mixed, where=where)


def find_counterexample(
    claim: Claim, *, examples: int = 200, seed: int = 0
) -> dict[str, object] | None:
    """Return the simplest example found at which a claim fails.

    Parameters
    ----------
    claim : Claim
        The claim.
    examples : int
        How many are drawn at most, for a claim of share 1.
    seed : int
        Of the drawing.

    Returns
    -------
    dict or None
        Name of each hypothesis -> value; None if no example fails.

    Raises
    ------
    ValueError
        If `examples` is below 1.
    TypeError
        If it is no integer.
    """
    where = None if claim.where is None else claim.admissible
    many = max(1, round(count("examples", examples) * claim.share))
    with _quiet():
        return simplest_failure(
            claim.hypotheses,
            lambda example: not claim.deviation(example) <= 1.0,
            many,
            seed,
            where=where,
        )


def reproduces(statement: Statement) -> str:
    """Check the stored counterexample of a statement.

    Parameters
    ----------
    statement : Statement
        With a failing claim.

    Returns
    -------
    str
        Empty where both values come out again and the printed form fails; else what went wrong.
    """
    claim, stored = statement.failing, statement.counterexample
    if claim is None or stored is None:
        raise ValueError(f"{statement.id} has no counterexample")
    if set(stored.at) != set(claim.hypotheses) or not claim.admissible(stored.at):
        return f"the stored counterexample {dict(stored.at)} is not admissible"
    with _quiet():
        instance = claim.instance(stored.at)
        value = called(claim.claim, instance)
        again = Equal(stored.rtol, 1e-9)
        if again.deviation(stored.claim, value) > 1:
            return f"the formula gives {value}, stored is {stored.claim}"
        for truth in claim.truths:
            found = called(truth, instance)
            number = found.value if isinstance(found, Estimate) else found
            if again.deviation(stored.truth, number) > 1:
                return f"the truth is {number}, stored is {stored.truth}"
            if claim.relation.deviation(found, value) <= 1:
                return f"the printed form holds at {dict(stored.at)}: {number} and {value}"
    return ""


def verify_statement(statement: Statement, *, examples: int = 20, seed: int = 0) -> Finding:
    """Run a statement.

    Parameters
    ----------
    statement : Statement
        The entry.
    examples : int
        How many are drawn, for claims of share 1.
    seed : int
        Of the drawing.

    Returns
    -------
    Finding
        What was found.
    """
    started = time.process_time()
    verdict: Verdict | None = None
    tried, worst, message, failure = 0, 0.0, "", None
    try:
        holds, fails = True, False
        if statement.holding is not None:
            tried, worst, failure = _checked(statement.holding, examples, seed, statement.id)
            holds = failure is None
            if failure is not None:
                message = f"fails by {worst:.3g} tolerances at {dict(failure)}"
        if statement.failing is not None:
            tried += 1
            wrong = reproduces(statement)
            fails = not wrong
            message = "; ".join(part for part in (message, wrong) if part)
        verdict = _verdict(statement, holds, fails)
    except (ArithmeticError, ValueError, TypeError, KeyError, np.linalg.LinAlgError) as error:
        message = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - started
    return Finding(
        statement.id, statement.verdict, verdict, tried, worst, message, failure, seconds
    )


def _verdict(statement: Statement, holds: bool, fails: bool) -> Verdict | None:
    """Return what follows from whether the claim holds and the printed form fails."""
    if statement.failing is None:
        return statement.verdict if holds else Verdict.REFUTED
    if not fails:
        return None
    return Verdict.CORRECTED if statement.holding is not None and holds else Verdict.REFUTED


def _checked(
    claim: Claim, examples: int, seed: int, name: str
) -> tuple[int, float, dict[str, object] | None]:
    """Return how many examples ran, the largest deviation, and the simplest failure."""
    worst, failure = 0.0, None
    with _quiet():
        chosen = examples_of(claim, examples, seed, name)
        for example in chosen:
            deviation = claim.deviation(example)
            if not deviation <= 1.0 and failure is None:
                failure = example
            worst = max(worst, deviation)
    if failure is not None and claim.share >= 0.5:
        mixed = zlib.crc32(f"{name} {seed}".encode())
        failure = find_counterexample(claim, examples=MORE * examples, seed=mixed) or failure
    return len(chosen), worst, failure


@contextmanager
def _quiet() -> Iterator[None]:
    """Let formulas leave the range of numbers: a value that is none fails by itself."""
    with np.errstate(all="ignore"):
        yield

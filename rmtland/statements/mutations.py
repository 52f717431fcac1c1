"""Formulas broken on purpose: a check that does not notice them proves nothing.

A mutant is a statement whose formula is wrong by a factor, a sign, an exponent, a shift, two
quantities swapped, or an inequality turned. It is *the same* where its values are those of the
formula at every example (a factor 2 of zero, a swap of a symmetric formula), else a run must give
it another verdict: it is *caught*, or *missed*.

>>> from rmtland.statements import find_statement
>>> outcome = mutation_test(find_statement("lecture-semicircle-density"), examples=4)
>>> outcome.missed, "twice" in outcome.caught
((), True)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real as RealNumber

import numpy as np

from rmtland.statements.relations import AtLeast, AtMost, Equal
from rmtland.statements.statement import Claim, Statement, Trial, called, parameters
from rmtland.statements.verification import examples_of, reproduces
from rmtland.typing import Values

__all__ = ["MUTATIONS", "MutationOutcome", "mutation_test"]


def _changed(change: Callable[[Values], Values], value: Values) -> Values:
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype == bool:
        return np.logical_not(array)
    return change(array)


MUTATIONS: dict[str, Callable[[Values], Values]] = {
    "twice": lambda value: 2 * value,
    "half": lambda value: value / 2,
    "negative": lambda value: -value,
    "square": lambda value: value * value,
    "shifted": lambda value: value + 1,
}
"""Changes of the value of a formula."""


@dataclass(frozen=True)
class MutationOutcome:
    """What became of the mutants of one statement.

    Made by `rmtland.statements.mutation_test`.

    Parameters
    ----------
    id : str
        Of the statement.
    caught, missed, same : tuple of str
        Names of mutants.
    """

    id: str
    caught: tuple[str, ...]
    missed: tuple[str, ...]
    same: tuple[str, ...]


def mutation_test(statement: Statement, *, examples: int = 8, seed: int = 0) -> MutationOutcome:
    """Break the formulas of a statement one by one.

    Parameters
    ----------
    statement : Statement
        The entry.
    examples : int
        As in `verify_statement`.
    seed : int
        Of the drawing.

    Returns
    -------
    MutationOutcome
        Names of the mutants by what became of them.
    """
    names: dict[str, list[str]] = {"caught": [], "missed": [], "same": []}
    outcomes: Iterator[tuple[str, str]] = iter(())
    if statement.holding is not None:
        outcomes = itertools.chain(
            outcomes, _of_holding(statement.holding, examples, seed, statement.id)
        )
    if statement.failing is not None:
        outcomes = itertools.chain(outcomes, _of_failing(statement))
    with np.errstate(all="ignore"):
        for name, outcome in outcomes:
            names[outcome].append(name)
    return MutationOutcome(
        statement.id, *(tuple(names[kind]) for kind in ("caught", "missed", "same"))
    )


def _mutants(claim: Claim, instance: Mapping[str, object]) -> Iterator[tuple[str, Claim]]:
    """Yield the broken forms of a formula."""
    formula = claim.claim
    for name, change in MUTATIONS.items():
        yield name, claim.instead(claim=_composed(change, formula))
    numbers = [
        name
        for name in parameters(formula)
        if isinstance(instance[name], RealNumber) and not isinstance(instance[name], bool)
    ]
    for first, second in itertools.combinations(numbers, 2):
        yield f"{first} and {second} swapped", claim.instead(claim=_swapped(formula, first, second))


def _composed(
    change: Callable[[Values], Values], formula: Callable[..., Values]
) -> Callable[..., Values]:
    return _with_parameters(formula, lambda values: _changed(change, formula(**values)))


def _swapped(formula: Callable[..., Values], first: str, second: str) -> Callable[..., Values]:
    def swapped(values: dict[str, object]) -> Values:
        try:
            return formula(**{**values, first: values[second], second: values[first]})
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return None

    return _with_parameters(formula, swapped)


def _with_parameters(
    formula: Callable[..., Values], function: Callable[[dict[str, object]], Values]
) -> Callable[..., Values]:
    """Return a function of the same parameters as a formula."""
    import inspect

    def mutant(**values: object) -> Values:
        return function(values)

    mutant.__signature__ = inspect.signature(formula)  # type: ignore[attr-defined]
    return mutant


def _of_holding(claim: Claim, examples: int, seed: int, name: str) -> Iterator[tuple[str, str]]:
    trials = [Trial.of(claim, one) for one in examples_of(claim, examples, seed, name)]
    for kind, mutant in _mutants(claim, trials[0].plain[0]):
        if all(_same(claim.claim, mutant.claim, trial) for trial in trials):
            yield kind, "same"
        elif any(not trial.deviation(mutant) <= 1.0 for trial in trials):
            yield kind, "caught"
        else:
            yield kind, "missed"
    if isinstance(claim.relation, AtMost | AtLeast):
        other = AtLeast if isinstance(claim.relation, AtMost) else AtMost
        turned = claim.instead(relation=other(claim.relation.rtol, claim.relation.atol, np.inf))
        broken = any(not trial.deviation(turned) <= 1.0 for trial in trials)
        yield "turned", "caught" if broken else "missed"


def _of_failing(statement: Statement) -> Iterator[tuple[str, str]]:
    claim, stored = statement.failing, statement.counterexample
    assert claim is not None
    assert stored is not None
    instance = claim.instance(stored.at)
    value = called(claim.claim, instance)
    for kind, mutant in _mutants(claim, instance):
        name = f"printed form: {kind}"
        if _equal(value, called(mutant.claim, instance)):
            yield name, "same"
        else:
            broken = reproduces(statement.replaced(failing=mutant))
            yield name, "caught" if broken else "missed"


def _same(formula: Callable[..., Values], mutant: Callable[..., Values], trial: Trial) -> bool:
    sides = [trial.plain] if trial.attained is None else [trial.plain, trial.attained]
    return all(_equal(called(formula, side), called(mutant, side)) for side, _ in sides)


def _equal(first: Values, second: Values) -> bool:
    return Equal(1e-9, 1e-12).deviation(first, second) <= 1.0

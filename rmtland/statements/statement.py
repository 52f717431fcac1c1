"""One statement of a source document: what is printed, what is tested, and what came out.

A `Claim` is a formula beside an independent truth, over a range of hypotheses, and so can fail. A
`Statement` holds the claim that is said to hold (the printed form, or a corrected one), the printed
form that is said to fail with its smallest counterexample, or both, and the verdict that running
them must give.

>>> from rmtland.statements.hypotheses import Number
>>> square = Claim({"x": Number(-2, 2)}, claim=lambda x: x**2, truth=lambda x: abs(x) * abs(x))
>>> square.deviation({"x": 1.5})
0.0
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar

from rmtland.statements.hypotheses import Hypothesis
from rmtland.statements.relations import AtLeast, AtMost, Equal, Relation
from rmtland.typing import Values

__all__ = [
    "Claim",
    "Counterexample",
    "Document",
    "Kind",
    "Statement",
    "Trial",
    "Verdict",
    "called",
    "parameters",
]


class Document(enum.Enum):
    """A source document."""

    LECTURE = "lecture"
    ABSTRACT = "abstract"
    THEORY = "theory"
    PROPOSAL = "proposal"

    @property
    def url(self) -> str | None:
        """Where it can be read, if it can."""
        if self is Document.ABSTRACT:
            return "https://proceedings.mlr.press/v70/pennington17a.html"
        return None

    @property
    def title(self) -> str:
        """Author and title."""
        return {
            Document.LECTURE: "J. Tanner, Theories of deep learning C6.5, lecture 9 (Oxford)",
            Document.ABSTRACT: "J. Pennington and Y. Bahri, ICML 2017, abstract",
            Document.THEORY: "Mathematical theory: loss landscape geometry",
            Document.PROPOSAL: "High-dimensional loss landscape geometry: a research proposal",
        }[self]


class Kind(enum.Enum):
    """What a statement is in its document."""

    DEFINITION = "definition"
    THEOREM = "theorem"
    LEMMA = "lemma"
    PROOF_STEP = "proof step"
    FORMULA = "formula"
    CLAIM = "claim"
    OPEN_QUESTION = "open question"


class Verdict(enum.Enum):
    """What running a statement says of it."""

    HOLDS = "holds"
    CORRECTED = "holds as corrected"
    REFUTED = "refuted"
    EMPIRICAL = "empirical"


T = TypeVar("T")


def called(function: Callable[..., T], values: Mapping[str, object]) -> T:
    """Call a function with those of the values that it has parameters for.

    Parameters
    ----------
    function : callable
        Its parameters are names of values.
    values : mapping
        Name -> value.

    Returns
    -------
    object
        What it returns.
    """
    return function(**{name: values[name] for name in parameters(function) if name in values})


@lru_cache(maxsize=4096)
def parameters(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the parameters of a function.

    Parameters
    ----------
    function : callable
        Any function.

    Returns
    -------
    tuple of str
        In order.
    """
    return tuple(inspect.signature(function).parameters)


@dataclass(frozen=True, eq=False)
class Claim:
    """A formula beside an independent truth, over all admissible hypotheses.

    Parameters
    ----------
    hypotheses : mapping
        Name of each quantity -> range.
    claim : callable
        The formula: names of quantities -> value.
    truth : callable or tuple of callable
        Other routes to the same value: exact algebra, an object of rmtland, Monte Carlo.
    relation : Relation
        How the truth stands to the formula.
    setting : callable, optional
        Hypotheses -> mapping of the quantities that `claim` and `truth` take (matrices, norms);
        without it they are the hypotheses.
    attained : callable, optional
        Like `setting`, for a family in which a bound is an equality: a bound without one cannot
        notice a factor 2.
    where : callable, optional
        Hypotheses -> whether they are admissible.
    share : float
        Examples of this claim for one example of another: below 1 where they are dear.
    """

    hypotheses: Mapping[str, Hypothesis]
    claim: Callable[..., Values]
    truth: Callable[..., Values] | tuple[Callable[..., Values], ...]
    relation: Relation = field(default_factory=Equal)
    setting: Callable[..., Mapping[str, object]] | None = None
    attained: Callable[..., Mapping[str, object]] | None = None
    where: Callable[..., bool] | None = None
    share: float = 1.0

    @property
    def truths(self) -> tuple[Callable[..., Values], ...]:
        """The independent routes."""
        return self.truth if isinstance(self.truth, tuple) else (self.truth,)

    def instead(self, **changes: Any) -> Claim:
        """Return the claim with some of its parts replaced.

        Parameters
        ----------
        **changes
            Fields of `Claim`.

        Returns
        -------
        Claim
            The other claim.
        """
        return replace(self, **changes)

    def admissible(self, hypotheses: Mapping[str, object]) -> bool:
        """Return whether hypotheses are admissible.

        Parameters
        ----------
        hypotheses : mapping
            Name -> value.

        Returns
        -------
        bool
            Whether they are.
        """
        return self.where is None or bool(called(self.where, hypotheses))

    def instance(
        self, hypotheses: Mapping[str, object], *, attained: bool = False
    ) -> Mapping[str, object]:
        """Return the quantities that formula and truth take.

        Parameters
        ----------
        hypotheses : mapping
            Name -> value.
        attained : bool
            Of the family in which the bound is attained.

        Returns
        -------
        mapping
            Name -> quantity, hypotheses included.
        """
        setting = self.attained if attained else self.setting
        return {**hypotheses, **({} if setting is None else called(setting, hypotheses))}

    def deviation(self, hypotheses: Mapping[str, object]) -> float:
        """Return how far the formula is off, over all routes and the family of equality.

        Parameters
        ----------
        hypotheses : mapping
            Name -> value.

        Returns
        -------
        float
            At most 1 where the claim holds.
        """
        return Trial.of(self, hypotheses).deviation(self)


@dataclass(frozen=True, eq=False)
class Trial:
    """A claim at one example: the quantities and the truths, whatever the formula.

    Parameters
    ----------
    hypotheses : mapping
        The example.
    plain : tuple
        Quantities and truths.
    attained : tuple or None
        The same in the family of equality.
    """

    hypotheses: Mapping[str, object]
    plain: tuple[Mapping[str, object], tuple[Values, ...]]
    attained: tuple[Mapping[str, object], tuple[Values, ...]] | None

    @classmethod
    def of(cls, claim: Claim, hypotheses: Mapping[str, object]) -> Trial:
        """Return the trial of a claim at an example.

        Parameters
        ----------
        claim : Claim
            The claim.
        hypotheses : mapping
            The example.

        Returns
        -------
        Trial
            The trial.
        """

        def values(attained: bool) -> tuple[Mapping[str, object], tuple[Values, ...]]:
            instance = claim.instance(hypotheses, attained=attained)
            return instance, tuple(called(truth, instance) for truth in claim.truths)

        return cls(hypotheses, values(False), values(True) if claim.attained else None)

    def deviation(self, claim: Claim) -> float:
        """Return how far a formula is off here.

        Parameters
        ----------
        claim : Claim
            With the same hypotheses and truths.

        Returns
        -------
        float
            At most 1 where the claim holds.
        """
        worst = 0.0
        instance, truths = self.plain
        value = called(claim.claim, instance)
        for truth in truths:
            worst = max(worst, claim.relation.deviation(truth, value))
        if self.attained is not None:
            instance, truths = self.attained
            value = called(claim.claim, instance)
            for truth in truths:
                worst = max(worst, claim.relation.attained(truth, value))
        return worst


@dataclass(frozen=True, eq=False)
class Counterexample:
    """The smallest example found at which a printed form fails.

    Parameters
    ----------
    at : mapping
        Name of each hypothesis -> value.
    claim : float or tuple
        Value of the printed formula there.
    truth : float or tuple
        What is true there.
    rtol : float
        Relative tolerance with which a run must find both again.
    """

    at: Mapping[str, Values]
    claim: Values
    truth: Values
    rtol: float = 1e-6


@dataclass(frozen=True, eq=False)
class Statement:
    """An entry of the ledger.

    Parameters
    ----------
    id : str
        Its name, such as "lecture-relu-threshold".
    document : Document
        Where it stands.
    place : str
        Section, in words.
    kind : Kind
        What it is there.
    printed : str
        The printed form, as a short formula of our own.
    tested : str
        The form that is tested.
    verdict : Verdict
        What a run must find.
    holding : Claim, optional
        What holds: the printed form, or the corrected one.
    failing : Claim, optional
        The printed form where it is wrong.
    counterexample : Counterexample, optional
        To `failing`.
    derivation : str
        Why: the proof, the correction, the experiment.
    code : tuple of str
        Full names of the objects that it rests on.
    figure : str, optional
        Path of a picture of the project that shows it.

    Raises
    ------
    ValueError
        If the parts do not go with the verdict.
    """

    id: str
    document: Document
    place: str
    kind: Kind
    printed: str
    tested: str
    verdict: Verdict
    holding: Claim | None = None
    failing: Claim | None = None
    counterexample: Counterexample | None = None
    derivation: str = ""
    code: tuple[str, ...] = ()
    figure: str | None = None

    def __post_init__(self) -> None:
        holds = self.verdict in (Verdict.HOLDS, Verdict.EMPIRICAL, Verdict.CORRECTED)
        fails = self.verdict in (Verdict.REFUTED, Verdict.CORRECTED)
        if (self.holding is not None) != holds or (self.failing is not None) != fails:
            raise ValueError(
                f"{self.id}: a statement that {self.verdict.value} has "
                f"{'a' if holds else 'no'} holding claim and {'a' if fails else 'no'} failing one"
            )
        if fails and self.counterexample is None:
            raise ValueError(f"{self.id}: a failing claim needs its smallest counterexample")
        bound = self.holding is not None and isinstance(self.holding.relation, AtMost | AtLeast)
        if bound and self.holding is not None and self.holding.attained is None:
            raise ValueError(
                f"{self.id}: a bound needs attained=, a family in which it is an equality, or it "
                "cannot notice a factor"
            )

    def replaced(self, **changes: Any) -> Statement:
        """Return the statement with some parts replaced.

        Parameters
        ----------
        **changes
            Fields of `Statement`.

        Returns
        -------
        Statement
            The entry.
        """
        return replace(self, **changes)

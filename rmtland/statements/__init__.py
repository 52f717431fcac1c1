"""Every checkable statement of four source documents, put to the test.

The documents are a lecture, an abstract, a theory sheet and a research proposal on loss surfaces.
Each statement is one entry of a ledger: its place, the printed form, the form that is tested, the
hypotheses over their whole admissible range, the check, and the verdict that a run must give:
holds, holds as corrected, refuted (with the smallest counterexample, run again each time), or
empirical (with n, seeds and interval).

To add one, put it into the ``STATEMENTS`` of a chapter (a file named after document and topic; a
new one also into `ledger.CHAPTERS`) by the method of a `Section` that is named after its verdict.
Its `Claim` has the formula as ``claim``, a function of named quantities, and another route to the
same value as ``truth``: exact algebra, an object of rmtland, Monte Carlo with an `Estimate`. Where
formula and truth need matrices, ``setting`` makes them of the hypotheses. A bound says in
``attained`` where it is an equality. A form that is wrong is the ``failing`` claim, and
`find_counterexample` gives the smallest example, which is stored with both values. Then ``python
scripts/write_statements.py`` writes the pages, and `mutation_test` must miss nothing.

>>> from rmtland.statements import find_statement, verify_statement
>>> verify_statement(find_statement("lecture-wishart-entries"), examples=5).verdict.value
'holds as corrected'
"""

from rmtland.statements.hypotheses import Hypothesis, Number, OneOf, Whole
from rmtland.statements.ledger import find_statement, ledger
from rmtland.statements.mutations import MUTATIONS, MutationOutcome, mutation_test
from rmtland.statements.relations import AtLeast, AtMost, Equal, Estimate, Near, Relation
from rmtland.statements.running import verify
from rmtland.statements.section import Section
from rmtland.statements.statement import (
    Claim,
    Counterexample,
    Document,
    Kind,
    Statement,
    Verdict,
)
from rmtland.statements.verification import (
    Finding,
    find_counterexample,
    verify_statement,
)

__all__ = [
    "MUTATIONS",
    "AtLeast",
    "AtMost",
    "Claim",
    "Counterexample",
    "Document",
    "Equal",
    "Estimate",
    "Finding",
    "Hypothesis",
    "Kind",
    "MutationOutcome",
    "Near",
    "Number",
    "OneOf",
    "Relation",
    "Section",
    "Statement",
    "Verdict",
    "Whole",
    "find_counterexample",
    "find_statement",
    "ledger",
    "mutation_test",
    "verify",
    "verify_statement",
]

"""All statements, in the order of their documents.

A chapter is a file of this room with a tuple ``STATEMENTS``.

>>> find_statement("lecture-semicircle-density").verdict.value
'holds'
>>> len(ledger(document="abstract")) > 1
True
"""

from __future__ import annotations

import importlib
from functools import lru_cache

from rmtland.arguments import choice
from rmtland.statements.statement import Document, Statement, Verdict

__all__ = ["CHAPTERS", "chapter_of", "find_statement", "ledger"]

CHAPTERS = (
    "abstract",
    "lecture_linearisation",
    "lecture_sizes",
    "lecture_width",
    "lecture_descent",
    "lecture_level_sets",
    "lecture_hessian",
    "lecture_laws",
    "lecture_transforms",
    "lecture_index",
    "lecture_relu",
    "lecture_manifold",
    "theory_definitions",
    "theory_noise",
    "theory_temperature",
    "theory_pac_bayes",
    "theory_depth",
    "theory_rank",
    "theory_sharpness",
    "theory_saddles",
    "theory_architecture",
    "theory_practice",
    "proposal",
    "proposal_metrics",
)
"""Files that hold statements, in the order of the documents."""


@lru_cache(maxsize=1)
def _chapters() -> dict[str, tuple[Statement, ...]]:
    return {
        chapter: importlib.import_module(f"rmtland.statements.{chapter}").STATEMENTS
        for chapter in CHAPTERS
    }


@lru_cache(maxsize=1)
def _all() -> tuple[Statement, ...]:
    found = [one for statements in _chapters().values() for one in statements]
    names = [one.id for one in found]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"statements of one name: {', '.join(twice)}")
    return tuple(found)


def ledger(
    *, document: str | None = None, verdict: str | None = None, text: str | None = None
) -> tuple[Statement, ...]:
    """Return statements, all or some.

    Parameters
    ----------
    document : str, optional
        "lecture", "abstract", "theory" or "proposal".
    verdict : str, optional
        "holds", "corrected", "refuted" or "empirical".
    text : str, optional
        Words that all occur in a statement, in any case.

    Returns
    -------
    tuple of Statement
        In the order of the documents.

    Raises
    ------
    ValueError
        If there is no such document or verdict.
    """
    if document is not None:
        choice("document", document, tuple(one.value for one in Document))
    if verdict is not None:
        choice("verdict", verdict, tuple(one.name.lower() for one in Verdict))
    words = (text or "").lower().split()
    return tuple(
        one
        for one in _all()
        if document in (None, one.document.value)
        and verdict in (None, one.verdict.name.lower())
        and all(word in _text(one) for word in words)
    )


def chapter_of(name: str) -> str:
    """Return the chapter that a statement stands in.

    Parameters
    ----------
    name : str
        Its id.

    Returns
    -------
    str
        Name of the file, without its ending.

    Raises
    ------
    ValueError
        If there is no such statement.
    """
    statement = find_statement(name)
    return next(chapter for chapter, here in _chapters().items() if statement in here)


def find_statement(name: str) -> Statement:
    """Return the statement of a name.

    Parameters
    ----------
    name : str
        Its id.

    Returns
    -------
    Statement
        The entry.

    Raises
    ------
    ValueError
        If there is none; the message gives names that are close.
    """
    import difflib

    for one in _all():
        if one.id == name:
            return one
    close = difflib.get_close_matches(name, [one.id for one in _all()], n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(close)}" if close else ""
    raise ValueError(f"there is no statement {name!r}{hint}: rmtland statements lists all")


def _text(one: Statement) -> str:
    parts = (one.id, one.place, one.kind.value, one.printed, one.tested, one.derivation)
    return " ".join(parts).lower().replace("-", " ") + " " + one.id.lower()

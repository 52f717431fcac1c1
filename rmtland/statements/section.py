"""A section of a document: the short way to write its statements.

>>> from rmtland.statements import Claim, Number
>>> slide = Section(Document.LECTURE, "lecture", "slide on squares")
>>> square = Claim({"x": Number(-2, 2)}, claim=lambda x: x**2, truth=lambda x: abs(x) ** 2)
>>> slide.holds("square", Kind.FORMULA, "x²", "the same", "sign", holding=square).id
'lecture-square'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, Unpack

from rmtland.statements.statement import Claim, Counterexample, Document, Kind, Statement, Verdict

__all__ = ["Section"]


class Parts(TypedDict, total=False):
    """What `Statement` holds beside its words."""

    holding: Claim
    failing: Claim
    counterexample: Counterexample
    code: tuple[str, ...]
    figure: str


@dataclass(frozen=True)
class Section:
    """Where statements stand; its methods make entries, one for each verdict.

    Parameters
    ----------
    document : Document
        The document.
    prefix : str
        What ids begin with, the document's name first.
    place : str
        The place in words.
    """

    document: Document
    prefix: str
    place: str

    def holds(
        self,
        name: str,
        kind: Kind,
        printed: str,
        tested: str,
        derivation: str,
        **parts: Unpack[Parts],
    ) -> Statement:
        """Return a statement that holds as printed.

        Parameters
        ----------
        name : str
            The id after the prefix.
        kind : Kind
            What it is.
        printed, tested : str
            The two forms.
        derivation : str
            Why.
        **parts
            `holding`, the check; `code` and `figure` of `Statement`.

        Returns
        -------
        Statement
            The entry.
        """
        return self._entry(Verdict.HOLDS, name, kind, printed, tested, derivation, parts)

    def empirical(
        self,
        name: str,
        kind: Kind,
        printed: str,
        tested: str,
        derivation: str,
        **parts: Unpack[Parts],
    ) -> Statement:
        """Return a statement that measurements support.

        Parameters
        ----------
        name : str
            The id after the prefix.
        kind : Kind
            What it is.
        printed, tested : str
            The two forms.
        derivation : str
            The experiment: n, seeds, interval.
        **parts
            `holding`, a check whose truth is an `Estimate`; `code` and `figure` of `Statement`.

        Returns
        -------
        Statement
            The entry.
        """
        return self._entry(Verdict.EMPIRICAL, name, kind, printed, tested, derivation, parts)

    def corrected(
        self,
        name: str,
        kind: Kind,
        printed: str,
        tested: str,
        derivation: str,
        **parts: Unpack[Parts],
    ) -> Statement:
        """Return a statement that holds after a correction.

        Parameters
        ----------
        name : str
            The id after the prefix.
        kind : Kind
            What it is.
        printed, tested : str
            The two forms.
        derivation : str
            The correction.
        **parts
            `holding` of the corrected form, `failing` of the printed one, `counterexample`;
            `code` and `figure` of `Statement`.

        Returns
        -------
        Statement
            The entry.
        """
        return self._entry(Verdict.CORRECTED, name, kind, printed, tested, derivation, parts)

    def refuted(
        self,
        name: str,
        kind: Kind,
        printed: str,
        tested: str,
        derivation: str,
        **parts: Unpack[Parts],
    ) -> Statement:
        """Return a statement that is false.

        Parameters
        ----------
        name : str
            The id after the prefix.
        kind : Kind
            What it is.
        printed, tested : str
            The two forms.
        derivation : str
            Why.
        **parts
            `failing`, the check, and its `counterexample`; `code` and `figure` of `Statement`.

        Returns
        -------
        Statement
            The entry.
        """
        return self._entry(Verdict.REFUTED, name, kind, printed, tested, derivation, parts)

    def _entry(
        self,
        verdict: Verdict,
        name: str,
        kind: Kind,
        printed: str,
        tested: str,
        derivation: str,
        parts: Parts,
    ) -> Statement:
        return Statement(
            id=f"{self.prefix}-{name}",
            document=self.document,
            place=self.place,
            kind=kind,
            printed=printed,
            tested=tested,
            verdict=verdict,
            derivation=derivation,
            **parts,
        )

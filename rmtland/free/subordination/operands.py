"""What sums and products of free laws may be made of, checked where they are made."""

from __future__ import annotations

from rmtland.arguments import positive
from rmtland.laws import Law, MarchenkoPastur

__all__ = ["require_factors", "require_laws", "require_powers"]


def require_laws(maker: str, name: str, operands: object, *, verb: str, kind: type = Law) -> None:
    """Raise TypeError unless operands are a tuple of laws.

    Parameters
    ----------
    maker, name : str
        The class that is being made, and its parameter.
    operands : object
        What was given.
    verb : str
        The function that takes anything with a law.
    kind : type
        What each has to be.
    """
    if isinstance(operands, tuple) and all(isinstance(law, kind) for law in operands):
        return
    raise TypeError(
        f"{maker} takes a tuple of {kind.__name__} for {name}; got {_said(operands)}; "
        f"{verb}(...) takes laws one by one, spectra and arrays of eigenvalues"
    )


def require_factors(maker: str, operands: object, wisharts: object) -> None:
    """Raise TypeError or ValueError unless a product can be made of these.

    Parameters
    ----------
    maker : str
        The class that is being made.
    operands, wisharts : object
        What was given.
    """
    require_laws(maker, "operands", operands, verb="free_product")
    require_laws(maker, "wisharts", wisharts, verb="free_product", kind=MarchenkoPastur)
    if not operands:
        raise ValueError(f"{maker} needs at least one operand; see free_product(...)")


def require_powers(
    maker: str, powers: object, operands: tuple[Law, ...], *, least: float = 0.0
) -> None:
    """Raise TypeError or ValueError unless there is a positive power for each operand.

    Parameters
    ----------
    maker : str
        The class that is being made.
    powers : object
        What was given.
    operands : tuple of Law
        The operands.
    least : float
        The least power that is taken.
    """
    if not isinstance(powers, tuple) or len(powers) != len(operands):
        raise ValueError(
            f"{maker} takes a tuple of one power for each of {len(operands)} operands; "
            f"got {_said(powers)}"
        )
    for power in powers:
        if positive("powers", power) < least:
            raise ValueError(f"{maker} takes powers of at least {least:g}; got {power!r}")


def _said(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."

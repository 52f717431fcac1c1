"""What a number or a curve of a figure is: a quantity and the parameters it belongs to.

>>> index = Quantity.of("index", phi=0.5, epsilon=0.1, of="law")
>>> str(index), index == Quantity.of("index", of="law", epsilon=0.1, phi=0.5)
('index, phi = 0.5, epsilon = 0.1, law', True)
>>> index.having(statistic="standard error").as_dict()["parameters"]["statistic"]
'standard error'
"""

from __future__ import annotations

from dataclasses import dataclass

from rmtland.typing import Record

__all__ = ["Quantity"]


@dataclass(frozen=True, eq=False)
class Quantity:
    """A name and parameters; two are equal if these are, in whatever order.

    Parameters
    ----------
    name : str
        What it is; may be empty where the parameters say it all.
    parameters : tuple of (str, str, int or float)
        Names and values, in the order in which they are shown.
    """

    name: str
    parameters: tuple[tuple[str, str | float], ...] = ()

    @classmethod
    def of(cls, name: str, /, **parameters: str | float) -> Quantity:
        """Return a quantity with parameters by name.

        Parameters
        ----------
        name : str
            What it is.
        **parameters
            What it belongs to.

        Returns
        -------
        Quantity
        """
        return cls(name, tuple(parameters.items()))

    def having(self, **more: str | float) -> Quantity:
        """Return the same quantity with further parameters.

        Parameters
        ----------
        **more
            By name.

        Returns
        -------
        Quantity
        """
        return Quantity(self.name, (*self.parameters, *more.items()))

    def __eq__(self, other: object) -> bool:
        """Compare name and parameters."""
        if not isinstance(other, Quantity):
            return NotImplemented
        return (self.name, dict(self.parameters)) == (other.name, dict(other.parameters))

    def __hash__(self) -> int:
        """Return a number that does not depend on the order of the parameters."""
        return hash((self.name, frozenset(self.parameters)))

    def __str__(self) -> str:
        """Return name, numbers as ``name = value``, and words as they are."""
        shown = [
            value if isinstance(value, str) else f"{name} = {value:g}"
            for name, value in self.parameters
        ]
        return ", ".join([self.name, *shown] if self.name else shown)

    def as_dict(self) -> Record:
        """Return plain values, for JSON."""
        return {"quantity": self.name, "parameters": dict(self.parameters)}

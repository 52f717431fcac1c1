"""What the explorer shows, as numbers and as an address that can be shared.

>>> state = ExplorerState(phi=0.25, energy=0.1)
>>> state.query
'law=wishart-wigner&phi=0.25&energy=0.1&sigma=1.0&activation=tanh&traces=printed&sample=none&width=16&seed=0'
>>> ExplorerState.from_query(state.query) == state
True
>>> ExplorerState.from_query("phi=0.25&sigma=-1")
Traceback (most recent call last):
    ...
ValueError: sigma must be a positive finite number; got -1.0
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from urllib.parse import parse_qsl, urlencode

from rmtland.arguments import choice, count, nonnegative, positive
from rmtland.explorer.families import FAMILIES, LawFamily
from rmtland.networks.activation import ACTIVATIONS
from rmtland.typing import Record

__all__ = ["SAMPLES", "SIZES", "TRACES", "ExplorerState"]

TRACES = ("printed", "activation")
"""Whether a law has the scales printed, or those of a network with the activation."""

SAMPLES = ("none", "matrices", "network")
"""What is drawn beside a law: nothing, its own random matrices, Hessians of a network."""

SIZES = {"phi": (1e-12, 1e12), "energy": (1e-24, 1e24), "sigma": (1e-12, 1e12)}
"""Parameters between which laws can be shown in floats; the energy has the units of sigma^2."""

_LONGEST = 2000
_MOST_WIDTH = 4000
_MOST_SEED = 2**53 - 1
"""Larger integers are rounded by a browser, which would draw what another seed draws."""


@dataclass(frozen=True)
class ExplorerState:
    """What the explorer shows.

    Parameters
    ----------
    law : str
        A name of `FAMILIES`.
    phi : float
        Parameters per effective example, from 1e-12 to 1e12.
    energy : float
        Loss per output, 0 or from 1e-24 to 1e24: residuals have variance 2 energy.
    sigma : float
        Mean of the Gauss-Newton part, from 1e-12 to 1e12.
    activation : str
        Of networks; a name of `rmtland.networks`.
    traces : {"printed", "activation"}
        Whether the law has the scales printed, or those of a network with the activation.
    sample : {"none", "matrices", "network"}
        What is drawn beside the law.
    width : int
        Order of the matrices, or units of each layer of a network; from 2 to 4000.
    seed : int
        Of what is drawn; from 0 to 2^53 - 1, which a browser holds exactly.

    Raises
    ------
    ValueError
        If a value is out of its range.
    TypeError
        If a value is of another type.
    """

    law: str = "wishart-wigner"
    phi: float = 0.5
    energy: float = 0.3
    sigma: float = 1.0
    activation: str = "tanh"
    traces: str = "printed"
    sample: str = "none"
    width: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        choice("law", self.law, tuple(FAMILIES))
        choice("activation", self.activation, tuple(ACTIVATIONS))
        choice("traces", self.traces, TRACES)
        choice("sample", self.sample, SAMPLES)
        object.__setattr__(self, "phi", positive("phi", self.phi))
        object.__setattr__(self, "energy", nonnegative("energy", self.energy))
        object.__setattr__(self, "sigma", positive("sigma", self.sigma))
        for name, (least, most) in SIZES.items():
            value = getattr(self, name)
            if value and not least <= value <= most:
                raise ValueError(f"{name} must be from {least:g} to {most:g}; got {value}")
        object.__setattr__(self, "width", count("width", self.width, min_value=2))
        if self.width > _MOST_WIDTH:
            raise ValueError(f"width must be at most {_MOST_WIDTH}; got {self.width}")
        object.__setattr__(self, "seed", count("seed", self.seed, min_value=0))
        if self.seed > _MOST_SEED:
            raise ValueError(
                f"seed must be at most {_MOST_SEED}; got one of {self.seed.bit_length()} bits"
            )

    @property
    def family(self) -> LawFamily:
        """The family of the law."""
        return FAMILIES[self.law]

    @property
    def values(self) -> Record:
        """What `LawFamily.matrix` takes: traces, phi, energy, sigma and activation."""
        names = ("traces", "phi", "energy", "sigma", "activation")
        return {name: getattr(self, name) for name in names}

    @property
    def query(self) -> str:
        """The state as the query of an address; every digit of the numbers is in it."""
        return urlencode(asdict(self))

    @classmethod
    def from_query(cls, query: str) -> ExplorerState:
        """Read the query of an address; what it does not name is as by default.

        Parameters
        ----------
        query : str
            ``name=value`` pairs joined by ``&``.

        Returns
        -------
        ExplorerState
            The state.

        Raises
        ------
        ValueError
            If it is too long, names something twice or something that there is not, or a value is
            no number or out of its range.
        """
        if len(query) > _LONGEST:
            raise ValueError(
                f"the address has {len(query)} characters; at most {_LONGEST} are read"
            )
        kinds: Record = {field.name: type(field.default) for field in fields(cls)}
        values: Record = {}
        for name, text in parse_qsl(query, keep_blank_values=True):
            kind = kinds.get(name)
            if kind is None:
                raise ValueError(f"the address names {name[:40]!r}; it can name {', '.join(kinds)}")
            if name in values:
                raise ValueError(f"the address names {name} twice")
            try:
                values[name] = kind(text)
            except (ValueError, OverflowError):
                what = "an integer" if kind is int else "a number"
                raise ValueError(f"{name} must be {what}; got {text[:40]!r}") from None
        return cls(**values)

"""Which parameters of a PyTorch module the matrix is of, and where each lies in the flat vector.

Names are those of ``named_parameters()``; a pattern of the shell ("layer1.*", "*.weight") chooses
among them, and the name of a module means all its parameters. A tied parameter is one block, under
its first name, and every name it has chooses it.

>>> block = Block("fc.weight", (3, 2), 4)
>>> block.stop, block.fits("fc"), block.fits("*.bias")
(10, True, False)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rmtland.typing import Array

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["Block", "chosen_blocks", "fitting_names"]


@dataclass(frozen=True)
class Block:
    """One parameter inside the flat vector.

    Parameters
    ----------
    name : str
        Its first name in the module.
    shape : tuple of int
        Its shape.
    start : int
        Position of its first entry in the flat vector.
    aliases : tuple of str, optional
        Other names of a tied parameter.
    """

    name: str
    shape: tuple[int, ...]
    start: int
    aliases: tuple[str, ...] = ()

    @property
    def stop(self) -> int:
        """One past the position of its last entry."""
        return self.start + math.prod(self.shape)

    @property
    def slice(self) -> slice:
        """Its entries in the flat vector."""
        return slice(self.start, self.stop)

    def fits(self, pattern: str) -> bool:
        """Return whether a pattern chooses it, by any of its names or by that of its module.

        Parameters
        ----------
        pattern : str
            A name, the name of a module, or a pattern of the shell.

        Returns
        -------
        bool
            Whether it does.
        """
        return any(
            fnmatchcase(name, pattern) or name.startswith(pattern + ".")
            for name in (self.name, *self.aliases)
        )


def chosen_blocks(model: Module, patterns: str | Sequence[str] | None) -> tuple[Block, ...]:
    """Return the parameters of a module that patterns choose and that are not frozen.

    Parameters
    ----------
    model : nn.Module
        The module.
    patterns : str, sequence of str, or None
        As in the docstring of this module; None for all that are not frozen.

    Returns
    -------
    tuple of Block
        In the order of ``named_parameters()``.

    Raises
    ------
    ValueError
        If a pattern fits no parameter, chooses integer or complex ones, or all that are chosen
        are frozen.
    """
    names: dict[int, list[str]] = {}
    by_id: dict[int, Array] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
        by_id[id(parameter)] = parameter
    if not names:
        raise ValueError(f"the model, a {type(model).__name__}, has no parameters")
    lazy = [found[0] for key, found in names.items() if hasattr(by_id[key], "materialize")]
    if lazy:
        raise ValueError(
            f"parameter {lazy[0]} has no shape yet (a lazy module): call the model once"
        )
    if patterns is not None and not isinstance(patterns, str | Sequence):
        raise TypeError(f"parameters must be a pattern or a sequence of them; got {patterns!r}")
    listed = ", ".join(found[0] for found in list(names.values())[:12])
    listed += ", ..." if len(names) > 12 else ""
    wanted = None if patterns is None else [patterns] if isinstance(patterns, str) else [*patterns]
    candidates = {
        key: Block(found[0], tuple(by_id[key].shape), 0, tuple(found[1:]))
        for key, found in names.items()
    }
    for pattern in wanted or ():
        if not any(block.fits(pattern) for block in candidates.values()):
            raise ValueError(f"no parameter fits {pattern!r}; there are {listed}")
    if wanted is not None and not wanted:
        raise ValueError("parameters names no parameter; leave it out for all of them")
    chosen = {
        key: block
        for key, block in candidates.items()
        if wanted is None or any(block.fits(pattern) for pattern in wanted)
    }
    for key, block in chosen.items():
        if wanted is not None and not by_id[key].is_floating_point():
            raise ValueError(
                f"parameter {block.name} is of dtype {by_id[key].dtype}; a loss has derivatives in "
                "real floating-point parameters only: choose others by parameters="
            )
    free = {key: block for key, block in chosen.items() if by_id[key].requires_grad}
    if not free:
        raise ValueError(
            f"all {len(chosen)} parameters chosen are frozen (requires_grad=False); unfreeze some "
            "or choose others"
        )
    placed: list[Block] = []
    start = 0
    for key, block in free.items():
        if by_id[key].is_complex():
            raise ValueError(f"parameter {block.name} is complex; only real ones are supported")
        placed.append(Block(block.name, block.shape, start, block.aliases))
        start = placed[-1].stop
    if not start:
        raise ValueError("the parameters chosen have no entries")
    return tuple(placed)


def fitting_names(blocks: Sequence[Block], parameters: str | Sequence[str]) -> list[str]:
    """Return the names of the blocks that fit one of some patterns.

    Parameters
    ----------
    blocks : sequence of Block
        Of an operator.
    parameters : str or sequence of str
        Names, names of modules, or patterns of the shell.

    Returns
    -------
    list of str
        In the order of the blocks.

    Raises
    ------
    ValueError
        If a pattern fits none of them.
    """
    patterns = [parameters] if isinstance(parameters, str) else list(parameters)
    for pattern in patterns:
        if not any(block.fits(pattern) for block in blocks):
            raise ValueError(
                f"no parameter of this operator fits {pattern!r}; it has "
                f"{', '.join(block.name for block in blocks[:12])}"
            )
    return [b.name for b in blocks if any(b.fits(pattern) for pattern in patterns)]

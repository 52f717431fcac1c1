"""The hidden units of a sequential PyTorch model, with all their places in its parameters.

>>> torch_unit_groups.__name__
'torch_unit_groups'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmtland.adapters.optional import optional
from rmtland.adapters.torch_parameters import Block, chosen_blocks
from rmtland.landscape.connectivity.unit_group import Place, UnitGroup
from rmtland.typing import Array

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["torch_unit_groups"]

_ODD = ("Tanh", "Softsign", "Hardtanh", "Identity")
_OTHER = ("ReLU", "LeakyReLU", "GELU", "SiLU", "ELU", "Sigmoid", "Softplus", "ReLU6", "CELU")
_EQUIVARIANT = ("Dropout", "Dropout2d", "Identity")
_POOLED = ("AvgPool2d", "AdaptiveAvgPool2d")
_MAXIMA = ("MaxPool2d", "AdaptiveMaxPool2d")


def torch_unit_groups(model: Module) -> tuple[UnitGroup, ...]:
    """Return the hidden layers of a sequential model whose units may be permuted.

    Parameters
    ----------
    model : nn.Sequential
        See `rmtland.landscape.connectivity.alignment.unit_groups`. All parameters are those of the
        flat vector, none frozen.

    Returns
    -------
    tuple of UnitGroup
        First layer first.

    Raises
    ------
    TypeError
        If it is no ``nn.Sequential``, or one with a ``forward`` of its own.
    ValueError
        For a module that is not known, a layer used twice, frozen or parametrised by others,
        grouped convolutions, or units of which it is not known where they stand.
    """
    torch = optional("torch", extra="torch")
    nn = torch.nn
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        raise TypeError(
            "expected an MLP or an nn.Sequential that passes from each module to the next; got "
            f"{type(model).__name__}"
        )
    places = {block.name: block for block in chosen_blocks(model, None)}
    many = max((block.slice.stop for block in places.values()), default=0)
    groups: list[UnitGroup] = []
    layer: _Layer | None = None  # the last one, whose places are not all known yet
    seen: set[int] = set()
    for name, module in model._modules.items():  # named_children() leaves repeated ones out
        kind = type(module).__name__
        if next(module.parameters(), None) is not None and id(module) in seen:
            raise ValueError(
                f"module {name} is one that came before: units of a layer that is used twice are "
                "not aligned"
            )
        seen.add(id(module))
        if type(module) in (nn.Linear, nn.Conv2d):
            if getattr(module, "groups", 1) != 1:
                raise ValueError(f"module {name}: grouped convolutions are not aligned")
            weight = _place(places, f"{name}.weight")
            if layer is not None:
                groups.append(layer.closed(name, weight, type(module) is nn.Conv2d, many))
            found = [Place(weight.slice, weight.shape, 0, True)]
            if module.bias is not None:
                bias = _place(places, f"{name}.bias")
                found.append(Place(bias.slice, bias.shape, 0, True))
            layer = _Layer(name, weight.shape[0], type(module) is nn.Conv2d, found)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            if layer is not None and module.affine:
                for part, turns in (("weight", False), ("bias", True)):
                    block = _place(places, f"{name}.{part}")
                    split, axis = layer.split(name, block.shape[0])
                    layer.places.append(Place(block.slice, split, axis, turns))
        elif isinstance(module, nn.Flatten):
            if (module.start_dim, module.end_dim) != (1, -1):
                raise ValueError(
                    f"module {name}: after Flatten({module.start_dim}, {module.end_dim}) it is not "
                    "known where the units stand; flatten all but the samples"
                )
            if layer is not None:
                layer.flattened = True
        elif kind in _OTHER or kind in _POOLED or kind in _MAXIMA or _cut_unevenly(module):
            if layer is not None and not layer.channels and (kind in _POOLED or kind in _MAXIMA):
                raise ValueError(f"module {name}, a {kind}, pools the units of a linear layer")
            if layer is not None and kind not in _POOLED:
                layer.odd = False
        elif kind not in _ODD and kind not in _EQUIVARIANT:
            raise ValueError(
                f"module {name}, a {kind}, is not known: whether units behind it may be permuted "
                "depends on what it does"
            )
    return tuple(groups)


@dataclass
class _Layer:
    """A layer whose units have not reached the next one yet."""

    name: str
    size: int
    channels: bool
    places: list[Place]
    odd: bool = True
    flattened: bool = False

    def split(self, name: str, many: int) -> tuple[tuple[int, ...], int]:
        """Return the shape of what the next module takes from it, and the axis of the units."""
        if many == self.size:
            return (many,), 0
        if not self.flattened or many % self.size:
            kind = "channels" if self.channels else "units"
            raise ValueError(f"module {name} takes {many} inputs from {self.size} {kind}")
        rest = many // self.size  # channels come first in what was flattened, units last
        return ((self.size, rest), 0) if self.channels else ((rest, self.size), 1)

    def closed(self, name: str, weight: Array, convolution: bool, many: int) -> UnitGroup:
        """Return its group, with the places in the weights of the next module."""
        if convolution != (self.channels and not self.flattened):
            raise ValueError(
                f"module {name}: between a convolution and a linear layer all but the samples must "
                "be flattened, and no convolution may follow"
            )
        shape, axis = self.split(name, weight.shape[1])
        whole = (weight.shape[0], *shape, *weight.shape[2:])
        here = (*self.places, Place(weight.slice, whole, axis + 1, True))
        return UnitGroup(self.name, self.size, here, self.odd, many)


def _place(places: Mapping[str, Block], name: str) -> Block:
    if name not in places:
        raise ValueError(
            f"{name} is not among the parameters: a layer that is frozen, or parametrised by "
            "others (weight_norm), is not aligned"
        )
    return places[name]


def _cut_unevenly(module: Module) -> bool:
    """Whether a module is a Hardtanh that is not odd."""
    return type(module).__name__ == "Hardtanh" and module.min_val != -module.max_val

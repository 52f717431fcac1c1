"""The hidden units of a sequential PyTorch model, with all their places in its parameters.

>>> torch_unit_groups.__name__
'torch_unit_groups'
"""

from __future__ import annotations

from typing import Any

from rmtland.adapters.optional import optional
from rmtland.adapters.torch_parameters import chosen_blocks
from rmtland.landscape.connectivity.unit_group import Place, UnitGroup

__all__ = ["torch_unit_groups"]

_ODD = ("Tanh", "Softsign", "Hardtanh", "Identity")
_OTHER = ("ReLU", "LeakyReLU", "GELU", "SiLU", "ELU", "Sigmoid", "Softplus", "ReLU6", "CELU")
_EQUIVARIANT = ("AvgPool2d", "AdaptiveAvgPool2d", "Dropout", "Dropout2d", "Identity")
_PERMUTED_ONLY = ("MaxPool2d", "AdaptiveMaxPool2d")


def torch_unit_groups(model: Any) -> tuple[UnitGroup, ...]:
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
        If it is no ``nn.Sequential``.
    ValueError
        For a module that is not known, or grouped convolutions.
    """
    torch = optional("torch", extra="torch")
    nn = torch.nn
    if not isinstance(model, nn.Sequential):
        raise TypeError(f"expected an MLP or an nn.Sequential; got {type(model).__name__}")
    places = {block.name: block for block in chosen_blocks(model, None)}
    groups: list[UnitGroup] = []
    open_group: tuple[str, int, list[Place], bool] | None = None
    flattened = False
    for name, module in model.named_children():
        kind = type(module).__name__
        if isinstance(module, nn.Linear | nn.Conv2d):
            if getattr(module, "groups", 1) != 1:
                raise ValueError(f"module {name}: grouped convolutions are not aligned")
            weight = places[f"{name}.weight"]
            if open_group is not None:
                label, size, found, odd = open_group
                shape = weight.shape
                if shape[1] != size:  # channels that were flattened
                    if not flattened or shape[1] % size:
                        raise ValueError(f"module {name} takes {shape[1]} inputs from {size} units")
                    shape = (shape[0], size, shape[1] // size, *shape[2:])
                found.append(Place(weight.slice, shape, 1, True))
                groups.append(UnitGroup(label, size, tuple(found), odd))
            found = [Place(weight.slice, weight.shape, 0, True)]
            if module.bias is not None:
                bias = places[f"{name}.bias"]
                found.append(Place(bias.slice, bias.shape, 0, True))
            open_group, flattened = (name, weight.shape[0], found, True), False
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            if open_group is not None and module.affine:
                for part, turns in (("weight", False), ("bias", True)):
                    block = places[f"{name}.{part}"]
                    open_group[2].append(Place(block.slice, block.shape, 0, turns))
        elif isinstance(module, nn.Flatten):
            flattened = True
        elif kind in _OTHER or kind in _PERMUTED_ONLY or _cut_unevenly(module):
            if open_group is not None:
                open_group = (*open_group[:3], False)
        elif kind not in _ODD and kind not in _EQUIVARIANT:
            raise ValueError(
                f"module {name}, a {kind}, is not known: whether units behind it may be permuted "
                "depends on what it does"
            )
    return tuple(groups)


def _cut_unevenly(module: Any) -> bool:
    """Whether a module is a Hardtanh that is not odd."""
    return type(module).__name__ == "Hardtanh" and module.min_val != -module.max_val

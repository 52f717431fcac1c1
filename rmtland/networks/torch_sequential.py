"""Fully connected PyTorch networks read as perceptrons: their widths, activation and parameters.

PyTorch itself is not imported: layers are known by their names.

>>> read_layers([])
Traceback (most recent call last):
    ...
ValueError: the model has no Linear layer
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rmtland.arrays import to_numpy
from rmtland.typing import Array, Record

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["ReadLayers", "computes_otherwise", "read_layers"]

_ACTIVATIONS = {
    "Tanh": "tanh",
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "GELU": "gelu",
    "SiLU": "silu",
    "Identity": "linear",
}
_DEFAULTS: dict[str, Record] = {
    "LeakyReLU": {"negative_slope": 0.01},
    "Softplus": {"beta": 1.0, "threshold": 20.0},
    "GELU": {"approximate": "none"},
}


class ReadLayers(NamedTuple):
    """What a perceptron is made of.

    Parameters
    ----------
    widths : tuple of int
        Inputs, hidden layers, outputs.
    activation : str
        Of the hidden layers.
    bias : bool
        Whether layers have biases.
    theta : ndarray, shape (p,)
        The parameters, weights and bias layer by layer.
    """

    widths: tuple[int, ...]
    activation: str
    bias: bool
    theta: Array


def read_layers(layers: Iterable[Module]) -> ReadLayers:
    """Read the layers of a sequential network.

    Parameters
    ----------
    layers : iterable of nn.Module
        Linear layers with one kind of activation between; dropout in evaluation mode and a
        flattening at the start do nothing.

    Returns
    -------
    ReadLayers
        Of the perceptron with the same outputs.

    Raises
    ------
    ValueError
        For anything that an MLP is not.
    """
    linear: list[Module] = []
    between: list[list[str]] = []
    for layer in _flat(layers):
        kind = type(layer).__name__
        if kind == "Linear":
            linear.append(layer)
            between.append([])
        elif (kind == "Flatten" and not linear) or (
            kind.startswith("Dropout") and (not layer.training or layer.p == 0.0)
        ):
            continue
        elif kind in _ACTIVATIONS and linear:
            for option, value in _DEFAULTS.get(kind, {}).items():
                if getattr(layer, option) != value:
                    raise ValueError(
                        f"{kind}({option}={getattr(layer, option)}) is not the {kind} of MLP "
                        f"({option}={value}); use rmtland.adapters.from_torch"
                    )
            if kind != "Identity":
                between[-1].append(_ACTIVATIONS[kind])
        else:
            raise ValueError(
                f"an MLP is made of Linear layers and {', '.join(_ACTIVATIONS)} between; got "
                f"{kind}: use rmtland.adapters.from_torch"
            )
    if not linear:
        raise ValueError("the model has no Linear layer")
    if between[-1]:
        raise ValueError(f"the last layer of an MLP is linear; got {between[-1][0]} after it")
    hidden = {tuple(names) for names in between[:-1]} or {("tanh",)}
    if len(hidden) > 1 or len(next(iter(hidden))) > 1:
        raise ValueError(f"an MLP has one activation after each hidden layer; got {between[:-1]}")
    biases = {layer.bias is not None for layer in linear}
    if len(biases) > 1:
        raise ValueError("an MLP has a bias in every layer or in none; add zeros where it lacks")
    if len({id(layer.weight) for layer in linear}) < len(linear):
        raise ValueError("tied weights are one parameter; use rmtland.adapters.from_torch")
    pieces = []
    for layer in linear:
        pieces.append(to_numpy(layer.weight.detach()).ravel())
        if layer.bias is not None:
            pieces.append(to_numpy(layer.bias.detach()))
    widths = (linear[0].in_features, *(layer.out_features for layer in linear))
    activation = next(iter(hidden))
    theta = np.concatenate(pieces).astype(np.float64)
    return ReadLayers(widths, activation[0] if activation else "linear", biases.pop(), theta)


def computes_otherwise(module: Module) -> bool:
    """Whether a module is not what its name says: a class of one's own, or changed by hand.

    Parameters
    ----------
    module : nn.Module
        A layer, a sequence or a loss.

    Returns
    -------
    bool
        True for classes that are not PyTorch's, with hooks, with parametrisations, and where
        ``forward`` was set on the module itself.
    """
    hooked = any(getattr(module, name, None) for name in ("_forward_hooks", "_forward_pre_hooks"))
    own = not type(module).__module__.startswith("torch.nn.modules.")
    return own or hooked or hasattr(module, "parametrizations") or "forward" in vars(module)


def _flat(layers: Iterable[Module]) -> Iterable[Module]:
    """Return the layers of nested sequences in order."""
    for layer in layers:
        kind = type(layer).__name__
        if kind in ("Sequential", "Linear", "Flatten", *_ACTIVATIONS) and computes_otherwise(layer):
            raise ValueError(
                f"this {kind} is not PyTorch's own, or hooks or another forward change what it "
                "does; take those away, or use rmtland.adapters.from_torch"
            )
        if kind == "Sequential":
            yield from _flat(layer)
        else:
            yield layer

r"""The linearisation of a PyTorch model with a mean squared error.

One row of the Jacobian for each output of each sample, several at once where the operations of the
model can be batched. The loss here is half the mean squared error over samples, |o - y|^2/(2 m):
`torch.nn.MSELoss` is 2/n_out times it, so that a step size eta here is eta n_out/2 of an optimiser
on that loss.

References
----------
.. [1] A. Jacot, F. Gabriel and C. Hongler, Neural tangent kernel: convergence and generalization in
       neural networks, NeurIPS 2018.

Examples
--------
>>> linearise_torch.__name__
'linearise_torch'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtland.adapters import TorchOperator, from_torch
from rmtland.adapters.torch_batches import to_numpy
from rmtland.landscape.linearisation.linear_loss import LinearisedLoss
from rmtland.typing import Array, Real, Tree

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["linearise_torch", "output_jacobian"]

_LARGEST = 2**27
_AT_ONCE = 16


def linearise_torch(
    model: Module, data: Tree, *, parameters: str | Sequence[str] | None = None, **options: Any
) -> LinearisedLoss:
    """Return a PyTorch model linearised in its parameters, with half the mean squared error.

    Parameters
    ----------
    model : nn.Module
        The model, in evaluation mode if it has dropout or batch normalisation.
    data : (x, y), or as `rmtland.adapters.from_torch` takes it
        Inputs, and targets of the shape of the outputs.
    parameters : str or sequence of str, optional
        Names or patterns of the parameters that it is linearised in; all by default.
    **options
        Passed on to `from_torch`: ``dtype``, ``batch_size``, ...

    Returns
    -------
    LinearisedLoss
        At the present parameters of the model.

    Raises
    ------
    ValueError
        For what `from_torch` refuses, targets of another shape than the outputs, or a Jacobian of
        more than 2^27 entries.
    """
    import torch

    operator = from_torch(model, torch.nn.MSELoss(), data, parameters=parameters, **options)
    residuals, jacobian, samples = output_jacobian(operator)
    return LinearisedLoss.of_jacobian(jacobian, residuals, samples=samples)


def output_jacobian(operator: TorchOperator) -> tuple[Real, Real, int]:
    """Return residuals and Jacobian of the outputs of a PyTorch model over its data.

    Parameters
    ----------
    operator : TorchOperator
        By `from_torch`, with targets of the shape of the outputs.

    Returns
    -------
    residuals : ndarray, shape (N,)
        Outputs minus targets.
    jacobian : ndarray, shape (N, p)
        One row for each output of each sample, in the precision of the model.
    samples : int
        The number m of samples.

    Raises
    ------
    ValueError
        If targets have another shape than the outputs, or J more than 2^27 entries.
    """
    entries = (operator.output_count() or 0) * operator.shape[0]
    if entries > _LARGEST:
        raise ValueError(
            f"the Jacobian would have {entries:.3g} entries, more than the {_LARGEST:.3g} that are "
            "formed; take fewer samples, or some of the parameters by name"
        )
    function = operator.function
    residuals, rows, samples = [], [], 0
    with function.differentiable():
        frozen = function.frozen()
        for given in operator.batches:
            batch = function.batch(given)
            leaves = [value.detach().requires_grad_() for value in function.values()]
            outputs = function.outputs(leaves, batch, frozen)
            shapes = [getattr(each, "shape", None) for each in (outputs, batch.targets)]
            if shapes[0] is None or shapes[0] != shapes[1]:
                raise ValueError(
                    "linearisation needs targets of the shape of the outputs; got outputs "
                    f"{_shape(shapes[0])} and targets {_shape(shapes[1])}"
                )
            residuals.append(to_numpy((outputs - batch.targets).detach()).astype(float).ravel())
            rows += _rows(outputs.reshape(-1), leaves)
            samples += batch.samples
    return np.concatenate(residuals), np.concatenate(rows), samples


def _rows(outputs: Array, leaves: Sequence[Array]) -> list[Real]:
    """Return the gradients of outputs in blocks of rows."""
    import torch

    found, many, batched = [], outputs.shape[0], True
    unit = torch.eye(many, dtype=outputs.dtype, device=outputs.device)
    start = 0
    while start < many:
        some = unit[start : start + (_AT_ONCE if batched else 1)]
        try:
            pieces = torch.autograd.grad(
                outputs,
                leaves,
                some if batched else some[0],
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
                is_grads_batched=batched,
            )
        except RuntimeError:
            if not batched:
                raise
            batched = False
            continue
        k = len(some)
        flat = torch.cat([piece.reshape(k, -1) for piece in pieces], dim=1)
        found.append(to_numpy(flat.detach()))
        start += k
    return found


def _shape(shape: Sequence[int] | None) -> str:
    return "of no single tensor" if shape is None else str(tuple(shape))

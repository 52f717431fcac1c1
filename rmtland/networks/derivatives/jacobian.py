r"""Matrices made of one row per sample and output: Jacobian, tangent kernel, empirical Fisher.

With do/dz_l = B_l, of shape (m, n_out, n_l), the Jacobian in W_l is B_l[mu,i,a] a_{l-1}[mu,b], so
that the kernel needs no parameter-sized array:

    (J J^T)[mu i, nu j] = sum_l (sum_a B_l[mu,i,a] B_l[nu,j,a]) (a_{l-1}[mu] . a_{l-1}[nu] + beta),

beta = 1 with biases, else 0 (Jacot et al., NIPS 2018). The gradient of the loss of a sample is
delta_l[a] a_{l-1}[b] likewise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.hessian import workspace
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = ["empirical_fisher", "jacobian", "ntk", "sample_gradients"]

Blocks = tuple[ParameterBlock, ...]


def jacobian(batch: ForwardPass, blocks: Blocks) -> Array:
    """Return do/dtheta, shape (m n_out, p).

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    blocks : tuple of ParameterBlock
        Layout of the parameters.

    Returns
    -------
    array, shape (m n_out, p)
    """
    xp = batch.xp
    m, n_out = batch.samples, batch.weights[-1].shape[0]
    pieces = []
    signals = batch.output_jacobians()
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for block in blocks:
            signal = signals[block.layer - 1]
            if block.is_bias:
                piece = xp.broadcast_to(signal, (m, n_out, signal.shape[2]))
            else:
                inputs = batch.inputs[block.layer - 1] * block.scale
                piece = signal[:, :, :, None] * inputs[:, None, None, :]
            pieces.append(xp.reshape(piece, (m * n_out, -1)))
    return xp.concat(pieces, axis=1)


def sample_gradients(batch: ForwardPass, blocks: Blocks) -> Array:
    """Return the gradient of the loss of each sample, shape (m, p).

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    blocks : tuple of ParameterBlock
        Layout of the parameters.

    Returns
    -------
    array, shape (m, p)
    """
    xp = batch.xp
    pieces = []
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for block in blocks:
            delta = batch.deltas[block.layer - 1]
            if not block.is_bias:
                inputs = batch.inputs[block.layer - 1] * block.scale
                delta = xp.reshape(delta[:, :, None] * inputs[:, None, :], (batch.samples, -1))
            pieces.append(delta)
    return xp.concat(pieces, axis=1)


def ntk(batches: list[ForwardPass], blocks: Blocks) -> Array:
    """Return J J^T over all batches, shape (m n_out, m n_out).

    Parameters
    ----------
    batches : list of ForwardPass
        The samples.
    blocks : tuple of ParameterBlock
        Layout of the parameters.

    Returns
    -------
    array, shape (m n_out, m n_out)
    """
    xp = batches[0].xp
    n_out = batches[0].weights[-1].shape[0]
    m = sum(batch.samples for batch in batches)
    signals = [batch.output_jacobians() for batch in batches]
    kernel = None
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for block in blocks:
            layer = block.layer - 1
            wide = [
                xp.broadcast_to(s[layer], (b.samples, n_out, s[layer].shape[2]))
                for s, b in zip(signals, batches, strict=True)
            ]
            rows = xp.reshape(xp.concat(wide), (m * n_out, -1))
            piece = xp.reshape(rows @ rows.T, (m, n_out, m, n_out))
            if not block.is_bias:
                inputs = xp.concat([batch.inputs[layer] for batch in batches]) * block.scale
                piece = piece * (inputs @ inputs.T)[:, None, :, None]
            kernel = piece if kernel is None else kernel + piece
    return xp.reshape(kernel, (m * n_out, m * n_out))


def empirical_fisher(
    batches: Iterable[ForwardPass],
    blocks: Blocks,
    *,
    samples: int,
    generators: list[np.random.Generator] | None = None,
) -> Array:
    """Return (1/m) sum_mu g_mu g_mu^T, shape (p, p).

    With generators the gradients are taken at targets drawn from the network's own distribution:
    once for each sample by each generator, in the order of the samples, whatever the batches.

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    samples : int
        The number m of samples, over all batches.
    generators : list of Generator, optional
        They draw targets; None takes those of the data.

    Returns
    -------
    array, shape (p, p)
    """
    matrix: Array = None
    rounds: list[np.random.Generator | None] = [None] if generators is None else [*generators]
    for batch in batches:
        for generator in rounds:
            here = batch
            if generator is not None:
                here = replace(batch, y=batch.loss.draw(batch.outputs, generator))
            step = max(1, workspace(batch) // (8 * blocks[-1].stop))
            for start in range(0, here.samples, step):
                part = (
                    here
                    if step >= here.samples
                    else _part(here, start, min(start + step, here.samples))
                )
                rows = sample_gradients(part, blocks)
                with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                    product = rows.T @ (rows / (samples * len(rounds)))
                    matrix = product if matrix is None else matrix + product
    return 0.5 * matrix + 0.5 * matrix.T


def _part(batch: ForwardPass, start: int, stop: int) -> ForwardPass:
    return replace(batch, x=batch.x[start:stop, :], y=batch.y[start:stop, :])

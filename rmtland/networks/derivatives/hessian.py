r"""Exact dense Hessians of a multilayer perceptron, split as H = H0 + H1.

For the loss L = (1/m) sum_mu l(o_mu, y_mu) of outputs o, with gradients r = dl/do and curvatures
Lambda = d^2 l/do^2 of the loss of each sample (half the squared error: r = o - y, Lambda = 1),

    H0 = (1/m) J^T Lambda J,                  J = do/dtheta           (Gauss-Newton part)
    H1 = (1/m) sum_{i mu} r_{i mu} d^2 o_{i mu} / d theta^2           (residual part).

H0 is positive semi-definite; H1 vanishes where the fit is exact. Weight decay adds a multiple of
the identity, which is counted in H0: it is the Hessian of the loss of the linearised network.
Other names: H0 is the generalised Gauss-Newton matrix (and, for these losses, the Fisher matrix),
H1 the second-order or functional part. Source: Pennington & Bahri, ICML 2017 (the split and its
names).

The assembly is by blocks and matrix products. For a sample mu, layers l <= l', preactivations
z_l, layer inputs u_l (a_{l-1} for the weights, 1 for the bias) and backpropagated gradients
delta_l = dl_mu/dz_l, the block of (W_l', W_l) is

    (1/m) sum_mu { Q_{l'l}[a,c] u_l'[b] u_l[d] + [l < l'] delta_l'[a] R_{l'l}[b,c] u_l[d] }

with rows (a,b), columns (c,d) and R_{l'l} = d a_{l'-1}/dz_l (zero for a bias b_l'). With
P_{l'l} = dz_l'/dz_l the first factor obeys

    Q_{l'l} = diag(f''(z_l') g_l') P_{l'l} + diag(f'(z_l')) W_{l'+1}^T Q_{l'+1,l},
    g_l' = W_{l'+1}^T delta_{l'+1}.

H takes Q_{Ll} = Lambda P_{Ll}; H0 the same with g = 0 and delta = 0; H1 takes Q_{Ll} = 0. Each
block is then a matrix product over samples: of Q, rows (a,c), by the products of inputs (b,d), and
of delta u_l, rows (a,d), by R, rows (b,c), where there are enough pairs of units (a,c); else of the
factor {...} without u_l[d], rows (a,b,c), by u_l. That is p_l' p_l m multiplications or twice so
many, and from half down to a quarter of it where l' = l. For half the squared error the blocks of
H0 between the last two layers are Kronecker-like and those of H1 sparse: closed forms. With one
hidden layer that is the whole matrix.

Memory: beside the result, workspaces of about `WORKSPACE` bytes, or a quarter of the result
where that is more: samples are taken in chunks whose P_{l'l} and Q_{l'l} of one l, or slopes times
inputs of the last hidden layer, fill no more.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((2, 1)).at([1.0, 2.0], [[3.0, 4.0]], [[1.0]])
>>> matrix, regions = assemble(point.passes(), point.net.blocks, samples=1)
>>> matrix
array([[ 9., 12.],
       [12., 16.]])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from rmtland.arguments import choice
from rmtland.arrays import ArrayLibrary, array_namespace, device_options, is_finite
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.derivatives.general_blocks import general_columns
from rmtland.networks.derivatives.hessian_split import PARTS, HessianSplit
from rmtland.networks.derivatives.large_products import columns_by_large_products
from rmtland.networks.derivatives.last_layers import gauss_newton_columns, residual_columns
from rmtland.networks.derivatives.layer_derivatives import LayerDerivatives
from rmtland.networks.derivatives.symmetric_blocks import Region, add_to_diagonal, zeros
from rmtland.networks.fused_kernels import is_cupy
from rmtland.networks.overflow import NetworkOverflowError
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array

__all__ = [
    "DEVICE_WORKSPACE",
    "WORKSPACE",
    "assemble",
    "assemble_split",
    "chunks",
    "one_chunk",
    "unchecked_hessian",
    "workspace",
]

WORKSPACE = 2**26
"""Bytes of workspace beside the result, or a quarter of the result where that is more."""

DEVICE_WORKSPACE = 2**30
"""The same for other arrays than NumPy's; at most a quarter of a CUDA device's free memory."""

SHARE = 4
"""The share of the result, 1 over this, that the workspace may fill."""


def assemble(
    batches: Iterable[ForwardPass],
    blocks: tuple[ParameterBlock, ...],
    *,
    samples: int,
    part: str = "total",
    weight_decay: float = 0.0,
    structured: bool = True,
) -> tuple[Array, tuple[Region, ...]]:
    """Return the exact Hessian, or one of its parts, by blocks of matrix products.

    Parameters
    ----------
    batches : iterable of ForwardPass
        The samples.
    blocks : tuple of ParameterBlock
        The layout of the parameters.
    samples : int
        The number m of samples, over all batches.
    part : {"gauss_newton", "residual", "total"}, optional
        What to assemble.
    weight_decay : float, optional
        Added to the diagonal, except of the residual part.
    structured : bool, optional
        Use the closed forms of the blocks between the last two layers where there are any
        (default). False takes the general recursion for every block: slower, and equal up to
        rounding.

    Returns
    -------
    matrix : array, shape (p, p)
        Symmetric to the last bit.
    regions : tuple of (slice, slice)
        The parts of it that were written.

    Raises
    ------
    NetworkOverflowError
        If an entry overflows (a ValueError).
    """
    choice("part", part, PARTS)
    p = blocks[-1].stop
    matrix: Array = None
    regions: tuple[Region, ...] = ()
    largest: list[Array] = []
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for batch in batches:
            for chunk in chunks(batch, workspace(batch, 8 * p * p)):
                d = LayerDerivatives.of(batch, blocks, samples=chunk, normalisation=1.0 / samples)
                fresh = matrix is None
                if batch.xp is not np:
                    matrix = _device_matrix(d, p, part, structured) if fresh else matrix
                    largest += _fill_on_device(matrix, d, part, structured, add=not fresh)
                    continue
                if fresh:
                    matrix = zeros(p, batch.x)
                written = tuple(_fill(matrix, d, part, structured, add=not fresh))
                regions = written if fresh else regions
        if weight_decay and part != "residual":
            add_to_diagonal(matrix, weight_decay)
        if isinstance(matrix, np.ndarray):
            finite = _all_finite(matrix, part, regions)
        else:
            finite = _all_finite_on_device(matrix, largest)
    if not finite:
        raise NetworkOverflowError(
            "the Hessian overflows floating-point numbers at this point; rescale the data or the "
            "weights"
        )
    return matrix, regions


def assemble_split(
    batches: Callable[[], Iterable[ForwardPass]],
    blocks: tuple[ParameterBlock, ...],
    *,
    samples: int,
    weight_decay: float = 0.0,
    structured: bool = True,
) -> HessianSplit:
    """Return both parts; `batches` is called for each. See `assemble`.

    Parameters
    ----------
    batches : callable
        Returns the forward passes.
    blocks : tuple of ParameterBlock
        Layout of the parameters.
    samples : int
        The number m of samples, over all batches.
    weight_decay : float, optional
        Added to the diagonal of the Gauss-Newton part.
    structured : bool, optional
        As in `assemble`.

    Returns
    -------
    HessianSplit

    Raises
    ------
    NetworkOverflowError
        If an entry overflows (a ValueError).
    """
    gauss_newton, _ = assemble(
        batches(),
        blocks,
        samples=samples,
        part="gauss_newton",
        weight_decay=weight_decay,
        structured=structured,
    )
    residual, regions = assemble(
        batches(), blocks, samples=samples, part="residual", structured=structured
    )
    few = regions if isinstance(residual, np.ndarray) else None  # on a device: one large step
    return HessianSplit(gauss_newton, residual, few, blocks)


def workspace(batch: ForwardPass, result: int = 0) -> int:
    """Return the bytes that an assembly may take beside its result.

    Parameters
    ----------
    batch : ForwardPass
        The samples, which say where it computes.
    result : int, optional
        Bytes of the result.

    Returns
    -------
    int
    """
    if batch.xp is np:
        return max(WORKSPACE, result // SHARE)
    wanted = max(DEVICE_WORKSPACE, result // SHARE)
    if is_cupy(batch.x) and next(chunks(batch, WORKSPACE)).stop < batch.samples:
        wanted = min(wanted, ArrayLibrary.of(batch.xp).free_memory() // SHARE)
    return max(WORKSPACE, wanted)


def chunks(batch: ForwardPass, limit: int) -> Iterator[slice]:
    """Return slices of samples whose workspaces stay within a number of bytes.

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    limit : int
        Bytes of workspace.

    Returns
    -------
    iterator of slice
    """
    widths = [weight.shape[0] for weight in batch.weights]
    per_sample = max(
        2 * max(n * sum(widths[layer:]) for layer, n in enumerate(widths)),
        2 * max(weight.shape[0] * weight.shape[1] for weight in batch.weights),
        _most_pairs(batch.weights),
    )
    step = max(1, limit // (8 * per_sample))
    for start in range(0, batch.samples, step):
        yield slice(start, min(batch.samples, start + step))


def one_chunk(batch: ForwardPass, order: int) -> bool:
    """Return whether the samples are few enough for one chunk, whatever memory is free.

    Parameters
    ----------
    batch : ForwardPass
        The samples.
    order : int
        p, the order of the matrix.

    Returns
    -------
    bool
    """
    first = next(chunks(batch, max(DEVICE_WORKSPACE // 8, 2 * order * order)))
    return int(first.stop) >= batch.samples


def unchecked_hessian(
    batch: ForwardPass, blocks: tuple[ParameterBlock, ...], *, part: str, weight_decay: float
) -> tuple[Array, Array]:
    """Return the exact Hessian of arrays on a device, and a number that tells of overflow.

    Parameters
    ----------
    batch : ForwardPass
        All samples, of a library that is not NumPy; few enough for one chunk (`one_chunk`).
    blocks : tuple of ParameterBlock
        The layout of the parameters.
    part : {"gauss_newton", "residual", "total"}
        What to assemble.
    weight_decay : float
        Added to the diagonal, except of the residual part.

    Returns
    -------
    matrix : array, shape (p, p)
        Symmetric to the last bit.
    bound : array, shape ()
        At least the largest entry; not looked at.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        d = LayerDerivatives.of(batch, blocks)
        matrix = _device_matrix(d, blocks[-1].stop, part, structured=True)
        largest = list(_fill_on_device(matrix, d, part, structured=True, add=False))
        if weight_decay and part != "residual":
            add_to_diagonal(matrix, weight_decay)
        return matrix, _bound_of(matrix, largest)


def _bound_of(matrix: Array, largest: list[Array]) -> Array:
    """Return a bound of the entries: by the diagonal, and by what it does not bound."""
    xp = array_namespace(matrix)
    bound = xp.max(xp.abs(xp.linalg.diagonal(matrix)))
    for each in largest:
        bound = bound + each
    return bound


def _all_finite(matrix: Array, part: str, regions: tuple[Region, ...]) -> bool:
    """Look at what was written; the diagonal of a positive semi-definite matrix bounds the rest."""
    return bool(np.isfinite(np.diagonal(matrix)).all()) and (
        part == "gauss_newton" or all(is_finite(matrix[region]) for region in regions)
    )


def _all_finite_on_device(matrix: Array, largest: list[Array]) -> bool:
    """Look at one number: the largest entry of the diagonal and of what it does not bound.

    Of sums over chunks the sum of the largest entries is a bound. Where it comes near to an
    overflow, or is NaN, every entry is looked at.
    """
    xp = array_namespace(matrix)
    limit = float(xp.finfo(matrix.dtype).max) / 4
    return bool(_bound_of(matrix, largest) < limit) or bool(xp.all(xp.isfinite(matrix)))


def _most_pairs(weights: tuple[Array, ...]) -> int:
    """Return the largest number of pairs of inputs (b,d) that `_write_by_pairs` multiplies."""
    shapes = [weight.shape for weight in weights]
    return max(
        (
            above[1] * here[1]
            for layer, here in enumerate(shapes)
            for above in shapes[layer:]
            if above[0] * here[0] >= here[1]
        ),
        default=1,
    )


def _fill(
    matrix: Array, d: LayerDerivatives, part: str, structured: bool, *, add: bool
) -> Iterator[Region]:
    """Write (or add) the samples of one chunk; yield the regions written."""
    closed = structured and d.curvature.is_identity
    for layer in range(1, d.depth + 1):
        if not (closed and layer >= d.depth - 1):
            yield from general_columns(matrix, d, layer, part, structured, add)
            continue
        if part != "residual":
            gauss_newton_columns(matrix, d, layer, add)
        if part != "gauss_newton":
            yield from residual_columns(matrix, d, layer, add or part == "total")


def _fill_on_device(
    matrix: Array, d: LayerDerivatives, part: str, structured: bool, *, add: bool
) -> Iterator[Array]:
    """Write (or add) the samples of one chunk; yield the largest entries that were written."""
    xp = array_namespace(matrix)
    closed = structured and d.curvature.is_identity
    for layer in range(1, d.depth + 1):
        for entries in columns_by_large_products(matrix, d, layer, part, closed, add):
            if part != "gauss_newton":
                rows = xp.max(xp.abs(entries), axis=-1)  # one number of all would fill no device
                yield xp.max(rows)


def _device_matrix(d: LayerDerivatives, p: int, part: str, structured: bool) -> Array:
    """Return a matrix whose entries are zero where nothing will be written."""
    like = d.inputs[0]
    if part == "residual" or not structured or not d.curvature.is_identity or d.depth != 2:
        return zeros(p, like)
    xp = array_namespace(like)
    matrix = xp.empty((p, p), dtype=like.dtype, **device_options(like))
    output = slice(next(d.blocks_of(2)).start, p)  # the blocks of different outputs
    matrix[output, output] = 0.0
    return matrix

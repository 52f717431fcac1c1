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
>>> split = HessianSplit(np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]]))
>>> split.total
array([[1., 1.],
       [1., 1.]])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from rmtland.arguments import choice
from rmtland.arrays import array_namespace, device_options, is_finite
from rmtland.networks.derivatives.forward import ForwardPass
from rmtland.networks.loss import OutputCurvature
from rmtland.networks.parameters import ParameterBlock

__all__ = ["PARTS", "WORKSPACE", "Derivatives", "HessianSplit", "assemble", "assemble_split"]

Array = Any  # of any array library
Region = tuple[slice, slice]

PARTS = ("total", "gauss_newton", "residual")
"""The Hessian and its two parts."""

WORKSPACE = 2**26
"""Bytes of workspace beside the result, or a quarter of the result where that is more."""

_SHARE = 4  # of the result

_ROWS_AT_ONCE = 384
"""Rows of the hidden block of H0 made by one matrix product, so that it stays in the cache."""

_FACTOR = 2**18
"""Entries of the left factor of one matrix product, so that it stays in the cache."""

_PRODUCT = 2**20
"""Entries of one matrix product over pairs of units and inputs."""


@dataclass(frozen=True, eq=False)
class HessianSplit:
    """The exact Hessian of a loss in its two parts.

    Parameters
    ----------
    gauss_newton : array, shape (p, p)
        H0 = J^T Lambda J/m plus the weight decay, symmetric to the last bit.
    residual : array, shape (p, p)
        H1, the gradients of the loss in the outputs times the second derivatives of the outputs,
        symmetric to the last bit.
    regions : tuple of (slice, slice), optional
        The parts of `residual` that may differ from zero; None for all of it. They spare a
        pass over its zeros.
    blocks : tuple of ParameterBlock, optional
        The layout of the parameters, for `block`.

    Raises
    ------
    ValueError
        If the two matrices are not square and of one shape.
    """

    gauss_newton: Array
    residual: Array
    regions: tuple[Region, ...] | None = field(default=None, repr=False)
    blocks: tuple[ParameterBlock, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check the shapes."""
        shape = tuple(self.gauss_newton.shape)
        if len(shape) != 2 or shape[0] != shape[1] or tuple(self.residual.shape) != shape:
            raise ValueError(
                "gauss_newton and residual must be square matrices of one shape; "
                f"got {shape} and {tuple(self.residual.shape)}"
            )

    @cached_property
    def total(self) -> Array:
        """H = H0 + H1, shape (p, p); computed at the first use, then kept."""
        if self.regions is None:
            return self.gauss_newton + self.residual
        total = array_namespace(self.gauss_newton).asarray(self.gauss_newton, copy=True)
        for region in self.regions:
            total[region] += self.residual[region]
        return total

    @property
    def parameter_count(self) -> int:
        """The number p of parameters: rows of each matrix."""
        return int(self.gauss_newton.shape[0])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameter blocks, in order: "W1", ("b1",) "W2", ..."""
        return tuple(block.name for block in self._blocks)

    def block(self, row: str, column: str, *, part: str = "total") -> Array:
        """Return the second derivatives between two parameter blocks, a view into the matrix.

        Parameters
        ----------
        row, column : str
            Names of the blocks, for example "W1" and "b2".
        part : {"total", "gauss_newton", "residual"}, optional
            The Hessian or one of its parts.

        Raises
        ------
        ValueError
            For an unknown name or part, or a split made without `blocks`.
        """
        where = {block.name: block.slice for block in self._blocks}
        rows, columns = (where[choice("block", name, self.names)] for name in (row, column))
        matrix: Array = getattr(self, choice("part", part, PARTS))
        return matrix[rows, columns]

    @property
    def _blocks(self) -> tuple[ParameterBlock, ...]:
        if self.blocks is None:
            raise ValueError(
                "this split does not know the layout of the parameters; give blocks=net.blocks"
            )
        return self.blocks

    def __repr__(self) -> str:
        """Return the sizes in place of the matrices."""
        p = self.parameter_count
        return f"HessianSplit(parameter_count={p}, gauss_newton=<{p}x{p}>, residual=<{p}x{p}>)"


@dataclass(frozen=True, eq=False)
class Derivatives:
    """What the assembly needs of a network at a point; every array has samples last.

    Parameters
    ----------
    blocks : tuple of ParameterBlock
        The layout of the parameters.
    weights : tuple of array, W_l of shape (n_l, n_{l-1})
        Entry l-1 is W_l, l = 1..L, as it multiplies.
    inputs : tuple of array, shape (n_{l-1}, m)
        Entry l-1 is a_{l-1}, what layer l reads.
    slopes : tuple of array, shape (n_l, m)
        Entry l-1 is f'(z_l), hidden layers l = 1..L-1.
    deltas : tuple of array, shape (n_l, m)
        Entry l-1 is delta_l.
    bends : tuple of array or None, shape (n_l, m)
        Entry l-1 is f''(z_l) g_l; None where it is identically zero.
    curvature : OutputCurvature
        Lambda of each sample.
    normalisation : float
        1/m for all samples, those of other chunks included.
    """

    blocks: tuple[ParameterBlock, ...]
    weights: tuple[Array, ...]
    inputs: tuple[Array, ...]
    slopes: tuple[Array, ...]
    deltas: tuple[Array, ...]
    bends: tuple[Array | None, ...]
    curvature: OutputCurvature
    normalisation: float

    @classmethod
    def of(
        cls,
        batch: ForwardPass,
        blocks: tuple[ParameterBlock, ...],
        *,
        samples: slice = slice(None),
        normalisation: float | None = None,
    ) -> Derivatives:
        """Return the derivatives of some samples of a forward pass; all of them by default."""

        def turned(array: Array) -> Array:
            part = array[samples, :].T
            return np.ascontiguousarray(part) if isinstance(part, np.ndarray) else part

        lam = batch.output_curvature
        return cls(
            blocks=blocks,
            weights=batch.weights,
            inputs=tuple(map(turned, batch.inputs)),
            slopes=tuple(map(turned, batch.slopes)),
            deltas=tuple(map(turned, batch.deltas)),
            bends=tuple(None if bend is None else turned(bend) for bend in batch.bends),
            curvature=OutputCurvature(
                *(
                    None if array is None else array[samples, :]
                    for array in (lam.diagonal, lam.low_rank)
                )
            ),
            normalisation=1.0 / batch.samples if normalisation is None else normalisation,
        )

    @property
    def depth(self) -> int:
        """The number L of weight layers."""
        return len(self.weights)

    @property
    def samples(self) -> int:
        """The number of samples of this chunk."""
        return int(self.inputs[0].shape[1])

    def input_of(self, block: ParameterBlock) -> Array:
        """Return what multiplies the block's entries: layer inputs, or ones for a bias."""
        inputs = self.inputs[block.layer - 1]
        if block.is_bias:
            return array_namespace(inputs).ones_like(inputs[:1, :])
        return inputs if block.scale == 1.0 else inputs * block.scale

    def normalised_input_of(self, block: ParameterBlock) -> Array:
        """Return the same over the number of samples, transposed: the right factor of a block."""
        return (self.input_of(block) * self.normalisation).T

    def slope_times_input(self, block: ParameterBlock) -> Array:
        """Return f'(z_l)[j] u_l[k] with rows (j, k), shape (p_block, m)."""
        product = self.slopes[block.layer - 1][:, None, :] * self.input_of(block)[None, :, :]
        return product.reshape(-1, self.samples)

    def blocks_of(self, layer: int) -> Iterator[ParameterBlock]:
        """Return the weight and the bias block of a layer."""
        return (block for block in self.blocks if block.layer == layer)

    def pairs(self, above: int, layer: int) -> Iterator[tuple[ParameterBlock, ParameterBlock]]:
        """Return the pairs of blocks of two layers on or below the diagonal."""
        for upper in self.blocks_of(above):
            for lower in self.blocks_of(layer):
                if upper.start >= lower.start:
                    yield upper, lower

    def forward_jacobians(self, layer: int) -> dict[int, Array]:
        """Return {l': dz_l'/dz_l} for l' >= l, each of shape (n_l', n_l, m or 1)."""
        inputs = self.inputs[0]
        xp = array_namespace(inputs)
        jacobian = xp.eye(self.weights[layer - 1].shape[0], dtype=inputs.dtype)[:, :, None]
        if not isinstance(jacobian, np.ndarray):
            jacobian = jacobian + 0 * self.deltas[0][:1, :1, None]  # on the device of the data
        jacobians = {layer: jacobian}
        for above in range(layer + 1, self.depth + 1):
            inner = self.slopes[above - 2][:, None, :] * jacobian
            jacobian = _left_multiply(self.weights[above - 1], inner)
            jacobians[above] = jacobian
        return jacobians


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
    part : {"total", "gauss_newton", "residual"}, optional
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
    ValueError
        If an entry overflows.
    """
    choice("part", part, PARTS)
    p = blocks[-1].stop
    matrix: Array = None
    regions: tuple[Region, ...] = ()
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for batch in batches:
            for chunk in _chunks(batch, p):
                d = Derivatives.of(batch, blocks, samples=chunk, normalisation=1.0 / samples)
                fresh = matrix is None
                if fresh:
                    matrix = _zeros(p, batch.x)
                written = tuple(_fill(matrix, d, part, structured, add=not fresh))
                regions = written if fresh else regions
        if weight_decay and part != "residual":
            _add_to_diagonal(matrix, weight_decay)
        # The diagonal of a positive semi-definite matrix bounds the rest of it.
        xp = array_namespace(matrix)
        finite = bool(xp.all(xp.isfinite(xp.linalg.diagonal(matrix)))) and (
            part == "gauss_newton" or all(is_finite(matrix[region]) for region in regions)
        )
    if not finite:
        raise ValueError(
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
    """Return both parts; `batches` is called for each. See `assemble`."""
    gauss_newton, _ = assemble(
        batches(), blocks, samples=samples, part="gauss_newton", weight_decay=weight_decay,
        structured=structured,
    )  # fmt: skip
    residual, regions = assemble(
        batches(), blocks, samples=samples, part="residual", structured=structured
    )
    return HessianSplit(gauss_newton, residual, regions, blocks)


def _chunks(batch: ForwardPass, p: int) -> Iterator[slice]:
    """Return slices of samples whose workspaces stay within the limit."""
    size = int(np.dtype(np.float64).itemsize)
    widths = [weight.shape[0] for weight in batch.weights]
    per_sample = max(
        2 * max(n * sum(widths[layer:]) for layer, n in enumerate(widths)),
        2 * max(weight.shape[0] * weight.shape[1] for weight in batch.weights),
        _most_pairs(batch.weights),
    )
    limit = max(WORKSPACE, p * p * size // _SHARE)
    step = max(1, limit // (size * per_sample))
    for start in range(0, batch.samples, step):
        yield slice(start, min(batch.samples, start + step))


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
    matrix: Array, d: Derivatives, part: str, structured: bool, *, add: bool
) -> Iterator[Region]:
    """Write (or add) the samples of one chunk; yield the regions written."""
    closed = structured and isinstance(matrix, np.ndarray) and d.curvature.diagonal is None
    for layer in range(1, d.depth + 1):
        if not (closed and layer >= d.depth - 1):
            yield from _general_columns(matrix, d, layer, part, structured, add)
            continue
        if part != "residual":
            _gauss_newton_columns(matrix, d, layer, add)
        if part != "gauss_newton":
            yield from _residual_columns(matrix, d, layer, add or part == "total")


# Any depth, any loss -----------------------------------------------------------------------------


def _general_columns(
    matrix: Array, d: Derivatives, layer: int, part: str, structured: bool, add: bool
) -> Iterator[Region]:
    """Fill the blocks (l', l), l' >= l = `layer`, and their mirror images."""
    jacobians = d.forward_jacobians(layer)
    signal = None  # Q_{l'l}; None where it is zero
    if part != "residual":
        signal = d.curvature.times_samples_last(jacobians[d.depth])
    for above in range(d.depth, layer - 1, -1):
        if above < d.depth:
            if signal is not None:
                pulled = _left_multiply(d.weights[above].T, signal)
                signal = d.slopes[above - 1][:, None, :] * pulled
            bend = d.bends[above - 1]
            if bend is not None and part != "gauss_newton":
                bent = bend[:, None, :] * jacobians[above]
                signal = bent if signal is None else signal + bent
        for upper, lower in d.pairs(above, layer):
            reach = None
            if above > layer and not upper.is_bias and part != "gauss_newton":
                slope = d.slopes[above - 2] * upper.scale
                reach = slope[:, None, :] * jacobians[above - 1]
            if signal is None and reach is None:
                continue
            pairs = upper.shape[0] * lower.shape[0]
            many = pairs >= d.input_of(lower).shape[0] and isinstance(matrix, np.ndarray)
            if structured and many and (signal is None or signal.shape[2] == d.samples):
                _write_by_pairs(matrix, d, upper, lower, signal, reach, add)
            else:
                _write_general(matrix, d, upper, lower, signal, reach, add)
            yield upper.slice, lower.slice
            if upper is not lower:
                yield lower.slice, upper.slice


def _write_general(
    matrix: Array,
    d: Derivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    signal: Array | None,
    reach: Array | None,
    add: bool,
) -> None:
    """Write sum_mu (signal[a,c] u'[b] + delta[a] reach[b,c]) u[d]/m and its mirror image.

    `signal` has shape (n_l', n_l, m or 1), `reach` = d a_{l'-1}/dz_l shape (n_{l'-1}, n_l, m).
    """
    xp = array_namespace(matrix)
    left, right = d.input_of(upper), d.normalised_input_of(lower)
    delta = d.deltas[upper.layer - 1]
    n_above, n_here = upper.shape[0], lower.shape[0]
    k, width = left.shape[0], right.shape[1]
    symmetric = upper is lower
    step = max(1, _FACTOR // (k * n_here * d.samples))
    for first in range(0, n_above, step):  # rows (a, b) with first <= a < last
        last = min(first + step, n_above)
        reached = last if symmetric else n_here
        factor = None
        if signal is not None:
            factor = left[None, :, None, :] * signal[first:last, None, :reached, :]
        if reach is not None:
            indirect = delta[first:last, None, None, :] * reach[None, :, :reached, :]
            factor = indirect if factor is None else _add(factor, indirect)
        product = xp.reshape(factor, ((last - first) * k * reached, d.samples)) @ right
        product = xp.reshape(product, ((last - first) * k, reached * width))
        rows = slice(upper.start + first * k, upper.start + last * k)
        if symmetric:
            _put_rows_to_the_diagonal(matrix, rows, lower.start, product, add)
        else:
            columns = slice(lower.start, lower.stop)
            _put(matrix, rows, columns, product, add)
            _put(matrix, columns, rows, product.T, add)


def _write_by_pairs(
    matrix: Array,
    d: Derivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    signal: Array | None,
    reach: Array | None,
    add: bool,
) -> None:
    """Write the same as products over samples of (a,c) by (b,d) and of (a,d) by (b,c).

    Fewer and larger matrix products of smaller factors, where there are at least as many pairs of
    units (a,c) as inputs d. On the diagonal both factors are symmetric: a quarter of the work.
    """
    left, right = d.input_of(upper), d.normalised_input_of(lower).T
    (n_above, n_here), k, width = (upper.shape[0], lower.shape[0]), len(left), len(right)
    delta = d.deltas[upper.layer - 1]
    if upper is lower:
        _write_pairs_of_one_block(matrix, d, upper, signal, add)
        return
    if signal is not None:
        inputs = (left[:, None, :] * right[None, :, :]).reshape(k * width, d.samples)
    neighbours = upper.layer == lower.layer + 1
    columns = slice(lower.start, lower.stop)
    step = max(1, _PRODUCT // (n_here * k * width))
    for first in range(0, n_above, step):
        last = min(first + step, n_above)
        rows = slice(upper.start + first * k, upper.start + last * k)
        block = np.zeros((last - first, k, n_here, width), dtype=matrix.dtype)
        if signal is not None:
            units = signal[first:last].reshape(-1, d.samples)
            product = (units @ inputs.T).reshape(last - first, n_here, k, width)
            block[...] = product.transpose(0, 2, 1, 3)
        if reach is not None and neighbours:
            units = delta[first:last] * upper.scale
            product = (units @ d.slope_times_input(lower).T).reshape(-1, n_here, width)
            each = np.arange(n_here)  # reach is diagonal
            block[:, each, each, :] += product * d.normalisation
        elif reach is not None:
            units = (delta[first:last, None, :] * right[None, :, :]).reshape(-1, d.samples)
            product = (units @ reach.reshape(k * n_here, -1).T).reshape(-1, width, k, n_here)
            block += product.transpose(0, 2, 3, 1)
        flat = block.reshape((last - first) * k, n_here * width)
        _put(matrix, rows, columns, flat, add)
        _put(matrix, columns, rows, flat.T, add)


def _write_pairs_of_one_block(
    matrix: Array, d: Derivatives, block: ParameterBlock, signal: Array, add: bool
) -> None:
    """Write sum_mu signal[a,c] u[b] u[d]/m from the pairs with b >= d and, by strips, a >= c."""
    left, right = d.input_of(block), d.normalised_input_of(block).T
    n, k = block.shape[0], len(left)
    high, low = np.tril_indices(k)
    inputs = left[high] * right[low]
    pair = np.empty((k, k), dtype=np.intp)  # where (b,d) stands among the pairs
    pair[high, low] = pair[low, high] = np.arange(len(high))
    step = max(1, min(-(-n // 4), _PRODUCT // (n * k * k)))
    for first in range(0, n, step):
        last = min(first + step, n)
        units = signal[first:last, :last].reshape(-1, d.samples)
        product = np.take(units @ inputs.T, pair, axis=1)  # (a,c), b, d
        product = product.reshape(last - first, last, k, k).transpose(0, 2, 1, 3)
        rows = slice(block.start + first * k, block.start + last * k)
        strip = product.reshape((last - first) * k, last * k)
        _put_rows_to_the_diagonal(matrix, rows, block.start, strip, add)


def _put_rows_to_the_diagonal(
    matrix: Array, rows: slice, start: int, product: Array, add: bool
) -> None:
    """Write rows of a symmetric block, columns from `start` to the diagonal, and their mirror."""
    before = rows.start - start
    if before:
        columns, part = slice(start, rows.start), product[:, :before]
        _put(matrix, rows, columns, part, add)
        _put(matrix, columns, rows, part.T, add)
    square = product[:, before:]
    _put(matrix, rows, rows, 0.5 * (square + square.T), add)


def _put(matrix: Array, rows: slice, columns: slice, product: Array, add: bool) -> None:
    if add:
        matrix[rows, columns] += product
    else:
        matrix[rows, columns] = product


def _add(first: Array, second: Array) -> Array:
    if isinstance(first, np.ndarray):
        first += second
        return first
    return first + second


# Closed forms of the last two layers, half the squared error -------------------------------------


def _gauss_newton_columns(matrix: Array, d: Derivatives, layer: int, add: bool) -> None:
    """Fill the blocks (l', l) of H0, l' >= l = `layer` >= L - 1, and their mirror images."""
    for above in range(d.depth, layer - 1, -1):
        for upper, lower in d.pairs(above, layer):
            if layer == d.depth:
                _write_output_output(matrix, d, upper, lower, add)
            elif above == d.depth:
                _write_output_hidden(matrix, d, upper, lower, add)
            else:
                _write_hidden_hidden(matrix, d, upper, lower, add)


def _write_output_output(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Between output weights: I (x) u' u^T/m."""
    product = d.input_of(upper) @ d.normalised_input_of(lower)
    if upper is lower:
        product = 0.5 * (product + product.T)
    for output in range(upper.shape[0]):
        rows, columns = _row_of(upper, output), _row_of(lower, output)
        _put(matrix, rows, columns, product, add)
        if upper is not lower:
            _put(matrix, columns, rows, product.T, add)


def _write_output_hidden(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Output (i,b) and last hidden (j,k) weights: W_L[i,j] sum_mu u'_b f'_j u_k/m."""
    weight = d.weights[-1]
    features = d.slope_times_input(lower)
    n_out, n_hidden = weight.shape
    product = d.normalised_input_of(upper).T @ features.T  # (b, (j,k))
    turned = np.ascontiguousarray(product.T)
    width = features.shape[0] // n_hidden
    k = product.shape[0]
    columns = lower.slice
    for i, wide in enumerate(np.repeat(weight, width, axis=1)):
        rows = slice(upper.start + i * k, upper.start + (i + 1) * k)
        _put_product(matrix[rows, columns], wide[None, :], product, add)
    mirror = matrix[columns, upper.slice].reshape(-1, n_out, k, copy=False)
    for j in range(n_hidden):
        rows = slice(j * width, (j + 1) * width)
        _put_product(mirror[rows], weight[:, j][None, :, None], turned[rows, None, :], add)


def _put_product(target: Array, first: Array, second: Array, add: bool) -> None:
    if add:
        target += first * second
    else:
        np.multiply(first, second, out=target)


def _write_hidden_hidden(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> None:
    """Between last hidden weights: (W_L^T W_L)[j,j'] sum_mu f'_j u'_k f'_j' u_k'/m."""
    weight = d.weights[-1]
    n_hidden = weight.shape[1]
    gram = (weight.T @ weight) * d.normalisation
    left = d.slope_times_input(upper)
    right = left if upper is lower else d.slope_times_input(lower)
    k, width = left.shape[0] // n_hidden, right.shape[0] // n_hidden
    gram_columns = np.repeat(gram, width, axis=1)[:, None, :]
    step = max(1, _ROWS_AT_ONCE // k)
    for first in range(0, n_hidden, step):  # rows up to the diagonal, and their mirror image
        last = min(first + step, n_hidden)
        rows = slice(first * k, last * k)
        reached = (last if upper is lower else n_hidden) * width
        product = left[rows] @ right[:reached].T
        by_unit = product.reshape(last - first, k, -1, copy=False)
        by_unit *= gram_columns[first:last, :, :reached]
        place = slice(upper.start + rows.start, upper.start + rows.stop)
        if upper is lower:
            _put_rows_to_the_diagonal(matrix, place, lower.start, product, add)
        else:
            columns = slice(lower.start, lower.start + reached)
            _put(matrix, place, columns, product, add)
            _put(matrix, columns, place, product.T, add)


def _residual_columns(matrix: Array, d: Derivatives, layer: int, add: bool) -> Iterator[Region]:
    """Fill the blocks (l', l) of H1, l' >= l = `layer` >= L - 1; yield the regions written."""
    if layer == d.depth:
        return
    for upper, lower in d.pairs(d.depth, layer):
        if not upper.is_bias:
            yield from _write_stripes(matrix, d, upper, lower, add)
    bend = d.bends[layer - 1]
    if bend is not None:
        for upper, lower in d.pairs(layer, layer):
            yield from _write_block_diagonal(matrix, d, upper, lower, bend, add)


def _write_stripes(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock, add: bool
) -> Iterator[Region]:
    """Neighbouring layers, l' = l + 1, entries (a,j) and (j,d): sum_mu delta_l'[a] f'_j u_d/m."""
    n_here = upper.shape[1]
    delta = d.deltas[upper.layer - 1] * (d.normalisation * upper.scale)
    values = delta @ d.slope_times_input(lower).T
    width = values.shape[1] // n_here
    for j in range(n_here):
        rows = slice(upper.start + j, upper.stop, n_here)
        columns = _row_of(lower, j)
        stripe = values[:, j * width : (j + 1) * width]
        _put(matrix, rows, columns, stripe, add)
        _put(matrix, columns, rows, stripe.T, add)
        yield rows, columns
        yield columns, rows


def _write_block_diagonal(
    matrix: Array,
    d: Derivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    diagonal: Array,
    add: bool,
) -> Iterator[Region]:
    """Last hidden layer, entries (j,b) and (j,d): sum_mu diagonal_j u'_b u_d/m."""
    left, right = d.input_of(upper), d.normalised_input_of(lower)
    if len(left) <= len(diagonal):  # one matrix product
        pairs = (left[:, None, :] * right.T[None, :, :]).reshape(-1, d.samples)
        products = (diagonal @ pairs.T).reshape(-1, len(left), right.shape[1])
    else:  # one for each hidden unit: fewer than inputs, so the smaller workspace
        products = (diagonal[:, None, :] * left) @ right
    for j, product in enumerate(products):
        rows, columns = _row_of(upper, j), _row_of(lower, j)
        if upper is lower:
            _put(matrix, rows, columns, 0.5 * (product + product.T), add)
            yield rows, columns
        else:
            _put(matrix, rows, columns, product, add)
            _put(matrix, columns, rows, product.T, add)
            yield rows, columns
            yield columns, rows


# Small things ------------------------------------------------------------------------------------


def _zeros(p: int, like: Array) -> Array:
    xp = array_namespace(like)
    return xp.zeros((p, p), dtype=like.dtype, **device_options(like))


def _add_to_diagonal(matrix: Array, number: float) -> None:
    if isinstance(matrix, np.ndarray):
        matrix.flat[:: matrix.shape[0] + 1] += number
        return
    for i in range(matrix.shape[0]):
        matrix[i, i] += number


def _row_of(block: ParameterBlock, unit: int) -> slice:
    """Return the entries of one row (one unit's incoming weights) of a block."""
    width = 1 if block.is_bias else block.shape[1]
    return slice(block.start + unit * width, block.start + (unit + 1) * width)


def _left_multiply(weight: Array, tensor: Array) -> Array:
    """Return sum_b weight[a,b] tensor[b,c,mu] as one matrix product."""
    xp = array_namespace(tensor)
    product = weight @ xp.reshape(tensor, (tensor.shape[0], -1))
    return xp.reshape(product, (weight.shape[0], *tensor.shape[1:]))

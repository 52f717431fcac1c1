r"""Exact dense Hessians of a multilayer perceptron, split as H = H0 + H1.

For the loss L = (1/2m) sum (y_hat - y)^2 with residuals e = y_hat - y,

    H0 = (1/m) J^T J,                         J = d y_hat / d theta   (Gauss-Newton part)
    H1 = (1/m) sum_{i mu} e_{i mu} d^2 y_hat_{i mu} / d theta^2       (residual part).

H0 is positive semi-definite; H1 vanishes where the fit is exact. Other names: H0 is the
generalised Gauss-Newton matrix (and, for this loss, the Fisher matrix), H1 the second-order or
functional part. Source: Pennington & Bahri, ICML 2017 (the split and its names).

The assembly is by blocks and matrix products. For a sample mu, layers l <= l', preactivations
z_l, layer inputs u_l (a_{l-1} for the weights, 1 for the bias) and backpropagated residuals
delta_l = dL_mu/dz_l, the block of (W_l', W_l) is

    (1/m) sum_mu { Q_{l'l}[a,c] u_l'[b] u_l[d] + [l < l'] delta_l'[a] R_{l'l}[b,c] u_l[d] }

with rows (a,b), columns (c,d) and R_{l'l} = d a_{l'-1}/dz_l (zero for a bias b_l'). With
P_{l'l} = dz_l'/dz_l the first factor obeys

    Q_{l'l} = diag(f''(z_l') g_l') P_{l'l} + diag(f'(z_l')) W_{l'+1}^T Q_{l'+1,l},
    g_l' = W_{l'+1}^T delta_{l'+1}.

H0 takes Q_{Ll} = P_{Ll}, g = 0 and delta = 0; H1 takes Q_{Ll} = 0. Between the last two layers
the blocks of H0 are Kronecker-like and those of H1 sparse: closed forms whose largest workspace is
a layer's slopes times its inputs, n_l n_{l-1} m numbers. With one hidden layer that is the whole
matrix. Other blocks hold the P_{l'l} of one l at a time, sum over l' of n_l' n_l m numbers.

>>> import numpy as np
>>> split = HessianSplit(np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]]))
>>> split.total
array([[1., 1.],
       [1., 1.]])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmtland.networks.parameters import ParameterBlock

__all__ = ["Derivatives", "HessianSplit", "assemble"]

Array = NDArray[np.float64]
Region = tuple[slice, slice]

_ROWS_AT_ONCE = 384
"""Rows of the hidden block of H0 made by one matrix product, so that it stays in the cache."""


@dataclass(frozen=True, eq=False)
class HessianSplit:
    """The exact Hessian of a loss in its two parts.

    Parameters
    ----------
    gauss_newton : ndarray of float64, shape (p, p)
        H0 = J^T J/m, symmetric to the last bit.
    residual : ndarray of float64, shape (p, p)
        H1, the residuals times the second derivatives of the outputs, symmetric to the last bit.
    regions : tuple of (slice, slice), optional
        The parts of `residual` that may differ from zero; None for all of it. They spare a
        pass over its zeros.

    Raises
    ------
    ValueError
        If the two matrices are not square and of one shape.
    """

    gauss_newton: Array
    residual: Array
    regions: tuple[Region, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check the shapes."""
        shape = self.gauss_newton.shape
        if len(shape) != 2 or shape[0] != shape[1] or self.residual.shape != shape:
            raise ValueError(
                "gauss_newton and residual must be square matrices of one shape; "
                f"got {shape} and {self.residual.shape}"
            )

    @cached_property
    def total(self) -> Array:
        """H = H0 + H1, shape (p, p); computed at the first use, then kept."""
        if self.regions is None:
            return self.gauss_newton + self.residual
        total = self.gauss_newton.copy()
        for region in self.regions:
            total[region] += self.residual[region]
        return total

    @property
    def parameter_count(self) -> int:
        """The number p of parameters: rows of each matrix."""
        return int(self.gauss_newton.shape[0])

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
    weights : tuple of ndarray, W_l of shape (n_l, n_{l-1})
        Entry l-1 is W_l, l = 1..L.
    inputs : tuple of ndarray, shape (n_{l-1}, m)
        Entry l-1 is a_{l-1}, what layer l reads.
    slopes : tuple of ndarray, shape (n_l, m)
        Entry l-1 is f'(z_l), hidden layers l = 1..L-1.
    curvatures : tuple of ndarray or None, shape (n_l, m)
        Entry l-1 is f''(z_l); None where it is identically zero.
    residuals : ndarray, shape (n_L, m)
        e = y_hat - y.
    """

    blocks: tuple[ParameterBlock, ...]
    weights: tuple[Array, ...]
    inputs: tuple[Array, ...]
    slopes: tuple[Array, ...]
    curvatures: tuple[Array | None, ...]
    residuals: Array

    @property
    def depth(self) -> int:
        """The number L of weight layers."""
        return len(self.weights)

    @property
    def samples(self) -> int:
        """The number m of samples."""
        return int(self.residuals.shape[1])

    @property
    def parameter_count(self) -> int:
        """The number p of parameters."""
        return self.blocks[-1].stop

    def input_of(self, block: ParameterBlock) -> Array:
        """Return what multiplies the block's entries: layer inputs, or ones for a bias."""
        if block.is_bias:
            return np.ones((1, self.samples))
        return self.inputs[block.layer - 1]

    def slope_times_input(self, block: ParameterBlock) -> Array:
        """Return f'(z_l)[j] u_l[k] with rows (j, k), shape (p_block, m)."""
        product = self.slopes[block.layer - 1][:, None, :] * self.input_of(block)[None, :, :]
        return product.reshape(-1, self.samples)

    def blocks_of(self, layer: int) -> Iterator[ParameterBlock]:
        """Return the weight and the bias block of a layer."""
        return (block for block in self.blocks if block.layer == layer)

    @cached_property
    def pulled_back(self) -> tuple[Array, ...]:
        """Entry l-1 is W_{l+1}^T delta_{l+1} for hidden l, then delta_L = e itself."""
        signals = [self.residuals]
        delta = self.residuals
        for layer in range(self.depth - 1, 0, -1):
            signals.insert(0, self.weights[layer].T @ delta)
            delta = self.slopes[layer - 1] * signals[0]
        return tuple(signals)

    def delta(self, layer: int) -> Array:
        """Return the backpropagated residual dL_mu/dz_l, shape (n_l, m)."""
        if layer == self.depth:
            return self.residuals
        return self.slopes[layer - 1] * self.pulled_back[layer - 1]

    def output_curvature(self, layer: int) -> Array | None:
        """Return f''(z_l) W_{l+1}^T delta_{l+1}, shape (n_l, m), or None where it is zero."""
        if layer == self.depth:
            return None
        curvature = self.curvatures[layer - 1]
        return None if curvature is None else curvature * self.pulled_back[layer - 1]

    def forward_jacobians(self, layer: int) -> dict[int, Array]:
        """Return {l': dz_l'/dz_l} for l' >= l, each of shape (n_l', n_l, m or 1)."""
        jacobian = np.eye(self.weights[layer - 1].shape[0])[:, :, None]
        jacobians = {layer: jacobian}
        for above in range(layer + 1, self.depth + 1):
            inner = self.slopes[above - 2][:, None, :] * jacobian
            jacobian = _left_multiply(self.weights[above - 1], inner)
            jacobians[above] = jacobian
        return jacobians


def assemble(derivatives: Derivatives, *, structured: bool = True) -> HessianSplit:
    """Return the exact Hessian in its two parts, by blocks of matrix products.

    Parameters
    ----------
    derivatives : Derivatives
        The network's derivatives at the point.
    structured : bool, optional
        Use the closed forms of the blocks between the last two layers (default). False takes
        the general recursion for every block: slower, and equal up to rounding.

    Raises
    ------
    ValueError
        If an entry overflows.
    """
    p = derivatives.parameter_count
    gauss_newton, residual = np.zeros((p, p)), np.zeros((p, p))
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in range(1, derivatives.depth + 1):
            _gauss_newton_columns(gauss_newton, derivatives, layer, structured)
        regions = tuple(
            region
            for layer in range(1, derivatives.depth + 1)
            for region in _residual_columns(residual, derivatives, layer, structured)
        )
    # The diagonal of J^T J bounds the rest of it, so that one look at p entries is enough.
    finite = np.isfinite(np.diagonal(gauss_newton)).all() and all(
        np.isfinite(residual[region]).all() for region in regions
    )
    if not finite:
        raise ValueError(
            "the Hessian overflows double precision at this point; rescale the data or the weights"
        )
    return HessianSplit(gauss_newton, residual, regions)


# H0 --------------------------------------------------------------------------------------------


def _gauss_newton_columns(matrix: Array, d: Derivatives, layer: int, structured: bool) -> None:
    """Fill the blocks (l', l) of H0, l' >= l = `layer`, and their mirror images."""
    last_two = structured and layer >= d.depth - 1
    signal = None if last_two else d.forward_jacobians(layer)[d.depth]
    for above in range(d.depth, layer - 1, -1):
        if signal is not None and above < d.depth:
            pulled = _left_multiply(d.weights[above].T, signal)
            signal = d.slopes[above - 1][:, None, :] * pulled
        for upper in d.blocks_of(above):
            for lower in d.blocks_of(layer):
                if upper.start < lower.start:
                    continue
                if signal is not None:
                    _write_general(matrix, d, upper, lower, signal, None)
                elif layer == d.depth:
                    _write_output_output(matrix, d, upper, lower)
                elif above == d.depth:
                    _write_output_hidden(matrix, d, upper, lower)
                else:
                    _write_hidden_hidden(matrix, d, upper, lower)


def _write_output_output(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock
) -> None:
    """Between output weights: I (x) u' u^T/m."""
    product = _over_samples(d.input_of(upper), d.input_of(lower))
    for output in range(upper.shape[0]):
        rows = _row_of(upper, output)
        columns = _row_of(lower, output)
        matrix[rows, columns] = product
        matrix[columns, rows] = product.T


def _write_output_hidden(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock
) -> None:
    """Output (i,b) and last hidden (j,k) weights: W_L[i,j] sum_mu u'_b f'_j u_k/m."""
    weight = d.weights[-1]
    inputs, slope_inputs = d.input_of(upper), d.slope_times_input(lower)
    (n_out, n_hidden), k = weight.shape, inputs.shape[0]
    product = _over_samples(inputs, slope_inputs)  # (b, (j,k))
    block = matrix[upper.slice, lower.slice].reshape(n_out, k, -1, copy=False)
    width = slope_inputs.shape[0] // n_hidden
    np.multiply(np.repeat(weight, width, axis=1)[:, None, :], product[None], out=block)
    mirror = matrix[lower.slice, upper.slice].reshape(n_hidden, width, n_out, k, copy=False)
    turned = np.ascontiguousarray(product.T).reshape(n_hidden, width, 1, k)
    np.multiply(weight.T[:, None, :, None], turned, out=mirror)


def _write_hidden_hidden(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock
) -> None:
    """Between last hidden weights: (W_L^T W_L)[j,j'] sum_mu f'_j u'_k f'_j' u_k'/m."""
    weight = d.weights[-1]
    n_hidden = weight.shape[1]
    gram = weight.T @ weight
    left, right = d.slope_times_input(upper), d.slope_times_input(lower)
    k, width = left.shape[0] // n_hidden, right.shape[0] // n_hidden
    gram_columns = np.repeat(gram, width, axis=1)[:, None, :]
    step = max(1, _ROWS_AT_ONCE // k)
    for first in range(0, n_hidden, step):  # rows up to the diagonal, and their mirror image
        last = min(first + step, n_hidden)
        rows = slice(first * k, last * k)
        columns = slice(0, (last if upper is lower else n_hidden) * width)
        product = _over_samples(left[rows], right[columns])
        by_unit = product.reshape(last - first, k, -1, copy=False)
        by_unit *= gram_columns[first:last, :, columns]
        if upper is lower:
            diagonal = product[:, rows]
            diagonal[...] = 0.5 * (diagonal + diagonal.T)
        block_rows = slice(upper.start + rows.start, upper.start + rows.stop)
        block_columns = slice(lower.start + columns.start, lower.start + columns.stop)
        matrix[block_rows, block_columns] = product
        matrix[block_columns, block_rows] = product.T


# H1 --------------------------------------------------------------------------------------------


def _residual_columns(
    matrix: Array, d: Derivatives, layer: int, structured: bool
) -> Iterator[Region]:
    """Fill the blocks (l', l) of H1, l' >= l = `layer`; yield the regions written."""
    jacobians = d.forward_jacobians(layer) if layer < d.depth - 1 or not structured else {}
    signal: Array | None = None  # Q_{l'l}; None where it is zero
    for above in range(d.depth, layer - 1, -1):
        diagonal = d.output_curvature(above)
        only_diagonal = structured and layer == above == d.depth - 1
        if above < d.depth and not only_diagonal:
            if signal is not None:
                pulled = _left_multiply(d.weights[above].T, signal)
                signal = d.slopes[above - 1][:, None, :] * pulled
            if diagonal is not None:
                bent = diagonal[:, None, :] * jacobians[above]
                signal = bent if signal is None else signal + bent
        for upper in d.blocks_of(above):
            for lower in d.blocks_of(layer):
                if upper.start < lower.start:
                    continue
                if only_diagonal:
                    if diagonal is not None:
                        yield from _write_block_diagonal(matrix, d, upper, lower, diagonal)
                elif structured and signal is None and above == layer + 1:
                    if not upper.is_bias:
                        yield from _write_stripes(matrix, d, upper, lower)
                else:
                    reach = None
                    if above > layer and not upper.is_bias:
                        reach = d.slopes[above - 2][:, None, :] * jacobians[above - 1]
                    if signal is not None or reach is not None:
                        _write_general(matrix, d, upper, lower, signal, reach)
                        yield upper.slice, lower.slice
                        if upper is not lower:
                            yield lower.slice, upper.slice


def _write_stripes(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock
) -> Iterator[Region]:
    """Neighbouring layers, l' = l + 1, entries (a,j) and (j,d): sum_mu delta_l'[a] f'_j u_d/m."""
    n_here = upper.shape[1]
    values = _over_samples(d.delta(upper.layer), d.slope_times_input(lower))
    width = values.shape[1] // n_here
    for j in range(n_here):
        rows = slice(upper.start + j, upper.stop, n_here)
        columns = _row_of(lower, j)
        stripe = values[:, j * width : (j + 1) * width]
        matrix[rows, columns] = stripe
        matrix[columns, rows] = stripe.T
        yield rows, columns
        yield columns, rows


def _write_block_diagonal(
    matrix: Array, d: Derivatives, upper: ParameterBlock, lower: ParameterBlock, diagonal: Array
) -> Iterator[Region]:
    """Last hidden layer, entries (j,b) and (j,d): sum_mu diagonal_j u'_b u_d/m."""
    left, right = d.input_of(upper), d.input_of(lower)
    if len(left) <= len(diagonal):  # one matrix product
        pairs = (left[:, None, :] * right[None, :, :]).reshape(-1, d.samples)
        products = _over_samples(diagonal, pairs).reshape(-1, len(left), len(right))
    else:  # one for each hidden unit: fewer than inputs, so the smaller workspace
        products = (diagonal[:, None, :] * left) @ (right.T / d.samples)
    for j, product in enumerate(products):
        rows, columns = _row_of(upper, j), _row_of(lower, j)
        if upper is lower:
            matrix[rows, columns] = 0.5 * (product + product.T)
            yield rows, columns
        else:
            matrix[rows, columns] = product
            matrix[columns, rows] = product.T
            yield rows, columns
            yield columns, rows


# both ------------------------------------------------------------------------------------------


def _write_general(
    matrix: Array,
    d: Derivatives,
    upper: ParameterBlock,
    lower: ParameterBlock,
    signal: Array | None,
    reach: Array | None,
) -> None:
    """Write sum_mu (signal[a,c] u'[b] + delta[a] reach[b,c]) u[d]/m and its mirror image.

    `signal` has shape (n_l', n_l, m), `reach` = d a_{l'-1}/dz_l shape (n_{l'-1}, n_l, m or 1).
    """
    left, right = d.input_of(upper), d.input_of(lower).T / d.samples
    delta = d.delta(upper.layer) if reach is not None else None
    n_above, n_here = upper.shape[0], lower.shape[0]
    k, width = left.shape[0], right.shape[1]
    block = matrix[upper.slice, lower.slice].reshape(n_above, k, n_here, width, copy=False)
    mirror = matrix[lower.slice, upper.slice].reshape(n_here, width, n_above, k, copy=False)
    for a in range(n_above):
        factor = np.zeros((k, n_here, d.samples))
        if signal is not None:
            factor += left[:, None, :] * signal[a][None, :, :]
        if reach is not None and delta is not None:
            factor += delta[a] * reach
        product = factor.reshape(k * n_here, d.samples) @ right
        block[a] = product.reshape(k, n_here, width)
        if upper is not lower:
            mirror[:, :, a, :] = block[a].transpose(1, 2, 0)
    if upper is lower:
        square = matrix[upper.slice, upper.slice]
        square[...] = 0.5 * (square + square.T)


def _row_of(block: ParameterBlock, unit: int) -> slice:
    """Return the entries of one row (one unit's incoming weights) of a block."""
    width = 1 if block.is_bias else block.shape[1]
    return slice(block.start + unit * width, block.start + (unit + 1) * width)


def _over_samples(left: Array, right: Array) -> Array:
    """Return left right^T/m, the mean over samples of outer products."""
    product: Array = left @ right.T
    product /= left.shape[1]
    return product


def _left_multiply(weight: Array, tensor: Array) -> Array:
    """Return sum_b weight[a,b] tensor[b,c,mu] as one matrix product."""
    product: Array = weight @ tensor.reshape(tensor.shape[0], -1)
    return product.reshape(weight.shape[0], *tensor.shape[1:])

r"""Loss, gradient and Hessian-vector product of a small network as one compiled kernel (numba).

The formulas are those of `rmtland.networks.derivatives.forward` and `.r_operator`, the plain
reference. With V_l, c_l the vector's weights and biases and R the derivative along it,

.. math::

    R z_l = a_{l-1} V_l^T + (R a_{l-1}) W_l^T + c_l, \qquad R a_l = f'(z_l)\, R z_l, \\
    R \delta_l = f'(z_l) \bigl((R \delta_{l+1}) W_{l+1} + \delta_{l+1} V_{l+1}\bigr)
        + f''(z_l)\, g_l\, R z_l .

Where a matrix product takes a microsecond, Python costs more between products than they compute.
Products are those of BLAS, called from the kernel; the loops over entries are such that the
compiler turns them into vector instructions. The exponential behind tanh and its kin is branch-free
for this reason: with
u = k log 2 + r, |r| <= (log 2)/2, exp(u) - 1 = 2^k (exp(r) - 1) + (2^k - 1), and exp(r) - 1 by its
Taylor polynomial; relative errors are some units of rounding, as in
`rmtland.networks.activation`. Synonyms: jit, fused kernel, vectorised tanh, expm1.

>>> import numpy as np
>>> a, slope, bend = (np.empty(3) for _ in range(3))
>>> activate(TANH, np.array([0.0, 0.5, 40.0]), a, slope, bend)
>>> a
array([0.        , 0.46211716, 1.        ])
>>> slope
array([1.00000000e+00, 7.86447733e-01, 7.21940555e-35])
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.compiled import Options, compiled
from rmtland.typing import Integer, Real

__all__ = ["ACTIVATION_CODES", "LOSS_CODES", "TANH", "activate", "evaluate"]

TANH, RELU, LINEAR, LEAKY_RELU, QUADRATIC, SIGMOID, SOFTPLUS, SINE = range(8)

ACTIVATION_CODES = {
    "tanh": TANH,
    "relu": RELU,
    "linear": LINEAR,
    "leaky_relu": LEAKY_RELU,
    "quadratic": QUADRATIC,
    "sigmoid": SIGMOID,
    "softplus": SOFTPLUS,
    "sine": SINE,
}
"""The activations that the kernel knows, by name."""

MSE, CROSS_ENTROPY, LOGISTIC = range(3)

LOSS_CODES = {"mse": MSE, "cross_entropy": CROSS_ENTROPY, "logistic": LOGISTIC}
"""The losses that it knows: all."""

_LOG2_E = 1.4426950408889634
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 33 bits, so that k times it is exact
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_ROUNDS = 6755399441055744.0  # 1.5 * 2^52: adding and taking it away rounds to an integer
_LEAK = 0.01

_OPTIONS: Options = {"error_model": "numpy", "nogil": True}


@compiled(**_OPTIONS, inner=True, inline="always")
def _exp_and_expm1(u: float) -> tuple[float, float]:
    """Return exp(u) and exp(u) - 1 for -800 <= u <= 0, without a branch."""
    k = (u * _LOG2_E + _ROUNDS) - _ROUNDS
    r = (u - k * _LN2_HIGH) - k * _LN2_LOW
    tail = 1.0 / 6227020800.0
    tail = tail * r + 1.0 / 479001600.0
    tail = tail * r + 1.0 / 39916800.0
    tail = tail * r + 1.0 / 3628800.0
    tail = tail * r + 1.0 / 362880.0
    tail = tail * r + 1.0 / 40320.0
    tail = tail * r + 1.0 / 5040.0
    tail = tail * r + 1.0 / 720.0
    tail = tail * r + 1.0 / 120.0
    tail = tail * r + 1.0 / 24.0
    tail = tail * r + 1.0 / 6.0
    tail = tail * r + 0.5
    p = r + r * r * tail
    whole = np.int64(k)
    half = whole >> 1
    first = np.int64((half + 1023) << 52).view(np.float64)
    second = np.int64((whole - half + 1023) << 52).view(np.float64)
    power = first * second
    return (first * (1.0 + p)) * second, power * p + (power - 1.0)


@compiled(**_OPTIONS)
def activate(code: int, z: Real, a: Real, slope: Real, bend: Real) -> None:
    """Write f(z), f'(z) and f''(z) of a vector into three others.

    Parameters
    ----------
    code : int
        One of `ACTIVATION_CODES`.
    z : ndarray, shape (n,)
        Finite preactivations.
    a, slope, bend : ndarray, shape (n,)
        Written to.
    """
    n = z.size
    if code == TANH:
        for i in range(n):
            e, less = _exp_and_expm1(max(-2.0 * abs(z[i]), -800.0))
            over = 1.0 / (2.0 + less)
            size = -less * over
            a[i] = size if z[i] > 0.0 else -size
            slope[i] = (4.0 * over) * (e * over)
            bend[i] = -2.0 * a[i] * slope[i]
    elif code == RELU:
        for i in range(n):
            a[i] = z[i] if z[i] > 0.0 else 0.0
            slope[i] = 1.0 if z[i] > 0.0 else 0.0
            bend[i] = 0.0
    elif code == LINEAR:
        for i in range(n):
            a[i], slope[i], bend[i] = z[i], 1.0, 0.0
    elif code == LEAKY_RELU:
        for i in range(n):
            a[i] = z[i] if z[i] > 0.0 else _LEAK * z[i]
            slope[i] = 1.0 if z[i] > 0.0 else _LEAK
            bend[i] = 0.0
    elif code == QUADRATIC:
        for i in range(n):
            a[i], slope[i], bend[i] = z[i] * z[i], 2.0 * z[i], 2.0
    elif code == SINE:
        for i in range(n):
            a[i], slope[i] = math.sin(z[i]), math.cos(z[i])
            bend[i] = -a[i]
    else:
        for i in range(n):
            e, less = _exp_and_expm1(max(-abs(z[i]), -800.0))
            over = 1.0 / (2.0 + less)
            sigmoid = over if z[i] >= 0.0 else e * over
            tilt = less * over if z[i] >= 0.0 else -less * over  # -tanh(z/2)
            change = over * (e * over)
            if code == SIGMOID:
                a[i], slope[i], bend[i] = sigmoid, change, tilt * change
            else:
                a[i] = (z[i] if z[i] > 0.0 else 0.0) + math.log1p(e)
                slope[i], bend[i] = sigmoid, change


@compiled(**_OPTIONS, inner=True)
def _output_derivatives(
    code: int, outputs: Real, targets: Real, signal: Real, tangent: Real, bent: Real
) -> float:
    """Write dl/do and Lambda R o of each sample, and return the sum of the losses."""
    m, n = outputs.shape
    total = 0.0
    if code == MSE:
        for i in range(m):
            for j in range(n):
                signal[i, j] = outputs[i, j] - targets[i, j]
                bent[i, j] = tangent[i, j]
                total += signal[i, j] * signal[i, j]
        return 0.5 * total
    if code == LOGISTIC:
        for i in range(m):
            for j in range(n):
                o, y = outputs[i, j], targets[i, j]
                small = math.exp(-abs(o))
                above = (1.0 if o >= 0.0 else small) / (1.0 + small)
                below = (1.0 if o <= 0.0 else small) / (1.0 + small)
                signal[i, j] = (1.0 - y) - below if y > 0.5 else above - y
                bent[i, j] = above * below * tangent[i, j]
                total += math.log1p(small) + (y * max(-o, 0.0) + (1.0 - y) * max(o, 0.0))
        return total
    for i in range(m):
        top = 0
        for j in range(1, n):
            if outputs[i, j] > outputs[i, top]:
                top = j
        rest, mean, weight = 0.0, 0.0, 0.0
        for j in range(n):
            power = math.exp(outputs[i, j] - outputs[i, top])
            bent[i, j] = power
            rest += power if j != top else 0.0
        for j in range(n):
            q, y = bent[i, j] / (1.0 + rest), targets[i, j]
            one = j == top and y > 0.5
            signal[i, j] = (1.0 - y) - rest / (1.0 + rest) if one else q - y
            mean += q * (tangent[i, j] - tangent[i, top])
            weight += y
            total -= y * (outputs[i, j] - outputs[i, top])
            bent[i, j] = q
        for j in range(n):
            bent[i, j] *= tangent[i, j] - tangent[i, top] - mean
        total += weight * math.log1p(rest)
    return total


@compiled(**_OPTIONS, inner=True)
def _matrix(buffer: Real, start: int, rows: int, columns: int) -> Real:
    return buffer[start : start + rows * columns].reshape(rows, columns)


@compiled(**_OPTIONS, inner=True)
def _times(first: Real, second: Real, out: Real) -> None:
    np.dot(first, second, out)


@compiled(**_OPTIONS, inner=True)
def _transposed_times(first: Real, second: Real, out: Real) -> None:
    np.dot(first.T, second, out)


@compiled(**_OPTIONS, inner=True)
def _add(target: Real, source: Real) -> None:
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] += source[i, j]


@compiled(**_OPTIONS, inner=True)
def _add_to_rows(target: Real, vectors: Real, start: int) -> None:
    if start >= 0:
        for i in range(target.shape[0]):
            for j in range(target.shape[1]):
                target[i, j] += vectors[start + j]


@compiled(**_OPTIONS, inner=True)
def _add_column_sums(target: Real, start: int, source: Real) -> None:
    if start >= 0:
        for i in range(source.shape[0]):
            for j in range(source.shape[1]):
                target[start + j] += source[i, j]


@compiled(**_OPTIONS, inner=True)
def _is_finite(matrix: Real) -> bool:
    """Whether an array of two axes is finite, by sums that are vector instructions."""
    check = np.zeros(matrix.shape[1])
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            check[j] += matrix[i, j] * 0.0
    return bool(check.sum() == 0.0)


@compiled(**_OPTIONS, inner=True)
def _effective(vector: Real, layout: Integer, scales: Real) -> tuple[Real, Real]:
    """Return weights as they multiply, each matrix by rows and by columns."""
    rows, columns = vector.copy(), np.empty(vector.size)
    for layer in range(len(layout)):
        before, n, start = layout[layer, 0], layout[layer, 1], layout[layer, 2]
        for i in range(n):
            for j in range(before):
                weight = scales[layer] * vector[start + i * before + j]
                rows[start + i * before + j] = weight
                columns[start + j * n + i] = weight
    return rows, columns


@compiled(**_OPTIONS, inner=True)
def _means(total: Real, vector: Real, layout: Integer, scales: Real, m: int, decay: float) -> None:
    """Turn sums over samples into means in the parameters' own scale, and add the decay."""
    for layer in range(len(layout)):
        start = layout[layer, 2]
        if scales[layer] != 1.0:
            for i in range(start, start + layout[layer, 0] * layout[layer, 1]):
                total[i] *= scales[layer]
    for i in range(total.size):
        total[i] = total[i] / m + decay * vector[i]


@compiled(**_OPTIONS, inner=True)
def _forward(
    x: Real,
    layout: Integer,
    code: int,
    theta: tuple[Real, Real],
    v: tuple[Real, Real],
    pushed: bool,
) -> tuple[Real, Real, Real, Real, Real, Real, bool]:
    """Return z, f, f', f'', R z and R f of all layers, and whether all z are finite."""
    m, depth = x.shape[0], len(layout)
    size = m * (layout[depth - 1, 4] + layout[depth - 1, 1])
    zs, signals, slopes, bends = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    tangents, moved, spare = np.zeros(size), np.empty(size), np.empty(size)
    inputs, shifted, finite = x, x, True
    for layer in range(depth):
        before, n, start, bias = (
            layout[layer, 0],
            layout[layer, 1],
            layout[layer, 2],
            layout[layer, 3],
        )
        low, high = m * layout[layer, 4], m * (layout[layer, 4] + n)
        z, tangent = _matrix(zs, low, m, n), _matrix(tangents, low, m, n)
        _times(inputs, _matrix(theta[1], start, before, n), z)
        _add_to_rows(z, theta[0], bias)
        finite = finite and _is_finite(z)
        if layer < depth - 1:
            activate(code, zs[low:high], signals[low:high], slopes[low:high], bends[low:high])
        if pushed:
            _times(inputs, _matrix(v[1], start, before, n), tangent)
            _add_to_rows(tangent, v[0], bias)
            if layer:
                product = _matrix(spare, 0, m, n)
                _times(shifted, _matrix(theta[1], start, before, n), product)
                _add(tangent, product)
            for i in range(low, high):
                moved[i] = slopes[i] * tangents[i]
            shifted = _matrix(moved, low, m, n)
        inputs = _matrix(signals, low, m, n)
    return zs, signals, slopes, bends, tangents, moved, finite


@compiled(**_OPTIONS)
def evaluate(
    vectors: Real,
    x: Real,
    y: Real,
    layout: Integer,
    scales: Real,
    activation: int,
    loss: int,
    decay: float,
) -> tuple[bool, float]:
    """Turn parameters into the gradient there, and a vector into the product with the Hessian.

    Parameters
    ----------
    vectors : ndarray, shape (1, p) or (2, p)
        theta, which becomes the gradient of the loss, and v, which becomes H v.
    x, y : ndarray, shapes (m, n_0) and (m, n_L)
        Inputs and targets.
    layout : ndarray of int64, shape (L, 5)
        A row a layer: units before it, its units, where its weights and its bias start in theta
        (-1 without), and how many units the layers between the inputs and it have.
    scales : ndarray, shape (L,)
        Factors of the weights.
    activation, loss : int
        Codes.
    decay : float
        Weight decay.

    Returns
    -------
    finite : bool
        Whether all preactivations, the gradient and the product are finite.
    value : float
        The loss, with the weight decay.
    """
    m, depth, pushed = x.shape[0], len(layout), len(vectors) == 2
    old, last = vectors.copy(), len(vectors) - 1
    theta = _effective(vectors[0], layout, scales)
    v = _effective(vectors[1], layout, scales) if pushed else theta
    zs, signals, slopes, bends, tangents, moved, finite = _forward(
        x, layout, activation, theta, v, pushed
    )
    if not finite:
        return False, math.nan
    widest = m * layout[:, :2].max()
    deltas, pulls, others, other_pulls, spare = (
        np.empty(widest),
        np.empty(widest),
        np.empty(widest),
        np.empty(widest),
        np.empty(widest),
    )
    n, low = layout[depth - 1, 1], m * layout[depth - 1, 4]
    delta, pull = _matrix(deltas, 0, m, n), _matrix(pulls, 0, m, n)
    loss_sum = _output_derivatives(
        loss, _matrix(zs, low, m, n), y, delta, _matrix(tangents, low, m, n), pull
    )
    vectors[:] = 0.0
    gradient, product = vectors[0], vectors[last]
    small = np.empty(gradient.size)
    for layer in range(depth - 1, -1, -1):
        before, n, start, bias = (
            layout[layer, 0],
            layout[layer, 1],
            layout[layer, 2],
            layout[layer, 3],
        )
        low = m * layout[layer - 1, 4] if layer else 0
        inputs = _matrix(signals, low, m, before) if layer else x
        _transposed_times(delta, inputs, _matrix(gradient, start, n, before))
        _add_column_sums(gradient, bias, delta)
        if pushed:
            piece = _matrix(product, start, n, before)
            _transposed_times(pull, inputs, piece)
            _add_column_sums(product, bias, pull)
            if layer:
                added = _matrix(small, 0, n, before)
                _transposed_times(delta, _matrix(moved, low, m, before), added)
                _add(piece, added)
        if layer:
            weight = _matrix(theta[0], start, n, before)
            pulled = _matrix(others, 0, m, before)
            _times(delta, weight, pulled)
            if pushed:
                next_pull, second = _matrix(other_pulls, 0, m, before), _matrix(spare, 0, m, before)
                _times(pull, weight, next_pull)
                _times(delta, _matrix(v[0], start, n, before), second)
                for i in range(m * before):
                    other_pulls[i] = (
                        slopes[low + i] * (other_pulls[i] + spare[i])
                        + (bends[low + i] * others[i]) * tangents[low + i]
                    )
                pull, pulls, other_pulls = next_pull, other_pulls, pulls
            for i in range(m * before):
                others[i] *= slopes[low + i]
            delta, deltas, others = pulled, others, deltas
    for row in range(len(vectors)):
        _means(vectors[row], old[row], layout, scales, m, decay)
    value = loss_sum / m
    if decay != 0.0:
        for i in range(old.shape[1]):
            value += 0.5 * decay * old[0, i] * old[0, i]
    return _is_finite(vectors), value

"""Compiled Newton steps and continuation for the population law of a one-hidden-layer network.

Unknown are x = (M_ss, M_sp / sqrt w, M_pp, M_a) at every node w, and the three entries of the
symmetric self-energy Omega that stands for the slopes; see `rmtland.models.population.equation`,
whose `node_map` and `slope_average` are the reference of what is computed here.
"""

from __future__ import annotations

import numpy as np

from rmtland.compiled import compiled
from rmtland.free.operator_valued.matrix_dyson_kernels import copied, eliminate

__all__ = ["follow"]

_SHIFT = 1e-7  # of the differences that derivatives are taken from
_NEWTON = 14
_RUNGS = 400


@compiled(error_model="numpy")
def _node_map(z, w, x, o, sizes, sigma, share, out):
    """Map x to x' at a node, out[:4], and give its part of the slope block, out[4:7]."""
    p, y, r, a = x[0], x[1], x[2], x[3]
    spread, load, noise, aspect, width = sizes
    energy = spread * a
    bb, kk, bk, tail = 0j, 0j, 0j, 0j
    for i in range(sigma.size):
        s = sigma[i]
        high = z - s * r
        det = high * (energy * s * p - 1.0) + energy * w * s * s * y * y
        bb += share[i] * s * (energy * s * p - 1.0) / det
        kk -= share[i] * s * high * energy / det
        bk += share[i] * s * s * energy * y / det
        tail -= share[i] * (high * s * p + w * s * s * y * y) / det
    pp, b = aspect * bb, -aspect * bk
    rest = 1.0 - w * o[0] - aspect * kk - width * noise * a
    single = o[2] * pp - 1.0
    det = rest * single + w * (o[1] * o[1] * pp + 2.0 * o[1] * b + o[2] * b * b)
    out[0] = single / det
    out[1] = -(o[1] + o[2] * b) / det
    out[2] = -(rest * o[2] + w * o[1] * o[1]) / det
    out[3] = 1.0 / (z - noise * p - load * tail)
    out[4] = w * single / det
    out[5] = -w * (o[1] * pp + b) / det
    out[6] = -(rest * pp + w * b * b) / det


@compiled(error_model="numpy", inner=True)
def _trace(z, w, x, sizes, sigma, share):
    """Mean of M_bb at a node."""
    energy = sizes[0] * x[3]
    total = 0j
    for i in range(sigma.size):
        s = sigma[i]
        lower = energy * s * x[0] - 1.0
        det = (z - s * x[2]) * lower + energy * w * s * s * x[1] * x[1]
        total += share[i] * lower / det
    return total


@compiled(error_model="numpy")
def _slope_average(o, g, slopes, masses, out):
    """Mean of (Omega + g^{-1} - [[0, d], [d, 0]])^{-1} over the slopes d: entries 11, 12, 22."""
    det = g[0] * g[2] - g[1] * g[1]
    first, cross, last = o[0] + g[2] / det, o[1] - g[1] / det, o[2] + g[0] / det
    one, two = 0j, 0j
    for i in range(slopes.size):
        rest = cross - slopes[i]
        value = masses[i] / (first * last - rest * rest)
        one += value
        two += value * rest
    out[0], out[1], out[2] = last * one, -two, first * one


@compiled(error_model="numpy", inner=True)
def _size_of(z, w, x, j):
    """Size of an unknown, for those that vanish in places."""
    if j == 0 or j == 3:
        return abs(x[j]) + 1e-300
    last = abs(x[2]) + 1e-3 * abs(z)
    if j == 2:
        return last
    return abs(x[1]) + 1e-3 * np.sqrt(abs(x[0]) * last / (abs(w) + 1e-3))


@compiled(error_model="numpy", inner=True)
def _block_of(z, w, weights, x, o, sizes, sigma, share, images, block):
    """Fill the maps of all nodes and the slope block, the weighted sum of their parts."""
    block[:] = 0
    for n in range(w.size):
        _node_map(z, w[n], x[n], o, sizes, sigma, share, images[n])
        for i in range(3):
            block[i] += weights[n] * images[n, 4 + i]


@compiled(error_model="numpy", inner=True)
def _eliminate_nodes(z, w, weights, x, o, sizes, sigma, share, images, reach, steps, gain):
    """Newton steps at the nodes and of the slope block, as linear functions of that of Omega.

    Fill `steps`, shape (k, 4, 4), and `gain`, shape (3, 4): in column 0 the step if Omega stays, in
    columns 1 to 3 its derivatives by the entries of Omega. `images` are the maps of the nodes and
    `reach` sizes of Omega. Returns whether no matrix is singular.
    """
    row, shifted = np.empty(4, dtype=np.complex128), np.empty(3, dtype=np.complex128)
    moved = np.empty(7, dtype=np.complex128)
    matrix = np.empty((4, 4), dtype=np.complex128)
    inner = np.empty((3, 4), dtype=np.complex128)
    gain[:] = 0
    for n in range(w.size):
        base = images[n]
        for j in range(4):
            copied(x[n], row)
            step = _SHIFT * _size_of(z, w[n], x[n], j)
            row[j] += step
            _node_map(z, w[n], row, o, sizes, sigma, share, moved)
            for i in range(4):
                matrix[i, j] = -(moved[i] - base[i]) / step
            matrix[j, j] += 1.0
            for i in range(3):
                inner[i, j] = (moved[4 + i] - base[4 + i]) / step
        for i in range(4):
            steps[n, i, 0] = base[i] - x[n, i]
        for j in range(3):
            copied(o, shifted)
            step = _SHIFT * reach[j]
            shifted[j] += step
            _node_map(z, w[n], x[n], shifted, sizes, sigma, share, moved)
            for i in range(4):
                steps[n, i, 1 + j] = (moved[i] - base[i]) / step
            for i in range(3):
                gain[i, 1 + j] += weights[n] * (moved[4 + i] - base[4 + i]) / step
        if not eliminate(matrix, steps[n]):
            return False
        for i in range(3):
            for c in range(4):
                value = 0j
                for j in range(4):
                    value += inner[i, j] * steps[n, j, c]
                gain[i, c] += weights[n] * value
    return True


@compiled(error_model="numpy", inner=True)
def _newton(z, w, weights, x, o, sizes, sigma, share, slopes, masses):
    """One Newton step, in place. Returns its relative size, or -1 where a matrix is singular.

    The steps at the nodes are linear in that of Omega (`_eliminate_nodes`), which remains as the
    only unknown.
    """
    k = w.size
    images, block = np.empty((k, 7), dtype=np.complex128), np.empty(3, dtype=np.complex128)
    _block_of(z, w, weights, x, o, sizes, sigma, share, images, block)
    det = block[0] * block[2] - block[1] * block[1]
    if not 0.0 < abs(det) < np.inf:
        return -1.0
    # Sizes of Omega and of the block, for differences where an entry vanishes
    reach, extent = np.empty(3), np.empty(3)
    extent[0], extent[2] = abs(block[0]), abs(block[2])
    extent[1] = np.sqrt(extent[0] * extent[2])
    reach[0], reach[2] = abs(o[0]) + abs(block[2] / det), abs(o[2]) + abs(block[0] / det)
    reach[1] = np.sqrt(reach[0] * reach[2])
    steps, gain = np.empty((k, 4, 4), dtype=np.complex128), np.empty((3, 4), dtype=np.complex128)
    if not _eliminate_nodes(z, w, weights, x, o, sizes, sigma, share, images, reach, steps, gain):
        return -1.0
    # Mean over the slopes = block, where the block moves by `gain`
    here, there = np.empty(3, dtype=np.complex128), np.empty(3, dtype=np.complex128)
    row, shifted = np.empty(4, dtype=np.complex128), np.empty(3, dtype=np.complex128)
    _slope_average(o, block, slopes, masses, here)
    outer, right = np.empty((3, 3), dtype=np.complex128), np.empty((3, 1), dtype=np.complex128)
    change = np.empty((3, 3), dtype=np.complex128)
    for j in range(3):
        copied(o, shifted)
        step = _SHIFT * reach[j]
        shifted[j] += step
        _slope_average(shifted, block, slopes, masses, there)
        for i in range(3):
            outer[i, j] = (there[i] - here[i]) / step
        copied(block, shifted)
        step = _SHIFT * extent[j]
        shifted[j] += step
        _slope_average(o, shifted, slopes, masses, there)
        for i in range(3):
            change[i, j] = (there[i] - here[i]) / step
        change[j, j] -= 1.0
    for i in range(3):
        right[i, 0] = block[i] - here[i]
        for j in range(3):
            right[i, 0] -= change[i, j] * gain[j, 0]
            for c in range(3):
                outer[i, c] += change[i, j] * gain[j, 1 + c]
    if not eliminate(outer, right):
        return -1.0
    largest = 0.0
    for i in range(3):
        largest = max(largest, abs(right[i, 0]) / reach[i])
        o[i] += right[i, 0]
    for n in range(k):
        top, length = 0.0, 0.0
        for i in range(4):
            row[i] = steps[n, i, 0]
            for c in range(3):
                row[i] += steps[n, i, 1 + c] * right[c, 0]
            top = max(top, abs(row[i]) / _size_of(z, w[n], x[n], i))
        for i in range(4):
            x[n, i] += row[i]
            length += abs(x[n, i])
        if not length < np.inf:
            return -1.0
        # Nodes at the ends of the law of w carry no weight and may be right at a double root.
        if w[n].imag != 0.0 or w[n] == 0:
            largest = max(largest, top)
    return largest


@compiled(error_model="numpy", inner=True)
def _solve_path(z, w, weights, x, o, sizes, sigma, share, slopes, masses):
    """Newton steps until they no longer shrink: number of steps and the size of the last."""
    last = np.inf
    for step in range(1, _NEWTON + 1):
        size = _newton(z, w, weights, x, o, sizes, sigma, share, slopes, masses)
        if size < 0.0 or not size < np.inf:
            return step, np.inf
        if size <= 1e-13 or (size <= 1e-9 and size >= last / 4):
            return step, size
        last = size
    return _NEWTON, last


@compiled(error_model="numpy", inner=True)
def _start(z, w, weights, x, o, sizes, sigma, share, slopes, masses):
    """Averaged iteration high above the axis, where it contracts."""
    images, block = np.empty((w.size, 7), dtype=np.complex128), np.empty(3, dtype=np.complex128)
    mean = np.empty(3, dtype=np.complex128)
    first, second = 0.0, 0.0
    for i in range(slopes.size):
        first += masses[i] * slopes[i]
        second += masses[i] * slopes[i] * slopes[i]
    o[0], o[1], o[2] = 0j, first + 0j, 0j
    for n in range(w.size):
        x[n, 0], x[n, 1], x[n, 2], x[n, 3] = 1.0, 0j, 0j, 1 / z
    for _ in range(400):
        _block_of(z, w, weights, x, o, sizes, sigma, share, images, block)
        change = 0.0
        for n in range(w.size):
            for i in range(4):
                change = max(change, abs(images[n, i] - x[n, i]) / (abs(x[n, 0]) + abs(x[n, i])))
                x[n, i] = (x[n, i] + images[n, i]) / 2
        _slope_average(o, block, slopes, masses, mean)
        det = block[0] * block[2] - block[1] * block[1]
        lower = mean[0] * mean[2] - mean[1] * mean[1]
        o[0] += (block[2] / det - mean[2] / lower) / 2
        o[1] -= (block[1] / det - mean[1] / lower) / 2
        o[2] += (block[0] / det - mean[0] / lower) / 2
        if change < 1e-6:
            break


@compiled(error_model="numpy", inner=True)
def _value(z, w, outer, inner, x, sizes, sigma, share):
    """G: weighted sum of M_a and M_bb."""
    total = 0j
    for n in range(w.size):
        if outer[n] != 0 or inner[n] != 0:
            total += outer[n] * x[n, 3] + inner[n] * _trace(z, w[n], x[n], sizes, sigma, share)
    return total


@compiled(error_model="numpy", inner=True)
def _is_physical(z, w, outer, inner, x, before, g, sizes, sigma, share):
    """Whether imaginary parts are not positive, of G and at the weighted nodes on the axis.

    Nodes below it must not have jumped from where they were before.
    """
    if not g.imag <= 1e-7 * abs(g):
        return False
    for n in range(w.size):
        if w[n].imag != 0.0:
            for i in (0, 2, 3):
                extent = _size_of(z, w[n], x[n], i) + _size_of(z, w[n], before[n], i)
                if abs(x[n, i] - before[n, i]) > 0.6 * extent:
                    return False
        elif outer[n] != 0 or inner[n] != 0:
            if x[n, 3].imag > 1e-7 * abs(x[n, 3]) or x[n, 0].imag > 1e-7 * abs(x[n, 0]):
                return False
            trace = _trace(z, w[n], x[n], sizes, sigma, share)
            if trace.imag > 1e-7 * abs(trace):
                return False
    return _is_smooth(w, x)


@compiled(error_model="numpy", inner=True)
def _is_smooth(w, x):
    """Whether the unknowns are continuous along the path of nodes below the axis.

    They are analytic there: a difference much larger than those two nodes away is a jump from one
    solution to another.
    """
    for i in (0, 3):
        for n in range(2, w.size - 3):
            if w[n + 3].imag == 0.0:
                break
            step = abs(x[n + 1, i] - x[n, i])
            beside = max(abs(x[n - 1, i] - x[n - 2, i]), abs(x[n + 3, i] - x[n + 2, i]))
            if step > 6.0 * beside + 1e-5 * abs(x[n, i]):
                return False
    return True


@compiled(error_model="numpy", inner=True)
def _copy_state(x, o, nodes, energy):
    """Write the unknowns at the nodes and the self-energy into others."""
    for n in range(x.shape[0]):
        copied(x[n], nodes[n])
    copied(o, energy)


@compiled(error_model="numpy", inner=True)
def _walk(z, target, w, weights, outer, inner, x, o, sizes, sigma, share, slopes, masses, floor):
    """Move a solution from z to a target in steps of adapted length.

    Heights change geometrically, down to the floor if the target is on the axis. Returns the steps
    of Newton's method and the size of the last one, infinite where the target was not reached.
    """
    height = target.imag if target.imag > 0.0 else floor
    start, end = np.log(z.imag), np.log(height)
    near, length, total = 0.0, 0.25, 0
    size = np.inf
    trial, turned = np.empty_like(x), np.empty_like(o)
    for _ in range(_RUNGS):
        far = min(1.0, near + length)
        level = np.exp(start + (end - start) * far)
        point = complex(z.real + (target.real - z.real) * far, level)
        _copy_state(x, o, trial, turned)
        taken, size = _solve_path(
            point, w, weights, trial, turned, sizes, sigma, share, slopes, masses
        )
        total += taken
        g = _value(point, w, outer, inner, trial, sizes, sigma, share)
        if size < 1e-7 and _is_physical(point, w, outer, inner, trial, x, g, sizes, sigma, share):
            _copy_state(trial, turned, x, o)
            near = far
            if taken <= 6:
                length *= 2.0
            if near >= 1.0:
                break
        else:
            length /= 3.0
            if length < 1e-6:
                return total, np.inf
    if near < 1.0:
        return total, np.inf
    if target.imag == 0.0:
        _copy_state(x, o, trial, turned)
        taken, size = _solve_path(
            target, w, weights, trial, turned, sizes, sigma, share, slopes, masses
        )
        total += taken
        g = _value(target, w, outer, inner, trial, sizes, sigma, share)
        if not (
            size < 1e-6 and _is_physical(target, w, outer, inner, trial, x, g, sizes, sigma, share)
        ):
            return total, np.inf
        _copy_state(trial, turned, x, o)
    return total, size


@compiled(error_model="numpy")
def follow(z, top, w, weights, outer, inner, sizes, sigma, share, slopes, masses):
    """Solve at points of the closed upper half-plane, sorted by their real parts.

    Parameters
    ----------
    z : ndarray of complex, shape (n,)
        Points.
    top : float
        Height from which to start; the points are reached from a line at a sixteenth of it.
    w, weights, outer, inner : ndarray, shape (k,)
        Nodes, their weights in the slope block, and those of M_a and M_bb in G.
    sizes : ndarray, shape (5,)
        Constants of the equation.
    sigma, share, slopes, masses : ndarray
        Eigenvalues of the data covariance and values of the slope, with their weights.

    Returns
    -------
    tuple of ndarray
        G, Omega (n, 3), the unknowns at the nodes (n, k, 4), Newton steps, and the size of the
        last one, infinite where a point was not solved.
    """
    k = w.size
    values = np.full(z.size, np.nan + 0j)
    energies = np.full((z.size, 3), np.nan + 0j)
    states = np.full((z.size, k, 4), np.nan + 0j)
    steps, last = np.zeros(z.size, dtype=np.int64), np.full(z.size, np.inf)
    x, o = np.empty((k, 4), dtype=np.complex128), np.empty(3, dtype=np.complex128)
    if not z.size:
        return values, energies, states, steps, last
    place = complex(z[0].real, top)
    _start(place, w, weights, x, o, sizes, sigma, share, slopes, masses)
    near, beside, resting = x.copy(), o.copy(), complex(0.0, 0.0)
    for i in range(z.size):
        # Beside a solved point inside a band the next is few Newton steps away.
        if z[i].imag == 0.0 and abs(z[i] - resting) <= 0.05 * abs(resting):
            trial, turned = near.copy(), beside.copy()
            taken, size = _solve_path(
                z[i], w, weights, trial, turned, sizes, sigma, share, slopes, masses
            )
            steps[i] += taken
            g = _value(z[i], w, outer, inner, trial, sizes, sigma, share)
            if (
                size < 1e-9
                and g.imag < -1e-4 * abs(g)
                and _is_physical(z[i], w, outer, inner, trial, near, g, sizes, sigma, share)
            ):
                last[i], values[i] = size, g
                _copy_state(trial, turned, states[i], energies[i])
                near, beside, resting = trial, turned, z[i]
                continue
        line = complex(z[i].real, top / 16)
        trial, turned = x.copy(), o.copy()
        taken, size = _walk(
            place,
            line,
            w,
            weights,
            outer,
            inner,
            trial,
            turned,
            sizes,
            sigma,
            share,
            slopes,
            masses,
            top,
        )
        steps[i] += taken
        if not size < np.inf:
            place = complex(z[i].real, top)
            _start(place, w, weights, x, o, sizes, sigma, share, slopes, masses)
            continue
        _copy_state(trial, turned, x, o)
        place = line
        taken, size = _walk(
            place,
            z[i],
            w,
            weights,
            outer,
            inner,
            trial,
            turned,
            sizes,
            sigma,
            share,
            slopes,
            masses,
            1e-9 * min(top, abs(z[i].real) + 1e-280),
        )
        steps[i] += taken
        last[i] = size
        if size < np.inf:
            values[i] = _value(z[i], w, outer, inner, trial, sizes, sigma, share)
            _copy_state(trial, turned, states[i], energies[i])
            if z[i].imag == 0.0 and values[i].imag < -1e-4 * abs(values[i]):
                near, beside, resting = trial, turned, z[i]
            else:
                resting = complex(0.0, 0.0)
    return values, energies, states, steps, last

"""Compiled kernels of Krylov sampling; the formulas stand in `rmtland.ensembles.krylov`.

Both kernels draw one run from a NumPy generator, draw by draw like plain versions that they are
tested equal to. `unit` is n^(-1/2); at n = inf it is 0 and all sizes are relative to n.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from rmtland.compiled import Options, compiled
from rmtland.typing import NumpyArray

__all__ = ["Factors", "lazy_factors", "wishart_plus_wigner"]

_EVERYWHERE = -1  # in place of a block: in all of them
_EXHAUSTED = 1e-13  # a new direction that is shorter, relative to the operator, is rounding

# Sums may be taken in any order, which lets the compiler use vector instructions.
_options: Options = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
}
_jit = compiled(**_options)
_inner = compiled(inner=True, **_options)


@_inner
def _dot(a, b, start, stop):
    total = 0.0
    for k in range(start, stop):
        total += a[k] * b[k]
    return total


@_inner
def _add(a, factor, b, start, stop):
    for k in range(start, stop):
        a[k] += factor * b[k]


@_inner
def _quotient(a, divisor, out):
    """Write a / divisor into `out`; for whole arrays numba takes seconds to compile error texts."""
    for k in range(out.size):
        out[k] = a[k] / divisor


@_inner
def _chi(generator, size, used, unit):
    """Norm of a Gaussian vector, over sqrt(n), on the directions that are not used yet."""
    if unit == 0.0:
        return math.sqrt(size)
    if size > used:
        return math.sqrt(generator.chisquare(size - used)) * unit
    return 0.0


@_inner
def _normal(generator, unit):
    return generator.standard_normal() * unit if unit > 0.0 else 0.0


@_jit
def wishart_plus_wigner(generator, unit, n, columns, gains, noise, shift, alpha, beta):
    """Sum of Wishart matrices, a Wigner matrix and a multiple of the identity.

    Coordinate i is Lanczos vector i; a row holds X b in the coordinates from the current vector
    on, for one direction b of the space of columns. Returns the number of steps before breakdown.
    """
    steps = alpha.size
    terms = columns.size
    width = 1 + steps * (terms + 1)
    height = 0
    for t in range(terms):
        height += steps if unit == 0.0 else int(min(steps, columns[t]))
    size = 1.0 if unit == 0.0 else n
    if unit > 0.0:
        width = int(min(width, n))
    rows = np.zeros((height, width))
    gain = np.empty(height)
    rest = np.zeros(width)
    count = 0
    dim = 1
    scale = 0.0
    for i in range(steps):
        total = 0.0
        rest[i + 1 :] = 0.0
        for j in range(count):
            step = gain[j] * rows[j, i]
            total += step * rows[j, i]
            _add(rest, step, rows[j], i + 1, dim)
        for t in range(terms):
            d = _chi(generator, columns[t], float(i), unit)
            if d == 0.0:
                continue
            new = rows[count]
            for k in range(i + 1, dim):
                new[k] = _normal(generator, unit)
            if unit == 0.0 or dim < n:
                new[dim] = _chi(generator, size, float(dim), unit)
                dim += 1
            gain[count] = gains[t]
            count += 1
            total += gains[t] * d * d
            _add(rest, gains[t] * d, new, i + 1, dim)
        if noise > 0.0:
            total += noise * math.sqrt(2.0) * _normal(generator, unit)
            for k in range(i + 1, dim):
                rest[k] += noise * _normal(generator, unit)
            if unit == 0.0 or dim < n:
                rest[dim] = noise * _chi(generator, size, float(dim), unit)
                dim += 1
        alpha[i] = total + shift
        norm = math.sqrt(_dot(rest, rest, i + 1, dim))
        scale = max(scale, abs(total), norm)
        if i + 1 == steps or norm <= _EXHAUSTED * scale:
            return i + 1
        beta[i] = norm
        # Householder's reflection takes the rest to coordinate i + 1
        rest[i + 1] += math.copysign(norm, rest[i + 1])
        factor = 2.0 / _dot(rest, rest, i + 1, dim)
        for j in range(count):
            _add(rows[j], -factor * _dot(rows[j], rest, i + 1, dim), rest, i + 1, dim)
    return steps


class _Space(NamedTuple):
    """A space of blocks of given sizes, of which `used` coordinates are known."""

    sizes: NumpyArray
    used: NumpyArray  # a block
    owner: NumpyArray  # block of each coordinate
    dim: NumpyArray  # number of coordinates, shape (1,)


class Factors(NamedTuple):
    """Factors of a sum, in the coordinates of a main space with blocks of equal shifts and roots.

    They are Wishart matrices A A^T, or A B B^T A^T where `inner` gives the columns of B;
    Haar-conjugated spectra; and block matrices [[0, E X^T], [X E^T, 0]].
    """

    sizes: NumpyArray  # of the blocks of the main space
    shifts: NumpyArray
    roots: NumpyArray
    noise: float  # of the Gaussian matrix
    columns: NumpyArray  # of A, a Wishart matrix
    inner: NumpyArray  # of B, or zero
    gains: NumpyArray
    haar_start: NumpyArray  # first block of each conjugated spectrum, and the end
    haar_sizes: NumpyArray  # multiplicities
    haar_values: NumpyArray
    block_sizes: NumpyArray  # rows of E, rows of X, columns of both: (matrices, 3)
    block_gains: NumpyArray


class _Link(NamedTuple):
    """What is known of a random matrix: images of orthonormal rows of two spaces, and back."""

    near: NumpyArray
    near_image: NumpyArray
    far: NumpyArray
    far_image: NumpyArray
    near_count: NumpyArray  # rows known of near, shape (1,)
    far_count: NumpyArray


@_inner
def _space(sizes, calls, unit):
    cap = 0
    for size in sizes:
        cap += calls if unit == 0.0 else int(min(calls, size))
    return _Space(sizes, np.zeros(sizes.size), np.zeros(cap, np.int64), np.zeros(1, np.int64))


@_inner
def _link(rows, near, far):
    a, b = near.owner.size, far.owner.size
    return _Link(
        np.zeros((rows, a)),
        np.zeros((rows, b)),
        np.zeros((rows, b)),
        np.zeros((rows, a)),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
    )


@_inner
def _flip(link):
    return _Link(
        link.far, link.far_image, link.near, link.near_image, link.far_count, link.near_count
    )


@_inner
def _split(vector, rows, count, dim, coefficients):
    """Take from a vector its part on orthonormal rows; returns the norm left.

    A second pass where the first one left less than 0.8: above 1/sqrt 2 one pass makes errors of
    orthogonality smaller, below it they would grow from step to step.
    """
    coefficients[:count] = 0.0
    norm = math.sqrt(_dot(vector, vector, 0, dim))
    for _ in range(2):
        for j in range(count):
            c = _dot(rows[j], vector, 0, dim)
            coefficients[j] += c
            _add(vector, -c, rows[j], 0, dim)
        before, norm = norm, math.sqrt(_dot(vector, vector, 0, dim))
        if norm > 0.8 * before:
            break
    return norm


@_inner
def _fresh(generator, unit, space, block):
    """Gaussian vector, over sqrt(n), isotropic in each block (or in one block alone).

    The part of a block outside its known coordinates becomes a new coordinate.
    """
    out = np.zeros(space.owner.size)
    dim = space.dim[0]
    for k in range(dim):
        if block < 0 or space.owner[k] == block:
            out[k] = _normal(generator, unit)
    for a in range(space.sizes.size):
        if block >= 0 and a != block:
            continue
        norm = _chi(generator, space.sizes[a], space.used[a], unit)
        if norm > 0.0:
            out[dim] = norm
            space.owner[dim] = a
            space.used[a] += 1.0
            dim += 1
    space.dim[0] = dim
    return out


@_inner
def _apply_isometry(generator, unit, n, link, near, far, vector):
    """Apply a Haar isometry with near[j] -> far[j]; a new direction goes to a uniform one."""
    rest = vector.copy()
    length = math.sqrt(_dot(vector, vector, 0, vector.size))
    count = link.near_count[0]
    coefficients = np.empty(count + 1)
    norm = _split(rest, link.near, count, near.dim[0], coefficients)
    out = np.zeros(far.owner.size)
    for j in range(count):
        _add(out, coefficients[j], link.far[j], 0, far.dim[0])
    if (unit == 0.0 or count < n) and norm > _EXHAUSTED * length:
        draw = _fresh(generator, unit, far, np.int64(_EVERYWHERE))
        _quotient(rest, norm, link.near[count])
        length = _split(draw, link.far, count, far.dim[0], coefficients)
        _quotient(draw, length, link.far[count])
        _add(out, norm, link.far[count], 0, far.dim[0])
        link.near_count[0] = link.far_count[0] = count + 1
    return out


@_inner
def _apply_gaussian(generator, unit, near_size, far_size, link, near, far, block, vector):
    """Apply a Gaussian matrix with entries N(0, 1/n) that maps into one block of the far space."""
    rest = vector.copy()
    length = math.sqrt(_dot(vector, vector, 0, vector.size))
    count, known = link.near_count[0], link.far_count[0]
    coefficients = np.empty(max(count, known) + 1)
    norm = _split(rest, link.near, count, near.dim[0], coefficients)
    out = np.zeros(far.owner.size)
    for j in range(count):
        _add(out, coefficients[j], link.near_image[j], 0, far.dim[0])
    if (unit == 0.0 or count < near_size) and norm > _EXHAUSTED * length:
        new = link.near[count]
        _quotient(rest, norm, new)
        image = link.near_image[count]
        if unit == 0.0 or known < far_size:
            draw = _fresh(generator, unit, far, block)
            _split(draw, link.far, known, far.dim[0], coefficients)
            _add(image, 1.0, draw, 0, image.size)
        for j in range(known):
            _add(image, _dot(link.far_image[j], new, 0, near.dim[0]), link.far[j], 0, far.dim[0])
        _add(out, norm, image, 0, far.dim[0])
        link.near_count[0] = count + 1
    return out


@_inner
def _scaled(space, factors, vector):
    """Multiply each block of a vector by a factor."""
    scaled = np.zeros(vector.size)
    for k in range(space.dim[0]):
        scaled[k] = factors[space.owner[k]] * vector[k]
    return scaled


@_inner
def _through_chain(generator, unit, t, depth, chain_sizes, chains, links, everywhere, image):
    """Apply A B B^T A^T of Wishart matrix t: down its chain of spaces, and up again."""
    for move in range(2 * depth):
        down = move < depth
        place = move if down else 2 * depth - 1 - move
        a = place if down else place + 1
        b = place + 1 if down else place
        link = links[2 * t + place] if down else _flip(links[2 * t + place])
        image = _apply_gaussian(
            generator,
            unit,
            chain_sizes[t, a],
            chain_sizes[t, b],
            link,
            chains[3 * t + a],
            chains[3 * t + b],
            everywhere,
            image,
        )
    return image


@_inner
def _through_turn(generator, unit, n, t, factors, main, turned, turns, hidden, halves, vector):
    """Apply conjugated spectrum or block matrix t: turn into its own space, and back."""
    haars = factors.haar_start.size - 1
    space = turned[t]
    image = _apply_isometry(generator, unit, n, turns[t], main, space, vector)
    if t < haars:
        for k in range(space.dim[0]):
            image[k] *= factors.haar_values[factors.haar_start[t] + space.owner[k]]
    else:
        relu = t - haars
        upper, lower = halves[2 * relu], halves[2 * relu + 1]
        image = _swap_blocks(
            generator,
            unit,
            factors.block_sizes[relu],
            space,
            hidden[relu],
            upper,
            lower,
            image,
        )
        for k in range(image.size):
            image[k] *= factors.block_gains[relu]
    return _apply_isometry(generator, unit, n, _flip(turns[t]), space, main, image)


@_jit
def lazy_factors(generator, unit, n, factors, alpha, beta):
    """Lanczos of diag(shifts) + noise W + D (sum of lazy factors) D with D = diag(roots).

    The factors are described by `Factors`. Returns the number of steps before breakdown.
    """
    sizes, shifts, roots, noise = factors.sizes, factors.shifts, factors.roots, factors.noise
    columns, inner, gains = factors.columns, factors.inner, factors.gains
    haar_start, haar_sizes = factors.haar_start, factors.haar_sizes
    block_sizes = factors.block_sizes
    steps = alpha.size
    everywhere = np.int64(_EVERYWHERE)  # no constant, for which callees were compiled once more
    wisharts, haars, relus = columns.size, haar_start.size - 1, block_sizes.shape[0]
    calls = 1 + steps * (wisharts + haars + relus + (1 if noise > 0.0 else 0))
    main = _space(sizes, calls, unit)
    width = main.owner.size
    # chains: main space, columns of A and, in a chain of two, columns of B
    depth = np.empty(wisharts, np.int64)
    chain_sizes = np.empty((wisharts, 3))
    chains = []
    links = []
    for t in range(wisharts):
        depth[t] = 2 if inner[t] > 0.0 else 1
        chain_sizes[t, 0], chain_sizes[t, 1], chain_sizes[t, 2] = n, columns[t], inner[t]
        chains.append(main)
        chains.append(_space(columns[t : t + 1], depth[t] * steps, unit))
        chains.append(_space(inner[t : t + 1], steps, unit))
        links.append(_link(steps, chains[3 * t], chains[3 * t + 1]))
        links.append(_link(steps, chains[3 * t + 1], chains[3 * t + 2]))
    # spaces that Haar isometries lead to: of spectra, and of two blocks
    turned = []
    turns = []
    for t in range(haars + relus):
        if t < haars:
            own = haar_sizes[haar_start[t] : haar_start[t + 1]]
            turned.append(_space(own, steps, unit))
        else:
            turned.append(_space(block_sizes[t - haars, :2].copy(), 3 * steps, unit))
        turns.append(_link(2 * steps, main, turned[t]))
    hidden = []
    halves = []
    for t in range(relus):
        hidden.append(_space(block_sizes[t, 2:].copy(), 2 * steps, unit))
        for _ in range(2):
            halves.append(_link(steps, turned[haars + t], hidden[t]))

    vectors = np.zeros((steps, width))
    coefficients = np.empty(steps)
    start = _fresh(generator, unit, main, everywhere)
    _quotient(start, math.sqrt(_dot(start, start, 0, width)), vectors[0])
    scale = 0.0
    for i in range(steps):
        current = vectors[i]
        scaled = _scaled(main, roots, current)
        rest = np.zeros(width)
        for t in range(wisharts):
            image = _through_chain(
                generator, unit, t, depth[t], chain_sizes, chains, links, everywhere, scaled
            )
            _add(rest, gains[t], image, 0, width)
        for t in range(haars + relus):
            back = _through_turn(
                generator, unit, n, t, factors, main, turned, turns, hidden, halves, scaled
            )
            _add(rest, 1.0, back, 0, width)
        for k in range(main.dim[0]):
            block = main.owner[k]
            rest[k] = roots[block] * rest[k] + shifts[block] * current[k]
        total = _dot(current, rest, 0, width)
        if noise > 0.0:
            # the part of W v on earlier vectors would be taken off again
            total += noise * math.sqrt(2.0) * _normal(generator, unit)
            _add(rest, noise, _fresh(generator, unit, main, everywhere), 0, width)
        alpha[i] = total
        length = math.sqrt(_dot(rest, rest, 0, width))
        norm = _split(rest, vectors, i + 1, main.dim[0], coefficients)
        scale = max(scale, length)
        if i + 1 == steps or i + 1 == n or norm <= _EXHAUSTED * scale:
            return i + 1
        beta[i] = norm
        _quotient(rest, norm, vectors[i + 1])
    return steps


@_inner
def _swap_blocks(generator, unit, sizes, space, hidden, upper, lower, vector):
    """Apply [[0, E X^T], [X E^T, 0]]: each block through the hidden space into the other."""
    everywhere = np.int64(_EVERYWHERE)
    out = np.zeros(vector.size)
    for side in range(2):
        # from the lower block (1) into the upper one (0) first
        source, target = 1 - side, side
        part = np.zeros(vector.size)
        for k in range(space.dim[0]):
            if space.owner[k] == source:
                part[k] = vector[k]
        forth, back = (lower, upper) if side == 0 else (upper, lower)
        half = _apply_gaussian(
            generator, unit, sizes[source], sizes[2], forth, space, hidden, everywhere, part
        )
        whole = _apply_gaussian(
            generator, unit, sizes[2], sizes[target], _flip(back), hidden, space, target, half
        )
        _add(out, 1.0, whole, 0, out.size)
    return out

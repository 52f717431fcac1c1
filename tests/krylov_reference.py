"""Krylov sampling in plain NumPy: what `rmtland.ensembles.krylov_kernels` is tested against.

The functions take the arguments of the kernels and draw the same numbers in the same order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rmtland.ensembles.krylov_kernels import Factors

__all__ = ["lazy_factors", "measure_coefficients", "wishart_plus_wigner"]

Real = NDArray[np.float64]

_EXHAUSTED = 1e-13


class _Source:
    """Normal and chi variables over sqrt(n); at n = inf (unit 0) what they tend to."""

    def __init__(self, generator: np.random.Generator, unit: float) -> None:
        self.generator, self.unit = generator, unit

    def normal(self, size: int) -> Real:
        return self.unit * self.generator.standard_normal(size) if self.unit else np.zeros(size)

    def chi(self, size: float, used: float) -> float:
        if not self.unit:
            return math.sqrt(size)
        return self.unit * math.sqrt(self.generator.chisquare(size - used)) if size > used else 0.0


def wishart_plus_wigner(
    generator: np.random.Generator,
    unit: float,
    n: float,
    columns: Real,
    gains: Real,
    noise: float,
    shift: float,
    alpha: Real,
    beta: Real,
) -> int:
    """Coordinates from the current Lanczos vector on; columns of `images` are the known X b."""
    source, size = _Source(generator, unit), n if unit else 1.0
    images, gain, scale = np.zeros((1, 0)), np.zeros(0), 0.0
    used = 1

    def isotropic() -> Real:
        nonlocal used
        known = source.normal(images.shape[0] - 1)
        new = source.chi(size, used)
        used += new > 0
        return np.append(known, new) if new > 0 else known

    for i in range(alpha.size):
        along, images = images[0], images[1:]
        images = np.vstack([np.zeros((1, gain.size)), images])  # row 0: the current vector
        total, rest = gain @ along**2, images @ (gain * along)
        for q, factor in zip(columns, gains, strict=True):
            d = source.chi(q, i)
            if d:
                new = np.append(0.0, isotropic())
                images = np.pad(images, ((0, new.size - images.shape[0]), (0, 0)))
                images, gain = np.column_stack([images, new]), np.append(gain, factor)
                rest = np.pad(rest, (0, new.size - rest.size)) + factor * d * new
                total += factor * d**2
        if noise:
            total += noise * math.sqrt(2) * source.normal(1)[0]
            new = np.append(0.0, isotropic())
            images = np.pad(images, ((0, new.size - images.shape[0]), (0, 0)))
            rest = np.pad(rest, (0, new.size - rest.size)) + noise * new
        alpha[i], rest, images = total + shift, rest[1:], images[1:]
        norm = float(np.linalg.norm(rest))
        scale = max(scale, abs(total), norm)
        if i + 1 == alpha.size or norm <= _EXHAUSTED * scale:
            return i + 1
        beta[i] = norm
        rest[0] += math.copysign(norm, rest[0])
        images = images - np.outer(2 / (rest @ rest) * rest, rest @ images)
    return alpha.size


class _Space:
    def __init__(self, sizes: Real, source: _Source) -> None:
        self.sizes, self.source = sizes, source
        self.owner = np.zeros(0, dtype=np.int64)

    def fresh(self, block: int = -1) -> Real:
        """Gaussian vector, isotropic in each block or in one of them."""
        mine = (self.owner == block) | (block < 0)
        out = np.zeros(self.owner.size)
        out[mine] = self.source.normal(int(mine.sum()))
        for a, size in enumerate(self.sizes):
            new = self.source.chi(size, (self.owner == a).sum()) if block in (-1, a) else 0.0
            if new:
                out, self.owner = np.append(out, new), np.append(self.owner, a)
        return out

    def full(self, vector: Real) -> Real:
        return np.pad(vector, (0, self.owner.size - vector.size))


class _Rows:
    """Known vectors of a space, orthonormal or images of such."""

    def __init__(self, space: _Space) -> None:
        self.space, self.rows = space, np.zeros((0, 0))

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, vector: Real) -> None:
        self.rows = np.vstack([self.array, self.space.full(vector)])

    @property
    def array(self) -> Real:
        missing = self.space.owner.size - self.rows.shape[1]
        return np.pad(self.rows, ((0, 0), (0, missing)))

    def split(self, vector: Real) -> tuple[Real, Real, float]:
        """Coefficients on the rows, the rest and its norm, in two passes."""
        rows, rest = self.array, self.space.full(vector)
        first = rows @ rest
        rest = rest - first @ rows
        second = rows @ rest
        rest = rest - second @ rows
        return first + second, rest, float(np.linalg.norm(rest))


class _Factor:
    """A random matrix between two spaces of given sizes, known on orthonormal rows of both."""

    def __init__(self, near: _Space, far: _Space, sizes: tuple[float, float], block: int) -> None:
        self.near, self.near_image, self.far, self.far_image = (
            _Rows(space) for space in (near, far, far, near)
        )
        self.sizes, self.blocks, self.source = sizes, (-1, block), near.source

    @property
    def transposed(self) -> Self:
        other = object.__new__(type(self))
        other.near, other.near_image = self.far, self.far_image
        other.far, other.far_image = self.near, self.near_image
        other.sizes, other.blocks, other.source = self.sizes[::-1], self.blocks[::-1], self.source
        return other

    def _is_new(self, norm: float, vector: Real) -> bool:
        free = not self.source.unit or len(self.near) < self.sizes[0]
        return free and norm > _EXHAUSTED * float(np.linalg.norm(vector))


class _Gaussian(_Factor):
    def __matmul__(self, vector: Real) -> Real:
        coefficients, rest, norm = self.near.split(vector)
        if not self._is_new(norm, vector):
            return coefficients @ self.near_image.array
        unit = rest / norm
        image = np.zeros(self.far.space.owner.size)
        if not self.source.unit or len(self.far) < self.sizes[1]:
            _, image, _ = self.far.split(self.far.space.fresh(self.blocks[1]))
        image = image + self.far_image.array @ self.near.space.full(unit) @ self.far.array
        self.near.append(unit)
        self.near_image.append(image)
        return np.append(coefficients, norm) @ self.near_image.array


class _Isometry(_Factor):
    def __matmul__(self, vector: Real) -> Real:
        coefficients, rest, norm = self.near.split(vector)
        if not self._is_new(norm, vector):
            return coefficients @ self.far.array
        _, image, length = self.far.split(self.far.space.fresh())
        self.near.append(rest / norm)
        self.far.append(image / length)
        return np.append(coefficients, norm) @ self.far.array


def lazy_factors(
    generator: np.random.Generator,
    unit: float,
    n: float,
    described: Factors,
    alpha: Real,
    beta: Real,
) -> int:
    """Each factor a function of a vector of the main space; Lanczos on their sum."""
    sizes, shifts, roots, noise, columns, inner, gains, *others = described
    haar_start, haar_sizes, haar_values, block_sizes, block_gains = others
    source = _Source(generator, unit)
    main = _Space(sizes, source)
    factors: list[Callable[[Real], Real]] = []
    for q, r, gain in zip(columns, inner, gains, strict=True):
        first = _Space(np.array([q]), source)
        chain = [_Gaussian(main, first, (n, q), -1)]
        if r:
            chain.append(_Gaussian(first, _Space(np.array([r]), source), (q, r), -1))

        def wishart(v: Real, chain: list[_Gaussian] = chain, gain: float = gain) -> Real:
            for a in chain:
                v = a @ v
            for a in reversed(chain):
                v = a.transposed @ v
            return gain * v

        factors.append(wishart)
    for start, stop in itertools.pairwise(haar_start):
        space = _Space(haar_sizes[start:stop], source)
        turn = _Isometry(main, space, (n, n), -1)

        def conjugated(v: Real, turn: _Isometry = turn, b: Real = haar_values[start:stop]) -> Real:
            v = turn @ v
            return turn.transposed @ (b[turn.far.space.owner] * v)

        factors.append(conjugated)
    for (p, q, m), gain in zip(block_sizes, block_gains, strict=True):
        space, hidden = _Space(np.array([p, q]), source), _Space(np.array([m]), source)
        turn = _Isometry(main, space, (n, n), -1)
        upper, lower = (_Gaussian(hidden, space, (m, s), a) for a, s in enumerate((p, q)))

        def blocks(
            v: Real,
            turn: _Isometry = turn,
            upper: _Gaussian = upper,
            lower: _Gaussian = lower,
            gain: float = gain,
        ) -> Real:
            v = turn @ v
            space = turn.far.space
            owner = space.owner
            raised = upper @ (lower.transposed @ np.where(owner == 1, v, 0.0))
            lowered = lower @ (upper.transposed @ np.where(owner == 0, v, 0.0))
            return turn.transposed @ (gain * (space.full(raised) + lowered))

        factors.append(blocks)

    vectors, scale = _Rows(main), 0.0
    vector = main.fresh()
    vector = vector / np.linalg.norm(vector)
    for i in range(alpha.size):
        vectors.append(vector)
        images = [factor(roots[main.owner[: vector.size]] * vector) for factor in factors]
        total = sum((main.full(image) for image in images), np.zeros(main.owner.size))
        current = main.full(vector)
        rest = roots[main.owner] * total + shifts[main.owner] * current
        alpha[i] = current @ rest
        if noise:
            alpha[i] += noise * math.sqrt(2) * source.normal(1)[0]
            fresh = main.fresh()
            rest = main.full(rest) + noise * fresh
        scale = max(scale, float(np.linalg.norm(rest)))
        _, rest, norm = vectors.split(rest)
        if i + 1 in (alpha.size, n) or norm <= _EXHAUSTED * scale:
            return i + 1
        beta[i], vector = norm, rest / norm
    return alpha.size


def measure_coefficients(nodes: Real, weights: Real, steps: int) -> tuple[Real, Real]:
    """Lanczos of diag(nodes) from the roots of the weights, fully reorthogonalised."""
    vectors = [np.sqrt(weights / weights.sum())]
    alpha, beta = np.zeros(steps), np.zeros(steps - 1)
    for i in range(min(steps, nodes.size)):
        rest = nodes * vectors[i]
        alpha[i] = rest @ vectors[i]
        for _ in range(2):
            rest = rest - np.array(vectors).T @ (np.array(vectors) @ rest)
        norm = float(np.linalg.norm(rest))
        if i + 1 < min(steps, nodes.size):
            beta[i] = norm
            vectors.append(rest / norm)
    return alpha, beta

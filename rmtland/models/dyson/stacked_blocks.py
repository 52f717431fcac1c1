r"""The matrix Dyson equation of a one-hidden-layer Hessian, applied to stacks of states.

The equation is that of `rmtland.models.dyson.blocks`, and so are its states, (M_a, M_s) packed into
a row; here every array has the points in front, and all products and inverses are stacks
(`rmtland.models.batched_resolvents`) of any array library on any device. Without coupling between
hidden units that is, for each point, n1 inverses of size n0 and one of size m; with it one of size
n1 n0. Solutions are in `rmtland.models.dyson.batched_blocks`.

Examples
--------
>>> from rmtland.models import DysonHessian
>>> from rmtland.models.batched_resolvents import place_of
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(4, 4)) / 2, rng.normal(size=(8, 4))
>>> model = DysonHessian.of_first_layer(first, x, outputs=4, epsilon=0.5, activation="relu")
>>> stacked, z = StackedBlocks(model.equation, place_of(np)), np.array([0.5 + 0.1j, 2 + 0.1j])
>>> stacked.apply(z, stacked.start(z)).shape
(2, 80)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.estimate.placement import Placement
from rmtland.models.batched_resolvents import DEPTH, inverses, on_parts
from rmtland.models.dyson.blocks import BlockEquation
from rmtland.typing import Array

__all__ = ["Formed", "StackedBlocks"]


class Formed(NamedTuple):
    """One application of the equation: new states, and what G and L are made of.

    Parameters
    ----------
    a, s : array
        M_a and M_s, the latter None where there is none.
    trace, coupled : array, shape (b,)
        p G, and tr M_b S_b.
    inner : array
        z - S_b, by unit where they are not coupled.
    outer : list of (float, array, array or None)
        Share of the outputs, z - c S_a, and the complement of the samples.
    """

    a: Array
    s: Array | None
    trace: Array
    coupled: Array
    inner: Array
    outer: list[tuple[float, Array, Array | None]]


@dataclass(frozen=True, eq=False)
class StackedBlocks:
    """The equation for many states at once.

    Parameters
    ----------
    equation : BlockEquation
        Its data, on the host.
    place : Placement
        Where it is applied.
    """

    equation: BlockEquation
    place: Placement

    # Data there ----------------------------------------------------------------------------------

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """The numbers n1, n0, m."""
        n1, m = self.equation.features.shape
        return int(n1), int(self.equation.x.shape[1]), int(m)

    @cached_property
    def _rays(self) -> Array:
        """Rays of all units, shape (n1, n0, m)."""
        return self.place.put(self.equation.rays.of(slice(None)))

    @cached_property
    def _features(self) -> Array:
        m = self.sizes[2]
        return self.place.put(self.equation.features / math.sqrt(m))

    @cached_property
    def _gram(self) -> Array:
        return self.place.put(self.equation.gram) if self.equation.has_noise else None

    @cached_property
    def _curvature(self) -> Array:
        curvatures = self.equation.rays.curvature
        return None if curvatures is None else self.place.put(curvatures)

    @cached_property
    def _sigma(self) -> Array:
        sigma = self.equation.second_layer
        diagonal = sigma.ndim == 2 and self.equation.by_unit
        return self.place.put(np.ascontiguousarray(np.diagonal(sigma)) if diagonal else sigma)

    @cached_property
    def _shares(self) -> list[tuple[float, float]]:
        """Variances of outputs, and the shares of the outputs that have them."""
        return self.equation.output_nodes

    @cached_property
    def _eyes(self) -> dict[tuple[int, type], Array]:
        return {}

    def _eye(self, n: int, dtype: type[np.float64 | np.complex128] = np.float64) -> Array:
        if (n, dtype) not in self._eyes:
            self._eyes[n, dtype] = self.place.put(np.eye(n, dtype=dtype))
        return self._eyes[n, dtype]

    @property
    def bytes_of_a_point(self) -> int:
        """Bytes that a point takes at the height of a step, estimated from above."""
        n1, n0, m = self.sizes
        outer = self.equation.has_outer
        state = n1**2 + (m**2 if outer else 0)
        numbers = (2 * DEPTH + 16) * state + 4 * (n1 + m) ** 2 * outer
        numbers += 3 * n1 * n0 * m + 6 * n1 * n0**2
        if not self.equation.by_unit:
            numbers += 8 * (n1 * n0) ** 2
        return 16 * numbers

    # The equation --------------------------------------------------------------------------------

    def start(self, z: Array) -> Array:
        """Return M_a = 1/z, M_s = 1 as states, one a point.

        Parameters
        ----------
        z : array of complex, shape (b,)
            Points.

        Returns
        -------
        array, shape (b, n1^2 + m^2)
        """
        xp, (n1, _, m) = self.place.xp, self.sizes
        first = self._eye(n1, np.complex128)[None, :, :] / z[:, None, None]
        pieces = [xp.reshape(first, (z.shape[0], -1))]
        if self.equation.has_outer:
            ones = xp.reshape(self._eye(m, np.complex128), (1, -1))
            pieces.append(ones + xp.zeros_like(z)[:, None])
        return xp.concat(pieces, axis=1)

    def _unpacked(self, y: Array) -> tuple[Array, Array | None]:
        xp, (n1, _, m) = self.place.xp, self.sizes
        b = int(y.shape[0])
        a = xp.reshape(y[:, : n1 * n1], (b, n1, n1))
        if not self.equation.has_outer:
            return a, None
        return a, xp.reshape(y[:, n1 * n1 :], (b, m, m))

    def _diagonals(self, y: Array) -> list[Array]:
        a, s = self._unpacked(y)
        return [self.place.xp.linalg.diagonal(each) for each in (a, s) if each is not None]

    def weights(self, y: Array) -> Array:
        """Return weights of states by their diagonals, 1/sqrt(|M_jj M_kk|).

        Parameters
        ----------
        y : array of complex, shape (b, s)
            States.

        Returns
        -------
        array, shape (b, s)
        """
        xp, b = self.place.xp, int(y.shape[0])
        rows = [1.0 / xp.sqrt(xp.abs(each)) for each in self._diagonals(y)]
        flat = [xp.reshape(row[:, :, None] * row[:, None, :], (b, -1)) for row in rows]
        return xp.concat(flat, axis=1)

    def in_half_plane(self, y: Array) -> Array:
        """Return whether the diagonals lie in the lower half-plane, shape (b,).

        Parameters
        ----------
        y : array of complex, shape (b, s)
            States.

        Returns
        -------
        array of bool
        """
        xp = self.place.xp
        a, *rest = (xp.max(xp.imag(each), axis=1) for each in self._diagonals(y))
        good = a < 0.0
        for each in rest:
            good = good & (each < 1e-12)
        return good

    def apply(self, z: Array, y: Array) -> Array:
        """Apply the equation to states, one a point.

        Parameters
        ----------
        z : array of complex, shape (b,)
            Points.
        y : array of complex, shape (b, s)
            States.

        Returns
        -------
        array of complex, shape (b, s)
        """
        found, b = self.formed(z, y), int(y.shape[0])
        pieces = [found.a] if found.s is None else [found.a, found.s]
        xp = self.place.xp
        return xp.concat([xp.reshape(each, (b, -1)) for each in pieces], axis=1)

    def formed(self, z: Array, y: Array) -> Formed:
        """Apply the equation and keep what G and L are made of.

        Parameters
        ----------
        z : array of complex, shape (b,)
            Points.
        y : array of complex, shape (b, s)
            States.

        Returns
        -------
        Formed
        """
        xp = self.place.xp
        a, s = self._unpacked(y)
        energy = self._energy(a, s)
        n = energy.shape[-1]
        wide = z[:, None, None] * self._eye(n, np.complex128)
        inner = (wide if not self.equation.by_unit else wide[:, None, :, :]) - energy
        if self._curvature is not None:
            inner = inner - self._placed_by_unit(self._curvature[None, ...])
        big = inverses(inner, self.place)
        axes = tuple(range(1, big.ndim - 1))
        trace = xp.sum(xp.linalg.diagonal(big), axis=axes)
        coupled = xp.sum(big * xp.matrix_transpose(energy), axis=(*axes, big.ndim - 1))
        energy_a, energy_s = self._energy_a(big), self._energy_s(big)
        new_a = new_s = None
        outer = []
        for variance, share in self._shares:
            matrix, one_a, schur, one_s = self._outer_block(z, variance * energy_a, energy_s)
            outer.append((share, matrix, schur))
            part_a = (share * variance) * one_a
            new_a = part_a if new_a is None else new_a + part_a
            if one_s is not None:
                new_s = share * one_s if new_s is None else new_s + share * one_s
            trace_a = share * xp.sum(xp.linalg.diagonal(one_a), axis=1)
            trace = trace + self.equation.outputs * trace_a
        return Formed(new_a, new_s, trace, coupled, inner, outer)

    def _placed_by_unit(self, blocks: Array) -> Array:
        """Return blocks of units (b, n1, n0, n0) as the large matrix is kept."""
        if self.equation.by_unit:
            return blocks
        xp, (n1, n0, _) = self.place.xp, self.sizes
        eye = self._eye(n1)
        wide = blocks[:, :, :, None, :] * eye[None, :, None, :, None]
        return xp.reshape(wide, (blocks.shape[0], n1 * n0, n1 * n0))

    def _energy(self, a: Array, s: Array | None) -> Array:
        """Return S_b: (b, n1, n0, n0), or (b, n1 n0, n1 n0) where units are coupled."""
        xp, eq, (n1, n0, m) = self.place.xp, self.equation, self.sizes
        b = int(a.shape[0])
        flat = xp.reshape(self._rays, (n1 * n0, m))
        if s is None:
            shape = (b, n1, n0, n0) if eq.by_unit else (b, n1 * n0, n1 * n0)
            energy = self.place.zeros(shape, np.complex128)
        elif self._sigma.ndim == 1:
            turned = xp.permute_dims(self._rays, (0, 2, 1))

            def by_unit(part: Array) -> Array:
                seen = xp.reshape(flat @ part, (part.shape[0], n1, n0, m))
                return seen @ turned

            energy = on_parts(by_unit, s, self.place)
            factor = (eq.outputs / m) * self._sigma
            energy = self._placed_by_unit(energy * factor[None, :, None, None])
        else:
            energy = on_parts(lambda part: flat @ part @ flat.T, s, self.place)
            factor = self._sigma[:, None, :, None] * (eq.outputs / m)
            energy = xp.reshape(xp.reshape(energy, (b, n1, n0, n1, n0)) * factor, energy.shape)
        if not eq.has_noise:
            return energy
        if eq.by_unit:
            here = xp.linalg.diagonal(a)[:, :, None, None]
            return energy + eq.outputs * here * self._gram[None, ...]
        noise = eq.outputs * a[:, :, None, :, None] * self._gram[None, ...]
        return energy + xp.reshape(noise, energy.shape)

    def _energy_a(self, big: Array) -> Array:
        """Return S_a: its diagonal (b, n1), or (b, n1, n1) where units are coupled."""
        xp, (n1, n0, _) = self.place.xp, self.sizes
        b = int(big.shape[0])
        if not self.equation.has_noise:
            shape = (b, n1) if self.equation.by_unit else (b, n1, n1)
            return self.place.zeros(shape, np.complex128)
        if self.equation.by_unit:
            return xp.sum(big * self._gram[None, ...], axis=(2, 3))
        return xp.sum(xp.reshape(big, (b, n1, n0, n1, n0)) * self._gram[None, ...], axis=(2, 4))

    def _energy_s(self, big: Array) -> Array | None:
        """Return S_s, shape (b, m, m)."""
        if not self.equation.has_outer:
            return None
        xp, (n1, n0, m) = self.place.xp, self.sizes
        b = int(big.shape[0])
        flat = xp.reshape(self._rays, (n1 * n0, m))
        if self._sigma.ndim == 2:
            factor = self._sigma[:, None, :, None]
            big = xp.reshape(xp.reshape(big, (b, n1, n0, n1, n0)) * factor, big.shape)
            return on_parts(lambda part: flat.T @ (part @ flat), big, self.place) / m
        if not self.equation.by_unit:
            eye = self._eye(n1)[None, :, None, :, None]
            big = xp.sum(xp.reshape(big, (b, n1, n0, n1, n0)) * eye, axis=3)
        big = big * self._sigma[None, :, None, None]

        def pulled(part: Array) -> Array:
            seen = xp.reshape(part @ self._rays[None, ...], (part.shape[0], n1 * n0, m))
            return flat.T @ seen

        return on_parts(pulled, big, self.place) / m

    def _outer_block(
        self, z: Array, energy_a: Array, energy_s: Array | None
    ) -> tuple[Array, Array, Array | None, Array | None]:
        """Return z - S_a, M_a, the complement of samples and M_s for one variance of outputs."""
        xp, (n1, _, m) = self.place.xp, self.sizes
        features = self._features
        if energy_a.ndim == 2:
            inner = z[:, None] - energy_a
            still = self._eye(n1)[None, :, :] * (1.0 / inner)[:, :, None]
            turned = features[None, :, :] / inner[:, :, None]
        else:
            inner = z[:, None, None] * self._eye(n1, np.complex128) - energy_a
            still = inverses(inner, self.place)
            turned = on_parts(lambda part: part @ features, still, self.place)
        if energy_s is None:
            return inner, still, None, None
        seen = on_parts(lambda part: features.T @ part, turned, self.place)
        schur = self._eye(m, np.complex128) - energy_s - seen
        s = inverses(schur, self.place)
        return inner, still + turned @ s @ xp.matrix_transpose(turned), schur, s

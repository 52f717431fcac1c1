r"""The covariance map of conditioned Hessians, by tensors over pairs of hidden units.

Between samples the map S[M] of `rmtland.models.conditioned.noise_covariance` costs (n1 n2 m)^2
three times. Samples only enter through their products with the inputs: with n0 < m inputs the
tensors

.. math::
    T_{jl}[k i, k' i'] = \sum_{\mu\nu}
        D_{j\mu} x_{\mu k} \, Q_{\mu i, \nu i'} \, D_{l\nu} x_{\nu k'}, \qquad
    R_{jl}[\nu, k, i] = \sum_{\mu i'} D_{j\mu} x_{\mu k} \, Q_{\mu i, \nu i'} W_{i' l}, \\
    V_{jl}[\mu, \nu] = \sum_{ii'} F_{j\mu} W_{ij} \, Q_{\mu i, \nu i'} \, W_{i'l} F_{l\nu}

are formed once, for j <= l as M is symmetric; R and V where f'' != 0. The map then costs
(n0 n1 n2)^2 and less, (m / n0)^2 times fewer multiplications, and reads T once.

Examples
--------
>>> import numpy as np
>>> x, slopes = np.ones((5, 2)), np.ones((3, 5))
>>> covariance = np.eye(10).reshape(5, 2, 5, 2)
>>> tensors = PairTensors.of_arrays(x, slopes, None, covariance)
>>> tensors.apply(np.eye(12) / (1 + 1j)).shape
(12, 12)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np

from rmtland.deferred import kernel_threads
from rmtland.models.conditioned.pair_kernels import bend, contract
from rmtland.typing import Complex, NumpyArray, Real

__all__ = ["PairTensors", "tensor_bytes"]

_WORTH_THREADS = 1e7  # entries of T


def tensor_bytes(sizes: tuple[int, int, int, int], *, bent: bool) -> int:
    """Bytes of the tensors of a network.

    Parameters
    ----------
    sizes : (int, int, int, int)
        n0, n1, n2 and m.
    bent : bool
        Whether f'' != 0.

    Returns
    -------
    int
    """
    n0, n1, n2, m = sizes
    pairs = n1 * (n1 + 1) // 2
    return 8 * (pairs * (n0 * n2) ** 2 + bent * (n1**2 * n0 * n2 * m + pairs * m**2))


@dataclass(frozen=True, eq=False)
class PairTensors:
    """S[M] by tensors over pairs of hidden units.

    Parameters
    ----------
    x : ndarray, shape (m, n0)
        Samples.
    first, second : ndarray of int
        The units j <= l of the pairs.
    slopes : ndarray, shape (pairs, n0, n2, n0, n2)
        T.
    mixed : ndarray, shape (n1, n1, m, n0, n2), or None
        R; None where f'' = 0.
    curved : list of ndarray, shapes (n1 - j, m, m)
        V for all l >= j, one entry a unit j.
    rays : ndarray, shape (n1, m, n0)
        F_l x.
    """

    x: Real
    first: NumpyArray
    second: NumpyArray
    slopes: Real
    mixed: Real | None
    curved: list[Real]
    rays: Real | None

    @classmethod
    def of_arrays(
        cls,
        x: Real,
        slopes: Real,
        curvatures: Real | None,
        covariance: Real,
        halved: Real | None = None,
        twice: Real | None = None,
    ) -> Self:
        """Form the tensors.

        Parameters
        ----------
        x : ndarray, shape (m, n0)
            Samples.
        slopes : ndarray, shape (n1, m)
            D = f'(W1 x).
        curvatures : ndarray, shape (n1, m), or None
            F = f''(W1 x).
        covariance : ndarray, shape (m, n2, m, n2)
            Q.
        halved : ndarray, shape (n1, m, m, n2), optional
            Q W as [l, nu, mu, i]; with curvatures only.
        twice : ndarray, shape (n1, n1, m, m), optional
            W Q W as [j, l, mu, nu]; with curvatures only.

        Returns
        -------
        PairTensors
        """
        x = np.require(x, requirements=["C", "W"])  # one type for the compiler
        (m, n0), n1, n2 = x.shape, len(slopes), covariance.shape[1]
        first, second = np.triu_indices(n1)
        along = slopes[:, :, None] * x  # [j, mu, k]
        tensor = np.empty((first.size, n0 * n2, n0 * n2))
        by_sample = np.ascontiguousarray(covariance.transpose(2, 0, 1, 3)).reshape(m, -1)
        for other in range(n1):
            right = along[other].T @ by_sample  # [k', mu i i']
            right = right.reshape(n0, m, n2, n2).transpose(1, 2, 0, 3).reshape(m, -1)
            for pair in np.flatnonzero(second == other):
                tensor[pair] = (along[first[pair]].T @ right).reshape(n0 * n2, -1)
        tensor = tensor.reshape(first.size, n0, n2, n0, n2)
        f = curvatures
        if f is None:
            return cls(x, first, second, tensor, None, [], None)
        assert halved is not None
        assert twice is not None
        mixed = np.empty((n1, n1, m, n0, n2))
        for j in range(n1):
            mixed[j] = along[j].T @ halved
        curved = [f[j][:, None] * twice[j, j:] * f[j:, None, :] for j in range(n1)]
        return cls(x, first, second, tensor, mixed, curved, np.ascontiguousarray(f[:, :, None] * x))

    def apply(self, resolvent: Complex) -> Complex:
        """Return S[M].

        Parameters
        ----------
        resolvent : ndarray of complex, shape (p, p)
            M, symmetric.

        Returns
        -------
        ndarray of complex, shape (p, p)
        """
        _, n0, n2, _, _ = self.slopes.shape
        n1 = int(self.second[-1]) + 1
        cut = n1 * n0
        bb = _parts(resolvent[:cut, :cut].reshape(n1, n0, n1, n0).transpose(0, 2, 1, 3))
        # M[(i j), (l k)] as [j, l, i, k]
        ab = _parts(resolvent[cut:, :cut].reshape(n2, n1, n1, n0).transpose(1, 2, 0, 3))
        ba = np.ascontiguousarray(ab.transpose(0, 2, 1, 4, 3))  # [l, j, k, i]
        aa = _parts(resolvent[cut:, cut:].reshape(n2, n1, n2, n1).transpose(1, 3, 0, 2))
        s_bb, s_ba, s_aa = np.empty_like(bb), np.empty_like(ba), np.empty_like(aa)

        def part(here: slice) -> None:
            first, second = self.first[here], self.second[here]
            contract(self.slopes[here], first, second, bb, ab, ba, aa, s_bb, s_ba, s_aa)

        self._in_threads(part)
        if self.mixed is not None:
            self._add_curvature(bb, ab, s_bb, s_ba)
        s = np.empty(resolvent.shape, dtype=np.complex128)
        _fill(s[:cut, :cut].reshape(n1, n0, n1, n0), s_bb.transpose(0, 1, 3, 2, 4))
        across = np.empty((n1, n0, n2, n1), dtype=np.complex128)
        _fill(across, s_ba.transpose(0, 1, 3, 4, 2))
        s[:cut, cut:] = across.reshape(cut, n2 * n1)
        s[cut:, :cut] = s[:cut, cut:].T
        corner = np.empty((n2, n1, n2, n1), dtype=np.complex128)
        _fill(corner, s_aa.transpose(0, 3, 1, 4, 2))
        s[cut:, cut:] = corner.reshape(n2 * n1, n2 * n1)
        return s

    def _in_threads(self, part: Callable[[slice], None]) -> None:
        """Run over all pairs; in threads where that is worth it, as pairs write apart."""
        threads = kernel_threads() if self.slopes.size > _WORTH_THREADS else 1
        ends = np.linspace(0, self.first.size, threads + 1).astype(int)
        slices = [slice(low, high) for low, high in itertools.pairwise(ends)]
        if threads == 1:
            part(slices[0])
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, slices))

    def _add_curvature(self, bb: Real, ab: Real, s_bb: Real, s_ba: Real) -> None:
        """Add what holds f'': between first-layer weights, and from them to the second layer."""
        assert self.mixed is not None
        assert self.rays is not None
        n1, x = len(self.rays), self.x
        mixed, rays = self.mixed, self.rays

        def part(here: slice) -> None:
            bend(mixed, self.first[here], self.second[here], rays, x, bb, ab, s_bb, s_ba)

        self._in_threads(part)
        for j in range(n1):
            between = x @ (bb[:, j, j:] @ x.T) * self.curved[j]
            found = x.T @ (between @ x)
            s_bb[:, j, j:] += found
            s_bb[:, j + 1 :, j] += found[:, 1:].swapaxes(2, 3)


def _parts(array: Complex) -> Real:
    """Real and imaginary part, contiguous, along a new first axis."""
    parts = np.empty((2, *array.shape))  # `stack` keeps the order in memory of what it is given
    parts[0], parts[1] = array.real, array.imag
    return parts


def _fill(target: Complex, parts: Real) -> None:
    target.real, target.imag = parts

r"""The covariance of the Gaussian part of a conditioned Hessian, as a map of resolvents.

For one hidden layer without biases H1 is linear in residuals e_{mu i} through

.. math::
    H_1[e] = \frac1m \sum_{\mu i} e_{\mu i} \bigoplus_j
    \begin{pmatrix} W_{ij} f''_{j\mu} x_\mu x_\mu^T & f'_{j\mu} x_\mu u_i^T \\
                    f'_{j\mu} u_i x_\mu^T & 0 \end{pmatrix},

one block a hidden unit (b: its first-layer weights, a: its second-layer weights, u_i unit vectors).
With E e e^T = Q, Q = sigma^2 S (1 - P) S, the map S[M] = E H1 M H1 is, for the 2 x 2 values g of M
between samples and outputs (g_bb = x M_bb x, g_ba = x M_ba u, g_aa = u M_aa u),

.. math::
    \mathcal S_{bb} &= X^T [ F F' g_{bb} (WQW') + D F' (QW' g_{ab}) + (WQ g_{ba}) F D'
      + D D' (Q g_{aa}) ] X , \\
    \mathcal S_{ba} &= X^T [ F (WQ g_{bb}) D' + D (Q g_{ab}) D' ] , \qquad
    \mathcal S_{aa} = Q (D g_{bb} D')

for each pair of units, D = f', F = f''. Three of the contractions are products of a matrix of order
m^2 x n2^2 with n1^2 columns, and cost (n1 n2 m)^2 each; nothing of the size p^2 m n2 is formed.
Where there are more samples than inputs and memory allows,
`rmtland.models.conditioned.pair_tensors` is faster.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> x, d, w = rng.normal(size=(5, 2)), rng.normal(size=(3, 5)), rng.normal(size=(2, 3))
>>> noise = NoiseCovariance(x, d, None, w, np.eye(10))
>>> noise.apply(np.eye(12)).shape
(12, 12)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.models.conditioned.pair_tensors import PairTensors, tensor_bytes
from rmtland.typing import Complex, NumpyArray, Real

__all__ = ["NoiseCovariance"]

_SHARE = 0.4  # of the free memory that tensors may take


@dataclass(frozen=True, eq=False)
class NoiseCovariance:
    """S[M] = E H1 M H1 for Gaussian residuals of one hidden layer.

    Parameters
    ----------
    x : ndarray, shape (m, n0)
        Samples.
    slopes : ndarray, shape (n1, m)
        f'(W1 x).
    curvatures : ndarray, shape (n1, m), or None
        f''(W1 x); None where f'' = 0.
    second : ndarray, shape (n2, n1)
        W2.
    covariance : ndarray, shape (m n2, m n2)
        Of the residuals, in the order of ``residuals.ravel()``.
    """

    x: Real
    slopes: Real
    curvatures: Real | None
    second: Real
    covariance: Real

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """The numbers n0, n1, n2, m."""
        (m, n0), (n2, n1) = self.x.shape, self.second.shape
        return n0, n1, n2, m

    @property
    def memory(self) -> int:
        """Bytes of what is kept and of one contraction, estimated from above."""
        _, n1, n2, m = self.sizes
        bent = self.curvatures is not None
        between = 8 * bent * (n1**2 * m**2 + n1 * n2 * m**2)
        kept = 8 * (m * n2) ** 2 + between
        if self._by_tensors:
            return kept + tensor_bytes(self.sizes, bent=bent) + 16 * 6 * n1**2 * self._widest**2
        return kept + 8 * 2 * (m * n2) ** 2 + 16 * 5 * n1**2 * max(m, n2) * m

    @property
    def operations(self) -> float:
        """Real operations of one contraction, about."""
        n0, n1, n2, m = (float(size) for size in self.sizes)
        bent = self.curvatures is not None
        if self._by_tensors:
            curved = 8 * m * n0 * n2 + 4 * m * (m + n0) * n0
            return n1**2 * (8 * (n0 * n2) ** 2 + bent * curved)
        return 12 * (n1 * n2 * m) ** 2 + 8 * n1**2 * m * (m + n0) * n0

    @property
    def _widest(self) -> int:
        n0, _, n2, _ = self.sizes
        return max(n0, n2)

    @cached_property
    def _by_tensors(self) -> bool:
        """Whether tensors over pairs of units are smaller and fit into memory."""
        n0, _, _, m = self.sizes
        needed = tensor_bytes(self.sizes, bent=self.curvatures is not None)
        return n0 < m and needed < _SHARE * ArrayLibrary.of().free_memory()

    @cached_property
    def _q(self) -> Real:
        """Q / m^2 as [mu, i, nu, i']."""
        _, _, n2, m = self.sizes
        return np.asarray(self.covariance.reshape(m, n2, m, n2) / m**2)

    @cached_property
    def _by_pairs(self) -> Real:
        """Q as a matrix from pairs of outputs to pairs of samples."""
        _, _, n2, m = self.sizes
        return np.ascontiguousarray(self._q.transpose(0, 2, 1, 3)).reshape(m * m, n2 * n2)

    @cached_property
    def _mixed(self) -> Real:
        """Q as a matrix from [i, nu] to [mu, i']."""
        _, _, n2, m = self.sizes
        return np.ascontiguousarray(self._q.transpose(0, 3, 1, 2)).reshape(m * n2, n2 * m)

    @cached_property
    def halved(self) -> Real:
        """Q W / m^2 as [j', nu, mu, i]."""
        return np.ascontiguousarray(np.einsum("aibk,kj->jbai", self._q, self.second))

    @cached_property
    def twice(self) -> Real:
        """W Q W / m^2 as [j, j', mu, nu]."""
        return np.asarray(np.einsum("lbai,ij->jlab", self.halved, self.second))

    @cached_property
    def tensors(self) -> PairTensors | None:
        """Tensors over pairs of units, where they are smaller and fit into memory."""
        if not self._by_tensors:
            return None
        f = self.curvatures
        bent = (None, None) if f is None else (self.halved, self.twice)
        return PairTensors.of_arrays(self.x, self.slopes, f, self._q, *bent)

    def apply(self, resolvent: Complex) -> Complex:
        """Return S[M], by the faster way.

        Parameters
        ----------
        resolvent : ndarray of complex, shape (p, p)
            M, symmetric.

        Returns
        -------
        ndarray of complex, shape (p, p)
        """
        if self.tensors is None:
            return self.apply_by_samples(resolvent)
        return self.tensors.apply(resolvent)

    def apply_by_samples(self, resolvent: Complex) -> Complex:
        """Return S[M] by contractions between samples.

        Parameters
        ----------
        resolvent : ndarray of complex, shape (p, p)
            M, symmetric.

        Returns
        -------
        ndarray of complex, shape (p, p)
        """
        n0, n1, n2, m = self.sizes
        cut = n1 * n0
        x, d = self.x, self.slopes
        m_bb = resolvent[:cut, :cut].reshape(n1, n0, n1, n0).transpose(0, 2, 1, 3)
        m_ba = resolvent[:cut, cut:].reshape(n1, n0, n2, n1).transpose(0, 3, 1, 2)
        m_aa = resolvent[cut:, cut:].reshape(n2, n1, n2, n1).transpose(1, 3, 0, 2)
        g_bb = x @ m_bb @ x.T  # [j, j', mu, nu]
        g_ab = (x @ m_ba).transpose(1, 0, 3, 2)  # [j, j', i, nu]
        signal = d[:, None, :, None] * g_bb * d[None, :, None, :]
        s_aa = _real_times(self._by_pairs.T, signal.reshape(n1 * n1, m * m).T)
        inner = _real_times(self._by_pairs, m_aa.reshape(n1 * n1, n2 * n2).T)
        inner = inner.T.reshape(n1, n1, m, m) * d[:, None, :, None] * d[None, :, None, :]
        crossed = (g_ab * d[None, :, None, :]).reshape(n1 * n1, n2 * m)
        outer = _real_times(self._mixed, crossed.T).T.reshape(n1, n1, m, n2) * d[:, None, :, None]
        if self.curvatures is not None:
            f = self.curvatures
            inner += f[:, None, :, None] * g_bb * f[None, :, None, :] * self.twice
            # [j', nu, mu, i] times [j', nu, i, j]
            pulled = self.halved @ g_ab.transpose(1, 3, 2, 0)
            bent = pulled.transpose(3, 0, 2, 1) * d[:, None, :, None] * f[None, :, None, :]
            inner += bent + bent.transpose(1, 0, 3, 2)
            # [j, mu, nu, i'] with [j, mu, j', nu]
            right = (f[:, None, :, None] * g_bb * d[None, :, None, :]).transpose(0, 2, 1, 3)
            outer += (right @ self.halved).transpose(0, 2, 1, 3)
        s = np.empty_like(resolvent, dtype=np.complex128)
        s[:cut, :cut] = (x.T @ inner @ x).transpose(0, 2, 1, 3).reshape(cut, cut)
        across = (x.T @ outer).transpose(0, 2, 3, 1).reshape(cut, n2 * n1)
        s[:cut, cut:], s[cut:, :cut] = across, across.T
        s[cut:, cut:] = (
            s_aa.T.reshape(n1, n1, n2, n2).transpose(2, 0, 3, 1).reshape(n2 * n1, n2 * n1)
        )
        return s


def _real_times(left: Real, right: NumpyArray) -> Complex:
    """Real (n, k) times complex (k, l) as one real matrix product."""
    wide = np.ascontiguousarray(right, dtype=np.complex128).view(np.float64)
    return np.asarray((left @ wide).view(np.complex128))

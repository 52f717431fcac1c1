"""Compiled kernels of `rmtland.models.conditioned.pair_tensors`.

Arrays have the real and the imaginary part along the first axis. The plain reference is
`rmtland.models.conditioned.noise_covariance.NoiseCovariance.apply_by_samples`.
"""

import numpy as np

from rmtland.compiled import compiled

__all__ = ["bend", "contract"]


@compiled(nogil=True, fastmath={"reassoc", "contract"})
def contract(t, first, second, bb, ab, ba, aa, s_bb, s_ba, s_aa):
    """Contract the tensors T of all pairs, each read once, with the blocks of M."""
    n0, n2 = t.shape[1], t.shape[2]
    for pair in range(first.size):
        j, o = first[pair], second[pair]
        for c in range(2):
            high = np.zeros((n0, n0))  # between first-layer weights of j and o
            low = np.zeros((n2, n2))
            one = np.zeros((n0, n2))  # from first-layer weights of j
            two = np.zeros((n0, n2))  # of o
            for k in range(n0):
                for i in range(n2):
                    for q in range(n0):
                        b, a, total, back = bb[c, j, o, k, q], ab[c, j, o, i, q], 0.0, 0.0
                        for h in range(n2):
                            value = t[pair, k, i, q, h]
                            total += aa[c, j, o, i, h] * value
                            back += ba[c, j, o, k, h] * value
                            low[i, h] += b * value
                            one[k, h] += a * value
                        high[k, q] += total
                        two[q, i] += back
            s_bb[c, j, o], s_bb[c, o, j] = high, high.T
            s_aa[c, j, o], s_aa[c, o, j] = low, low.T
            s_ba[c, j, o] = one
            if j != o:
                s_ba[c, o, j] = two


@compiled(nogil=True, fastmath={"reassoc", "contract"})
def bend(mixed, first, second, rays, x, bb, ab, s_bb, s_ba):
    """Add the contractions with R: twice a pair, as one unit has f' and the other f''."""
    m, n0, n2 = mixed.shape[2], mixed.shape[3], mixed.shape[4]
    for pair in range(first.size):
        for turn in range(2 if first[pair] != second[pair] else 1):
            j = first[pair] if turn == 0 else second[pair]
            o = second[pair] if turn == 0 else first[pair]
            g, u, h = np.empty(n2), np.empty(n0), np.empty(n0)
            for c in range(2):
                inner = np.zeros((n0, n0))
                outer = np.zeros((n0, n2))
                for v in range(m):
                    for i in range(n2):
                        total = 0.0
                        for q in range(n0):
                            total += ab[c, j, o, i, q] * x[v, q]
                        g[i] = total
                    h[:] = 0.0
                    for q in range(n0):
                        for k in range(n0):
                            h[k] += x[v, q] * bb[c, o, j, q, k]
                    for k in range(n0):
                        total = 0.0
                        for i in range(n2):
                            total += mixed[j, o, v, k, i] * g[i]
                        u[k] = total
                    g[:] = 0.0
                    for k in range(n0):
                        for i in range(n2):
                            g[i] += h[k] * mixed[j, o, v, k, i]
                    for k in range(n0):
                        for q in range(n0):
                            inner[k, q] += u[k] * rays[o, v, q]
                        for i in range(n2):
                            outer[k, i] += rays[o, v, k] * g[i]
                s_bb[c, j, o] += inner
                s_bb[c, o, j] += inner.T
                s_ba[c, o, j] += outer

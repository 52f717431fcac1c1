r"""NumPy reference of the counter-based random numbers of a device (Philox4x64-10).

Philox [1]_ maps a counter of four words of 64 bits and a key of two to four random words, without a
state: here the key is (seed, run) and the counter (block, attempt, stream, 0), so that a number
depends on what it is for and on nothing else. From the words w come

* uniform numbers :math:`u = (\lfloor w / 2^{12} \rfloor + 1/2) 2^{-52}`, never 0 or 1;
* normal numbers :math:`\sqrt{-2 \log u_1} (\cos, \sin)(2 \pi u_2)` [2]_;
* gamma variables by rejection [3]_, one block of words an attempt: with d = a - 1/3 and
  :math:`v = (1 + x / \sqrt{9 d})^3`, x normal, d v is taken if
  :math:`\log u < x^2/2 + d (1 - v + \log v)`; for a < 1 that of a + 1 is multiplied by
  :math:`u'^{1/a}`. Chi-square variables are twice those of half as many degrees of freedom.

The integers of the kernels are the same; floats differ in the last places of elementary functions.

References
----------
.. [1] J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random numbers: as easy as 1,
       2, 3, SC 2011, doi:10.1145/2063384.2063405.
.. [2] G. E. P. Box and M. E. Muller, A note on the generation of random normal deviates, Annals of
       Mathematical Statistics 29 (1958) 610-611.
.. [3] G. Marsaglia and W. W. Tsang, A simple method for generating gamma variables, ACM
       Transactions on Mathematical Software 26 (2000) 363-372.

Examples
--------
>>> keys = np.array([[7, 0], [7, 1]], dtype=np.uint64)
>>> both, second = integers(keys, 0, 0, 6), integers(keys[1:], 0, 2, 4)
>>> bool((both[1, 2:] == second).all())
True
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rmtland.typing import Array, Real

__all__ = ["chisquares", "integers", "normals", "philox", "uniforms"]

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Words = NDArray[np.uint64]


def philox(
    counter: tuple[Array, Array, Array, Array], key: tuple[Array, Array]
) -> tuple[Words, ...]:
    """Four random words for each counter and key; arguments are broadcast.

    Parameters
    ----------
    counter : tuple of four arrays of uint64
        Words of the counters.
    key : tuple of two arrays of uint64
        Words of the keys.

    Returns
    -------
    tuple of four ndarray of uint64
    """
    words = np.broadcast_arrays(*(np.asarray(x, dtype=np.uint64) for x in (*counter, *key)))
    c0, c1, c2, c3, k0, k1 = (np.array(word, ndmin=1) for word in words)
    for _ in range(10):
        high0, low0 = _wide_product(_MULTIPLIERS[0], c0)
        high1, low1 = _wide_product(_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + np.uint64(_WEYL[0]), k1 + np.uint64(_WEYL[1])
    return c0, c1, c2, c3


def _wide_product(constant: int, words: Words) -> tuple[Words, Words]:
    """High and low word of a product of two words of 64 bits."""
    a_high, a_low = np.uint64(constant >> 32), np.uint64(constant & 0xFFFFFFFF)
    b_high, b_low = words >> _HALF, words & _LOW
    low, middle = a_low * b_low, a_high * b_low
    other = a_low * b_high
    carry = ((low >> _HALF) + (middle & _LOW) + (other & _LOW)) >> _HALF
    high = a_high * b_high + (middle >> _HALF) + (other >> _HALF) + carry
    return high, np.uint64(constant) * words


def integers(keys: Words, stream: int, first: int, count: int) -> Words:
    """Elements first, ..., first + count - 1 of a stream of each run.

    Parameters
    ----------
    keys : ndarray of uint64, shape (runs, 2)
        Seed and number of each run.
    stream, first, count : int
        Which numbers.

    Returns
    -------
    ndarray of uint64, shape (runs, count)
    """
    low, high = first // 4, (first + count + 3) // 4
    blocks = np.arange(low, high, dtype=np.uint64)
    words = philox((blocks, 0, stream, 0), (keys[:, :1], keys[:, 1:]))
    found = np.stack([np.broadcast_to(word, words[0].shape) for word in words], axis=-1)
    return found.reshape(len(keys), -1)[:, first - 4 * low : first - 4 * low + count]


def _open(words: Words) -> Real:
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def uniforms(keys: Words, stream: int, first: int, count: int) -> Real:
    """Return uniform numbers on (0, 1).

    Parameters
    ----------
    keys, stream, first, count
        As for `integers`.

    Returns
    -------
    ndarray, shape (runs, count)
    """
    return _open(integers(keys, stream, first, count))


def normals(keys: Words, stream: int, first: int, count: int) -> Real:
    """Return standard normal numbers.

    Parameters
    ----------
    keys, stream, first, count
        As for `integers`.

    Returns
    -------
    ndarray, shape (runs, count)
    """
    start = first // 2 * 2
    words = integers(keys, stream, start, -(-(first + count - start) // 2) * 2)
    pairs = _two_normals(words[:, ::2], words[:, 1::2])
    return np.stack(pairs, axis=-1).reshape(len(keys), -1)[:, first - start :][:, :count]


def _two_normals(first: Words, second: Words) -> tuple[Real, Real]:
    radius = np.sqrt(-2.0 * np.log(_open(first)))
    turns = 4.0 * _open(second)
    whole = np.floor(turns + 0.5)
    angle = 1.5707963267948966 * (turns - whole)
    s, c = np.sin(angle), np.cos(angle)
    quarter = whole.astype(np.int64) & 3
    return (
        radius * np.choose(quarter, [c, -s, -c, s]),
        radius * np.choose(quarter, [s, c, -s, -c]),
    )


def chisquares(
    keys: Words,
    stream: int,
    first: int,
    count: int,
    degrees: tuple[float, float, float],
    *,
    logarithm: bool = False,
) -> Real:
    """Chi-square variables of (top - slope * element) * scale degrees of freedom.

    Parameters
    ----------
    keys, stream, first, count
        As for `integers`.
    degrees : tuple of float
        top, slope and scale.
    logarithm : bool
        Return their logarithms, which do not underflow.

    Returns
    -------
    ndarray, shape (runs, count)
        Zero where the number of degrees of freedom is not positive.
    """
    top, slope, scale = degrees
    element = np.arange(first, first + count, dtype=np.uint64)
    shape = 0.5 * ((top - slope * element.astype(np.float64)) * scale)
    values = np.full((len(keys), count), -np.inf if logarithm else 0.0)
    run, column = np.nonzero(np.broadcast_to(shape > 0, values.shape))
    attempt = 0
    while run.size:
        attempt += 1
        words = philox((element[column], attempt, stream, 0), (keys[run, 0], keys[run, 1]))
        a = shape[column]
        d = np.where(a < 1, a + 1, a) - 1 / 3
        x, _ = _two_normals(words[0], words[1])
        y = (1 / (3 * np.sqrt(d))) * x
        inside = y > -1
        one = np.log1p(np.where(inside, y, 0.0))
        bound = 0.5 * x * x + d * (3 * one - y * (3 + y * (3 + y)))
        taken = inside & (np.log(_open(words[2])) < bound)
        boost = np.where(a < 1, np.log(_open(words[3])) / a, 0.0)
        if logarithm:
            found = np.log(d) + 3 * one + boost + 0.6931471805599453
        else:
            found = 2 * (d * ((1 + y) * (1 + y) * (1 + y)) * np.exp(boost))
        values[run[taken], column[taken]] = found[taken]
        run, column = run[~taken], column[~taken]
    return values

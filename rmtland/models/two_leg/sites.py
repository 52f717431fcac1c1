r"""Sites of the two-leg equation: where the fields v and kappa of a unit and a sample meet.

On a site of the spectral value sigma of X^T X/m, with the medium k (2 x 2, of the slopes),

.. math:: a = k_{kk} + \sigma/z, \qquad u = \frac{1}{k_{vv} a - k_{vk}^2}, \qquad p = a u .

The Green function of a site follows without a division by a, which is zero where a linear network
meets a null direction of the data: with C the self-energy of v and T = C (1 - p C)^{-1},

.. math:: g_{vv} = p + p T p, \qquad g_{vk} = - k_{vk} u (1 + p T), \qquad
          g_{kk} = k_{vv} u + k_{vk}^2 u^2 T .

The blocks around the sites are joined here too, with logarithms of their determinants that are
continuous in the upper half-plane.

Examples
--------
>>> k = np.array([-0.5j, -1.0, -0.5j])
>>> p, u = site_potentials(k, 1j, np.array([0.0, 1.0]))
>>> p.imag.round(6)
array([0.4     , 0.857143])
>>> site_green(k, p, u, np.zeros(2)).real.round(6)[1]
array([-0.8     , -0.571429])
"""

from __future__ import annotations

import numpy as np

from rmtland.typing import Complex, Real

__all__ = [
    "inverse_pair",
    "joined",
    "log_determinant",
    "log_determinant_at_sites",
    "log_pair",
    "shifted",
    "site_green",
    "site_potentials",
]


def site_potentials(k: Complex, z: complex, spectrum: Real) -> tuple[Complex, Complex]:
    """Return p and u at spectral values.

    Parameters
    ----------
    k : ndarray of complex, shape (3,)
        The medium.
    z : complex
        Point.
    spectrum : ndarray of float
        Eigenvalues of X^T X/m.

    Returns
    -------
    (ndarray of complex, ndarray of complex)
        As in the module.
    """
    a = k[2] + spectrum / z
    u = 1 / (k[0] * a - k[1] ** 2)
    return a * u, u


def site_green(k: Complex, p: Complex, u: Complex, t: Complex) -> Complex:
    """Entries vv, vk and kk of the Green function at sites.

    Parameters
    ----------
    k : ndarray of complex, shape (3,)
        The medium.
    p, u, t : ndarray of complex, shape (sites,)
        As in the module.

    Returns
    -------
    ndarray of complex, shape (3, sites)
    """
    return np.stack([p + p**2 * t, -k[1] * u * (1 + p * t), k[0] * u + k[1] ** 2 * u**2 * t])


def inverse_pair(entries: Complex) -> Complex:
    """Invert a symmetric 2 x 2 matrix, given by its entries 11, 12 and 22.

    Parameters
    ----------
    entries : ndarray of complex, shape (3,)
        The matrix.

    Returns
    -------
    ndarray of complex, shape (3,)
    """
    first, both, second = entries
    return np.asarray(np.array([second, -both, first]) / (first * second - both**2))


def shifted(matrices: Complex, shift: Complex | complex) -> Complex:
    """Add a multiple of the identity to the last two axes, in place.

    Parameters
    ----------
    matrices : ndarray of complex, shape (..., n, n)
        Contiguous.
    shift : complex or ndarray of complex, shape (..., 1, 1)
        What is added to the diagonal.

    Returns
    -------
    ndarray of complex
        The matrices.
    """
    size = matrices.shape[-1]
    flat = matrices.reshape(*matrices.shape[:-2], size * size)
    flat[..., :: size + 1] += np.reshape(shift, np.shape(shift)[:-1]) if np.ndim(shift) else shift
    return matrices


def joined(upper: Complex, side: Complex, lower: Complex) -> Complex:
    """Return [[upper, side], [side*, lower]].

    Parameters
    ----------
    upper, side, lower : ndarray of complex
        Blocks.

    Returns
    -------
    ndarray of complex
    """
    return np.block([[upper, side], [side.conj().T, lower]])


def log_determinant(matrix: Complex) -> complex:
    """Return log det of a matrix whose imaginary part is negative semi-definite.

    Eigenvalues lie in the closed lower half-plane, so that principal logarithms are continuous;
    those on the negative axis have the phase -pi.

    Parameters
    ----------
    matrix : ndarray of complex, shape (n, n)
        The matrix.

    Returns
    -------
    complex
    """
    values = np.linalg.eigvals(matrix)
    phase = np.angle(values)
    phase = np.where(phase > 3, phase - 2 * np.pi, phase)
    return complex(np.log(np.abs(values)).sum(), phase.sum())


def log_pair(green: Complex) -> complex:
    """Return log det of a symmetric 2 x 2 matrix of positive semi-definite imaginary part.

    Parameters
    ----------
    green : ndarray of complex, shape (3,)
        Entries 11, 12 and 22.

    Returns
    -------
    complex
    """
    first, both, second = green
    return -log_determinant(np.linalg.inv(np.array([[first, both], [both, second]])))


def log_determinant_at_sites(
    matrix: Complex, k: Complex, z: complex, spectrum: Real, before: int
) -> complex:
    """Return log det of a block and its field k: [[outer, b, 0], [b*, v, k_vk], [0, k_vk, a]].

    Parameters
    ----------
    matrix : ndarray of complex
        [[outer, b], [b*, v]] without k_vv.
    k : ndarray of complex, shape (3,)
        The medium.
    z : complex
        Point.
    spectrum : ndarray of float
        Eigenvalues of X^T X/m at the sites.
    before : int
        Size of the outer block.

    Returns
    -------
    complex
    """
    size = spectrum.size
    whole = np.zeros((before + 2 * size,) * 2, dtype=np.complex128)
    whole[: before + size, : before + size] = matrix
    v, kk = before + np.arange(size), before + size + np.arange(size)
    whole[v, v] += k[0]
    whole[v, kk] = whole[kk, v] = k[1]
    whole[kk, kk] = k[2] + spectrum / z
    return log_determinant(whole)

r"""Free compression: a random principal submatrix.

The compression of A by a free projection of trace t (the t n x t n corner of A in a random basis)
has :math:`R(g) = R_A(t g)`: it is t times the free power of order 1/t [1]_.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, lecture 14.

Examples
--------
>>> from rmtland import Semicircle, free_compression
>>> free_compression(Semicircle(2.0), 0.5).var()
1.0
"""

from __future__ import annotations

from rmtland.arguments import positive
from rmtland.free.powers import free_power
from rmtland.free.sums import Operand, as_law
from rmtland.laws.affine_law import affine
from rmtland.laws.law import Law

__all__ = ["free_compression"]


def free_compression(law: Operand, t: float, *, method: str = "automatic") -> Law:
    """Return the law of a random corner of relative size t of a matrix with the given law.

    .. formula:: Free compression, law of a corner of relative size :math:`t`, :math:`R_t(g) = R(t
        g)`

    Parameters
    ----------
    law : Law, Spectrum, SpectralModel or array_like of float
        Law of the whole matrix.
    t : float
        Relative size of the corner, 0 < t <= 1.
    method : str
        As for `free_sum`.

    Returns
    -------
    Law
        Of total mass 1: the zeros outside the corner are left out.

    Raises
    ------
    ValueError
        If t is not in (0, 1], or the method is unknown or does not fit.
    TypeError
        If `law` is not a law.

    See Also
    --------
    rmtland.free.free_power : the same law up to scale.
    rmtland.free.free_decompression : back.
    """
    law = as_law("free_compression", law)
    size = positive("t", t)
    if size > 1:
        raise ValueError(f"t is the relative size of a corner, at most 1; got {t}")
    return law if size == 1 else affine(free_power(law, 1 / size, method=method), scale=size)

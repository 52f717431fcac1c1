r"""Free additive convolution: the law of A + B for free A and B.

R-transforms add up, :math:`R_{A + B} = R_A + R_B`. Where all of them are rational the sum is again
a law with a rational R-transform and is solved exactly (`rmtland.free.free_levy`).

References
----------
.. [1] D. Voiculescu, Addition of certain non-commuting random variables, J. Funct. Anal. 66 (1986)
       323-346.

Examples
--------
>>> from rmtland import MarchenkoPastur, Semicircle, free_sum
>>> free_sum(Semicircle(0.5), Semicircle(1.5, mean=2.0))
Semicircle(variance=2.0, mean=2.0)
>>> free_sum(MarchenkoPastur(0.5), Semicircle(0.6)).var()
1.1
"""

from __future__ import annotations

from functools import reduce
from operator import add

from rmtland.free.free_levy import FreeLevy
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw
from rmtland.laws.semicircle import Semicircle

__all__ = ["free_sum"]


def free_sum(*laws: Law) -> Law:
    """Return the free additive convolution of laws.

    Parameters
    ----------
    *laws : Law
        One or more laws with rational R-transforms: `Semicircle`, `MarchenkoPastur`, `FreeLevy`
        and their free sums.

    Returns
    -------
    Law
        A single law is returned as it is; semicircles add up to a `Semicircle`; otherwise a
        `FreeLevy`.

    Raises
    ------
    ValueError
        If no law is given.
    TypeError
        If an argument is not a law, or has no rational R-transform.
    """
    if not laws:
        raise ValueError("free_sum needs at least one law")
    for law in laws:
        if not isinstance(law, Law):
            raise TypeError(f"free_sum takes laws; got {law!r}")
        if not isinstance(law, LevyLaw):
            raise TypeError(f"free_sum needs laws with a rational R-transform; got {law!r}")
    if len(laws) == 1:
        return laws[0]
    triplet = reduce(add, (law.levy for law in laws if isinstance(law, LevyLaw)))
    if not triplet.jumps:
        return Semicircle(triplet.variance, triplet.drift)
    return FreeLevy(triplet)

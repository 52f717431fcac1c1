r"""The circular variable: what a square matrix of independent entries is in free probability.

With free semicircular s1 and s2 of variance v it is c = (s1 + i s2)/sqrt(2): not self-adjoint, with
:math:`E c c^* = E c^* c = v` and :math:`E c^2 = 0` [1]_.

References
----------
.. [1] D. Voiculescu, Limit laws for random matrices and free products, Inventiones mathematicae
       104 (1991) 201-220.

Examples
--------
>>> from rmtland.free import free_variables, law_of_polynomial
>>> c = free_variables("c", self_adjoint=False)
>>> law_of_polynomial(c * c.adjoint(), c=Circular(2.0)).mean()
2.0
"""

from __future__ import annotations

from dataclasses import dataclass

from rmtland.arguments import positive

__all__ = ["Circular"]


@dataclass(frozen=True)
class Circular:
    r"""A circular variable c: the limit of a square matrix of independent entries (Ginibre).

    .. formula:: Circular variable :math:`(s_1 + i s_2)/\sqrt 2`: limit of a square matrix of
        independent entries (Ginibre), in polynomials

    Parameters
    ----------
    variance : float
        E c c* = E c* c; the n x n matrix has entries of variance variance/n.

    Raises
    ------
    ValueError
        If the variance is not positive.
    TypeError
        If `variance` is no real number.
    """

    variance: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", positive("variance", self.variance))

"""The Hessian of a loss in its two parts, and the names of the parts.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> import numpy as np
>>> split = HessianSplit(np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]]))
>>> split.total
array([[1., 1.],
       [1., 1.]])
>>> split.parts
('gauss_newton', 'residual', 'total')
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from rmtland.arguments import choice
from rmtland.arrays import array_namespace
from rmtland.networks.derivatives.symmetric_blocks import Region
from rmtland.networks.parameters import ParameterBlock
from rmtland.synonyms import HESSIANS, WithSynonyms
from rmtland.typing import Array

__all__ = ["PARTS", "HessianSplit"]

PARTS = ("gauss_newton", "residual", "total")
"""The two parts of the Hessian, and their sum."""


@dataclass(frozen=True, eq=False)
class HessianSplit(WithSynonyms):
    """The exact Hessian of a loss in its two parts.

    Parameters
    ----------
    gauss_newton : array, shape (p, p)
        H0 = J^T Lambda J/m plus the weight decay, symmetric to the last bit.
    residual : array, shape (p, p)
        H1, the gradients of the loss in the outputs times the second derivatives of the outputs,
        symmetric to the last bit.
    regions : tuple of (slice, slice), optional
        The parts of `residual` that may differ from zero; None for all of it. They spare a
        pass over its zeros.
    blocks : tuple of ParameterBlock, optional
        The layout of the parameters, for `block`.

    Raises
    ------
    ValueError
        If the two matrices are not square and of one shape.
    TypeError
        If one is no array.
    """

    _synonyms = HESSIANS

    gauss_newton: Array
    residual: Array
    regions: tuple[Region, ...] | None = field(default=None, repr=False)
    blocks: tuple[ParameterBlock, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check the shapes."""
        for name in ("gauss_newton", "residual"):
            if not hasattr(getattr(self, name), "shape"):
                kind = type(getattr(self, name)).__name__
                raise TypeError(f"{name} must be an array; got {kind}")
        shape = tuple(self.gauss_newton.shape)
        if len(shape) != 2 or shape[0] != shape[1] or tuple(self.residual.shape) != shape:
            raise ValueError(
                "gauss_newton and residual must be square matrices of one shape; "
                f"got {shape} and {tuple(self.residual.shape)}"
            )

    @cached_property
    def total(self) -> Array:
        """H = H0 + H1, shape (p, p); computed at the first use, then kept."""
        if self.regions is None:
            return self.gauss_newton + self.residual
        total = array_namespace(self.gauss_newton).asarray(self.gauss_newton, copy=True)
        for region in self.regions:
            total[region] += self.residual[region]
        return total

    @property
    def parameter_count(self) -> int:
        """The number p of parameters: rows of each matrix."""
        return int(self.gauss_newton.shape[0])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameter blocks, in order: "W1", ("b1",) "W2", ..."""
        return tuple(block.name for block in self._blocks)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts: "gauss_newton", "residual", "total"."""
        return PARTS

    def part(self, name: str) -> Array:
        """Return the matrix called `name`, shape (p, p).

        Parameters
        ----------
        name : {"gauss_newton", "residual", "total"}
            Which one.

        Returns
        -------
        array, shape (p, p)
            Not a copy.

        Raises
        ------
        ValueError
            If there is no such part.
        """
        matrix: Array = getattr(self, choice("part", name, PARTS))
        return matrix

    def block(self, row: str, column: str, *, part: str = "total") -> Array:
        """Return the second derivatives between two parameter blocks, a view into the matrix.

        Parameters
        ----------
        row, column : str
            Names of the blocks, for example "W1" and "b2".
        part : {"gauss_newton", "residual", "total"}, optional
            One of the parts, or their sum.

        Returns
        -------
        array
            Rows and columns as the blocks lie in the parameter vector.

        Raises
        ------
        ValueError
            For an unknown name or part, or a split made without `blocks`.
        """
        where = {block.name: block.slice for block in self._blocks}
        rows, columns = (where[choice("block", name, self.names)] for name in (row, column))
        return self.part(part)[rows, columns]

    @property
    def _blocks(self) -> tuple[ParameterBlock, ...]:
        if self.blocks is None:
            raise ValueError(
                "this split does not know the layout of the parameters; give blocks=net.blocks"
            )
        return self.blocks

    def __repr__(self) -> str:
        """Return the sizes in place of the matrices."""
        p = self.parameter_count
        return f"HessianSplit(parameter_count={p}, gauss_newton=<{p}x{p}>, residual=<{p}x{p}>)"

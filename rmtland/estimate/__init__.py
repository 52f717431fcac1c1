"""Spectra of matrices too large to form, from products with vectors, with errors that hold."""

from rmtland.estimate.operators import SymmetricOperator, symmetric_operator

__all__ = ["SymmetricOperator", "symmetric_operator"]

"""Free probability: new laws out of laws."""

from .compression import free_compression
from .decompression import free_decompression
from .deconvolution.free_deconvolution import free_deconvolution
from .operator_valued.kronecker import kronecker_covariance
from .operator_valued.matrix_dyson import MatrixDyson
from .operator_valued.matrix_dyson_law import (
    MatrixDysonLaw,
    block_gaussian,
    kronecker_gaussian,
)
from .outliers import Outlier, spiked
from .polynomials.noncommutative_polynomial import Polynomial, free_variables
from .polynomials.polynomial_law import Circular, PolynomialLaw, law_of_polynomial
from .powers import free_power
from .products import free_product, general_marchenko_pastur
from .rational.free_levy import FreeLevy
from .recovered import Deconvolution, RecoveredLaw
from .subordination.free_product_law import FreeProduct
from .subordination.free_sum_law import FreeSum
from .subordination.signed_product_law import FreeSignedProduct
from .sums import free_sum

__all__ = [
    "Circular",
    "Deconvolution",
    "FreeLevy",
    "FreeProduct",
    "FreeSignedProduct",
    "FreeSum",
    "MatrixDyson",
    "MatrixDysonLaw",
    "Outlier",
    "Polynomial",
    "PolynomialLaw",
    "RecoveredLaw",
    "block_gaussian",
    "free_compression",
    "free_decompression",
    "free_deconvolution",
    "free_power",
    "free_product",
    "free_sum",
    "free_variables",
    "general_marchenko_pastur",
    "kronecker_covariance",
    "kronecker_gaussian",
    "law_of_polynomial",
    "spiked",
]

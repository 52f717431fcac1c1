"""Free probability: new laws out of laws."""

from rmtland.deprecation import old_names
from rmtland.free.compression import free_compression
from rmtland.free.decompression import free_decompression
from rmtland.free.deconvolution.free_deconvolution import free_deconvolution
from rmtland.free.operator_valued.matrix_dyson import MatrixDyson, kronecker_covariance
from rmtland.free.operator_valued.matrix_dyson_law import (
    MatrixDysonLaw,
    block_gaussian,
    kronecker_gaussian,
)
from rmtland.free.outliers import Outlier, spiked
from rmtland.free.polynomials.noncommutative_polynomial import Polynomial, free_variables
from rmtland.free.polynomials.polynomial_law import Circular, PolynomialLaw, law_of_polynomial
from rmtland.free.products import free_product, general_marchenko_pastur
from rmtland.free.rational.free_levy import FreeLevy
from rmtland.free.recovered import Deconvolution, RecoveredLaw
from rmtland.free.subordination.free_product_law import FreeProduct
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.free.subordination.signed_product_law import FreeSignedProduct
from rmtland.free.sums import free_power, free_sum
from rmtland.laws.pushforward import (  # public in rmtland.laws
    Pushforward as Pushforward,
    pushforward as pushforward,
)

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

__getattr__ = old_names(
    __name__,
    {
        "DeconvolvedLaw": "rmtland.free:Deconvolution",
        "Image": "rmtland.laws.pushforward:Pushforward",
        "image": "rmtland.laws.pushforward:pushforward",
    },
)

"""A program of a user's, for type checkers: every name has a type, and a wrong use is seen."""

from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import rmtland
from rmtland import (
    MLP,
    Comparison,
    Fit,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    Wigner,
    WishartPlusWigner,
    compare,
    fit,
    free_sum,
    spectral_density,
)
from rmtland.laws import Law
from rmtland.networks import Dataset, TrainResult, digits, train
from rmtland.report import Report, Text, page


def ends(law: Law) -> tuple[float, float]:
    return law.hull


mixed = free_sum(MarchenkoPastur(0.5), Semicircle(0.1))
assert_type(ends(mixed), tuple[float, float])
assert_type(mixed.mean(), float)
grid = np.linspace(*mixed.hull, 5)
assert_type(mixed.pdf(grid), NDArray[np.float64])
assert_type(mixed.cdf(0.5), float)
assert_type(mixed.ppf([0.25, 0.75]), NDArray[np.float64])
assert_type(mixed.stieltjes(grid + 1j), NDArray[np.complex128])
assert_type(mixed.stieltjes(1j), complex)

data = digits(32, size=4, target="autoencoder", rng=0)
assert_type(data, Dataset)
net = MLP((16, 4, 16), activation="tanh")
assert_type(train(net, net.init(rng=1), data.x, data.y, max_steps=3), TrainResult)

spectrum = Spectrum(np.array([-1.0, 0.0, 0.3, 0.5, 0.7, 1.1, 2.0]))
assert_type(compare(spectrum, mixed), Comparison)
assert_type(compare(spectrum, mixed).kolmogorov, float)
assert_type(spectrum.cdf(0.0), float)
assert_type(WishartPlusWigner(0.5, 0.3).smoothed_pdf(grid, eta=0.1), NDArray[np.float64])
assert_type(fit(spectrum, WishartPlusWigner), Fit[WishartPlusWigner])
assert_type(page(Report("A title", (Text("words"),))), str)
assert_type(spectral_density(net.at(net.init(rng=1), data.x, data.y).operator(), rng=0), Spectrum)
assert_type(rmtland.__version__, str)


def wrong() -> None:
    """Never called: a checker that knew no types would have nothing to ignore here."""
    ends(spectrum)  # type: ignore[arg-type]
    MLP((16, 4, 16), activation=3)  # type: ignore[arg-type]
    spectral_density(object())  # type: ignore[arg-type]
    Wigner(1.0).sample(4, xp="numpy")  # type: ignore[arg-type]


if __name__ == "__main__":
    print(rmtland.__version__, ends(mixed))

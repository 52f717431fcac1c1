"""The interface of models and ensembles: what follows from the law alone."""

import numpy as np
import pytest

from rmtland.laws import MarchenkoPastur, Semicircle
from rmtland.laws.spectral_model import SpectralModel


class OfLaw(SpectralModel):
    def __init__(self, law):
        self._law = law

    @property
    def law(self):
        return self._law


def cauchy(law, x, eta):
    """Smoothed density and distribution function from quantiles of the law."""
    places = law.ppf((np.arange(20_000) + 0.5) / 20_000)
    distance = (np.asarray(x)[:, None] - places) / eta
    density = (1 / (1 + distance**2)).mean(axis=1) / (np.pi * eta)
    return density, 0.5 + np.arctan(distance).mean(axis=1) / np.pi


@pytest.mark.parametrize("law", [Semicircle(0.7, center=-0.2), MarchenkoPastur(2.5, 1.3)])
def test_smoothing_is_the_convolution_with_a_cauchy_law(law):
    # the atom of Marchenko-Pastur is smoothed too; midpoints of quantiles: O(1e-8)
    x = np.linspace(-2.0, 6.0, 9)
    density, below = cauchy(law, x, 0.3)
    model = OfLaw(law)
    np.testing.assert_allclose(model.smoothed_pdf(x, eta=0.3), density, atol=1e-6)
    np.testing.assert_allclose(model.smoothed_cdf(x, eta=0.3), below, atol=1e-6)
    assert model.smoothed_pdf(x[2], eta=0.3) == pytest.approx(density[2], abs=1e-6)
    assert isinstance(model.smoothed_cdf(0.5, eta=0.3), float)
    assert model.smoothed_pdf(x.reshape(3, 3), eta=1.0).shape == (3, 3)


def test_an_atom_at_zero_is_not_below_zero():
    model = OfLaw(MarchenkoPastur(2.5))
    assert model.index() == 0.0
    assert (model.mean(), model.var()) == (1.0, 2.5)
    assert model.stieltjes(1j) == model.law.stieltjes(1j)


def test_what_a_model_does_not_have_it_says():
    model = OfLaw(Semicircle())
    assert model.parts == ("total",)
    assert model.part("total") is model
    with pytest.raises(ValueError, match="total"):
        model.part("residual")
    with pytest.raises(ValueError, match="cannot draw"):
        model.sample(10)
    with pytest.raises(ValueError, match="no Lanczos"):
        model.lanczos(10, 3)
    with pytest.raises(ValueError, match="eta"):
        model.smoothed_pdf(0.0, eta=0.0)
    with pytest.raises(ValueError, match="NaN"):
        model.smoothed_cdf(np.nan, eta=1.0)
    with pytest.raises(TypeError):
        SpectralModel()

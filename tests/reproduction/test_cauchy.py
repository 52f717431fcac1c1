"""Smoothed densities and distribution functions: by transform, by kernel, by quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad

from rmtland import MarchenkoPastur, Semicircle
from rmtland.laws import Discrete
from rmtland.reproduction.cauchy import smoothed_cdf, smoothed_density

LAWS = [Semicircle(2.0), MarchenkoPastur(0.3, 1.7), MarchenkoPastur(2.5)]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("eta", [1e-3, 0.2, 5.0])
def test_of_a_law_is_the_convolution_of_its_distribution_function(law, eta):
    x = np.array([-1.0, 0.0, 0.4, 3.0])

    def density(at):
        def integrand(angle):
            return law.cdf(at + eta * np.tan(angle))

        places = [law.support[0][0], law.support[-1][1], *(place for place, _ in law.atoms)]
        breaks = sorted(np.arctan((np.array(places) - at) / eta))
        return quad(integrand, -np.pi / 2, np.pi / 2, points=breaks, limit=400)[0] / np.pi

    assert smoothed_cdf(law, x, eta) == pytest.approx([density(at) for at in x], abs=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_density_is_the_derivative(law):
    x, step, eta = np.linspace(-3, 7, 11), 1e-4, 0.1
    slope = (smoothed_cdf(law, x + step, eta) - smoothed_cdf(law, x - step, eta)) / (2 * step)
    assert smoothed_density(law, x, eta) == pytest.approx(slope, abs=1e-6)


def test_eigenvalues_and_the_law_of_their_point_masses_agree():
    values = np.array([[3.0, -1.0], [0.5, 0.5]])
    law = Discrete((-1.0, 0.5, 3.0), (0.25, 0.5, 0.25))
    x, eta = np.linspace(-4, 5, 23), 0.3
    assert smoothed_density(values, x, eta) == pytest.approx(smoothed_density(law, x, eta))
    assert smoothed_cdf(values, x, eta) == pytest.approx(smoothed_cdf(law, x, eta))

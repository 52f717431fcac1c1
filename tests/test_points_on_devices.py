"""What takes a point of a network takes it with its arrays on any device, or says that it does not.

The point is on array-api-strict's second device, which refuses implicit conversion: an answer is
that of the host, and a refusal is a ValueError or TypeError in words, never an error of a library.
"""

import numpy as np
import pytest
from device_places import put_strict

from rmtland.arrays import to_numpy
from rmtland.audit import Level, audit_hessian
from rmtland.audit.diagnostics import diagnose
from rmtland.audit.redraws import with_gaussian_residuals
from rmtland.landscape.critical_points import null_directions
from rmtland.landscape.linearisation import linearise
from rmtland.landscape.manifold import polish
from rmtland.landscape.noise import GradientNoise, SampleCurvature
from rmtland.landscape.sharpness import derivative_bounds, linear_ranks
from rmtland.landscape.surface import NetworkSurface
from rmtland.models import ConditionedHessian, DysonHessian
from rmtland.networks import MLP

PRINTED = {"levels": [Level.PRINTED], "draws": 0, "points": 20, "rng": 0}
TAKEN = {
    "audit": lambda p: audit_hessian(p, **PRINTED).spectrum.eigenvalues,
    "diagnose": lambda p: [check.p_value for check in diagnose(p).tests],
    "Gaussian residuals": lambda p: with_gaussian_residuals(p, 0.3, rng=0).energy,
    "conditioned": lambda p: ConditionedHessian(p).mean(),
    "Dyson": lambda p: DysonHessian.of_point(p).mean(),
    "gradient noise": lambda p: GradientNoise.of(p).trace,
    "sample curvature": lambda p: SampleCurvature.of(p).matrices,
    "linearised": lambda p: linearise(p).loss(np.full(18, 0.1)),
    "bounds": lambda p: derivative_bounds(p, 0.1).third,
    "ranks": lambda p: linear_ranks(p).total,
    "null directions": lambda p: null_directions(p, np.diag([0.0] * 9 + [1.0] * 9), 1e-9).symmetry,
    "polish": lambda p: polish(p, throw=False).point.loss,
}


def point_of(put, activation):
    rng = np.random.default_rng(0)
    net = MLP((3, 3, 3), activation=activation)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
    return net.at(put(net.init(rng=1)), put(x), put(y))


@pytest.mark.parametrize("name", TAKEN)
def test_the_answer_is_that_of_the_host(name):
    activation = "linear" if name in ("ranks", "null directions") else "tanh"
    here, there = (TAKEN[name](point_of(put, activation)) for put in (np.asarray, put_strict))
    np.testing.assert_allclose(to_numpy(there), to_numpy(here), rtol=1e-9, atol=1e-12)


def test_surfaces_are_walked_on_in_numpy_and_say_so():
    with pytest.raises(ValueError, match="NumPy and double precision"):
        NetworkSurface(point_of(put_strict, "tanh"))

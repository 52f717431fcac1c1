"""Networks whose critical points are all known: linear ones."""

import numpy as np
import pytest

from rmtland.landscape.critical_points import (
    LevenbergMarquardt,
    LinearAnswers,
    find_critical_points,
)
from rmtland.networks import MLP


def data(seed=0, m=60, n=5):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n)) * np.linspace(0.5, 2.0, n)


def test_every_listed_point_is_critical_with_its_energy_and_index():
    x = data()
    y = x @ np.random.default_rng(1).standard_normal((5, 4)) + 0.3 * data(2, n=4)
    answers, net = LinearAnswers.of(x, y, hidden=3), MLP((5, 3, 4), "linear")
    assert len(answers.sets()) == 1 + 4 + 6 + 4
    for chosen in answers.sets():
        point = net.at(answers.weights(chosen), x, y)
        eigenvalues = np.linalg.eigvalsh(point.hessian("total"))
        assert np.abs(point.gradient).max() < 1e-12
        assert point.energy == pytest.approx(answers.energy(chosen), rel=1e-12)
        assert np.count_nonzero(eigenvalues < -1e-9) == answers.index(chosen)


def test_levenberg_marquardt_finds_listed_points_only():
    x = data(3, n=4)
    answers, net = LinearAnswers.of(x, x, hidden=2), MLP((4, 2, 4), "linear")
    found = find_critical_points(
        net, x, x, finder=LevenbergMarquardt(), starts=30, rng=0, prove=False
    )
    good = found.of_status("critical")
    assert len(good) >= 27
    seen = set()
    for point in good:
        chosen = answers.nearest(point.energy)
        seen.add(chosen)
        assert point.energy == pytest.approx(answers.energy(chosen), abs=1e-9)
        assert point.index == answers.index(chosen)
        assert point.null_directions.unexplained == 0
        r = len(chosen)
        assert point.null_directions.symmetry == r * r + 2 * r * (2 - r)
    assert len(seen) >= 5


def test_saddles_of_deep_linear_networks_are_not_all_strict():
    """Kawaguchi 2016: with three layers some saddles have no negative eigenvalue."""
    x = data(4, n=3)
    answers, net = LinearAnswers.of(x, x, hidden=3), MLP((3, 3, 3, 3), "linear")

    def opened(direction):
        u, w = answers.outward[:, [direction]], answers.inward[[direction]]
        size = np.linalg.norm(w)
        first, unit = w / size, np.outer(np.eye(3)[0], np.eye(3)[0])
        root = size ** (1 / 3)
        weights = (root * np.outer(np.eye(3)[0], first[0]), root * unit)
        return np.concatenate([*(each.ravel() for each in weights), (root * u * [1, 0, 0]).ravel()])

    origin = net.at(np.zeros(27), x, x)
    assert np.abs(origin.hessian("total")).max() == 0.0  # a saddle without any curvature
    best, second = (net.at(opened(i), x, x) for i in (0, 1))
    minimum = answers.energy((0, 1, 2))
    for point, index in ((best, 0), (second, 1)):
        eigenvalues = np.linalg.eigvalsh(point.hessian("total"))
        assert np.abs(point.gradient).max() < 1e-12
        assert np.count_nonzero(eigenvalues < -1e-9) == index
        assert point.energy > minimum + 0.01  # no minimum


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((5, 2)), "dependent"),
        (np.vstack([np.eye(3), -np.eye(3)]), "coincide"),
    ],
)
def test_degenerate_data_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        LinearAnswers.of(x, x, hidden=2)


def test_too_many_critical_values_are_refused():
    x = np.random.default_rng(0).standard_normal((60, 40))
    with pytest.raises(ValueError, match="more than"):
        LinearAnswers.of(x, x, hidden=20).sets()
    with pytest.raises(ValueError, match="rows"):
        LinearAnswers.of(x, x[:3], hidden=2)


@pytest.mark.parametrize("chosen", [(0, 1, 2), (0, 0), (-1,), (4,)])
def test_sets_that_no_point_uses_are_refused(chosen):
    """The index of three directions through two units once came out negative."""
    answers = LinearAnswers.of(data(n=4), data(n=4), hidden=2)
    for ask in (answers.energy, answers.index, answers.weights):
        with pytest.raises(ValueError, match="at most 2 of the places 0 to 3"):
            ask(chosen)


@pytest.mark.parametrize("hidden", [1, 3, 5])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_targets_of_low_rank(rank, hidden):
    """Fewer singular values than outputs, and more hidden units than singular values."""
    rng = np.random.default_rng(rank)
    x = data(n=3)
    y = x @ rng.standard_normal((3, rank)) @ rng.standard_normal((rank, 4))
    answers, net = LinearAnswers.of(x, y, hidden=hidden), MLP((3, hidden, 4), "linear")
    assert answers.singular_values.size == rank
    for chosen in answers.sets():
        point = net.at(answers.weights(chosen), x, y)
        eigenvalues = np.linalg.eigvalsh(point.hessian("total"))
        assert np.abs(point.gradient).max() < 1e-12
        assert point.energy == pytest.approx(answers.energy(chosen), rel=1e-12, abs=1e-14)
        assert np.count_nonzero(eigenvalues < -1e-9) == answers.index(chosen)

"""Directions: filter normalisation in both conventions, eigenvectors, principal directions."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.slices import (
    Directions,
    eigenvector_directions,
    filter_normalised,
    random_directions,
    record_trajectory,
    trajectory_plane,
)
from rmtland.landscape.surface import FunctionSurface, NetworkSurface, TorchSurface
from rmtland.networks import MLP, gaussian, train


def network_surface(widths, bias=True, seed=0):
    rng, net = np.random.default_rng(seed), MLP(widths, bias=bias)
    x, y = rng.standard_normal((6, widths[0])), rng.standard_normal((6, widths[-1]))
    return NetworkSurface.of(net, x, y), net.init(rng=seed, bias_scale=0.5)


@settings(max_examples=30, deadline=None)
@given(
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    bias=st.booleans(),
    by=st.sampled_from(["filter", "layer", "none"]),
    vectors=st.sampled_from(["zero", "whole"]),
    seed=st.integers(0, 99),
)
def test_filters_have_the_norms_of_the_network(widths, bias, by, vectors, seed):
    surface, theta = network_surface(widths, bias, seed)
    drawn = np.random.default_rng(seed).standard_normal(surface.size)
    scaled = filter_normalised(surface, theta, drawn, by=by, vectors=vectors)
    for block in surface.blocks:
        mine, own, raw = (v[block.slice].reshape(block.shape) for v in (scaled, theta, drawn))
        if by == "none":
            assert (mine == raw).all()
        elif block.is_bias and vectors == "zero":
            assert not mine.any()
        else:
            axis = 1 if by == "filter" and not block.is_bias else None
            norms = [np.linalg.norm(v, axis=axis) for v in (mine, own)]
            np.testing.assert_allclose(*norms, rtol=1e-12)
            cosine = (mine * raw).sum(axis=axis)
            np.testing.assert_allclose(
                cosine, norms[1] * np.linalg.norm(raw, axis=axis), rtol=1e-12
            )


def test_convolutions_have_one_filter_a_channel_and_batch_norm_has_none():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(3, 1)
    ).eval()
    x, y = torch.randn(4, 2, 2, 2), torch.randn(4, 1)
    surface = TorchSurface(model, torch.nn.MSELoss(), (x, y))
    theta = surface.parameters()
    found = random_directions(surface, theta, rng=0)
    kernel = surface.blocks[0]
    for row in found.rows:
        sizes = [np.linalg.norm(v[kernel.slice].reshape(3, -1), axis=1) for v in (row, theta)]
        np.testing.assert_allclose(*sizes, rtol=1e-6)
        for block in surface.blocks:
            if len(block.shape) == 1:
                assert not row[block.slice].any()


def test_orthogonal_directions_keep_their_norms():
    surface, theta = network_surface((3, 4, 2))
    plain = random_directions(surface, theta, 3, rng=5)
    found = random_directions(surface, theta, 3, orthogonal=True, rng=5)
    norms = np.linalg.norm(plain.rows, axis=1)
    np.testing.assert_allclose(found.rows @ found.rows.T, np.diag(norms**2), atol=1e-12)
    np.testing.assert_allclose(found.rows[0], plain.rows[0])


def test_orthogonal_directions_of_too_few_parameters_are_refused():
    surface, theta = network_surface((1, 1, 1))
    with pytest.raises(ValueError, match="are dependent"):
        random_directions(surface, theta, 3, by="filter", orthogonal=True, rng=0)
    with pytest.raises(ValueError, match="are dependent"):
        random_directions(surface, theta, 2, orthogonal=True, rng=2)  # both (+-w, +-a), parallel


@pytest.mark.parametrize("unit", [1e-200, 1e-160, 1.0, 1e160, 1e290])
def test_trajectories_in_tiny_and_huge_units(unit):
    rng = np.random.default_rng(0)
    steps = rng.random((9, 2)) @ rng.standard_normal((2, 5))
    found, plain = trajectory_plane(unit * steps), trajectory_plane(steps)
    np.testing.assert_allclose(found.shares, plain.shares, rtol=1e-9)
    np.testing.assert_allclose(found.coordinates, unit * plain.coordinates, rtol=1e-9)
    with pytest.raises(ValueError, match="do not span 2"):
        trajectory_plane(unit * steps[:, :1] * np.ones(5))


def test_eigenvectors_are_those_of_the_hessian():
    values = np.array([-2.0, 0.5, 1.0, 3.0])

    def half_square(theta):
        return 0.5 * float(theta @ (values * theta)), values * theta

    toy = FunctionSurface(4, half_square, lambda theta: np.diag(values))
    ends = eigenvector_directions(toy, np.zeros(4))
    np.testing.assert_allclose(ends.rows, np.eye(4)[[3, 0]], atol=1e-12)
    assert ends.labels == (r"eigenvector of $\lambda$ = 3", r"eigenvector of $\lambda$ = -2")
    top = eigenvector_directions(toy, np.zeros(4), "largest", 3)
    np.testing.assert_allclose(top.rows, np.eye(4)[[3, 2, 1]], atol=1e-12)
    low = eigenvector_directions(toy, np.zeros(4), "smallest", 1)
    np.testing.assert_allclose(low.rows, np.eye(4)[[0]], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(
    steps=st.integers(3, 8),
    size=st.integers(3, 20),
    center=st.sampled_from(["last", "mean"]),
    seed=st.integers(0, 99),
)
def test_principal_directions_are_those_of_the_singular_values(steps, size, center, seed):
    thetas = np.random.default_rng(seed).standard_normal((steps, size)).cumsum(axis=0)
    found = trajectory_plane(thetas, center=center)
    origin = thetas[-1] if center == "last" else thetas.mean(axis=0)
    _, values, rows = np.linalg.svd(thetas - origin, full_matrices=False)
    np.testing.assert_allclose(found.shares, (values**2 / (values**2).sum())[:2], rtol=1e-9)
    overlap = np.abs(found.directions.rows @ rows[:2].T)
    if values[0] > 1.01 * values[1] and (steps < 4 or values[1] > 1.01 * values[2]):
        np.testing.assert_allclose(overlap, np.eye(2), atol=1e-6)
    back = origin + found.coordinates @ found.directions.rows
    np.testing.assert_allclose(np.linalg.norm(thetas - back, axis=1), found.distances, atol=1e-10)
    (a, b), (c, d) = found.extent(0.1)
    assert a < found.coordinates[:, 0].min() <= found.coordinates[:, 0].max() < b
    assert c < found.coordinates[:, 1].min() <= found.coordinates[:, 1].max() < d


def test_training_is_recorded():
    data, net = gaussian(10, 3, rng=0), MLP((3, 3, 3))
    start = net.init(rng=1)
    iterates, note = record_trajectory(every=2)
    train(net, start, data.x, data.y, method="gd", max_steps=7, callback=note)
    assert len(iterates) == 4
    np.testing.assert_array_equal(iterates[0], start)


def test_bad_arguments_are_refused():
    surface, theta = network_surface((2, 2, 1))
    with pytest.raises(ValueError, match="unknown by"):
        filter_normalised(surface, theta, theta, by="unit")
    with pytest.raises(ValueError, match="unknown vectors"):
        filter_normalised(surface, theta, theta, vectors="some")
    with pytest.raises(ValueError, match="theta must have 9 entries"):
        filter_normalised(surface, theta[:3], theta)
    with pytest.raises(ValueError, match="all weights are"):
        random_directions(surface, 0.0 * theta)
    with pytest.raises(ValueError, match="both ends are two"):
        eigenvector_directions(surface, theta, d=3)
    with pytest.raises(ValueError, match="there are 9 eigenvectors"):
        eigenvector_directions(surface, theta, "largest", 10)
    with pytest.raises(ValueError, match="do not span 2 directions"):
        trajectory_plane(np.outer(np.arange(4.0), np.ones(5)))
    with pytest.raises(ValueError, match="rows holds 1 NaN"):
        Directions(np.array([[1.0, np.nan]]), ("a",))
    with pytest.raises(ValueError, match="1 labels"):
        Directions(np.eye(2), ("x",))

"""Stationary covariances against enumeration of all batches, and of all orders of an epoch."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.noise import GradientNoise, NoisyDescent, SampleCurvature, noise_factor
from rmtland.networks import MLP, gaussian, train
from rmtland.solution import ConvergenceError


def regression(m, d, seed):
    """Return gradients and Hessians of single samples of least squares at its minimum."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, d))
    y = rng.standard_normal(m)
    theta = np.linalg.lstsq(x, y, rcond=None)[0]
    hessians = x[:, :, None] * x[:, None, :]
    return (x @ theta - y)[:, None] * x, hessians


def batches(m, b, sampling):
    if sampling == "with":
        return np.array(list(itertools.product(range(m), repeat=b)))
    return np.array(list(itertools.combinations(range(m), b)))


@pytest.mark.parametrize("sampling", ["with", "without"])
@pytest.mark.parametrize(("m", "b"), [(4, 1), (5, 2), (4, 3), (4, 4)])
def test_the_noise_of_a_batch_is_that_of_all_batches(m, b, sampling):
    g, _ = regression(m, 2, 0)
    noise = GradientNoise.of_gradients(g)
    means = g[batches(m, b, sampling)].mean(axis=1)
    centred = means - g.mean(axis=0)
    exact = centred.T @ centred / len(means)
    assert np.allclose(noise.factor(b, sampling) * noise.covariance, exact, atol=1e-14)


@settings(max_examples=25, deadline=None)
@given(
    d=st.integers(1, 3),
    relative=st.floats(1e-3, 0.5),
    b=st.integers(1, 2),
    sampling=st.sampled_from(["with", "without"]),
    seed=st.integers(0, 10**6),
)
def test_the_stationary_covariance_of_least_squares_is_a_fixed_point_of_all_batches(
    d, relative, b, sampling, seed
):
    m = 6
    g, hessians = regression(m, d, seed)
    H = hessians.mean(axis=0)
    eta = relative * 2 / max(np.linalg.eigvalsh(h)[-1] for h in hessians)
    sgd = NoisyDescent.of_matrices(
        H,
        GradientNoise.of_gradients(g).covariance,
        samples=m,
        step_size=eta,
        batch_size=b,
        sampling=sampling,
        spread=SampleCurvature(hessians, factored=False),
    )
    C = sgd.stationary().dense()
    which = batches(m, b, sampling)
    step = np.eye(d) - eta * hessians[which].mean(axis=1)
    kick = eta * g[which].mean(axis=1)
    after = (step @ C @ step.transpose(0, 2, 1)).mean(axis=0) + kick.T @ kick / len(which)
    assert np.allclose(after, C, rtol=1e-8, atol=1e-10 * np.abs(C).max())


@pytest.mark.parametrize("eta", [0.9, 0.3, 1e-2, 1e-7])
@pytest.mark.parametrize(("m", "b"), [(5, 1), (6, 2), (4, 2), (4, 4)])
def test_reshuffled_epochs_have_the_variance_of_all_orders(m, b, eta):
    rng = np.random.default_rng(1)
    g = rng.standard_normal((m, 2))
    g -= g.mean(axis=0)
    H = np.array([0.7, 1.6])
    a, n = 1 - eta * H, m // b
    noise = GradientNoise.of_gradients(g)
    sgd = NoisyDescent.of_matrices(
        np.diag(H), noise.covariance, samples=m, step_size=eta, batch_size=b, sampling="reshuffling"
    )
    kicks = np.array(list(itertools.permutations(range(m))))
    moved = eta * g[kicks].reshape(len(kicks), n, b, 2).mean(axis=2)
    paths = np.zeros((n + 1, len(kicks), 2))  # from theta* through one epoch
    for t in range(n):
        paths[t + 1] = a * paths[t] - moved[:, t]
    covariances = np.einsum("tki,tkj->tij", paths, paths) / len(kicks)
    both = np.outer(a, a)
    # 1 - both^n, to first order where it has no digits of its own
    start = covariances[n] / (n * eta * np.add.outer(H, H) if eta < 1e-5 else 1 - both**n)
    exact = np.mean([both**t * start + covariances[t] for t in range(1, n + 1)], axis=0)
    found = sgd.stationary().covariance
    assert np.allclose(found, exact, rtol=1e-5, atol=1e-13 * eta**2)


def test_reshuffling_is_quieter_than_independent_batches():
    g, hessians = regression(12, 2, 3)
    H, S = hessians.mean(axis=0), GradientNoise.of_gradients(g).covariance
    sgd = NoisyDescent.of_matrices(H, S, samples=12, step_size=0.01, sampling="without")
    quiet = sgd.with_step(sampling="reshuffling").stationary().variances
    assert (quiet < 0.2 * sgd.stationary().variances).all()


def test_second_moments_that_diverge_are_refused():
    """Curvatures .1 and 10: stable in the mean below 2/5.05, in mean square below .2020."""
    H = np.array([[[0.1]], [[10.0]]])
    sgd = NoisyDescent.of_matrices(
        [[5.05]],
        [[1.0]],
        samples=2,
        step_size=0.2,
        spread=SampleCurvature(H, factored=False),
    )
    critical = 2 * 5.05 / (5.05**2 + 4.95**2)
    assert sgd.with_step(0.95 * critical).stationary().covariance[0, 0] > 0
    with pytest.raises(ConvergenceError, match="second moments diverge"):
        sgd.with_step(1.01 * critical).stationary()
    assert sgd.with_step(0.3).stationary(multiplicative=False).covariance[0, 0] > 0
    with pytest.raises(ValueError, match="is not stable"):
        sgd.with_step(0.4).stationary()


def test_directions_that_grow_without_noise_of_their_own_are_seen():
    """Second moments along the second direction grow from any start but zero."""
    H = np.array([np.diag([1.0, 0.05]), np.diag([1.0, 3.95])])
    sgd = NoisyDescent.of_matrices(
        H.mean(axis=0),
        np.diag([1.0, 0.0]),
        samples=2,
        step_size=0.9,
        spread=SampleCurvature(H, factored=False),
    )
    with pytest.raises(ConvergenceError, match=r"multiplies them by 8\.556"):
        sgd.stationary()
    found = sgd.with_step(0.3).stationary()
    assert found.radius == pytest.approx(0.3**2 * 1.95**2 / (1 - 0.4**2), rel=1e-3)


def test_full_batches_have_no_noise():
    H = np.diag([-1.0, 0.0, 1.0])
    sgd = NoisyDescent.of_matrices(
        H, np.eye(3), samples=4, step_size=0.1, batch_size=4, sampling="without"
    )
    assert (sgd.frozen.sum(), sgd.diffusing.sum()) == (1, 0)
    assert np.isinf(sgd.escape_steps(1.0)).all()
    assert sgd.stationary().variances.tolist() == [0.0]


def test_a_step_to_the_minimum_reaches_its_variance_at_once():
    sgd = NoisyDescent.of_matrices([[1.0]], [[1.0]], samples=4, step_size=1.0)
    assert [sgd.escape_steps(d)[0] for d in (0.5, 1.0, 1.5)] == [1.0, 1.0, np.inf]


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_do_not_matter(unit):
    noise = GradientNoise(unit * np.diag([3.0, 1.0]), np.zeros(2), 3)
    found = noise.alignment(unit * np.diag([1.0, 0.0]))
    assert found.cosine == pytest.approx(3 / np.sqrt(10))
    assert found.ratio == pytest.approx(3.0)
    assert noise.effective_rank == pytest.approx(1.6)
    plain, scaled = (
        NoisyDescent.of_matrices(np.eye(2), u * np.eye(2), samples=4, step_size=0.1)
        for u in (1.0, unit)
    )
    assert scaled.stationary().variances == pytest.approx(unit * plain.stationary().variances)
    with pytest.raises(ValueError, match="another unit"):
        GradientNoise.of_gradients(unit * np.eye(2))
    with pytest.raises(ValueError, match="another unit"):
        plain.with_step(unit)


def test_factors_give_the_same_term_as_matrices():
    rng = np.random.default_rng(0)
    F = rng.standard_normal((5, 4, 2))
    C = np.cov(rng.standard_normal((4, 9)))
    full = SampleCurvature(F @ F.transpose(0, 2, 1), factored=False)
    thin = SampleCurvature(F, factored=True)
    assert np.allclose(full.term(C), thin.term(C), atol=1e-12)
    basis, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    turned = thin.rotated(basis).term(basis.T @ C @ basis)
    assert np.allclose(basis @ turned @ basis.T, full.term(C), atol=1e-12)
    chosen = np.array([True, False, True, True])
    assert np.allclose(full.within(chosen).mean, thin.within(chosen).mean)


@pytest.mark.parametrize("loss", ["mse", "logistic", "cross_entropy"])
@pytest.mark.parametrize("widths", [(3, 3), (3, 2, 3)])
def test_the_hessians_of_single_samples_average_to_that_of_the_loss(loss, widths):
    data = gaussian(7, 3, rng=0)
    y = {"mse": data.y, "logistic": data.y > 0, "cross_entropy": np.arange(7) % 3}[loss]
    net = MLP(widths, bias=True, loss=loss, weight_decay=0.3)
    point = net.at(net.init(rng=1), data.x, np.asarray(y, dtype=float if y.ndim == 2 else int))
    spread = SampleCurvature.of(point)
    whole = point.hessian("total") - 0.3 * np.eye(net.parameter_count)
    assert np.allclose(spread.mean, whole, atol=1e-12)
    assert spread.factored == (len(widths) == 2)


def test_kinds_of_directions_are_told_apart():
    H = np.diag([-1.0, 0.0, 0.0, 2.0])
    S = np.diag([1.0, 0.0, 3.0, 1.0])
    sgd = NoisyDescent.of_matrices(H, S, samples=50, step_size=0.1, batch_size=5)
    assert sgd.escaping.tolist() == [True, False, False, False]
    assert sgd.frozen.sum() == 1
    assert sgd.diffusing.sum() == 1
    assert sgd.stationary_directions.tolist() == [False, False, False, True]
    k = np.array([0, 1, 7, 300])
    found = sgd.variances(k)
    added = 0.01 / 5
    assert found[:, 0] == pytest.approx(added * (1.1 ** (2 * k) - 1) / (1.1**2 - 1))
    assert found[:, sgd.frozen][:, 0].tolist() == [0.0] * 4
    assert found[:, sgd.diffusing][:, 0] == pytest.approx(3 * added * k)
    assert found[:, 3] == pytest.approx(added * (1 - 0.8 ** (2 * k)) / (1 - 0.64))
    steps = sgd.escape_steps(2.0)
    grid = np.arange(20000)
    for i in range(4):
        reached = sgd.variances(grid)[:, i] >= 4.0
        assert steps[i] == (np.argmax(reached) if reached.any() else np.inf)


@pytest.mark.parametrize("first", [0, 100, 20000])
def test_mean_variances_are_means(first):
    H = np.diag([-1e-4, 0.0, 1e-9, 1e-5, 1.0])
    sgd = NoisyDescent.of_matrices(H, np.eye(5), samples=50, step_size=0.1)
    last = first + 9000
    exact = sgd.variances(np.arange(first + 1, last + 1)).mean(axis=0)
    assert np.allclose(sgd.mean_variances(first, last), exact, rtol=1e-6)


def test_the_gibbs_law_is_right_for_isotropic_noise_up_to_its_factor_and_wrong_for_other():
    H = np.diag([0.5, 1.0, 2.0])
    small = {"samples": 100, "step_size": 1e-5, "batch_size": 2}
    isotropic = NoisyDescent.of_matrices(H, np.eye(3), **small)
    ratio = isotropic.gibbs() / isotropic.stationary().variances
    assert np.allclose(ratio, 6.0, rtol=1e-3)  # 2 p
    aligned = NoisyDescent.of_matrices(H, H, **small)
    ratio = aligned.gibbs() / aligned.stationary().variances
    assert ratio[0] / ratio[-1] == pytest.approx(4.0, rel=1e-3)


def test_at_an_interpolating_minimum_there_is_no_noise():
    data, net = gaussian(4, 3, rng=0), MLP((3, 12, 1))
    y = data.y[:, :1]
    theta = train(net, net.init(rng=0), data.x, y, gradient_norm=1e-13, max_steps=5000).theta
    point = net.at(theta, data.x, y)
    noise = GradientNoise.of(point)
    assert noise.trace < 1e-15
    assert noise.temperature(0.1, 2) == 0.05 * noise.trace


def test_bad_input_is_refused():
    eye = np.eye(2)
    with pytest.raises(ValueError, match="divide the 10 samples"):
        noise_factor(10, 3, "reshuffling")
    with pytest.raises(ValueError, match="at most the 10 samples"):
        noise_factor(10, 11, "without")
    with pytest.raises(ValueError, match="symmetric"):
        NoisyDescent.of_matrices([[1, 2], [0, 1]], eye, samples=3, step_size=0.1)
    with pytest.raises(ValueError, match="of one shape"):
        NoisyDescent.of_matrices(eye, np.eye(3), samples=3, step_size=0.1)
    with pytest.raises(ValueError, match="negative variance"):
        NoisyDescent.of_matrices(eye, [[1, 2], [2, 1]], samples=3, step_size=0.1)
    for spread, message in (
        (np.ones((3, 3, 3)), "3 samples and 2"),
        (np.ones((7, 2, 2)), "shape"),
        (np.full((3, 2, 2), np.nan), "NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            NoisyDescent.of_matrices(
                eye, eye, samples=3, step_size=0.1, spread=SampleCurvature(spread, factored=False)
            )
    sgd = NoisyDescent.of_matrices(eye, eye, samples=4, step_size=0.1, sampling="reshuffling")
    with pytest.raises(ValueError, match="independent batches"):
        sgd.variances(3)
    with pytest.raises(ValueError, match="independent batches"):
        sgd.escape_steps(1.0)
    with pytest.raises(ValueError, match="needs `spread`"):
        sgd.stationary(multiplicative=True)
    with pytest.raises(ValueError, match="no curvature is positive"):
        NoisyDescent.of_matrices(-eye, eye, samples=4, step_size=0.1).stationary()
    with pytest.raises(ValueError, match="there is no alignment"):
        GradientNoise(np.zeros((2, 2)), np.zeros(2), 3).alignment(eye)


def test_alignment_of_known_matrices():
    noise = GradientNoise(np.diag([3.0, 0.0]), np.zeros(2), 5)
    found = noise.alignment(np.diag([1.0, 0.0]))
    assert (found.cosine, found.gain, found.ratio) == (1.0, 2.0, 3.0)
    assert noise.effective_rank == 1.0
    assert noise.alignment(np.eye(2)).gain == 1.0


def test_at_the_edge_of_stability_the_variance_grows_by_the_same_at_every_step():
    # eta lambda = 2: a = -1, whose powers have the square 1
    sgd = NoisyDescent.of_matrices(
        np.diag([1.0, 2.0]), np.diag([0.5, 0.25]), samples=9, step_size=1.0
    )
    assert sgd.variances([1, 7])[:, 1].tolist() == [0.25, 1.75]
    assert sgd.escape_steps(1.3).tolist() == [np.inf, 7.0]

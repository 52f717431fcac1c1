"""Training reaches its targets, stops where it says, and loses nothing when interrupted."""

import signal
from dataclasses import replace

import numpy as np
import pytest

from rmtland.networks import MLP, Activation, LossPoint, gaussian, train
from rmtland.networks.loss_data import LossData
from rmtland.networks.training.checkpoints import data_digest

NET = MLP((6, 8, 4), activation="tanh", bias=True)
DATA = gaussian(25, 6, 4, rng=11)
START = NET.init(rng=12)


def test_stops_at_the_first_iterate_below_the_energy():
    seen = []
    result = train(
        NET, START, DATA.x, DATA.y, energy=0.1, callback=lambda step, p: seen.append((step, p))
    )
    assert result.reason == "energy"
    energies = [point.energy for _, point in seen]
    assert [step for step, _ in seen] == list(range(len(seen)))
    assert result.steps == len(seen) - 1 > 3
    assert energies[-1] <= 0.1 < min(energies[:-1])
    assert all(np.diff(energies) <= 0)
    np.testing.assert_array_equal(seen[0][1].theta, START)
    np.testing.assert_array_equal(result.theta, seen[-1][1].theta)
    point = NET.at(result.theta, DATA.x, DATA.y)
    assert point.energy == result.energy
    assert np.linalg.norm(point.gradient) == pytest.approx(result.gradient_norm, rel=1e-13)


def test_stops_at_the_first_iterate_below_the_gradient_norm():
    seen = []
    result = train(
        NET, START, DATA.x, DATA.y, gradient_norm=3e-2, callback=lambda step, p: seen.append(p)
    )
    norms = [np.linalg.norm(point.gradient) for point in seen]
    assert result.reason == "gradient_norm"
    assert norms[-1] <= 3e-2 < min(norms[:-1])
    assert result.gradient_norm == pytest.approx(norms[-1], rel=1e-13)


def test_nothing_to_do_where_the_start_is_good_enough():
    result = train(NET, START, DATA.x, DATA.y, energy=100.0)
    assert (result.reason, result.steps) == ("energy", 0)
    np.testing.assert_array_equal(result.theta, START)
    result = train(NET, START, DATA.x, DATA.y, gradient_norm=1e6)
    assert (result.reason, result.steps) == ("gradient_norm", 0)


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_stops_after_max_steps(steps):
    result = train(NET, START, DATA.x, DATA.y, energy=0.0, max_steps=steps)
    assert (result.reason, result.steps) == ("max_steps", steps)
    if steps:
        assert result.energy < NET.at(START, DATA.x, DATA.y).energy


def test_without_a_target_it_runs_until_no_step_helps():
    net = MLP((3, 2))
    data = gaussian(20, 3, 2, rng=0)
    result = train(net, net.init(rng=0), data.x, data.y)
    best = np.linalg.lstsq(data.x, data.y)[0].T.ravel()
    assert result.reason == "stalled"
    assert result.gradient_norm < 1e-7
    np.testing.assert_allclose(result.theta, best, atol=1e-6)


def test_the_start_is_not_changed_and_the_result_is_reproducible():
    theta = START.copy()
    results = [train(NET, theta, DATA.x, DATA.y, energy=0.2) for _ in range(2)]
    np.testing.assert_array_equal(theta, START)
    np.testing.assert_array_equal(results[0].theta, results[1].theta)


def test_a_callback_may_end_it():
    def stop(step, point):
        if step == 4:
            raise StopIteration

    result = train(NET, START, DATA.x, DATA.y, energy=1e-9, callback=stop)
    assert (result.reason, result.steps) == ("callback", 4)
    result = train(NET, START, DATA.x, DATA.y, energy=100.0, callback=stop)
    assert result.reason == "energy"


def test_ctrl_c_returns_the_last_iterate():
    seen = []

    def interrupt(step, point):
        seen.append(point)
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    result = train(NET, START, DATA.x, DATA.y, energy=1e-9, callback=interrupt)
    assert (result.reason, result.steps, len(seen)) == ("interrupted", 3, 4)
    assert result.energy == seen[-1].energy < seen[0].energy
    np.testing.assert_array_equal(result.theta, seen[-1].theta)


@pytest.mark.parametrize("evaluations", [1, 2, 9])
def test_ctrl_c_inside_a_step_returns_the_last_iterate(monkeypatch, evaluations):
    seen, calls, whole = [], [], LossPoint.of

    def broken(net, theta, data):
        calls.append(1)
        if len(calls) > evaluations:
            raise KeyboardInterrupt
        return whole(net, theta, data)

    monkeypatch.setattr(LossPoint, "of", broken)
    result = train(NET, START, DATA.x, DATA.y, energy=1e-9, callback=lambda step, p: seen.append(p))
    assert result.reason == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        result.unless_interrupted()
    whole = replace(result, reason="max_steps")
    assert whole.unless_interrupted() is whole
    assert result.steps == len(seen) - 1
    np.testing.assert_array_equal(result.theta, seen[-1].theta)


def test_progress_is_a_callback_that_sees_every_step():
    seen = []

    def note(fraction, *, energy, steps):
        seen.append((fraction, energy, steps))

    quiet = train(NET, START, DATA.x, DATA.y, energy=0.1)
    watched = train(NET, START, DATA.x, DATA.y, energy=0.1, progress=note)
    np.testing.assert_array_equal(quiet.theta, watched.theta)
    fractions, energies, steps = zip(*seen, strict=True)
    assert steps == tuple(range(watched.steps + 1))
    assert energies[-1] == watched.energy
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert all(0.0 <= fraction <= 1.0 for fraction in fractions)
    seen.clear()
    result = train(NET, START, DATA.x, DATA.y, gradient_norm=1e-2, progress=note)
    assert seen[-1] == (1.0, result.energy, result.steps)
    assert 0.0 < seen[len(seen) // 2][0] < 1.0


def test_progress_that_is_no_callback():
    with pytest.warns(DeprecationWarning, match="progress takes a callable"):
        train(NET, START, DATA.x, DATA.y, max_steps=0, progress=True)
    with pytest.raises(TypeError, match="progress must be a callable or None; got 'yes'"):
        train(NET, START, DATA.x, DATA.y, progress="yes")


def test_overflow_on_the_way_is_an_error():
    net = MLP((1, 1))
    with pytest.raises(ValueError, match=r"after step 0 \(energy 0.5\): .* overflows"):
        train(net, [0.0], [[1e160]], [[1.0]], energy=0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"energy": -1.0}, "energy must be zero or a positive finite number; got -1.0"),
        ({"energy": np.nan}, "energy must be"),
        ({"gradient_norm": -1.0}, "gradient_norm must be"),
        ({"max_steps": -1}, "max_steps must be an integer of at least 0; got -1"),
    ],
)
def test_bad_targets(options, message):
    with pytest.raises(ValueError, match=message):
        train(NET, START, DATA.x, DATA.y, **options)


def test_bad_data():
    with pytest.raises(ValueError, match="y must have shape"):
        train(NET, START, DATA.x, DATA.x)
    with pytest.raises(ValueError, match="theta must have"):
        train(NET, START[1:], DATA.x, DATA.y)


# First-order methods ---------------------------------------------------------------------------


def by_hand(rule, steps):
    """Return the iterates of a rule (theta, gradient, t) -> theta on the full loss."""
    theta, seen = START.copy(), [START.copy()]
    for t in range(1, steps + 1):
        theta = rule(theta, NET.at(theta, DATA.x, DATA.y).gradient, t)
        seen.append(theta)
    return seen


def test_first_order_steps_are_those_of_the_formulas():
    state = {"v": 0.0, "m": 0.0, "s": 0.0}

    def momentum(theta, g, t):
        state["v"] = 0.8 * state["v"] + g
        return theta - 0.05 * state["v"]

    def adam(theta, g, t):
        state["m"] = 0.7 * state["m"] + 0.3 * g
        state["s"] = 0.9 * state["s"] + 0.1 * g**2
        step = state["m"] / (1 - 0.7**t) / (np.sqrt(state["s"] / (1 - 0.9**t)) + 1e-8)
        return theta - 0.05 * step

    rules = {
        "gd": (lambda theta, g, t: theta - 0.05 * g, {}),
        "momentum": (momentum, {"momentum": 0.8}),
        "adam": (adam, {"betas": (0.7, 0.9)}),
    }
    for method, (rule, options) in rules.items():
        seen = []
        result = train(
            NET,
            START,
            DATA.x,
            DATA.y,
            method=method,
            step_size=0.05,
            max_steps=6,
            callback=lambda step, p, seen=seen: seen.append(p.theta),
            **options,
        )
        np.testing.assert_allclose(seen, by_hand(rule, 6), rtol=0, atol=1e-13)
        assert (result.steps, result.reason) == (6, "max_steps")
        np.testing.assert_array_equal(result.theta, seen[-1])


@pytest.mark.parametrize("method", ["gd", "sgd", "momentum", "adam"])
def test_first_order_methods_reach_an_energy(method):
    seen = []
    result = train(
        NET,
        START,
        DATA.x,
        DATA.y,
        method=method,
        step_size=0.02,
        energy=0.3,
        rng=0,
        batch_size=None if method == "gd" else 8,
        callback=lambda step, p: seen.append((step, p.energy)),
    )
    assert result.reason == "energy"
    assert seen[-1][1] == result.energy <= 0.3 < min(energy for _, energy in seen[:-1])
    stride = 1 if method == "gd" else 4  # an epoch of 25 samples
    assert [step for step, _ in seen] == list(range(0, result.steps + 1, stride))


def test_each_epoch_goes_through_all_samples_once(monkeypatch):
    drawn, whole = [], LossData.subset

    def note(data, which):
        drawn.append(which)
        return whole(data, which)

    monkeypatch.setattr(LossData, "subset", note)
    train(NET, START, DATA.x, DATA.y, method="sgd", batch_size=10, max_steps=6, rng=1)
    assert [len(which) for which in drawn] == [10, 10, 5, 10, 10, 5]
    for epoch in (drawn[:3], drawn[3:]):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(25))
    assert not np.array_equal(drawn[0], drawn[3])


def test_a_batch_gradient_is_that_of_its_samples():
    chosen = []

    def note(step, point):
        chosen.append(point.theta)

    train(
        NET,
        START,
        DATA.x,
        DATA.y,
        method="sgd",
        batch_size=25,
        step_size=0.1,
        max_steps=1,
        callback=note,
    )
    gradient = NET.at(START, DATA.x, DATA.y).gradient
    np.testing.assert_allclose(chosen[1], START - 0.1 * gradient, rtol=0, atol=1e-15)
    pair = NET.at(START, DATA.x, DATA.y).data.subset(np.array([3, 7]))
    expected = NET.at(START, DATA.x[[3, 7]], DATA.y[[3, 7]]).gradient
    np.testing.assert_array_equal(LossPoint.of(NET, START, pair).gradient, expected)


RUNS = [
    ("lbfgs", {}),
    ("gd", {"step_size": 0.05}),
    ("sgd", {"batch_size": 7, "step_size": 0.05}),
    ("momentum", {"batch_size": 10}),
    ("adam", {"batch_size": 10}),
    ("adam", {"check_every": 3}),
]


@pytest.mark.parametrize(("method", "options"), RUNS)
@pytest.mark.parametrize("stop", [8, 13])
def test_a_resumed_run_is_the_run_bit_for_bit(tmp_path, method, options, stop):
    options = {"method": method, "checkpoint_every": 4, "rng": 5, **options}
    options["checkpoint"] = tmp_path / "whole.npz"
    seen = {}
    whole = train(
        NET,
        START,
        DATA.x,
        DATA.y,
        max_steps=20,
        **options,
        callback=lambda step, p: seen.setdefault(step, p.theta),
    )
    options["checkpoint"] = tmp_path / "parts.npz"
    train(NET, START, DATA.x, DATA.y, max_steps=stop, **options)
    steps = []
    resumed = train(
        NET,
        np.zeros_like(START),
        DATA.x,
        DATA.y,
        max_steps=20,
        **{**options, "rng": 77},
        resume=True,
        callback=lambda step, p: steps.append((step, p.theta)),
    )
    assert 0 < steps[0][0] <= stop
    for step, theta in steps:
        if step in seen:
            np.testing.assert_array_equal(theta, seen[step])
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert (resumed.steps, resumed.energy) == (whole.steps, whole.energy) == (20, whole.energy)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.npz", "whole.npz"]


def test_checkpoints_are_those_of_the_run_asked_for(tmp_path):
    path = tmp_path / "run.npz"
    options = {"method": "adam", "max_steps": 4, "checkpoint": path, "checkpoint_every": 2}
    train(NET, START, DATA.x, DATA.y, **options)
    with pytest.raises(ValueError, match="checkpoint of another run: rule was"):
        train(NET, START, DATA.x, DATA.y, **options, resume=True, step_size=0.3)
    with pytest.raises(ValueError, match="checkpoint of another run: method was 'adam', now 'sgd'"):
        train(NET, START, DATA.x, DATA.y, **{**options, "method": "sgd"}, resume=True)
    for other in (
        MLP((6, 8, 4), "relu", bias=True),
        MLP((6, 8, 4), bias=True, weight_decay=1e-9),
        MLP((6, 8, 4), bias=True, parametrisation="ntk"),
    ):
        with pytest.raises(ValueError, match="another run: net was"):
            train(other, START, DATA.x, DATA.y, **options, resume=True)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="is not a training checkpoint"):
        train(NET, START, DATA.x, DATA.y, **options, resume=True)
    path.unlink()  # nothing to resume from: a new run
    assert train(NET, START, DATA.x, DATA.y, **options, resume=True).steps == 4
    with pytest.raises(ValueError, match="resume needs the path of a checkpoint"):
        train(NET, START, DATA.x, DATA.y, resume=True)


def swapped(array):
    """Return the same rows in another order."""
    return np.concatenate([array[1:], array[:1]])


def nudged(array):
    """Return an array of which one entry differs in its last bit."""
    changed = array.copy()
    changed[3, 2] = np.nextafter(changed[3, 2], np.inf)
    return changed


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
@pytest.mark.parametrize("chunk", ["whole", "lazy"])
@pytest.mark.parametrize(
    "change", [swapped, nudged, lambda array: 2.0 * array], ids=["swapped", "nudged", "doubled"]
)
def test_resuming_with_other_data_is_refused(tmp_path, method, chunk, change):
    """The same number of samples is not enough (faults 1.12)."""

    class Lazy:
        def __init__(self, array):
            self.array, self.shape, self.dtype = array, array.shape, array.dtype

        def __getitem__(self, rows):
            return self.array[rows]

    given = np.asarray if chunk == "whole" else Lazy
    path = tmp_path / "run.npz"
    options = {"method": method, "checkpoint": path, "checkpoint_every": 2}
    if method == "adam":
        options["batch_size"] = 10
    train(NET, START, DATA.x, DATA.y, max_steps=6, **options)
    options["max_steps"] = 8
    with pytest.raises(ValueError, match="the inputs x are not those that it was trained on"):
        train(NET, START, given(change(DATA.x)), DATA.y, resume=True, **options)
    with pytest.raises(ValueError, match="the targets y are not those that it was trained on"):
        train(NET, START, DATA.x, given(change(DATA.y)), resume=True, **options)
    assert train(NET, START, given(DATA.x), given(DATA.y), resume=True, **options).steps >= 8


def test_the_digest_is_that_of_the_numbers_not_of_their_container():
    point = NET.at(START, DATA.x, DATA.y)
    expected = data_digest(point.data)
    others = [
        (np.asfortranarray(DATA.x), DATA.y.tolist(), None),
        (DATA.x, np.repeat(DATA.y, 2, axis=0)[::2], 7),
        (DATA.x.astype(DATA.x.dtype.newbyteorder(">")), DATA.y, None),
    ]
    for x, y, chunk in others:
        assert data_digest(NET.at(START, x, y, chunk=chunk).data) == expected
    assert data_digest(NET.at(START.astype("f4"), DATA.x.astype("f4"), DATA.y).data) != expected
    labels = MLP((6, 4), loss="cross_entropy")
    rows = [
        labels.at(labels.init(rng=0), DATA.x, y).data
        for y in (np.arange(25) % 4, np.eye(4)[np.arange(25) % 4])
    ]
    assert data_digest(rows[0]) == data_digest(rows[1])


def test_precision_and_the_function_behind_a_name_are_part_of_a_run(tmp_path):
    path = tmp_path / "run.npz"
    options = {"max_steps": 3, "checkpoint": path, "checkpoint_every": 3, "method": "gd"}
    train(NET, START, DATA.x, DATA.y, **options)
    single = [array.astype("f4") for array in (START, DATA.x, DATA.y)]
    with pytest.raises(ValueError, match="precision was 'float64', now 'float32'"):
        train(NET, *single, resume=True, **options)

    def cubic(factor):
        return MLP(
            (6, 8, 4),
            Activation(
                "cubic",
                lambda z: factor * z**3,
                lambda z, a: 3 * factor * z**2,
                lambda z, a: 6 * factor * z,
            ),
        )

    start = 0.1 * cubic(1.0).init(rng=0)
    path.unlink()
    train(cubic(0.01), start, DATA.x, DATA.y, **options)
    with pytest.raises(ValueError, match="the activation 'cubic' was another function"):
        train(cubic(0.02), start, DATA.x, DATA.y, resume=True, **options)
    options["max_steps"] = 5
    assert train(cubic(0.01), start, DATA.x, DATA.y, resume=True, **options).steps == 5


def test_checkpoints_of_the_first_format_are_refused_by_name(tmp_path):
    path = tmp_path / "run.npz"
    np.savez(path, header=np.array('{"format": "rmtland training 1", "header": {}}'))
    with pytest.raises(ValueError, match="its format is 'rmtland training 1', this version reads"):
        train(NET, START, DATA.x, DATA.y, checkpoint=path, resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "newton"}, "unknown method 'newton'; choose one of lbfgs, gd, sgd"),
        ({"batch_size": 3}, "'lbfgs' takes all samples at once"),
        ({"method": "gd", "batch_size": 3}, "'gd' takes all samples at once"),
        ({"step_size": 0.1}, "'lbfgs' chooses its steps itself"),
        ({"method": "sgd", "step_size": 0.0}, "step_size must be a positive"),
        ({"method": "sgd", "batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"method": "momentum", "momentum": 1.0}, "momentum and betas must be below 1"),
        ({"method": "adam", "betas": (0.9, -1.0)}, "betas must be zero or a positive"),
        ({"method": "gd", "step_size": 1e200}, "training left the range of floating-point"),
    ],
)
def test_bad_methods(options, message):
    with pytest.raises(ValueError, match=message):
        train(NET, START, DATA.x, DATA.y, **{"max_steps": 5, **options})


def test_classification_to_a_small_loss():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    net = MLP((2, 12, 2), bias=True, loss="cross_entropy", weight_decay=1e-4)
    for method, options in (("lbfgs", {}), ("adam", {"step_size": 0.05, "batch_size": 20})):
        options = {"method": method, "energy": 0.05, "rng": 2, **options}
        result = train(net, net.init(rng=1), x, labels, **options)
        assert result.reason == "energy"
        wrong = (net.predict(result.theta, x).argmax(axis=1) != labels).mean()
        assert wrong <= 0.05 * net.n_out / np.log(2)  # each costs at least log 2

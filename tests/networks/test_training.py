"""Training reaches its targets, stops where it says, and loses nothing when interrupted."""

import signal

import numpy as np
import pytest

from rmtland.networks import MLP, gaussian, train

NET = MLP((6, 8, 4), activation="tanh", bias=True)
DATA = gaussian(25, 6, 4, rng=11)
START = NET.init(12)


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
    result = train(net, net.init(0), data.x, data.y)
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
    seen, calls, whole = [], [], MLP._at

    def broken(self, theta, x, y):
        calls.append(1)
        if len(calls) > evaluations:
            raise KeyboardInterrupt
        return whole(self, theta, x, y)

    monkeypatch.setattr(MLP, "_at", broken)
    result = train(NET, START, DATA.x, DATA.y, energy=1e-9, callback=lambda step, p: seen.append(p))
    assert result.reason == "interrupted"
    assert result.steps == len(seen) - 1
    np.testing.assert_array_equal(result.theta, seen[-1].theta)


def test_progress_goes_to_stderr(capsys):
    quiet = train(NET, START, DATA.x, DATA.y, energy=0.1)
    assert capsys.readouterr() == ("", "")
    loud = train(NET, START, DATA.x, DATA.y, energy=0.1, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"energy {loud.energy:.4g}, step {loud.steps}" in err
    np.testing.assert_array_equal(quiet.theta, loud.theta)
    train(NET, START, DATA.x, DATA.y, gradient_norm=1e-2, progress=True)
    train(NET, START, DATA.x, DATA.y, max_steps=0, progress=True)
    assert "step 0" in capsys.readouterr().err


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

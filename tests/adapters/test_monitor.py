"""Curvature during training: right numbers, warm starts, and a share of time that holds."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.adapters import CurvatureMonitor, from_torch
from rmtland.networks import MLP, gaussian, train

DATA, NET = gaussian(40, 6, rng=0), MLP((6, 8, 6))


def test_records_are_those_of_the_hessian():
    points = {}
    monitor = CurvatureMonitor(every=20, share=None, step_size=0.2, probe_steps=30, rng=0)

    def callback(step, point):
        record = monitor.watch(step, point)
        if record is not None:
            points[step] = np.linalg.eigvalsh(point.hessian("total"))

    options = {"method": "gd", "step_size": 0.2, "max_steps": 100}
    train(NET, NET.init(rng=1), DATA.x, DATA.y, callback=callback, **options)
    assert list(points) == [0, 20, 40, 60, 80, 100]
    for record in monitor.history:
        values = points[record.step]
        assert abs(values - record.sharpness).min() <= record.residual + 1e-12
        assert values[-1] - record.sharpness <= 0.02 * values[-1]
        assert record.stable_below == 10.0
        low, high = record.index_interval
        assert low <= np.mean(values < 0) <= high
        assert abs(record.trace - values.sum()) < 6 * max(record.trace_error, 1.0)
    assert "6 measurements, 0 skipped" in repr(monitor)


def test_a_warm_start_is_nearer_than_a_cold_one():
    hessian = NET.at(NET.init(rng=1), DATA.x, DATA.y).hessian("total")
    warm = CurvatureMonitor(hessian, every=1, share=None, probes=0, lanczos_steps=4, rng=0)
    residuals = [warm.step().residual for _ in range(6)]
    assert residuals[-1] < 0.05 * residuals[0]
    record = warm.history[-1]
    assert record.sharpness == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-6)
    assert np.isnan(record.trace)
    assert json.loads(json.dumps(warm.to_dict()))["records"][0]["trace"] is None


def test_an_eigenvalue_that_overtakes_is_seen_from_a_warm_start():
    """The last eigenvector still is one: from it alone nothing else would be found."""
    values = np.append(np.linspace(-1, 1, 58), [5.0, 1.0])
    monitor = CurvatureMonitor(lambda: np.diag(values), every=1, share=None, probes=2, rng=0)
    assert monitor.step().sharpness == pytest.approx(5.0)
    values[-1] = 7.0
    assert monitor.step().sharpness == pytest.approx(7.0, rel=1e-3)


def test_errors_of_traces_of_two_probes_cover():
    values = np.linspace(-1, 2, 200)
    monitor = CurvatureMonitor(np.diag(values), every=1, share=None, probes=2, rng=0)
    found = np.array([(one.trace, one.trace_error) for one in (monitor.step() for _ in range(80))])
    off = np.abs(found[:, 0] - values.sum())
    assert np.mean(off <= 1.96 * found[:, 1]) >= 0.88  # 80 know .95 within .024


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_share_of_time_holds(share):
    now = [0.0]

    class Slow:
        """A product of four seconds, by the clock of the test."""

        shape, dtype = (30, 30), np.float64

        def matmat(self, vectors):
            now[0] += 4.0 * vectors.shape[1]
            return np.arange(30.0)[:, None] * vectors

    monitor = CurvatureMonitor(
        Slow(), every=1, share=share, probes=0, lanczos_steps=2, rng=0, clock=lambda: now[0]
    )
    for _ in range(600):
        now[0] += 1.0
        monitor.step()
    assert monitor.skipped + len(monitor.history) == 600
    assert monitor.time_share <= share + 24 / now[0]  # the first one comes before any training
    assert monitor.time_share > share - 0.04  # and the time allowed is used


def test_a_torch_loop_and_the_picture():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    x, y = torch.randn(20, 4), torch.randn(20, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    monitor = CurvatureMonitor(
        from_torch(model, torch.nn.MSELoss(), (x, y)),
        every=5,
        share=None,
        step_size=lambda: optimizer.param_groups[0]["lr"],
        rng=0,
    )
    for _ in range(16):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        monitor.on_train_batch_end(None, None)
    assert [record.step for record in monitor.history] == [0, 5, 10, 15]
    last = from_torch(model, torch.nn.MSELoss(), (x, y)).matmat(np.eye(37, dtype=np.float32))
    assert monitor.history[-1].sharpness == pytest.approx(np.linalg.eigvalsh(last)[-1], rel=0.01)
    ax = Figure().subplots()
    monitor.plot(ax)
    assert ax.get_legend_handles_labels()[1] == ["sharpness", "2 / step size"]
    assert np.all(ax.lines[1].get_ydata() == 4.0)


def test_refused():
    with pytest.raises(TypeError, match="needs a monitor made with an operator"):
        CurvatureMonitor().step()
    with pytest.raises(ValueError, match="nothing was measured"):
        CurvatureMonitor().plot()
    with pytest.raises(ValueError, match="share must be a positive"):
        CurvatureMonitor(share=0)
    for bad in (-0.1, float("nan"), "0.1"):
        with pytest.raises((ValueError, TypeError), match="step_size must be"):
            CurvatureMonitor(step_size=bad)

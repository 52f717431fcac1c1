"""How data are cut where nobody says `chunk`: kept whole, or in parts whose pass fits."""

import numpy as np
import pytest
from device_places import put_strict
from network_cases import NetworkCase

from rmtland.arrays import to_numpy
from rmtland.networks import loss_data, train
from rmtland.networks.loss import LOSSES
from rmtland.networks.loss_data import LossData

WIDTHS = (3, 5, 2)
BYTES = 8 * (3 + 5 * (5 + 2))  # of the pass of a sample


def mapped(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("kind", ["array", "float32", "list", "map", "strict"])
@pytest.mark.parametrize("samples", [1, 4, 5, 12, 13])
def test_what_does_not_fit_is_cut(monkeypatch, tmp_path, kind, samples):
    monkeypatch.setattr(loss_data, "CACHE_BYTES", 12 * BYTES)
    monkeypatch.setattr(loss_data, "CHUNK_BYTES", 4 * BYTES)
    x, y, theta = np.ones((samples, 3)), np.zeros((samples, 2)), np.zeros(10)
    given = {
        "array": lambda: x,
        "float32": lambda: x.astype(np.float32),
        "list": x.tolist,
        "map": lambda: mapped(tmp_path, x),
        "strict": lambda: put_strict(x),
    }[kind]()
    if kind == "strict":
        y, theta = put_strict(y), put_strict(theta)
    data = LossData.of(given, y, theta, WIDTHS, LOSSES["mse"])
    whole = samples <= (4 if kind == "map" else 12)
    assert data.is_whole == whole
    assert data.chunk == (samples if whole else 4)
    assert sum(len(to_numpy(part)) for part, _ in data.chunks()) == samples


@pytest.mark.parametrize("places", [(np.asarray,) * 2, (put_strict,) * 2, (put_strict, np.asarray)])
@pytest.mark.parametrize(
    "options",
    [{"method": "gd"}, {"method": "momentum"}, {"method": "adam", "batch_size": 4, "rng": 0}],
)
def test_data_in_chunks_train_as_whole_ones(monkeypatch, places, options):
    case = NetworkCase(WIDTHS, "tanh", True, 12)
    options = options | {"max_steps": 6, "check_every": 3}
    expected = train(case.net, case.theta, case.x, case.y, **options)
    monkeypatch.setattr(loss_data, "CACHE_BYTES", 5 * BYTES)
    monkeypatch.setattr(loss_data, "CHUNK_BYTES", 5 * BYTES)
    put, put_data = places
    data = (put_data(each) for each in (case.x, case.y))
    found = train(case.net, put(case.theta), *data, **options)
    assert found.steps == expected.steps
    np.testing.assert_allclose(to_numpy(found.theta), expected.theta, rtol=0, atol=1e-9)

"""Each worker its CUDA device, by fake lists of devices."""

import pytest
import sweep_tasks

from rmtland.sweep import Grid, Processes, run
from rmtland.sweep.devices import device_names, named_devices, visible_devices, visible_to_worker

UUID = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"


def test_workers_take_the_devices_in_turn():
    shown = [visible_to_worker(i, ("3", "1", UUID)) for i in range(5)]
    assert [one.split(",")[0] for one in shown] == ["3", "1", UUID, "3", "1"]
    assert all(sorted(one.split(",")) == sorted(["3", "1", UUID]) for one in shown)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0,1", ("0", "1")),
        (" 2 , 0 ", ("2", "0")),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("0",)),  # CUDA reads no further
        (f"{UUID},1", (UUID, "1")),
        ("MIG-1/2", ("MIG-1/2",)),
    ],
)
def test_devices_that_a_process_sees(given, expected):
    assert visible_devices({"CUDA_VISIBLE_DEVICES": given}) == expected


def test_devices_of_the_driver(tmp_path, monkeypatch):
    monkeypatch.setattr("rmtland.sweep.devices._DRIVER", tmp_path / "none")
    assert visible_devices({}) == ()
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("rmtland.sweep.devices._DRIVER", tmp_path)
    assert visible_devices({}) == ("0", "1")


def test_names_of_devices():
    assert Processes(2, devices=[0, "cuda:1", UUID]).devices == ("0", "1", UUID)
    for bad, error in [
        ([], ValueError),
        ([0, "cuda:0"], ValueError),
        ([-1], ValueError),
        (["cpu"], ValueError),
        ("0,1", TypeError),
        (3, TypeError),
        ([True], TypeError),
        ([1.5], TypeError),
    ]:
        with pytest.raises(error, match="device"):
            device_names(bad)


def test_numbers_count_what_the_process_sees():
    """A share of a machine: no worker may take a device outside it."""
    share = {"CUDA_VISIBLE_DEVICES": f"2,{UUID}"}
    assert named_devices(("1", "0"), share) == (UUID, "2")
    assert named_devices((UUID, "0"), share) == (UUID, "2")
    assert named_devices(("5", "7"), {}) == ("5", "7")
    for beyond in (share, {"CUDA_VISIBLE_DEVICES": ""}):
        with pytest.raises(ValueError, match=r"no device 2: CUDA_VISIBLE_DEVICES shows \d to"):
            named_devices(("2",), beyond)


def test_a_sweep_gives_each_worker_its_device(monkeypatch):
    """Two workers, slow tasks: both take part, each with a device of its own in front."""
    grid = Grid({"x": range(4)}, seeds=None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    results = run(sweep_tasks.own_device, grid, executor=Processes(2, devices=[5, 7]))
    assert set(results.columns()["device"]) == {"5,7", "7,5"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6,7")
    results = run(sweep_tasks.own_device, grid, executor=Processes(2, devices=[0, 2]))
    assert set(results.columns()["device"]) == {"5,7", "7,5"}

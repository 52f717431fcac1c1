"""The few lines that only CuPy runs: their calls exist in CuPy, with these arguments.

CuPy can be imported without a device; what needs one is in `test_on_a_device.py`.
"""

import inspect
import re
import types
from pathlib import Path

import numpy as np
import pytest

import rmtland.arrays
import rmtland.ensembles
from rmtland.arrays import ArrayLibrary
from rmtland.ensembles import GaussianEnsemble

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")


def has_device():
    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


def parameters(function):
    """Names of the arguments, also of compiled functions, whose docstring begins with them."""
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:
        found = re.match(r"[\w.]*\((.*?)\)", function.__doc__)
        return [part.split("=")[0].strip() for part in found.group(1).split(",")]


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (cupy.linalg.eigvalsh, ["a", "UPLO"]),
        (cupy.linalg.qr, ["a", "mode"]),
        (cupy.linalg.svd, ["a", "full_matrices", "compute_uv"]),
        (cupy.tril, ["m", "k"]),
        (cupy.stack, ["tup", "axis"]),
    ],
)
def test_functions_take_these_arguments(function, names):
    found = [name for name in parameters(function) if name != "self"]
    assert found[: len(names)] == names


def test_what_else_is_called_exists():
    assert callable(cupy.RawModule)
    assert callable(cupy.get_default_memory_pool().free_bytes)
    assert callable(cupy.get_default_memory_pool().get_limit)
    assert callable(cupy.cuda.runtime.memGetInfo)
    assert callable(cupy.ndarray.get)
    library = ArrayLibrary.of(cupy, dtype="float32")
    assert (library.name, library.precision) == ("cupy", "float32")
    assert library.real == np.float32
    for name in ("concat", "astype", "conj"):
        assert callable(getattr(library.xp, name))
    for name in ("matrix_transpose", "diagonal", "svdvals", "qr", "eigvalsh"):
        assert callable(getattr(library.xp.linalg, name))
    assert ArrayLibrary.of(device="cuda").name == "cupy"
    with pytest.raises(ValueError, match="cupy computes on 'cuda'"):
        ArrayLibrary.of(cupy, device="cpu")


@pytest.mark.parametrize("device", ["cuda:x", "gpu", 3.5])
def test_other_names_of_devices(device):
    with pytest.raises(ValueError, match="'cuda'"):
        ArrayLibrary.of(cupy, device=device)


def fake_devices(monkeypatch, number, free=1000, kept=300, used=50, limit=0):
    """A process that sees some devices, and a memory pool."""
    runtime = types.SimpleNamespace(getDeviceCount=lambda: number, memGetInfo=lambda: (free, 10**6))
    monkeypatch.setattr(cupy.cuda, "runtime", runtime)
    pool = types.SimpleNamespace(
        free_bytes=lambda: kept, used_bytes=lambda: used, get_limit=lambda: limit
    )
    monkeypatch.setattr(cupy, "get_default_memory_pool", lambda: pool)


def test_a_number_means_that_device(monkeypatch):
    fake_devices(monkeypatch, 2)
    monkeypatch.setattr(cupy.cuda, "Device", lambda number: types.SimpleNamespace(id=number))
    for device in ("cuda:1", types.SimpleNamespace(id=1)):
        library = ArrayLibrary.of(cupy, device=device)
        assert (library.name, library.device.id) == ("cupy", 1)
        assert library.context().id == 1
    assert ArrayLibrary.of(device="cuda:0").device.id == 0
    assert ArrayLibrary.of(device="cuda").device is None
    with pytest.raises(ValueError, match=r"no device 'cuda:2': this process sees 2"):
        ArrayLibrary.of(cupy, device="cuda:2")


def test_blocks_in_the_pool_are_free(monkeypatch):
    fake_devices(monkeypatch, 1)
    assert ArrayLibrary.of(cupy).free_memory() == 1300
    fake_devices(monkeypatch, 1, limit=400)
    assert ArrayLibrary.of(cupy).free_memory() == 350


def test_branches_for_cupy_alone_are_few():
    sources = [Path(rmtland.arrays.__file__)]
    sources += sorted(Path(rmtland.ensembles.__file__).parent.rglob("*.py"))
    lines = [line for path in sources for line in path.read_text("utf-8").splitlines()]
    branches = [line for line in lines if re.search(r"name [!=]= \"cupy\"", line)]
    assert 3 <= len(branches) <= 12


@pytest.mark.skipif(has_device(), reason="there is a CUDA device")
def test_without_a_device_the_error_is_that_of_cuda():
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        GaussianEnsemble().sample(3, xp=cupy)

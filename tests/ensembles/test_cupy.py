"""The few lines that only CuPy runs: their calls exist in CuPy, with these arguments.

CuPy can be imported without a device; what needs one is in the test marked `gpu`.
"""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from ensemble_table import ENSEMBLES, kolmogorov

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
        (cupy.random.Generator.standard_normal, ["size", "dtype"]),
        (cupy.random.Generator.random, ["size", "dtype"]),
        (cupy.random.Generator.chisquare, ["df", "size"]),
        (cupy.random.Generator.integers, ["low", "high"]),
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
    assert callable(cupy.random.Philox4x3210)
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


def test_lines_for_cupy_alone_are_few_and_marked():
    sources = [Path(rmtland.arrays.__file__)]
    sources += sorted(Path(rmtland.ensembles.__file__).parent.glob("*.py"))
    lines = [line for path in sources for line in path.read_text("utf-8").splitlines()]
    branches = [line for line in lines if re.search(r"name [!=]= \"cupy\"", line)]
    assert sum("CuPy only" in line for line in lines) >= 3
    assert len(branches) <= 8


@pytest.mark.gpu
@pytest.mark.skipif(not has_device(), reason="there is no CUDA device")
@pytest.mark.parametrize(
    "case", [case for case in ENSEMBLES if case.dense], ids=lambda case: case.name
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_on_a_device(case, precision):
    n = 98
    spectrum = case.ensemble.sample(n, rng=1, runs=2, xp=cupy, dtype=precision)
    again = case.ensemble.sample(n, rng=1, runs=1, device="cuda", dtype=precision)
    np.testing.assert_allclose(again.nodes[0], spectrum.nodes[0], atol=1e-4)
    nodes = np.where(np.abs(spectrum.nodes[0]) < 1e-4, 0.0, spectrum.nodes[0])
    assert kolmogorov(nodes, case.ensemble.law) < case.bound * n**-case.rate + 1e-3


@pytest.mark.skipif(has_device(), reason="there is a CUDA device")
def test_without_a_device_the_error_is_that_of_cuda():
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        GaussianEnsemble().sample(3, xp=cupy)

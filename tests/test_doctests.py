"""Every example in a docstring runs."""

import doctest
import importlib
import linecache
import pkgutil

import pytest

import rmtland

MODULES = [
    module.name
    for module in pkgutil.walk_packages(rmtland.__path__, "rmtland.")
    if not module.name.endswith(
        ("rational.edges", "rational.boundary", "rational.half_plane", "discrete_kernels")
    )
]
NEEDS_TORCH = {"rmtland.adapters.torch_spectral_steps"}
SLOW = {"rmtland.models.dyson.outlier_bands"}


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in MODULES]
)
def test_examples_run(name, monkeypatch):
    # Before each docstring a debugger is made ready, and would look at all source files once more.
    monkeypatch.setattr(linecache, "checkcache", lambda filename=None: None)
    if name in NEEDS_TORCH:
        pytest.importorskip("torch")
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_every_room_has_an_example():
    rooms = ["laws.law", "laws.levy", "laws.semicircle", "laws.marchenko_pastur"]
    rooms += ["free.sums", "free.rational.free_levy", "models.pennington_bahri.wishart_plus_wigner"]
    rooms += [
        "models.pennington_bahri.wishart_plus_relu_block",
        "comparison.distances",
        "comparison.fitting",
    ]
    rooms += ["spectrum.measure", "arguments", "streams", "solution", "plot", "networks"]
    rooms += ["ensembles.ensemble", "ensembles.krylov", "ensembles.tridiagonal", "sweep"]
    rooms += ["sweep.running", "sweep.store", "sweep.grid", "intervals"]
    finder = doctest.DocTestFinder()
    for room in rooms:
        module = importlib.import_module(f"rmtland.{room}")
        assert any(test.examples for test in finder.find(module)), room

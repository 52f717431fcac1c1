"""Data-parallel products equal the serial ones, whoever makes them; a dead worker is one error."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rmtland.estimate import (
    SummedOperator,
    krylov_quadratures,
    negative_fraction,
    symmetric_operator,
)
from rmtland.networks import MLP, gaussian
from rmtland.sweep import Processes, Serial

DATA = gaussian(37, 4, rng=0)
NET = MLP((4, 5, 4), weight_decay=0.01)
POINT = NET.at(NET.init(rng=1), DATA.x, DATA.y)
ROWS = np.array_split(np.arange(37), 2)
WEIGHTS = [len(rows) / 37 for rows in ROWS]
BLOCK = np.random.default_rng(2).normal(size=(40, 3))


def parts(part="total"):
    return [NET.at(POINT.theta, DATA.x[rows], DATA.y[rows]).operator(part) for rows in ROWS]


class Deadly:
    """An operator that ends its process at the second product."""

    shape = (40, 40)
    dtype = np.dtype(float)

    def __init__(self):
        self.home = os.getpid()

    def matmat(self, vectors):
        if os.getpid() != self.home:
            os.kill(os.getpid(), signal.SIGKILL)
        return 2.0 * vectors


@pytest.mark.parametrize("part", ["total", "gauss_newton", "residual"])
def test_sums_are_the_product_with_all_data(part):
    whole = POINT.operator(part)
    with ThreadPoolExecutor(2) as pool:
        for executor in (Serial(), pool):
            with SummedOperator(parts(part), weights=WEIGHTS, executor=executor) as operator:
                assert operator @ BLOCK == pytest.approx(whole @ BLOCK, abs=1e-12)
                assert operator @ BLOCK[:, 0] == pytest.approx(whole @ BLOCK[:, 0], abs=1e-12)
        assert pool.submit(int, "3").result() == 3  # left open


def test_processes_keep_their_part_and_one_that_dies_is_named():
    serial = SummedOperator(parts(), weights=WEIGHTS, executor=Serial())
    with SummedOperator(parts(), weights=WEIGHTS, executor=Processes()) as operator:
        assert (operator @ BLOCK == serial @ BLOCK).all()  # to the last bit
        found = negative_fraction(operator, probes=2, steps=6, rng=0, method="lanczos")
        alone = negative_fraction(serial, probes=2, steps=6, rng=0, method="lanczos")
        assert found.interval == alone.interval
    with (
        SummedOperator([Deadly()], executor=Processes()) as operator,
        pytest.raises(RuntimeError, match=r"a worker of a product \(1 parts\) died"),
    ):
        operator @ BLOCK


CLUSTER = """
import logging
import numpy as np
from distributed import LocalCluster
from rmtland.estimate import SummedOperator, krylov_quadratures, symmetric_operator
from rmtland.sweep import Dask

if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None,
                      silence_logs=logging.CRITICAL) as cluster:
        dask = Dask(cluster.scheduler_address)
        with SummedOperator([np.diag([1.0, 2.0]), np.eye(2)], executor=dask) as operator:
            print(*(operator @ np.ones(2)))
        matrix = symmetric_operator(np.diag(np.arange(20.0)))
        one, two = (krylov_quadratures(matrix, probes=3, steps=5, rng=0, executor=e)
                    for e in (dask, None))
        print(all(np.array_equal(a.alpha, b.alpha)
                  for a, b in zip(one.tridiagonals, two.tridiagonals)))
"""


@pytest.mark.slow
def test_sums_and_probes_on_a_dask_cluster():
    pytest.importorskip("distributed")
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["2.0 3.0", "True"]


@pytest.mark.slow
def test_probes_on_processes():
    whole = POINT.operator()
    one, two = (
        krylov_quadratures(symmetric_operator(whole), probes=3, steps=6, rng=0, **options)
        for options in ({"executor": Processes(2)}, {"together": 1})
    )
    for a, b in zip(one.tridiagonals, two.tridiagonals, strict=True):
        assert a.alpha == pytest.approx(b.alpha, abs=1e-12)


def test_what_is_no_sum_is_refused():
    with pytest.raises(ValueError, match="at least one part"):
        SummedOperator([])
    with pytest.raises(ValueError, match="of one size"):
        SummedOperator([np.eye(3), np.eye(4)])
    with pytest.raises(ValueError, match="as many weights"):
        SummedOperator([np.eye(3)], weights=[1.0, 2.0])
    with pytest.raises(TypeError, match="executor must be"):
        SummedOperator([np.eye(3)], executor=3)

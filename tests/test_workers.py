"""Processes that run the tests side by side."""

import os

import numba
import pytest
from threadpoolctl import threadpool_info

workers = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" not in os.environ, reason="only where tests run with -n"
)


@workers
def test_a_worker_has_one_blas_thread():
    """Threads that wait for each other's cores spin: a suite of two workers took twice as long."""
    assert {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"} == {1}


@workers
def test_a_worker_has_one_thread_of_compiled_loops():
    """Beside PyTorch two of them became two of PyTorch's, whatever OMP_NUM_THREADS said."""
    assert numba.config.NUMBA_NUM_THREADS == numba.get_num_threads() == 1

"""Processes that run the tests side by side."""

import os

import pytest
from threadpoolctl import threadpool_info


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="only where tests run with -n")
def test_a_worker_has_one_blas_thread():
    """Threads that wait for each other's cores spin: a suite of two workers took twice as long."""
    assert {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"} == {1}

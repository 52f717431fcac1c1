"""Workers of a parallel test run share the cores: one BLAS thread each."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    for library in ("OPENBLAS", "MKL", "OMP"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

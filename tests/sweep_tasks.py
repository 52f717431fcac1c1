"""Tasks for the tests of sweeps: a module that worker processes can import."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np


def draw(x, seed):
    """A number and an array that depend on the parameter and the seed."""
    rng = np.random.default_rng(seed)
    return {"mean": x + rng.normal(), "nodes": rng.normal(size=3)}


def draw_slowly(x, seconds, seed):
    time.sleep(seconds)
    return draw(x, seed)


def eigenvalues(n, seed):
    """Eigenvalues whose last digits depend on the number of BLAS threads."""
    a = np.random.default_rng(seed).normal(size=(n, n))
    return np.linalg.eigvalsh(a @ a.T)


def echo(x):
    return x


def slow_echo(x):
    time.sleep(0.3)
    return x


def wait(seconds):
    time.sleep(seconds)
    return seconds


def begin_and_wait(seconds, folder):
    (Path(folder) / str(seconds)).touch()
    return wait(seconds)


def fail_on(x, bad, seed):
    if x in bad:
        raise ArithmeticError(f"no result at {x}\ud800")
    return float(x)


def fail_until(x, folder, times, seed):
    """Fail the first `times` calls; count the calls in a file."""
    file = Path(folder) / f"calls-{x}"
    with file.open("a") as stream:
        stream.write(".")
    if file.stat().st_size <= times:
        raise RuntimeError("not yet")
    return float(x)


def kill_worker(x, folder, times, seed):
    """Kill the process, the first `times` calls at x = 3."""
    file = Path(folder) / "kills"
    if x == 3 and (not file.exists() or file.stat().st_size < times):
        with file.open("a") as stream:
            stream.write(".")
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return float(np.random.default_rng(seed).normal())


def leave(x):
    sys.exit(3)


def blas_threads(x):
    import scipy.linalg  # noqa: F401  a second BLAS, loaded within the task
    from threadpoolctl import threadpool_info

    return max(entry["num_threads"] for entry in threadpool_info())


def draw_at_once(x, seconds, seed):
    """What `draw_slowly` returns, without the waiting."""
    return draw(x, seed)


def slow_process(x):
    time.sleep(0.2)
    return os.getpid()


def show_process(folder, x):
    """Write down the process and never return."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(3600)


def own_device(x):
    """What a worker sees of CUDA's devices; long enough for another worker to take part."""
    time.sleep(0.3)
    return {"device": os.environ.get("CUDA_VISIBLE_DEVICES", "")}

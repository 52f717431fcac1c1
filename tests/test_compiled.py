"""Kernels find a cache wherever they may write, and threads do not end the process."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import rmtland
from rmtland.compiled import compiled, parallel_kernel

PACKAGE = Path(rmtland.__file__).parent


def python(code, *, timeout=300, **environment):
    """Run code in a fresh interpreter with nothing but the given environment.

    And with the folder of Python's bytecode, if there is one: all packages are compiled in it.
    """
    path = os.environ.get("PYTHONPATH", str(PACKAGE.parent))
    environment |= {key: os.environ[key] for key in ["PYTHONPYCACHEPREFIX"] if key in os.environ}
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": path} | environment,
    )


def nowhere(tmp_path):
    """A package whose sources lie where numba cannot write: a file takes each cache's place."""
    shutil.copytree(
        PACKAGE, tmp_path / "site" / "rmtland", ignore=shutil.ignore_patterns("__pycache__")
    )
    for folder in {path.parent for path in (tmp_path / "site").rglob("*.py")}:
        (folder / "__pycache__").write_text("no folder")
    (tmp_path / "home").write_text("no folder")
    return {
        "PYTHONPATH": str(tmp_path / "site"),
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "home" / "cache"),
    }


USE = """
import numpy as np, rmtland.compiled
import rmtland.ensembles, rmtland.networks
import rmtland.laws.discrete_kernels as kernels
result = np.empty((2, 3))
kernels.potential(np.full(3, 2.0), np.zeros(3), np.array([1.0]), np.array([1.0]), result)
print(result[0], kernels._serial_potential.stats.cache_path)
"""


def test_a_read_only_package_without_a_cache(tmp_path):
    """Numba's own words for it are "no locator available"; it said so at the import."""
    (tmp_path / "tmp").mkdir()
    done = python(USE, TMPDIR=str(tmp_path / "tmp"), **nowhere(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[0. 0. 0.] ")
    folder = tmp_path / "tmp" / f"rmtland-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbi"))


COMMAND = """
import ast, os, sys
sys.argv = ast.literal_eval(os.environ["ARGUMENTS"])
from rmtland.__main__ import main
try:
    main()
except SystemExit as stop:
    assert not stop.code
import numpy as np
from rmtland.deferred import compile_at_first_call
from rmtland.free.rational.edges import edge_place
compile_at_first_call()  # what the command computes is little, and interpreted
edge_place(0.5, 1.0, 2.0, np.array([0.3]), np.array([1.2]))
"""


@pytest.mark.slow
def test_the_command_line_in_a_read_only_container(tmp_path):
    """No cache of kernels, no home, no folder of settings of matplotlib: only the output."""
    (tmp_path / "tmp").mkdir()
    law = ("spectrum", "wishart-wigner", "--phi", "0.5", "--epsilon", "0.3", "--plot")
    arguments = ["rmtland", *law, "--out", str(tmp_path / "out")]
    done = python(
        COMMAND, ARGUMENTS=repr(arguments), TMPDIR=str(tmp_path / "tmp"), **nowhere(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    (picture,) = (tmp_path / "out").glob("*.png")
    assert picture.stat().st_size > 10_000
    assert list((tmp_path / "tmp").rglob("*edge_place*.nbi"))


@pytest.mark.slow
@pytest.mark.parametrize("taken", ["open to others", "a link"])
def test_a_folder_of_somebody_else_is_no_cache(tmp_path, taken):
    """What lies in a cache is run: only a folder that nobody else can write to will do."""
    (tmp_path / "tmp").mkdir()
    folder = tmp_path / "tmp" / f"rmtland-{os.getuid()}"
    if taken == "a link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    done = python(USE, TMPDIR=str(tmp_path / "tmp"), **nowhere(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[0. 0. 0.] None\n"
    assert not list((tmp_path / "tmp").rglob("*.nbi"))


def test_every_kernel_is_compiled_here():
    """A kernel that calls numba.njit itself would not find the temporary cache."""
    for path in PACKAGE.rglob("*.py"):
        if path.name != "compiled.py":
            assert "njit" not in path.read_text("utf-8"), path


def test_inner_kernels_are_called_by_kernels_alone():
    """Python may not call what has no way in from Python: numba itself ends the process there."""

    @compiled(inner=True)
    def increased(x):
        return x + 1.0

    @compiled()
    def doubled(x):
        return 2.0 * increased(x)

    with pytest.raises(TypeError, match="increased is compiled for other kernels; Python cannot"):
        increased(1.0)
    assert doubled(1.0) == 4.0
    with pytest.raises(TypeError, match="increased is compiled for other kernels; Python cannot"):
        increased(1.0)  # now compiled


THREADS = """
import threading, numpy as np
from rmtland.ensembles.sturm import lanes, sweep
from rmtland.laws import discrete_kernels
def work(i):
    for _ in range(20):
        padded, state, counts = lanes(np.linspace(0.0, 5.0, 4096))
        sweep(np.arange(1.0, 5.0), np.zeros(4), 1e-300, padded, state, counts)
        assert counts[4095] == 4
        x, result = np.full(5000, 3.0), np.empty((4, 5000))
        discrete_kernels.jet(x, x, np.zeros(1000), np.full(1000, 1e-3), result)
"""


@pytest.mark.slow
def test_two_threads_on_numbas_own_pool():
    code = (
        THREADS + "threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]; print('done')"
    )
    done = python(code, NUMBA_NUM_THREADS="4", NUMBA_THREADING_LAYER="workqueue")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_a_process_forked_after_a_parallel_kernel(layer):
    code = (
        THREADS + "import os\nwork(0)\npid = os.fork()\n"
        "if pid == 0:\n    work(0)\n    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    done = python(code, NUMBA_NUM_THREADS="4", NUMBA_THREADING_LAYER=layer)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_parallel_and_serial_versions_are_the_same_function():
    import numba

    def double(x):
        for i in numba.prange(x.size):
            x[i] *= 2.0

    x = np.arange(5.0)
    parallel_kernel(double)(x)
    compiled()(double)(x)
    np.testing.assert_array_equal(x, 4 * np.arange(5.0))


def test_a_cache_that_names_a_class_that_has_moved_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def twice(x):
        return 2.0 * x

    assert compiled()(twice)(1.5) == 3.0
    (index,) = tmp_path.rglob("*.nbi")
    unreadable = pickle.dumps(numba.__version__, protocol=-1) + b"crmtland.compiled\nMoved\n."
    index.write_bytes(unreadable)
    assert compiled()(twice)(1.5) == 3.0
    assert index.read_bytes() != unreadable
    again = compiled()(twice)
    assert again(1.5) == 3.0
    assert again.stats.cache_hits

"""One Hypothesis profile, slow tests on demand, and no test that passes without asserting.

`HYPOTHESIS_PROFILE=nightly` draws new examples in every run; the default profile always draws the
same ones. `--slow` runs the tests marked slow too, and all cases of those marked
`slow_siblings(k)`, of which one in k runs otherwise. With `--count-assertions` a test fails that
neither asserted nor expected an exception or a warning.
"""

import ast
import collections
import contextlib
import functools
import gc
import math
import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from _pytest.assertion import rewrite
from _pytest.recwarn import WarningsChecker
from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def plain_assertions():
    """Import modules as they are: pytest rewrites assertions in its plugins, and in all of theirs.

    In Hypothesis that takes seconds in each process, wherever Python may not write bytecode.
    """
    hooks = [one for one in sys.meta_path if isinstance(one, rewrite.AssertionRewritingHook)]
    sys.meta_path[:] = [one for one in sys.meta_path if one not in hooks]
    try:
        yield
    finally:
        sys.meta_path[:0] = hooks


with plain_assertions():
    from hypothesis import settings
    from hypothesis.internal.conjecture import providers

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: one thread each
    # of libraries that are loaded later; Numba's number becomes that of all that share its OpenMP
    for library in ("OPENBLAS", "MKL", "OMP", "NUMBA"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    threadpool_limits(1)  # of NumPy's, which is loaded

# Processes started from here on, workers too: glibc keeps what arrays free. A twentieth of the time
# of tests went into pages that were given back and asked for again.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**25))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**30))

os.environ.setdefault("RMTLAND_KERNELS", "compiled")  # as in a process that computes much

settings.register_profile("default", deadline=None, derandomize=True, database=None)
settings.register_profile("nightly", deadline=None, derandomize=False, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Hypothesis mixes literals of the modules that are loaded into what it draws, but only of modules
# outside site-packages: an installed package and a checkout would be tested with other examples,
# and so would two orders of the tests.
providers.is_local_module_file = lambda path: False

TABLES = [path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "conftest"]
pytest.register_assert_rewrite(*(name for name in TABLES if not name.startswith("test_")))

REWRITTEN = pytest.StashKey[tempfile.TemporaryDirectory]()  # of workers, see rewrite_own_share


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")
    parser.addoption("--only-slow", action="store_true", help="run only the tests marked slow")
    parser.addoption(
        "--count-assertions", action="store_true", help="fail tests that assert nothing"
    )


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started by a shell in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests of Ctrl-C send it
    known = hasattr(rewrite.AssertionRewriter, "visit_Assert")  # of this pytest
    if config.getoption("--count-assertions") and known:
        config.pluginmanager.register(AssertionCounter())
    if getattr(config, "workerinput", {}).get("all_files"):
        rewrite_own_share(config)
    told = (config.getoption(name, None) for name in ("durations", "xmlpath"))  # of single phases
    if config.getoption("verbose", 0) <= 0 and all(value is None for value in told):
        for plugin in config.pluginmanager.get_plugins():
            if hasattr(plugin, "sendevent"):
                send_what_is_read(plugin)


def rewrite_own_share(config):
    """Rewrite the assertions of some new files, while other workers do the others.

    Each would rewrite all of them, which takes seconds, as all of them read the files in order.
    Pytest does what is not done here, and says what is wrong with a file. Where Python may not
    write bytecode, what is rewritten lies in a folder of this run.
    """
    if sys.dont_write_bytecode:
        folder_of_run = Path(config.workerinput["rewritten"])
        rewrite.get_cache_dir = lambda path: folder_of_run.joinpath(*path.parts[1:-1])
    gc.disable()  # see pytest_collection, which comes next
    worker, count = config.workerinput["workerid"], config.workerinput["workercount"]
    for path in sorted(Path(__file__).parent.rglob("test_*.py"))[int(worker[2:]) :: count]:
        with contextlib.suppress(Exception):  # no Python; or names of another pytest
            folder = rewrite.get_cache_dir(path)
            code = folder / (path.stem + rewrite.PYC_TAIL)
            if not code.exists() and rewrite.try_makedirs(folder):
                stamp, rewritten = rewrite._rewrite_test(path, config)
                rewrite._write_pyc(config.stash[rewrite.assertstate_key], rewritten, stamp, code)


def send_what_is_read(worker):
    """Let a worker of pytest-xdist be silent about starts, ends, and what passed around a call.

    Nothing is told of them, and four of six messages of 19 000 tests are theirs.
    """
    send = worker.sendevent

    def sendevent(name, **event):
        report = event["data"] if name == "testreport" else None
        around = report and report["when"] != "call" and report["outcome"] == "passed"
        if not around and name not in ("logstart", "logfinish"):
            send(name, **event)

    worker.sendevent = sendevent


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    config = node.config
    node.workerinput["all_files"] = config.args_source is config.ArgsSource.TESTPATHS
    if REWRITTEN not in config.stash:
        config.stash[REWRITTEN] = tempfile.TemporaryDirectory(prefix="rewritten-tests-")
    node.workerinput["rewritten"] = config.stash[REWRITTEN].name


def pytest_unconfigure(config):
    if REWRITTEN in config.stash:
        config.stash[REWRITTEN].cleanup()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each worker begins with a stretch of whole files: few fixtures and kernels are made twice."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is collected lives to the end: cycles are neither sought meanwhile nor in it later.

    Compilers make many small objects that are no garbage: a search for cycles after every 700 of
    them is a tenth of what a kernel takes to compile.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(100_000, 20)


def pytest_ignore_collect(collection_path, config):
    """With `--only-slow`, files that do not say "slow" are not read: three of four."""
    if config.getoption("--only-slow") and collection_path.match("test_*.py"):
        return "slow" not in collection_path.read_text("utf-8") or None
    return None


def pytest_collection_modifyitems(config, items):
    mark_slow_siblings(items)
    if config.getoption("--only-slow"):
        config.hook.pytest_deselected(items=[item for item in items if not is_slow(item)])
        items[:] = [item for item in items if is_slow(item)]
    elif not config.getoption("--slow"):
        for item in filter(is_slow, items):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def mark_slow_siblings(items):
    """Mark most cases of a test with many as slow: `slow_siblings(k)` leaves one in k.

    Those that are left are spread over the cases by the golden ratio, which falls into step with no
    table of parameters: of each there are some.
    """
    seen = collections.Counter()
    for item in items:
        marker = item.get_closest_marker("slow_siblings")
        if marker is not None:
            name = item.nodeid.partition("[")[0]
            if seen[name] * (math.sqrt(5) - 1) / 2 % 1 * marker.args[0] >= 1:
                item.add_marker(pytest.mark.slow)
            seen[name] += 1


def is_slow(item):
    return item.get_closest_marker("slow") is not None


class AssertionCounter:
    """Fail a test that passed although nothing in it was asserted.

    Counted are assert statements, `pytest.raises` and `pytest.warns`, `pytest.fail` and the
    functions of `numpy.testing`. Pytest's own hook for assertions that pass writes their text out
    in the code of every test, which takes longer to compile than all tests take to be found: a call
    in front of each assert statement is enough.
    """

    def __init__(self):
        self.asserted = False
        rewrite.PYC_TAIL = f".counted{rewrite.PYC_TAIL}"  # kept apart from code that does not count
        rewrite.assert_is_reached = self.reached
        visit = rewrite.AssertionRewriter.visit_Assert

        def visit_and_count(rewriter, node):
            place = {"lineno": node.lineno, "col_offset": node.col_offset}
            module = ast.Name("@pytest_ar", ast.Load(), **place)  # in rewritten code
            reached = ast.Attribute(module, "assert_is_reached", ast.Load(), **place)
            count = ast.Expr(ast.Call(reached, [], [], **place), **place)
            return [count, *visit(rewriter, node)]

        rewrite.AssertionRewriter.visit_Assert = visit_and_count
        for expectation in (pytest.RaisesExc, WarningsChecker):
            expectation.__exit__ = self.counted(expectation.__exit__)
        for name in dir(np.testing):
            if name.startswith("assert_"):
                setattr(np.testing, name, self.counted(getattr(np.testing, name)))

    def counted(self, function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            self.asserted = True
            return function(*args, **kwargs)

        return wrapper

    def reached(self):
        self.asserted = True

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        self.asserted = hasattr(pyfuncitem.obj, "hypothesis")  # many examples: not looked into
        result = yield
        if not self.asserted:
            pytest.fail("passed without a single assertion", pytrace=False)
        return result

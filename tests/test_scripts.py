"""Every script has help, runs at a small size and prints what it is for, with sound numbers.

Scripts that measure times or repeat a study take seconds even at a small size: these are slow
tests. Help is asked of all of them.
"""

import csv
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import flint
import mpmath
import numpy as np
import pytest
from threadpoolctl import threadpool_info

import rmtland

SCRIPTS = Path(__file__).parent.parent / "scripts"
SMALL = {
    "fuzz_free.py": ["--count", "2"],
    "make_bibliography.py": [],
    "make_formula_index.py": [],
    "write_statements.py": ["--check"],
    "fuzz_polynomials.py": ["--count", "2"],
    "bench_dyson.py": ["--n", "4", "--points", "5", "--linear", "41"],
    "bench_audit.py": [
        *("--widths", "3", "--activations", "relu", "--draws", "0", "--points", "20"),
    ],
    "bench_ensembles.py": [
        "--draws",
        "20",
        "--n",
        "500",
        "--sizes",
        "20",
        "--largest",
        "200",
        "--runs",
        "20",
        "--repeats",
        "1",
    ],
    "bench_certificate.py": ["--repeats", "1"],
    "bench_critical_points.py": [
        *("--n", "3", "--seconds", "0.2", "--check", "1", "--digits", "30", "--linear", "0"),
        *("--finders", "symmetry"),
    ],
    "critical_point_data.py": ["--size", "quick", "--check", "4"],
    "bench_conditioned.py": ["--width", "4", "--points", "3"],
    "check_device.py": [
        *("--small", "--parts", "distributions", "answers", "--budget", "60"),
    ],
    "bench_fits.py": ["--runs", "10", "--jobs", "levels", "strengths", "goodness"],
    "bench_estimate.py": ["--jobs", "trace", "--repetitions", "2"],
    "estimate_coverage.py": [
        *("--repetitions", "2", "--jobs", "intervals", "--hessians", "GELU, trained"),
    ],
    "estimate_peers.py": ["--jobs", "time", "--steps", "20"],
    "kill_and_resume.py": ["--basis", "float64", "--kills", "12"],
    "bench_polynomials.py": ["--only", "xyx + x,", "--repeats", "1"],
    "bench_landscape.py": ["--points", "3", "--samples", "30", "--width", "4", "--repeats", "1"],
    "bench_laws.py": ["--quick"],
    "bench_explorer.py": ["--step", "250", "--random", "2"],
    "bench_versions.py": [*(2 * [str(Path(rmtland.__file__).parents[1])]), "--quick"],
    "bench_small.py": ["--quick", "--jobs", "laws"],
    "bench_networks.py": ["--jobs", "dense", "--n", "6", "--m", "12", "--repeats", "2"],
    "bench_sweep.py": ["--tasks", "8", "--seconds", "0.01", "--kills", "2", "--kill-tasks", "20"],
    "measure_architectures.py": [
        *("--quick", "--models", "resnet20", "--samples", "16", "--probes", "2", "--steps", "6"),
        *("--eigenpairs", "1", "--train", "4", "--repeats", "1"),
    ],
    "make_tracy_widom.py": ["--quick", "--points", "4"],
    "make_wigner_edges.py": ["--orders", "10", "--draws", "2000"],
    "readme_command.py": ["run"],
    "write_benchmarks.py": ["--quick"],
    "reproduce_audit.py": ["--quick", "--width", "4"],
    "measure_landscape.py": ["--quick", "--jobs", "ranks"],
    "reproduce_deep_slices.py": ["--quick", "--depth", "6", "--points", "5", "--steps", "5"],
    "reproduce_minima.py": ["--quick"],
    "reproduce_trained.py": ["--quick"],
    "reproduce_optimizer.py": [
        *("--quick", "--problems", "random quadratic", "network, cross-entropy"),
    ],
    "reproduce_finite_size.py": ["--n", "3", "--draws", "5", "--activations", "relu"],
    "reproduce_population.py": [
        "--n",
        "3",
        "--draws",
        "2",
        "--points",
        "3",
        "--activations",
        "relu",
        "--shapes",
        "wide",
    ],
    "reproduce_two_leg.py": [
        *("--n", "6", "8", "--draws", "2", "--probes", "1", "--steps", "40", "--points", "5"),
        *("--activations", "relu", "--shapes", "square", "--legs", "4", "--leg-draws", "2"),
    ],
    "reproduce_critical_index.py": [
        *("--n", "4", "--phi", "0.5", "--draws", "2", "--starts", "2", "--published-n", "0"),
        *("--out", "."),
    ],
}

NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
SAYS = {
    "fuzz_free.py": (r"'right': (?P<value>\d+)", 1, 2),
    "make_bibliography.py": (r"Pennington and Y. Bahri", None, None),
    "make_formula_index.py": (r"`rmtland.laws.Semicircle` \| Wigner 1958 \|", None, None),
    "write_statements.py": (r"in step: (?P<value>\d+) pages", 2, 2),
    "fuzz_polynomials.py": (rf"2 polynomials: (?P<value>{NUMBER}) wrong", 0, 0),
    "bench_dyson.py": (rf"MatrixDyson .* us a point, worst error (?P<value>{NUMBER})", 0, 1e-6),
    "bench_audit.py": (rf"18  relu .* (?P<value>{NUMBER})\n", 0, 0.5),
    "bench_ensembles.py": (rf"ratio (?P<value>{NUMBER}), same counts: True", 0, np.inf),
    "check_device.py": (
        r"distributions +(?P<value>\d+) right +0 failed(?s:.*)answers +9 right",
        1,
        200,
    ),
    "bench_small.py": (rf"2000 points +(?P<value>{NUMBER}) ms", 0, 1000),
    "bench_conditioned.py": (rf'"density_off": (?P<value>{NUMBER})', 0, 0.1),
    "bench_certificate.py": (rf"rational.* (?P<value>{NUMBER})\n", 0, 50),
    "bench_critical_points.py": (
        rf"symmetry: (?P<value>{NUMBER}) of .*(?s:.*)digits end .*right\n",
        1,
        1000,
    ),
    "critical_point_data.py": (r"(?P<value>\d+) of 4 proved points right in 50 digits", 4, 4),
    "bench_fits.py": (rf"rows 20, columns 20, beta 1,.* share (?P<value>{NUMBER})", 0, 0.3),
    "bench_estimate.py": (rf"Gauss-Newton.* hutchinson +(?P<value>{NUMBER})", 0, 0.2),
    "estimate_coverage.py": (rf"calibrated_width (?P<value>{NUMBER})", 0.02, 0.06),
    "estimate_peers.py": (rf"rmtland +(?P<value>{NUMBER}) s, CPU", 0, 300),
    "kill_and_resume.py": (r"float64: (?P<value>\d+) of 12 runs killed", 12, 12),
    "bench_polynomials.py": (rf"xyx.* (?P<value>{NUMBER})\n", 0, 100),
    "bench_landscape.py": (rf"affine first layer .* off by (?P<value>{NUMBER})", 0, 1e-10),
    "bench_explorer.py": (rf"all: 136 moves, median (?P<value>{NUMBER}) ms", 0, 100),
    "bench_laws.py": (rf"worst error of an edge (?P<value>{NUMBER})", 0, 1e-11),
    "bench_versions.py": (r"2 rows, (?P<value>\d+) slower by more than 3%", 0, 2),
    "bench_networks.py": (rf"largest relative difference (?P<value>{NUMBER})", 0, 1e-10),
    "bench_sweep.py": (rf"store: (?P<value>{NUMBER}) bytes a result", 1, 1e6),
    "measure_architectures.py": (
        r"ratio to torch.func by hand|left out: torch is not installed",
        None,
        None,
    ),
    "measure_landscape.py": (
        r"16-30-10 without biases, 40 digits: (?P<value>\d+) of 400",
        390,
        400,
    ),
    "make_tracy_widom.py": (rf"beta = 2: (?P<value>{NUMBER})", 0, 2e-15),
    "make_wigner_edges.py": (rf"\n +1 10 +(?P<value>{NUMBER})", 5.82, 5.92),
    "readme_command.py": (r"rmtland|python", None, None),
    "write_benchmarks.py": (rf"worst error of an edge (?P<value>{NUMBER})", 0, 1e-11),
    "reproduce_audit.py": (rf"as printed +(?P<value>{NUMBER})", 0.05, 1),
    "reproduce_deep_slices.py": (
        rf"residual .* layers, .* loss (?P<value>{NUMBER})",
        0.1,
        10,
    ),
    "reproduce_minima.py": (
        rf"minima, on gradient and minimum: .* index off by (?P<value>{NUMBER}) at most",
        0,
        0.02,
    ),
    "reproduce_optimizer.py": (
        rf"random quadratic:(?s:.*?)times in passes, (?P<value>{NUMBER}) with tuning",
        3,
        40,
    ),
    "reproduce_trained.py": (r"level 7 or 8 within chance at (?P<value>\d+) of 4", 2, 4),
    "reproduce_finite_size.py": (
        rf"gauss_newton +relu +n = 3 +Monte Carlo .*% +Dyson +(?P<value>{NUMBER})%",
        0,
        40,
    ),
    "reproduce_population.py": (rf"relu +wide +(?P<value>{NUMBER})% \+-", 0, 100),
    "reproduce_two_leg.py": (rf"relu +n = 8 +limit off by (?P<value>{NUMBER})%", 0, 30),
    "reproduce_critical_index.py": (
        rf"phi = 0.5 .* without weights (?P<value>{NUMBER})",
        0.05,
        0.4,
    ),
}
"""What the small run of a script has to print, and the range of the number in it."""
SLOW = {
    "bench_critical_points.py",
    "bench_dyson.py",
    "bench_explorer.py",
    "bench_landscape.py",
    "bench_small.py",
    "fuzz_polynomials.py",
    "bench_audit.py",
    "bench_certificate.py",
    "bench_conditioned.py",
    "bench_ensembles.py",
    "bench_estimate.py",
    "bench_fits.py",
    "bench_laws.py",
    "critical_point_data.py",
    "bench_networks.py",
    "bench_polynomials.py",
    "bench_sweep.py",
    "bench_versions.py",
    "estimate_coverage.py",
    "estimate_peers.py",
    "fuzz_free.py",
    "kill_and_resume.py",
    "make_tracy_widom.py",
    "measure_architectures.py",
    "reproduce_audit.py",
    "reproduce_minima.py",
    "measure_landscape.py",
    "reproduce_deep_slices.py",
    "reproduce_trained.py",
    "reproduce_optimizer.py",
    "write_benchmarks.py",
}
"""Scripts whose small run takes more than 2.5 seconds."""

OF_THEIR_OWN = {
    "bench_critical_points.py",  # limits the threads
    "bench_ensembles.py",  # Numba's own threads, and PyTorch's with these
    "bench_landscape.py",
    "bench_polynomials.py",
    "bench_sweep.py",
    "bench_versions.py",
    "check_device.py",
    "critical_point_data.py",  # as bench_ensembles.py
    "fuzz_free.py",  # handles a signal
    "kill_and_resume.py",
    "make_tracy_widom.py",  # 150 digits from its import on
    "measure_architectures.py",  # handles a signal
    "reproduce_finite_size.py",  # only to be started as a reader does
    "reproduce_optimizer.py",  # as bench_ensembles.py
    "reproduce_trained.py",  # as bench_ensembles.py
    "write_benchmarks.py",
}
"""Scripts that start others, or change what belongs to a process, have one of their own."""

NEED_TORCH = {"reproduce_deep_slices.py"}


def run(script, *arguments, folder=None):
    return subprocess.run(
        [sys.executable, SCRIPTS / script, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
    )


def run_here(script, *arguments, folder, patch, said):
    """Run it in the process of the tests, which has imported and compiled most of what it uses."""
    patch.chdir(folder)
    patch.setattr(sys, "argv", [script, *map(str, arguments)])
    patch.syspath_prepend(str(SCRIPTS))
    code, before = 0, of_the_process()
    with warnings.catch_warnings():
        if script in SLOW:  # these read other packages, and what reads them first is warned
            warnings.simplefilter("default")
        try:
            runpy.run_path(str(SCRIPTS / script), run_name="__main__")
        except SystemExit as stop:
            code = stop.code or 0
    after = of_the_process()  # of what is loaded since then nothing was changed
    changed = [name for name in before if after[name] != before[name]]
    assert not changed, f"{script} changes {changed} for tests that follow: see OF_THEIR_OWN"
    return subprocess.CompletedProcess(script, code, *said.readouterr())


def of_the_process():
    """Return what a script can change for all tests that follow in the same process."""
    kept = {
        "variables": {
            name: value
            for name, value in os.environ.items()  # other libraries set theirs as they are imported
            if name.endswith("_THREADS") or name.startswith(("PYTHON", "RMTLAND_", "MALLOC_"))
        },
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "digits": (mpmath.mp.prec, flint.ctx.prec),
        "floating-point errors": np.geterr(),
    }
    for one in threadpool_info():
        if one["user_api"] == "blas":
            kept[f"threads of {one['filepath']}"] = one["num_threads"]
    return kept


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import os; os.environ['RMTLAND_V'] = '1'", "variables"),
        ("import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN)", "signals"),
        ("import mpmath; mpmath.mp.dps = 77", "digits"),
        ("import flint; flint.ctx.prec = 77", "digits"),
        ("import numpy; numpy.seterr(under='raise')", "floating-point errors"),
    ],
)
def test_a_script_that_changes_what_belongs_to_the_process_is_seen(
    code, what, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(globals(), "SCRIPTS", tmp_path)
    (tmp_path / "one.py").write_text(code)
    handler = signal.getsignal(signal.SIGUSR1)
    with np.errstate(), mpmath.workprec(mpmath.mp.prec):
        precision = flint.ctx.prec
        try:
            with pytest.raises(AssertionError, match=what):
                run_here("one.py", folder=tmp_path, patch=monkeypatch, said=capsys)
        finally:
            os.environ.pop("RMTLAND_V", None)
            signal.signal(signal.SIGUSR1, handler)
            flint.ctx.prec = precision


def test_no_script_is_left_out():
    assert set(SAYS) == set(SMALL)
    assert set(SMALL) == {
        path.name for path in SCRIPTS.glob("*.py") if not path.name.startswith("device_")
    }  # the others hold the cases of check_device.py


@pytest.mark.parametrize("script", SMALL)
def test_help(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    monkeypatch.syspath_prepend(str(SCRIPTS))  # of scripts that read one another
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    assert stop.value.code == 0
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n", "0"], "n must be"),
        (["--steps", "0"], "steps must be"),
        (["--draws", "1", "--probes", "1"], "two runs"),
        (["--activations", "foo"], "unknown activation"),
        (["--eta", "nan"], "eta must be"),
        (["--table", "no/such/folder/table.json"], "no folder"),
        (["--known", "0"], "known must be"),
        (["--seed", "-1"], "seed must be"),
        (["--read", "no.json"], "there is no file no.json"),
    ],
)
def test_two_leg_script_refuses_before_it_computes(arguments, message, monkeypatch, capsys):
    """No units gave a density, one run an error of nan, and no folder a table that was lost."""
    monkeypatch.setattr(sys, "argv", ["reproduce_two_leg.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPTS / "reproduce_two_leg.py"), run_name="__main__")
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(s, marks=[pytest.mark.slow] * (s in SLOW))
        for s in SMALL
        if s not in ("reproduce_audit.py", "bench_laws.py")  # run once: below, on the page
    ],
)
def test_small_run(script, tmp_path, monkeypatch, capsys):
    if script in NEED_TORCH:
        pytest.importorskip("torch")
    if script in OF_THEIR_OWN:
        result = run(script, *SMALL[script], folder=tmp_path)
    else:
        result = run_here(script, *SMALL[script], folder=tmp_path, patch=monkeypatch, said=capsys)
    check(script, result)


def check(script, result):
    assert result.returncode == 0, result.stderr
    pattern, low, high = SAYS[script]
    found = re.search(pattern, result.stdout)
    assert found, result.stdout
    if low is not None:
        assert low <= float(found["value"]) <= high, found[0]
    assert "WRONG" not in result.stdout
    words = set(re.findall(r"[a-z]+", result.stdout.lower()))
    assert not words & {"nan", "traceback"}, result.stdout


def test_images_of_cifar_are_read_from_the_binary_version(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from measure_architectures import cifar_images

    generator = np.random.default_rng(0)
    labels = generator.integers(10, size=7).astype(np.uint8)
    pixels = generator.integers(256, size=(7, 3, 32, 32), dtype=np.uint8)
    records = np.concatenate([labels[:, None], pixels.reshape(7, -1)], axis=1)
    records[:4].tofile(tmp_path / "data_batch_1.bin")
    records[4:].tofile(tmp_path / "data_batch_2.bin")
    (tmp_path / "test_batch.bin").write_bytes(b"not read")
    images, found = cifar_images(str(tmp_path))
    assert found.tolist() == labels.tolist()
    np.testing.assert_array_equal(images * 255, pixels)
    (tmp_path / "data_batch_2.bin").write_bytes(records[4:].tobytes()[:-1])
    with pytest.raises(SystemExit, match="no records of 3073"):
        cifar_images(str(tmp_path))
    with pytest.raises(SystemExit, match="pickled, and not read"):
        cifar_images(str(tmp_path / "elsewhere"))


def test_continuous_integration_runs_what_needs_pytorch_where_it_is_installed():
    """Its first environment has none, so that a file that it does not name is skipped for ever."""
    here = Path(__file__).parent
    steps = (here.parent / ".ci/run").read_text("utf-8")
    named = re.findall(r"tests/[\w/.]+", steps)
    assert steps.index("torch==") < steps.index("--only-slow")
    assert NEED_TORCH <= SLOW  # then this file needs not be named
    named.append("tests/test_scripts.py")
    signs = re.compile(r"""importorskip\("torch"|import torch\b|import PLACES|torch_cases""")
    forgotten = []
    for path in here.rglob("test_*.py"):
        place = path.relative_to(here.parent)
        above = {place.as_posix(), *(parent.as_posix() for parent in place.parents)}
        if signs.search(path.read_text("utf-8")) and not above & set(named):
            forgotten.append(place.name)
    for step in re.findall(r"-k (?:.*\\\n)*.*", steps):  # of these files tests are chosen by name
        words = re.search('-k "(.+?)"', step)[1].split(" or ")
        words.append("test_examples_run")  # chosen by the names of its modules
        for path in re.findall(r"tests/[\w/.]+", step):
            for test in re.split(r"\n(?=def |@)", (here.parent / path).read_text("utf-8")):
                name = re.match(r"def (test_\w+)", test)
                skips = name and 'importorskip("torch"' in test
                if skips and not any(word in name[1] for word in words):
                    forgotten.append(name[1])
    assert not forgotten


def test_continuous_integration_runs_what_needs_plotly_where_it_is_installed():
    here = Path(__file__).parent
    steps = (here.parent / ".ci/run").read_text("utf-8")
    step = steps[steps.index('step "tests that need Plotly"') :]
    named = re.findall(r"tests/[\w/.]+", step[: step.index("}")])
    sign = 'importorskip("plotly"'
    need = [
        path.relative_to(here.parent).as_posix()
        for path in here.rglob("test_*.py")
        if path != Path(__file__) and sign in path.read_text("utf-8")
    ]
    assert sorted(need) == sorted(named)


def test_files_with_slow_tests_have_the_word(request):
    """With `--only-slow`, files without it are not read."""
    marked = {item.path for item in request.session.items if item.get_closest_marker("slow")}
    assert not [path.name for path in marked if "slow" not in path.read_text("utf-8")]


@pytest.mark.slow
def test_the_audit_script_writes_a_table_of_distances(tmp_path, monkeypatch, capsys):
    script = "reproduce_audit.py"
    arguments = [*SMALL[script], "--output", tmp_path / "o"]
    check(script, run_here(script, *arguments, folder=tmp_path, patch=monkeypatch, said=capsys))
    rows = list(csv.DictReader((tmp_path / "o" / "levels.csv").read_text().splitlines()))
    assert {row["level"] for row in rows} == set("012345678")
    assert all(0 < float(row["kolmogorov"]) < 1 for row in rows)
    assert (tmp_path / "o" / "levels.png").stat().st_size > 10_000


def test_a_case_that_crashes_or_hangs_does_not_stop_the_others(tmp_path, monkeypatch):
    """Each group of cases has a process, started again after the case that ended it."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import check_device

    (tmp_path / "device_networks.py").write_text(
        "import os, time\n"
        "from device_timing import Skipped\n"
        "def skips(): raise Skipped('why')\n"
        "def hangs(): time.sleep(60)\n"
        "hangs.limit = 0.1\n"
        "CASES = {'crashes': lambda: os._exit(3), 'raises': lambda: 1 / 0, 'hangs': hangs,\n"
        "         'skips': skips, 'wrong': lambda: {'ok': False}, 'right': lambda: {'s': 1.0}}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    out = tmp_path / "device.json"
    report = check_device.Report(out, 30.0, small=True)
    check_device.Group("networks", time.time() + 30, report, folder=tmp_path).run()
    found = json.loads(out.read_text("utf-8"))
    results = found["results"]["networks"]
    assert list(results) == ["crashes", "raises", "hangs", "skips", "wrong", "right"]
    assert [name for _, name in found["failed"]] == ["crashes", "raises", "hangs", "wrong"]
    assert "code 3" in results["crashes"]["error"]
    assert "ZeroDivisionError" in results["raises"]["error"]
    assert "time limit" in results["hangs"]["error"]
    assert results["skips"]["skipped"] == "why"
    assert "FAILED networks: wrong" in report.table()


def test_tests_that_are_all_skipped_on_a_card_have_not_passed(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from check_device import passed

    some, none = {"tests": 9, "skipped": 2}, {"tests": 9, "skipped": 9}
    assert [passed(0, one, on_card=True) for one in (some, none, {})] == [True, False, False]
    assert [passed(code, none, on_card=False) for code in (0, 5, 1, 2)] == [
        True,
        True,
        False,
        False,
    ]
    assert not passed(1, some, on_card=True)


def test_the_page_of_benchmarks_says_whether_a_card_was_there(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import write_benchmarks

    path = tmp_path / "device.json"
    page = write_benchmarks.with_device("# Page\n", path)
    assert "Not yet run" in page
    content = {
        "card": {"name": "Card"},
        "date": "2026-11-27",
        "processor": "16 cores",
        "wall_s": 3.0,
        "versions": {"numpy": "2.5"},
        "failed": [["networks", "wrong"]],
        "results": {"networks": {"right": {"route": {"s": 0.5}}, "wrong": {"error": "a|b"}}},
    }
    path.write_text(json.dumps(content), "utf-8")
    page = write_benchmarks.with_device(page + "## After\n", path)
    assert "Not yet run" not in page
    assert page.endswith("## After\n")
    assert page.count("## On a GPU") == 1
    assert "| right | route | 0.5 s |" in page
    assert "| wrong | error | a/b |" in page
    assert "1 right, 1 failed, 0 skipped" in page


def test_the_page_is_that_of_the_results_and_times_have_their_unit(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import write_benchmarks

    page = (SCRIPTS.parent / "docs" / "benchmarks.md").read_text("utf-8")
    assert write_benchmarks.with_device(page) == page
    assert "&lt;CUDA Device 0&gt;" in page
    result = {
        "s": 0.5,
        "80 steps": 1.0,
        "n=16 runs=2: batched": 2.0,
        "one run on the host": 3.0,
        "agreement with products": 1e-15,
        "times faster than jax.hessian": 2.5,
        "worst": 3.9,
        "over products": 1.5,
        "p": 0.3,
        "index": 0.2,
        "steps": 20,
        "device": "<a> *b* `c` |d|",
        "differences": {"index": 0.1},
        "lanczos": {"s": 0.25, "first": 1.0, "n": 3},
    }
    shown = dict(write_benchmarks.quantities(result))
    assert {name for name, value in shown.items() if value.endswith(" s")} == {
        "time",
        "80 steps",
        "n=16 runs=2: batched",
        "one run on the host",
        "lanczos",
    }
    assert write_benchmarks.cell(shown["device"]) == r"&lt;a&gt; \*b\* \`c\` /d/"


def test_what_runs_on_a_card_is_timed_by_one_clock():
    """Work there is asynchronous: what waits for it, of every library, is in `device_timing`."""
    for path in SCRIPTS.glob("device_*.py"):
        text = path.read_text("utf-8")
        assert (".synchronize(" in text) == (path.name == "device_timing.py"), path.name
        assert ("getDeviceCount" in text) == (path.name == "device_timing.py"), path.name


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("reproduce_minima.py", ["--quick", "--draws", "1"], "--draws must be at least 2; got 1"),
        ("bench_conditioned.py", ["--width", "0"], "--width must be at least 1; got 0"),
        ("critical_point_data.py", ["--check", "-1"], "check must be"),
        ("critical_point_data.py", ["--seed", "-1"], "seed must be"),
        ("critical_point_data.py", ["--again", "0", "--out", "no.npz"], "no.npz"),
        ("reproduce_critical_index.py", ["--n", "0"], "n must be"),
        ("reproduce_critical_index.py", ["--quick", "--starts", "0"], "starts must be"),
        ("reproduce_critical_index.py", ["--phi", "nan"], "phi must lie between 0 and 1"),
        ("reproduce_critical_index.py", ["--points", "no.csv"], "there is no file no.csv"),
    ],
)
def test_numbers_out_of_range_are_refused_before_any_work(
    name, arguments, message, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_some_rows_of_the_check_are_run_anew_and_the_others_stay(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from device_report import Report, Selection

    known = ("tests", "networks", "answers")
    words = ("answers:index", "tests/test_devices.py")
    selection = Selection(words, known)
    assert selection.groups == ["tests", "answers"]
    assert selection.pieces("answers") == ["index"]
    assert Selection(("answers", "answers:index"), known).pieces("answers") == []
    assert Selection().groups == []
    with pytest.raises(ValueError, match="names nothing: give a group"):
        Selection(("anwsers",), known)
    out = tmp_path / "device.json"
    first = Report(out, 9.0, small=True)
    first.card({"name": "first card"})
    first.add("networks", "one", {"s": 1.0})
    first.add("answers", "index", {"error": "once"})
    second = Report(out, 9.0, small=True, selection=selection)
    second.card({"name": "second card"})
    second.add("answers", "index", {"ok": True})
    found = json.loads(out.read_text("utf-8"))
    assert found["results"] == {"networks": {"one": {"s": 1.0}}, "answers": {"index": {"ok": True}}}
    assert found["failed"] == []
    assert found["card"] == {"name": "first card"}
    assert found["anew"][0]["card"] == "second card"
    assert found["anew"][0]["only"] == list(words)
    with pytest.raises(ValueError, match="other sizes"):
        Report(out, 9.0, small=False, selection=selection)

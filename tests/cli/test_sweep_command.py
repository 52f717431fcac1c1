"""`rmtland sweep`: index, status and export on one store."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rmtland import WishartPlusReluBlock, WishartPlusWigner
from rmtland.models.pennington_bahri.index_samples import sampled_index
from rmtland.sweep import Grid, Serial, Store, run

POINTS = ("--phi", ".5,2", "--epsilon", "0.1:0.3:2", "--n", "30", "--runs", "3", "--store", "s.db")
PROGRAM = Path(sys.executable).parent / "rmtland"


@pytest.fixture
def index(rmtland, monkeypatch):
    """Run a small sweep in this process."""
    monkeypatch.setattr("rmtland.sweep.Processes", lambda workers: Serial())

    def run_index(*more):
        return rmtland("sweep", "index", *POINTS, *more)

    return run_index


def rows(result):
    """Numbers of the printed table."""
    found = [re.findall(r"[-+]?[\d.]+(?:e[-+]\d+)?", line) for line in result.out.splitlines()]
    return [[float(text) for text in line] for line in found if len(line) == 7]


def test_index_status_export(rmtland):
    result = rmtland("sweep", "index", *POINTS, "--workers", 1)
    assert (result.code, result.err, result.written) == (0, "", ["s.db"])
    assert result.out.endswith("12 done, 0 failed, 0 missing, in s.db\n")
    table = rows(result)
    assert [row[:3] for row in table] == [
        [phi, epsilon, 3] for phi in (0.5, 2.0) for epsilon in (0.1, 0.3)
    ]
    for phi, epsilon, _, mean, error, law, difference in table:
        assert law == pytest.approx(WishartPlusWigner(phi, epsilon).index(), abs=1e-6)
        assert difference == pytest.approx(mean - law, rel=0.06, abs=1e-4)
        assert abs(difference) < 6 * error + 0.03

    result = rmtland("sweep", "status", "s.db")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "task: rmtland.models.pennington_bahri.index_samples:sampled_index\n"
        "12 done, 0 failed, 0 missing\n"
    )

    result = rmtland(
        "sweep",
        "export",
        "s.db",
        "--out",
        "a/t.csv",
        "--timings",
        "times.csv",
        "--failures",
        "none.csv",
    )
    assert (result.code, result.err) == (0, "")
    assert result.out == "wrote a/t.csv\nwrote times.csv\nwrote none.csv\n"
    with (result.folder / "a" / "t.csv").open(newline="") as stream:
        exported = list(csv.DictReader(stream))
    assert len(exported) == 12
    grid = Grid(
        {
            "model": "WishartPlusWigner",
            "phi": [0.5, 2.0],
            "epsilon": [0.1, 0.3],
            "sigma": 1.0,
            "n": 30,
        },
        seeds=3,
    )
    again = run(sampled_index, grid, executor=Serial())
    expected = again.to_csv(result.folder / "again.csv").read_bytes()
    assert (result.folder / "a" / "t.csv").read_bytes() == expected


def test_a_second_call_computes_nothing_and_a_larger_one_what_is_new(rmtland, index):
    index()
    store = Store("s.db")
    before = {result.key: result.finished for result in store.results()}
    assert index().out.endswith("12 done, 0 failed, 0 missing, in s.db\n")
    assert {result.key: result.finished for result in store.results()} == before
    assert index("--runs", 5).out.endswith("20 done, 0 failed, 0 missing, in s.db\n")
    after = {result.key: result.finished for result in store.results()}
    assert len(after) == 20
    assert before.items() <= after.items()
    index("--seed", 1)
    assert store.status().done == 32


def test_the_other_model(rmtland, index):
    result = rmtland(
        "sweep",
        "index",
        "--model",
        "wishart-relu",
        "--sigma",
        2,
        "--phi",
        0.7,
        "--phi",
        1.5,
        "--epsilon",
        1,
        "--n",
        20,
        "--runs",
        2,
        "--store",
        "s.db",
    )
    assert result.code == 0
    assert [row[5] for row in rows(result)] == pytest.approx(
        [WishartPlusReluBlock(phi, 1.0, 2.0).index() for phi in (0.7, 1.5)], abs=1e-6
    )


def test_failures_are_counted_shown_and_computed_again_on_request(rmtland, index, monkeypatch):

    from rmtland.models import HessianModel

    def bad(self, n, rng=None, **options):
        raise ArithmeticError("no\nmatrices today")

    with monkeypatch.context() as broken:
        broken.setattr(HessianModel, "sample", bad)
        result = index()
        assert (result.code, result.err) == (1, "")
        lines = result.out.splitlines()
        assert lines[0] == (
            "failed: epsilon=0.1, model='WishartPlusWigner', n=30, phi=0.5, sigma=1.0: "
            "ArithmeticError: no matrices today"
        )
        assert lines[5:] == [
            "and 7 more: rmtland sweep export s.db --failures FILE",
            "0 done, 12 failed, 0 missing, in s.db",
        ]
    assert index().out == result.out
    shown = rmtland("sweep", "status", "s.db").out.splitlines()
    assert shown[1] == "0 done, 12 failed, 0 missing"
    assert len(shown) == 2 + 5 + 1
    assert "phi=0.5" in shown[2]
    assert shown[2].endswith("ArithmeticError: no matrices today")
    assert shown[-1].startswith("and 7 more")
    again = index("--retry-failed")
    assert again.code == 0
    assert again.out.endswith("12 done, 0 failed, 0 missing, in s.db\n")


def test_help(rmtland):
    for arguments in (("sweep",), ("sweep", "--help")):
        result = rmtland(*arguments)
        assert (result.code, result.err) == (0, "")
        for word in ("index", "status", "export", "survives"):
            assert word in result.out
    for option in ("--phi", "--epsilon", "--store", "--workers", "--dask", "--retry-failed"):
        assert option in rmtland("sweep", "index", "--help").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", *POINTS, "--phi", "x"), "--phi takes numbers, .* got 'x'"),
        (("index", *POINTS, "--phi", "1:2"), "start:stop:count; got '1:2'"),
        (("index", *POINTS, "--phi", "1:2:0"), "got '1:2:0'"),
        (("index", *POINTS, "--phi", "1:2:1.5"), "got '1:2:1.5'"),
        (("index", *POINTS, "--phi", ""), "--phi takes numbers"),
        (("index", *POINTS, "--phi", "-1"), "phi must be a positive finite number; got -1"),
        (("index", *POINTS, "--phi", "nan"), "phi must be"),
        (("index", *POINTS, "--epsilon", "-1"), "epsilon must be zero or"),
        (("index", *POINTS, "--sigma", "0"), "sigma must be"),
        (("index", *POINTS, "--n", "0"), "n must be an integer of at least 1"),
        (("index", *POINTS, "--runs", "0"), "runs must be"),
        (("index", *POINTS, "--seed", "-1"), "seed must be"),
        (("index", *POINTS, "--workers", "0"), "workers must be"),
        (("index", *POINTS, "--retries", "-1"), "retries must be"),
        (("index", *POINTS, "--model", "foo"), "unknown model 'foo'"),
        (("index", *POINTS, "--workers", "1", "--dask", "a:1"), "--workers or --dask, not both"),
        (("index", *POINTS, "--dask", "a"), "address must be that of a scheduler"),
        (("index", *POINTS, "--store", "no/s.db"), "there is no folder no to make the store in"),
        (("index", *POINTS, "--store", "."), "is not a file"),
        (("index", "--phi", "1", "--epsilon", "1"), "Missing option '--store'"),
        (("status", "none.db"), r"there is no store none\.db"),
        (("export", "none.db", "--out", "t.csv"), r"there is no store none\.db"),
        (("export", "none.db"), "give a file to write to"),
        (("paint",), "No such command 'paint'"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_an_error_is_one_line(rmtland, arguments, message):
    result = rmtland("sweep", *arguments)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("rmtland: error: ")
    assert re.search(message, line)
    assert result.written == []


def test_a_file_that_is_no_store_is_left_as_it_is(rmtland, index):
    for command in (("status", "s.db"), ("export", "s.db", "--out", "t.csv"), ("index", *POINTS)):
        Path("s.db").write_bytes(b"dear diary " * 30)
        result = rmtland("sweep", *command)
        assert result.code == 2
        assert result.err.startswith("rmtland: error: s.db is not a store of results")
        assert result.written == ["s.db"]
        assert Path("s.db").read_bytes() == b"dear diary " * 30


def test_a_store_is_not_written_over(rmtland, index):
    index()
    before = Path("s.db").read_bytes()
    result = rmtland("sweep", "export", "s.db", "--out", "s.db")
    assert result.code == 2
    assert "is the store itself" in result.err
    assert Path("s.db").read_bytes() == before


def test_ctrl_c(tmp_path):
    """The program stops at once, says what is stored, and resumes there."""
    command = [
        PROGRAM,
        "sweep",
        "index",
        "--phi",
        "1",
        "--epsilon",
        "0.1:1:50",
        "--n",
        "60",
        "--runs",
        "8",
        "--store",
        "s.db",
        "--workers",
        "1",
    ]
    program = subprocess.Popen(
        command,
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    path = tmp_path / "s.db"
    while program.poll() is None and not (path.exists() and Store(path).status().done):
        time.sleep(0.02)
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to the workers too
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (130, "")
    (line,) = err.splitlines()
    done = Store(path).status().done
    assert line == (
        f"rmtland: error: interrupted: {done} of 400 tasks are done and stored in s.db; "
        "the same call resumes there"
    )
    assert 0 < done < 400
    assert [file.name for file in tmp_path.iterdir()] == ["s.db"]


def test_one_run_has_no_standard_error(index):
    result = index("--runs", 1)
    assert result.code == 0
    assert "inf" not in result.out
    assert result.out.endswith("4 done, 0 failed, 0 missing, in s.db\n")


def test_a_matrix_too_large_is_named_as_the_reason(rmtland, index):
    result = rmtland(
        "sweep",
        "index",
        "--phi",
        0.5,
        "--epsilon",
        0.3,
        "--n",
        1_000_000,
        "--runs",
        1,
        "--store",
        "s.db",
    )
    assert result.code == 1
    assert "of size 1000000 takes about" in result.out
    assert result.out.endswith("0 done, 1 failed, 0 missing, in s.db\n")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--phi", "0.1:0.5:100000000"), "--phi has more than the 1000000 values"),
        (("--runs", 1_000_000_000), "tasks, more than the 1000000 that one may have"),
        (("--epsilon", "0:1:1000", "--phi", "1:2:1000", "--runs", 2), "tasks, more than"),
    ],
)
def test_sweeps_without_bounds_are_refused_at_once(rmtland, more, message):
    begun = time.process_time()
    result = rmtland("sweep", "index", *POINTS, *more)
    assert (result.code, result.out, result.written) == (2, "", [])
    (line,) = result.err.splitlines()
    assert message in line
    assert time.process_time() - begun < 20


def test_json(rmtland, index):
    result = index("--json", "-")
    found = json.loads(result.out)
    assert found["seed"] == 0
    assert (result.code, result.err) == (0, "")
    assert found["counts"] == {"done": 12, "failed": 0, "missing": 0}
    assert [(one["phi"], one["epsilon"], one["runs"]) for one in found["points"]] == [
        (phi, epsilon, 3) for phi in (0.5, 2.0) for epsilon in (0.1, 0.3)
    ]
    model = WishartPlusWigner(2.0, 0.3)
    assert found["points"][3]["law"] == pytest.approx(model.index(), rel=1e-12)
    found = json.loads(rmtland("sweep", "status", "s.db", "--json", "-").out)
    assert (found["counts"]["done"], found["failures"]) == (12, [])
    found = json.loads(rmtland("sweep", "export", "s.db", "--json", "-").out)
    assert len(found["columns"]["index"]) == 12


@pytest.mark.parametrize("format", ["png", "pdf", "svg"])
def test_the_picture(index, format):
    result = index("--plot", "--format", format, "--out", "o")
    name = f"o/index-wishart-wigner-n30-runs3-seed0.{format}"
    assert (result.code, result.written) == (0, [name, "s.db"])
    assert f"wrote {name}" in result.out

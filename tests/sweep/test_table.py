"""Tables: typed columns, means, and bytes that depend on the results alone."""

import csv
import math

import numpy as np
import pytest
import sweep_tasks

from rmtland.sweep import Grid, Mean, Results, Serial, Store, StoreError, run


def table(results, folder):
    return results.to_csv(folder / "table.csv").read_text("utf-8")


def made(task, grid, **options):
    return run(task, grid, executor=Serial(), **options)


def test_the_table_in_full(tmp_path):
    def task(name, x, widths, seed=None):
        return {
            "b": x > 1,
            "a": x / 3,
            "nodes": np.array([x, np.nan, np.inf]),
            "none": None,
            "word": f'{name}, "é"',
            "count": 10**20,
        }

    grid = Grid({"x": [10.0, 2.5], "widths": [(3, 4)], "name": "n"}, seeds=1, root=7)
    assert table(made(task, grid), tmp_path) == (
        "name,widths,x,root,replicate,a,b,count,nodes,none,word\n"
        'n,"[3, 4]",2.5,7,0,0.8333333333333334,true,100000000000000000000,'
        '"[2.5, NaN, Infinity]",,"n, ""é"""\n'
        'n,"[3, 4]",10.0,7,0,3.3333333333333335,true,100000000000000000000,'
        '"[10.0, NaN, Infinity]",,"n, ""é"""\n'
    )


def test_bytes_do_not_depend_on_history(tmp_path):
    axes, points = {"x": [3.0, 1.0, 20.0], "seconds": [0.0]}, [{"x": 2, "seconds": 0.0}]
    whole = made(sweep_tasks.draw_slowly, Grid(axes, points=points, seeds=3))
    path = tmp_path / "pieces.db"
    for part in (
        Grid(points=points, seeds=2),
        Grid({**axes, "x": [20.0, 3.0]}, seeds=3),
        Grid({"x": [1.0], "seconds": 0.0}, seeds=1),
        Grid(axes, points=points, seeds=3),
    ):
        made(sweep_tasks.draw_slowly, part, store=path)
    assert table(Results(Store(path)), tmp_path) == table(whole, tmp_path)
    rows = list(csv.DictReader(table(whole, tmp_path).splitlines()))
    assert [float(row["x"]) for row in rows] == [1] * 3 + [2] * 3 + [3] * 3 + [20] * 3
    assert [row["replicate"] for row in rows] == list("012") * 4


def test_numbers_read_back_exactly(tmp_path):
    values = [0.1, 5e-324, -0.0, math.nan, -math.inf, 1 / 3, 2.0**60]
    results = made(lambda i: values[i], Grid({"i": range(7)}, seeds=None))
    rows = list(csv.DictReader(table(results, tmp_path).splitlines()))
    found = np.array([float(row["value"]) for row in rows])
    assert found.tobytes() == np.array(values).tobytes()
    assert rows[0] == {"i": "0", "root": "", "replicate": "0", "value": "0.1"}


def test_tables_of_nothing(tmp_path):
    assert table(Results(Store()), tmp_path) == "root,replicate\n"
    empty = made(sweep_tasks.draw, Grid({"x": []}))
    assert (len(empty), list(empty), empty.failures) == (0, [], [])
    assert empty.columns().keys() == {"root", "replicate"}


def test_a_result_with_the_name_of_a_parameter(tmp_path):
    results = made(lambda x: {"x": 2 * x, "root": 1}, Grid({"x": [1]}, seeds=None))
    assert table(results, tmp_path) == "x,root,replicate,result.root,result.x\n1,,0,1,2\n"


def test_results_of_different_shapes(tmp_path):
    results = made(lambda x: {"a": x} if x else {"b": "word"}, Grid({"x": [0, 1]}, seeds=None))
    assert table(results, tmp_path) == "x,root,replicate,a,b\n0,,0,,word\n1,,0,1,\n"
    assert results.columns()["a"].tolist() == [None, 1]


def test_columns_are_typed_and_in_the_order_of_the_grid():
    def task(x, i, seed):
        return {
            "float": x,
            "int": i,
            "bool": i > 1,
            "text": str(i),
            "mixed": i if i > 1 else x,
            "large": 10**30,
            "array": np.full(2, x),
        }

    columns = made(task, Grid({"x": [2.5, 0.5], "i": [2, 1]}, seeds=2)).columns()
    kinds = {name: column.dtype for name, column in columns.items()}
    assert kinds == {
        "x": np.float64,
        "i": np.int64,
        "root": np.int64,
        "replicate": np.int64,
        "float": np.float64,
        "int": np.int64,
        "bool": np.bool_,
        "text": object,
        "mixed": np.float64,
        "large": object,
        "array": object,
    }
    assert columns["x"].reshape(2, 2, 2)[:, 0, 0].tolist() == [2.5, 0.5]
    assert columns["int"].tolist() == [2, 2, 1, 1] * 2
    assert columns["array"][0].tolist() == [2.5, 2.5]


def test_means_and_standard_errors():
    results = made(sweep_tasks.draw, Grid({"x": [0.0, 5.0]}, seeds=50))
    values = [result.value["mean"] for result in results]
    for half, mean in zip((values[:50], values[50:]), results.means("mean"), strict=True):
        assert mean.mean == pytest.approx(np.mean(half), rel=1e-14)
        assert mean.error == pytest.approx(np.std(half, ddof=1) / 50**0.5, rel=1e-14)
        assert mean.runs == 50
        assert abs(mean.mean - mean.parameters["x"]) < 5 * mean.error < 1
    assert made(lambda x: 2 * x, Grid({"x": [1]}, seeds=None)).means() == [
        Mean({"x": 1}, 2.0, math.inf, 1)
    ]
    with pytest.raises(KeyError, match="no result 'median'; there are mean, nodes"):
        results.means("median")


def test_timings_and_failures_have_tables_of_their_own(tmp_path):
    grid = Grid({"x": [2, 1], "bad": [(2,)]})
    results = made(sweep_tasks.fail_on, grid)
    for found in (results, Results(results.store)):
        text = found.timings_to_csv(tmp_path / "t.csv").read_text()
        (row,) = csv.DictReader(text.splitlines())
        assert list(row) == ["bad", "x", "root", "replicate", "seconds", "attempts", "finished"]
        assert (row["bad"], row["x"], row["attempts"]) == ("[2]", "1", "1")
        assert float(row["finished"]) > 1.7e9
        with found.failures_to_csv(tmp_path / "f.csv").open(newline="") as stream:
            (row,) = csv.DictReader(stream)
        assert (row["x"], row["type"]) == ("2", "ArithmeticError")
        assert "in fail_on" in row["traceback"]


def test_the_store_is_not_written_over(tmp_path):
    path = tmp_path / "results.db"
    results = made(sweep_tasks.draw, Grid({"x": [1]}), store=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is the store itself"):
        results.to_csv(path)
    assert path.read_bytes() == before


def test_a_table_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "results.db"
    results = made(sweep_tasks.draw, Grid({"x": range(3)}, seeds=9), store=path)
    target = tmp_path / "table.csv"
    target.write_text("old")
    content = path.read_bytes()
    damaged = content.replace(b'"mean": 1.', b'"mean": 7.')
    assert damaged != content
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match="digest does not match"):
        results.to_csv(target)
    assert target.read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["results.db", "table.csv"]

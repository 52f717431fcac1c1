"""The store: what is refused, and that what is refused is left as it was."""

import errno
import gc
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sweep_tasks

from rmtland.sweep import Counts, Grid, Results, Serial, Store, StoreError, database, run
from rmtland.sweep.outcome import Done, Failed

GRID = Grid({"x": [0.5, 1.0, 2.0]}, seeds=4)


@pytest.fixture
def path(tmp_path):
    """A store with twelve results."""
    path = tmp_path / "results.db"
    run(sweep_tasks.draw, GRID, store=path, executor=Serial())
    return path


def refused(path, match):
    """The file is refused by all that reads or writes it, and nothing changes."""
    before, beside = path.read_bytes(), sorted(path.parent.iterdir())
    stamp = path.stat().st_mtime_ns
    with pytest.raises(StoreError, match=match):
        run(sweep_tasks.draw, GRID, store=path, executor=Serial())
    with pytest.raises(StoreError, match=match):
        Store(path, create=False)
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == stamp
    assert sorted(path.parent.iterdir()) == beside


def alter(path, *statements):
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def table(path, folder):
    return Results(Store(path)).to_csv(folder / "table.csv").read_bytes()


# What a good one holds -----------------------------------------------------------------------


def test_one_file_that_holds_the_results(path):
    assert [file.name for file in path.parent.iterdir()] == ["results.db"]
    store = Store(path)
    assert store.status() == Counts(12, 0, 0)
    assert store.task() == "sweep_tasks:draw"
    assert store.keys() == sorted(GRID, key=lambda key: key.rank)
    for result in store.results():
        expected = sweep_tasks.draw(**result.parameters, seed=result.key.seed)
        assert result.value["mean"] == expected["mean"]
        np.testing.assert_array_equal(result.value["nodes"], expected["nodes"])
        assert result.seconds >= 0
        assert result.attempts == 1
    assert [file.name for file in path.parent.iterdir()] == ["results.db"]
    assert os.fspath(path) in repr(store)


def test_format_on_disk(path):
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (0x524D544C,)
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        (data,) = db.execute("SELECT data FROM arrays LIMIT 1").fetchone()
        values = {tuple(result.value["nodes"]) for result in Store(path).results()}
        assert tuple(np.frombuffer(data, "<f8")) in values


def test_reading_where_nothing_can_be_written(path):
    with unprivileged(path, folder=0o555, file=0o444) as moved:
        assert Store(moved).status() == Counts(12, 0, 0)
        assert len(list(Store(moved).results())) == 12
        with pytest.raises(PermissionError, match=r"it and its folder must be writable.*results"):
            run(sweep_tasks.draw, GRID, store=moved, executor=Serial())
        with pytest.raises(PermissionError, match="folder that is not writable"):
            Store(moved.parent / "new.db")


class unprivileged:
    """The file in a folder of given permissions, seen by a user who is not root."""

    def __init__(self, path, *, folder, file):
        self.path, self.folder_mode, self.file_mode = path, folder, file

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp())
        moved = self.folder / self.path.name
        moved.write_bytes(self.path.read_bytes())
        moved.chmod(self.file_mode)
        self.folder.chmod(self.folder_mode)
        if os.geteuid() == 0:
            os.setresuid(65534, 65534, 0)
        return moved

    def __exit__(self, *error):
        if os.getresuid()[2] == 0:
            os.setresuid(0, 0, 0)
        self.folder.chmod(0o700)
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()


# What is refused -----------------------------------------------------------------------------


def test_random_bytes(tmp_path):
    for size in (1, 99, 100, 5000):
        path = tmp_path / "noise"
        path.write_bytes(random.Random(size).randbytes(size))
        refused(path, "noise is not a store of results: it is no SQLite database")


def test_empty_file(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    refused(path, "empty is empty, not a store; remove it")


def test_another_database(tmp_path):
    path = tmp_path / "other.db"
    alter(path, "CREATE TABLE results (x)", "INSERT INTO results VALUES (1)")
    refused(path, "another program's database")
    alter(path, "PRAGMA journal_mode = WAL", "PRAGMA user_version = 1")
    refused(path, "another program's database")


def test_newer_schema(path):
    alter(path, "PRAGMA user_version = 2")
    refused(path, "schema version 2; this rmtland reads version 1")


def test_another_task(path):
    before = path.read_bytes()
    with pytest.raises(StoreError, match="results of the task sweep_tasks:draw, not of sweep_tas"):
        run(sweep_tasks.echo, Grid({"x": [1]}, seeds=None), store=path, executor=Serial())
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "is damaged|no SQLite database")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE results SET value = replace(value, '1', '2')",
        "UPDATE results SET digest = 'ab'",
        "UPDATE tasks SET replicate = replicate + 1",
        "UPDATE tasks SET parameters = '{\"x\": 3.0}'",
        "UPDATE arrays SET data = zeroblob(24)",
        "DELETE FROM arrays",
        "DELETE FROM tasks",
        "DELETE FROM results WHERE rowid IS NULL OR value LIKE '%nodes%'",
        "CREATE TABLE more (x)",
        "DROP TABLE failures",
        "ALTER TABLE results RENAME COLUMN seconds TO minutes",
    ],
)
def test_changed_content(path, statement):
    if statement.startswith("DELETE FROM results"):
        statement = "DELETE FROM results"
    alter(path, statement)
    refused(path, "is damaged")


def test_no_file_and_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no store .*none\.db"):
        Store(tmp_path / "none.db", create=False)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        Store(tmp_path / "none" / "x.db")
    with pytest.raises(StoreError, match="is not a file"):
        Store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_is_refused_or_harmless(path, tmp_path):
    """Bits that SQLite does not use may change; nothing else."""
    content, expected = path.read_bytes(), table(path, tmp_path)
    draw = random.Random(1)
    places = [i for i, byte in enumerate(content) if byte]
    refusals = 0
    for turn in range(200):
        damaged = bytearray(content)
        place = draw.choice(places) if turn % 4 else draw.randrange(len(content))
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            store = Store(path)
        except StoreError:
            refusals += 1
            assert path.read_bytes() == damaged
            continue
        assert Results(store).to_csv(tmp_path / "again.csv").read_bytes() == expected
    assert refusals > 100


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"NOT NULL", b"N\xcfT NULL"), (b'{"mean": ', b'{"m\xe5an": '), (b"CREATE", b"CRE\xc1TE")],
)
def test_bytes_that_are_no_text(path, before, after):
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after, 1))
    refused(path, "is damaged")


def test_cells_of_another_type(path):
    alter(path, "UPDATE results SET value = CAST(value AS BLOB)")
    refused(path, "is damaged")


def test_a_damaged_store_whose_writer_was_killed_is_left_as_it_is(path, tmp_path):
    """With a log beside it, opening the file the ordinary way would write to it."""
    copy = tmp_path / "copy.db"
    with Store(path).writing("sweep_tasks:draw", "") as writer:
        key = next(iter(Grid({"x": [9.0]})))
        writer.register([key])
        writer.write(key, Done('{"mean": 1.0}', {}, 0.1), 1)
        content = bytearray(path.read_bytes())
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
        log = path.with_name(path.name + "-wal").read_bytes()
    # The log repairs what it holds itself; the rest stays broken.
    copy.write_bytes(content)
    copy.with_name("copy.db-wal").write_bytes(log)
    with pytest.raises(StoreError, match="is damaged"):
        Store(copy)
    assert copy.read_bytes() == content
    assert copy.with_name("copy.db-wal").read_bytes() == log


# Writing -------------------------------------------------------------------------------------


def test_a_failure_gives_way_to_a_result_and_never_the_other_way_round():
    store, (key,) = Store(), Grid({"x": [1]})
    failed, done = Failed("Error", "message", "trace", 0.1), Done('{"": 2.0}', {}, 0.2)
    with store.writing("task", "") as writer:
        writer.register([key])
        assert store.status() == (0, 0, 1)
        writer.write(key, failed, 1)
        assert store.status() == (0, 1, 0)
        writer.write(key, done, 2)
        writer.write(key, failed, 3)
        writer.write(key, Done('{"": 3.0}', {}, 0.2), 1)  # the first result stays
    assert store.status() == (1, 0, 0)
    (result,) = store.results()
    assert (result.value, result.attempts, store.failures()) == (2.0, 2, [])


def test_a_store_in_memory_is_closed_with_its_last_user():
    """Python 3.13 warns of a connection that nobody closed."""

    def used():
        store = Store()
        results = run(sweep_tasks.draw, GRID, store=store, executor=Serial())
        return store._memory, len(results)

    db, count = used()
    gc.collect()
    assert count == 12
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("SELECT 1")


def test_a_store_that_finds_no_room_names_its_file(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(database, "atomic_write", full)
    with pytest.raises(OSError, match=r"no room to make a store.*new\.db") as caught:
        Store(tmp_path / "new.db")
    assert caught.value.errno == errno.ENOSPC


def test_disk_full_loses_nothing(path):
    """SQLite is told that the file must not grow."""
    before = table(path, path.parent)
    store, (key,) = Store(path), Grid({"x": [9.0]})

    def fill():
        with store.writing("sweep_tasks:draw", "") as writer:
            (pages,) = writer._db.execute("PRAGMA page_count").fetchone()
            writer._db.execute(f"PRAGMA max_page_count = {pages}")
            writer.register([key])
            writer.write(key, Done('{"nodes": 1}', {"nodes": bytes(10**6)}, 0.1), 1)

    with pytest.raises(OSError, match="all results stored before are kept") as full:
        fill()
    assert full.value.errno == errno.ENOSPC
    assert table(path, path.parent) == before
    assert store.status() == (12, 0, 1)


FULL = """
import resource, signal, sys, sweep_tasks
from rmtland.sweep import Grid, Serial, run
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    run(sweep_tasks.eigenvalues, Grid({"n": 40}, seeds=1000), store=sys.argv[1], executor=Serial())
except OSError as error:
    print(error)
"""


def test_a_limit_of_the_system_loses_nothing(tmp_path):
    path = tmp_path / "results.db"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(sweep_tasks.__file__).parent)},
    )
    assert done.stderr == ""
    assert "all results stored before are kept" in done.stdout
    done, failed, missing = Store(path).status()
    assert done > 10
    assert failed == 0
    assert done + missing == 1000
    grid = Grid({"n": 40}, seeds=done + 20)
    resumed = run(sweep_tasks.eigenvalues, grid, store=path, executor=Serial())
    assert len(resumed) == done + 20


def test_two_stores_made_at_once_are_one(tmp_path, monkeypatch):
    """Another process makes the file while this one is about to."""
    path = tmp_path / "results.db"
    link = os.link

    def late(source, target):
        monkeypatch.setattr(os, "link", link)
        run(sweep_tasks.draw, GRID, store=path, executor=Serial())
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert Store(path).status().done == 12
    assert [file.name for file in tmp_path.iterdir()] == ["results.db"]


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def no_link(source, target):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_link)
    assert Store(tmp_path / "results.db").status() == (0, 0, 0)
    assert [file.name for file in tmp_path.iterdir()] == ["results.db"]


def test_a_locked_store_is_an_error_after_a_while(path, monkeypatch):
    monkeypatch.setattr("rmtland.sweep.database.BUSY", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError, match="locked by another process"):
            run(sweep_tasks.draw, GRID, store=path, executor=Serial())


def test_names_with_marks_of_their_own(tmp_path):
    for name in ("a?b#c%20d &.db", "é ü.db", "file:x?mode=memory"):
        path = tmp_path / name
        run(sweep_tasks.draw, GRID, store=path, executor=Serial())
        assert Store(path).status().done == 12
        assert path.read_bytes()[:6] == b"SQLite"


def test_a_link_to_a_store_and_a_change_of_folder(path, tmp_path, monkeypatch):
    """The log lies beside the file that a link points to."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(path)
    (key,) = Grid({"x": [9.0]})
    with Store(link).writing("sweep_tasks:draw", "") as writer:
        writer.register([key])
        writer.write(key, Done('{"mean": 1.0}', {}, 0.1), 1)
        assert Store(link).status().done == 13
    monkeypatch.chdir(tmp_path)
    results = run(sweep_tasks.draw, GRID, store=path.name, executor=Serial())
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(list(results)) == 12


def test_a_result_too_large_for_a_cell_is_a_failure(monkeypatch):
    monkeypatch.setattr("rmtland.sweep.outcome._LARGEST", 1000)
    results = run(sweep_tasks.eigenvalues, Grid({"n": [100, 130]}), executor=Serial())
    assert results.status == Counts(1, 1, 0)
    assert (
        results.failures[0].message == "a result takes 1040 bytes in one piece; a store holds 1000"
    )


def test_the_old_name_of_the_counts():
    from rmtland import sweep

    with pytest.warns(DeprecationWarning, match=r"sweep\.Status is now .*Counts"):
        assert sweep.Status is Counts

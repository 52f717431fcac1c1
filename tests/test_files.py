"""Files appear whole or not at all, with the permissions of the umask or of what they replace."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from rmtland import Spectrum
from rmtland.files import atomic_write, check_folder, check_target
from rmtland.networks.training.checkpoints import save_checkpoint
from rmtland.sweep import Grid, Serial, Store, run

posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def written(path, content=b"new"):
    with atomic_write(path) as stream:
        stream.write(content)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def square(x):
    return x * x


def as_spectrum(path):
    Spectrum([1.0, 2.0]).save(path)


def as_checkpoint(path):
    save_checkpoint(path, {"steps": 1}, {"theta": np.ones(2)})


def as_table(path):
    run(square, Grid({"x": [1.0]}, seeds=None), executor=Serial()).to_csv(path)


WRITERS = [written, as_spectrum, as_checkpoint, as_table]


@posix
@pytest.mark.parametrize("write", [*WRITERS, Store])
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path, write, mask):
    with umask(mask):
        write(tmp_path / "a.npz")
    assert mode(tmp_path / "a.npz") == 0o666 & ~mask
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@posix
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("before", [0o600, 0o640, 0o666, 0o444])
def test_a_replaced_file_keeps_its_permissions(tmp_path, write, before):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    path.chmod(before)
    with umask(0o022):
        write(path)
    assert mode(path) == before
    assert path.read_bytes() != b"old"


@posix
def test_nobody_reads_the_new_content_of_a_private_file(tmp_path):
    path = tmp_path / "a"
    path.touch(0o600)
    with atomic_write(path) as stream:
        assert stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o600


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with suppress(ZeroDivisionError), atomic_write(path) as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
        raise ZeroDivisionError
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a", b"old")]
    written(path)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a", b"new")]


def test_what_a_link_points_to_is_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("a")
    written(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"


def test_the_first_of_several_writers_wins(tmp_path):
    with atomic_write(tmp_path / "a", overwrite=False) as stream:
        stream.write(b"first")
    with (
        pytest.raises(FileExistsError, match="a is there already"),
        atomic_write(tmp_path / "a", overwrite=False) as stream,
    ):
        stream.write(b"second")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a", b"first")]


def test_long_names(tmp_path):
    written(tmp_path / ("n" * 255))
    assert (tmp_path / ("n" * 255)).read_bytes() == b"new"


def test_writers_at_the_same_time(tmp_path):
    contents = [bytes([i]) * 1000 for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: written(tmp_path / "a", content), contents))
    assert (tmp_path / "a").read_bytes() in contents
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file"):
        written(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'.*none/a'"):
        written(tmp_path / "none" / "a")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="device or a pipe"):
        written(tmp_path / "pipe")
    assert check_target(tmp_path / "nothing") is None


def test_a_folder_is_checked_before_the_work(tmp_path):
    check_folder(tmp_path / "new" / "below")
    (tmp_path / "note").touch()
    for folder in (tmp_path / "note", tmp_path / "note" / "below" / "it"):
        with pytest.raises(NotADirectoryError, match="note is a file; give a folder"):
            check_folder(folder)
    assert [one.name for one in tmp_path.iterdir()] == ["note"]
    with pytest.raises(OSError, match="cannot write in /proc"):
        check_folder(Path("/proc/rmtland/out"))

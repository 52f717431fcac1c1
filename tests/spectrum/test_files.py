"""Spectra in files: whole or not there, without pickle, found by the name they were given."""

import io
import json
import math
import os
import tempfile
import zipfile

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import rmtland.files
import rmtland.spectrum.files
from rmtland import Spectrum

QUADRATURE = Spectrum(
    [[1.0, -2.0], [0.1, 3.0]], [[0.25, 0.75], [1 / 3, 2 / 3]], 400, {"source": "test", "seed": [1]}
)
COMPLETE = Spectrum(np.random.default_rng(0).standard_normal((2, 60)), provenance={"größe": "ü"})


def same(one, other):
    assert one == other
    assert one.nodes.tobytes() == other.nodes.tobytes()


@pytest.mark.parametrize("spectrum", [QUADRATURE, COMPLETE], ids=["quadrature", "complete"])
def test_saved_and_loaded_to_the_last_bit(spectrum, tmp_path):
    path = spectrum.save(tmp_path / "s.npz")
    assert path == tmp_path / "s.npz"
    same(Spectrum.load(path), spectrum)
    same(Spectrum.load(str(path)), spectrum)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.npz"]


@examples(60)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=12),
        elements=st.floats(-1e6, 1e6),
    )
)
def test_any_spectrum_survives_a_file(nodes):
    with tempfile.TemporaryDirectory() as folder:
        spectrum = Spectrum(nodes)
        same(Spectrum.load(spectrum.save(f"{folder}/x")), spectrum)


def test_save_appends_the_ending(tmp_path):
    assert COMPLETE.save(str(tmp_path / "run.1")) == tmp_path / "run.1.npz"
    assert (tmp_path / "run.1.npz").exists()


def test_file_can_be_read_by_others_and_without_pickle(tmp_path):
    path = QUADRATURE.save(tmp_path / "s")
    assert path.stat().st_mode & 0o777 == 0o644
    with np.load(path, allow_pickle=False) as data:
        assert sorted(data.files) == ["header", "nodes", "weights"]
        assert all(data[name].dtype.kind in "fU" for name in data.files)
        assert json.loads(str(data["header"]))["dimension"] == 400


def test_failure_in_the_middle_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = COMPLETE.save(tmp_path / "s.npz")

    def half(stream, **arrays):
        stream.write(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(rmtland.spectrum.files.np, "savez_compressed", half)
    with pytest.raises(OSError, match="disk full"):
        QUADRATURE.save(path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [path]
    same(Spectrum.load(path), COMPLETE)


def test_interrupt_before_the_renaming_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(rmtland.files.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        COMPLETE.save(tmp_path / "s.npz")
    assert list(tmp_path.iterdir()) == []


def test_save_replaces_an_older_file(tmp_path):
    COMPLETE.save(tmp_path / "s.npz")
    same(Spectrum.load(QUADRATURE.save(tmp_path / "s.npz")), QUADRATURE)


def test_save_into_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        COMPLETE.save(tmp_path / "missing" / "s.npz")


def test_load_of_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        Spectrum.load(tmp_path / "none.npz")


def written(path, **arrays):
    np.savez(path, **arrays)
    return path


def header(**changes):
    values = {"format": "rmtland spectrum 1", "dimension": 2, "provenance": {}} | changes
    return np.array(json.dumps({k: v for k, v in values.items() if v != "left out"}))


NODES = np.array([[1.0, 2.0]])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": NODES}, "header"),
        ({"header": header()}, "nodes"),
        ({"header": np.array("no json"), "nodes": NODES}, "Expecting value"),
        ({"header": np.array("[1]"), "nodes": NODES}, ""),
        ({"header": header(format="rmtland spectrum 9"), "nodes": NODES}, "spectrum 9"),
        ({"header": header(format="left out"), "nodes": NODES}, "format"),
        ({"header": header(dimension="left out"), "nodes": NODES}, "dimension"),
        ({"header": header(provenance="left out"), "nodes": NODES}, "provenance"),
        ({"header": header(provenance=[]), "nodes": NODES}, "dict"),
        ({"header": header(dimension=7), "nodes": NODES}, "dimension 7"),
        ({"header": header(), "nodes": NODES * math.nan}, "NaN"),
        ({"header": header(), "nodes": NODES, "weights": NODES}, "sum to 1"),
    ],
)
def test_load_of_a_foreign_archive(tmp_path, arrays, message):
    path = written(tmp_path / "s.npz", **arrays)
    with pytest.raises(ValueError, match=rf"s\.npz is not a spectrum file: .*{message}"):
        Spectrum.load(path)


def test_load_of_other_files(tmp_path):
    path = tmp_path / "s.npz"
    np.save(tmp_path / "array.npy", NODES)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("readme.txt", "hello")
    for content in (b"", b"text", (tmp_path / "array.npy").read_bytes(), zipped.getvalue()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a spectrum file"):
            Spectrum.load(path)
    with pytest.raises(IsADirectoryError):
        Spectrum.load(tmp_path)


def test_load_never_unpickles(tmp_path):
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    path = tmp_path / "s.npz"
    np.savez(path, header=header(), nodes=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="is not a spectrum file"):
        Spectrum.load(path)
    assert not trap.exists()
    np.load(path, allow_pickle=True)["nodes"]  # the trap works
    assert trap.exists()


def test_damaged_files_are_refused_or_read_right(tmp_path):
    """One flipped bit: bytes that do not matter may pass, no wrong number may, no other error."""
    whole = COMPLETE.save(tmp_path / "s.npz").read_bytes()
    path = tmp_path / "damaged.npz"
    generator = np.random.default_rng(7)
    refused = []
    for _ in range(600):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole))] ^= 1 << generator.integers(8)
        path.write_bytes(damaged)
        try:
            spectrum = Spectrum.load(path)
        except ValueError as error:
            refused.append(str(error))
        else:
            same(spectrum, COMPLETE)
    assert len(refused) > 500
    assert all("damaged.npz is not a spectrum file" in message for message in refused)


def test_truncated_files_are_refused(tmp_path):
    whole = COMPLETE.save(tmp_path / "s.npz").read_bytes()
    path = tmp_path / "cut.npz"
    for size in range(0, len(whole), 61):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="is not a spectrum file"):
            Spectrum.load(path)


# Names, kinds and sizes of files ------------------------------------------------------------------


def test_a_file_is_found_by_the_name_it_was_saved_under(tmp_path):
    COMPLETE.save(tmp_path / "w")
    same(Spectrum.load(tmp_path / "w"), COMPLETE)
    same(Spectrum.load(tmp_path / "w.npz"), COMPLETE)
    QUADRATURE.save(tmp_path / "run.1")
    same(Spectrum.load(tmp_path / "run.1"), QUADRATURE)


def test_an_array_file_says_how_to_read_it(tmp_path):
    np.save(tmp_path / "e.npy", NODES)
    with pytest.raises(ValueError, match=r"e\.npy is not .*Spectrum\.from_eigenvalues"):
        Spectrum.load(tmp_path / "e.npy")


def test_a_pipe_and_a_device_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    for path in (tmp_path / "pipe.npz", "/dev/zero"):
        with pytest.raises(ValueError, match="device or a pipe"):
            Spectrum.load(path)
    with pytest.raises(ValueError, match="device or a pipe"):
        COMPLETE.save(tmp_path / "pipe")


@pytest.mark.slow
def test_a_small_file_that_claims_gigabytes_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("header.npy", "w") as stream:
            np.lib.format.write_array(stream, header())
        with archive.open("nodes.npy", "w", force_zip64=True) as stream:
            shape = {"descr": "<f8", "fortran_order": False, "shape": (1, 2**28 + 1)}
            np.lib.format.write_array_header_1_0(stream, shape)
            for _ in range(129):  # 16 MiB more than the 2 GiB that are allowed
                stream.write(bytes(2**24))
    assert path.stat().st_size < 2**23
    with pytest.raises(ValueError, match="more than the 2147483648 allowed"):
        Spectrum.load(path)


def test_an_array_that_claims_more_than_its_file_has(tmp_path):
    path = tmp_path / "s.npz"
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("header.npy", "w") as stream:
            np.lib.format.write_array(stream, header())
        with archive.open("nodes.npy", "w") as stream:
            shape = {"descr": "<f8", "fortran_order": False, "shape": (2**20, 2**20)}
            np.lib.format.write_array_header_1_0(stream, shape)
    with pytest.raises(ValueError, match="an array claims 8796093022208 bytes"):
        Spectrum.load(path)


@pytest.mark.parametrize(("mask", "mode"), [(0o027, 0o640), (0o077, 0o600), (0o022, 0o644)])
def test_a_new_file_follows_the_umask_and_an_old_one_keeps_its_mode(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        path = COMPLETE.save(tmp_path / "s")
        assert path.stat().st_mode & 0o777 == mode
        path.chmod(0o604)
        QUADRATURE.save(path)
        assert path.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


def test_files_of_the_first_version_are_in_double_precision(tmp_path):
    path = written(tmp_path / "s.npz", header=header(), nodes=NODES)
    assert Spectrum.load(path) == Spectrum(NODES)


def test_precision_errors_and_brackets_are_kept(tmp_path):
    spectrum = Spectrum(
        [2.0, 1.0],
        [0.5, 0.5],
        9,
        precision="float32",
        errors=[0.1, 0.2],
        brackets=[[0.5, 1.0], [0.0, 0.5]],
    )
    again = Spectrum.load(spectrum.save(tmp_path / "s"))
    same(again, spectrum)
    np.testing.assert_array_equal(again.errors, [[0.2, 0.1]])
    np.testing.assert_array_equal(again.brackets, [[[0.0, 0.5], [0.5, 1.0]]])

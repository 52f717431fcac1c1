"""Files of eigenvalues as people have them: read right, or refused; never something else."""

import io
import pickle
import sys
import zipfile

import numpy as np
import pytest

from rmtland.cli.eigenvalues import read_eigenvalues
from rmtland.spectrum import Spectrum
from rmtland.spectrum.eigenvalue_files import spectrum_of_file

VALUES = [0.5, 1.25, 3.0, 7.5]
WISHART = np.cov(np.random.default_rng(0).normal(size=(9, 30)))
LINES = "\n".join(map(str, VALUES))


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        "eigenvalue\n" + LINES,
        "# comment\n" + LINES,
        ",".join(map(str, VALUES)),
        "0.5 1.25\n3.0 7.5",
        "\ufeff" + LINES,
        "\ufeffeigenvalue\n" + LINES,
    ],
)
def test_text(content, tmp_path, monkeypatch):
    path = tmp_path / "values.csv"
    path.write_text(content, encoding="utf-8")
    np.testing.assert_array_equal(read_eigenvalues(str(path)).nodes.ravel(), VALUES)
    monkeypatch.setattr(sys, "stdin", io.StringIO(content))
    np.testing.assert_array_equal(read_eigenvalues("-").nodes.ravel(), VALUES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("\n".join(f"{i},{v}" for i, v in enumerate(VALUES)), "table with 2 columns"),
        (",0\n" + "\n".join(f"{i},{v}" for i, v in enumerate(VALUES)), "table with 2 columns"),
        ("layer,value\n" + "\n".join(f"7,{v}" for v in VALUES), "table with 2 columns"),
        ("1\n2\nfoo\n3", "'foo' is no number"),
        ("", "holds no numbers"),
        ("eigenvalue\n", "holds no numbers"),
        ("1.5d0\n2\n3", "'1.5d0' is no number"),
        ("1 # first\n2\n3", "'1 # first' is no number"),
        ("[1.5\n2\n3", r"'\[1.5' is no number"),
        ("0,5\n0,75\n0,9", "decimals with a point"),
        ("1,5;2,5;3,5", "decimals with a point"),
        ("1,2", "holds '1,2', which may be the decimal 1.2 or two eigenvalues, 1 and 2: write"),
        ("0,250", "may be the decimal 0.250 or two eigenvalues, 0 and 250: write"),
        ("1,250", "may be the decimal 1.250 or two eigenvalues, 1 and 250: write"),
        ("value\n-0,5e-3\n", "may be the decimal -0.5e-3 or two eigenvalues, -0 and 5e-3"),
        ("1,2\n3", "holds '1,2', which may be the decimal 1.2 or two eigenvalues, 1 and 2: write"),
        ("1\n0,5\n2", "may be the decimal 0.5 or two eigenvalues, 0 and 5"),
        ("0,5 0,75\n0,9 2", "may be the decimal 0.5"),
        ("eigenvalue\n0,5\n0,75", "may be the decimal 0.5"),
        ("1,5e-3\n-2E4", "may be the decimal 1.5e-3 or two eigenvalues, 1 and 5e-3"),
        ("1,234.5\n2,345.6", "holds '1,234.5', which may be the number 1234.5 or the eigen"),
        ("10\n-1,234.5\n7.25", "number -1234.5 or the eigenvalues -1, 234.5: write"),
        ("1,234,567\n2", "number 1234567 or the eigenvalues 1, 234, 567"),
        ("1.234,5\n2.345.678,25", "number 1234.5 or the eigenvalues 1.234, 5"),
        ("1,234.5", "number 1234.5 or the eigenvalues 1, 234.5: write"),
        ("-1,234", "decimal -1.234 or two eigenvalues, -1 and 234"),
        ("value\n12,345,678\n", "number 12345678 or the eigenvalues 12, 345, 678"),
        ("1.234,5", "number 1234.5 or the eigenvalues 1.234, 5"),
        ("100,200,300,400,500", "number 100200300400500 or the eigenvalues 100, 200, 300, 400"),
        ("1\nnan\n3", r"values.csv holds 1 NaN of 3 values"),
        ("nan\n1\n3", r"values.csv holds 1 NaN of 3 values"),
        ("1\n-inf\n3", r"values.csv holds 1 infinite of 3 values; remove them first"),
    ],
)
def test_text_that_is_no_list_of_eigenvalues(content, words, tmp_path):
    path = tmp_path / "values.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=words):
        read_eigenvalues(str(path))


@pytest.mark.parametrize(
    "content",
    [
        "0,234.5\n1",
        "1000,234.5\n1",
        "1.23,456\n7",
        "0,234.5",
        "1,5,7",
        "1,200,30",
        "100,200,300,400,500,600",
    ],
)
def test_commas_that_mark_no_thousands_divide(content, tmp_path):
    path = tmp_path / "values.csv"
    path.write_text(content)
    words = content.replace(",", " ").split()
    assert read_eigenvalues(str(path)).nodes.ravel().tolist() == sorted(map(float, words))


@pytest.mark.parametrize("content", ["1, 2\n3", "1,2.0\n3", "1,2,3\n4", "1 2\n3", "v\n1, 2\n3"])
def test_lines_of_several_numbers_of_which_none_is_doubtful(content, tmp_path):
    path = tmp_path / "values.csv"
    path.write_text(content)
    found = read_eigenvalues(str(path)).nodes.ravel()
    np.testing.assert_array_equal(found, np.arange(1.0, len(found) + 1))
    assert len(found) == content.count("3") * 3 + content.count("4")


def test_a_folder_is_no_file_of_eigenvalues(tmp_path):
    with pytest.raises(ValueError, match="is a folder; give a file"):
        read_eigenvalues(str(tmp_path))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.diag([1.0, 2.0, 3.0]), "holds a symmetric matrix"),
        (WISHART + 1e-7 * np.triu(WISHART), "holds a symmetric matrix"),
        (np.array([1.0, complex(2.0, np.nan)]), "imaginary part is NaN"),
        (np.array(VALUES) * 1e200, "of the size 7.5e.200"),
        (np.array(VALUES) * 1e-200, "of the size 7.5e-200"),
        (np.array(VALUES) + 1j, "complex eigenvalues"),
        (np.array([1, "a", None], dtype=object), "is no array of numbers"),
    ],
)
def test_arrays_that_are_no_eigenvalues(array, words, tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(ValueError, match=words):
        read_eigenvalues(str(path))


def archive(**members):
    """Return the bytes of a zip file with these members, compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(f"{name}.npy", content)
    return stream.getvalue()


def saved(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


class Opened(Exception):
    """Raised where a pickle is loaded."""


class Trap:
    def __reduce__(self):
        return (_spring, ())


def _spring():
    raise Opened


NAN = saved(np.array([1.0, np.nan]))
PICKLE = saved(np.array([Trap()], dtype=object), allow_pickle=True)
CLAIMS = saved(np.zeros(3)).replace(b"(3,)", b"(9,)")
HOSTILE = {
    "pickle.npy": (PICKLE, "Python objects"),
    "pickle.npz": (archive(a=PICKLE), "Python objects"),
    "bare_pickle.npy": (pickle.dumps(Trap()), "no array of numbers"),
    "claims.npy": (CLAIMS, "72 bytes"),
    "claims.npz": (archive(a=CLAIMS), "72 bytes"),
    "bomb.npz": (archive(a=bytes(2_000_000)), "more than the 1000000 allowed"),
    "huge.npy": (bytes(1_000_001), "more than the 1000000 bytes"),
    "nan.npy": (NAN, "NaN|finite"),
    "several.npz": (archive(a=saved(np.ones(2)), b=saved(np.ones(2))), "several arrays"),
    "nothing.npz": (archive(), "holds no array"),
    "torn.npz": (archive(a=saved(np.ones(2)))[:40], "no file of arrays"),
    "nodes.npz": (archive(nodes=saved(np.ones(2))), "no header"),
    "empty.npy": (saved(np.ones(0)), "at least|empty|no "),
    "deep.npy": (saved(np.ones((2, 2, 2))), r"shape \(2, 2, 2\)"),
    "words.npy": (saved(np.array(["a", "b"])), "not real numbers"),
    "truth.npy": (saved(np.array([True, False])), "not real numbers"),
    "picture.txt": (b"\x89PNG\r\n\x1a\n\x00", "no text of numbers"),
    "inf.txt": (b"1 2 1e999", "finite|NaN"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name):
    content, words = HOSTILE[name]
    with pytest.raises(ValueError, match=words):
        spectrum_of_file(io.BytesIO(content), name, largest=1_000_000)


def test_whole_files_are_read(tmp_path):
    values = np.array(VALUES)
    for name, content in {
        "a.npy": saved(
            values.astype(">f4").reshape(2, 2)[:, ::-1],
        ),
        "a.NPZ": archive(a=saved(values[::-1])),
        "b.npz": archive(a=saved(np.ones(2)), eigenvalues=saved(values)),
    }.items():
        read = spectrum_of_file(io.BytesIO(content), name, largest=10_000)
        np.testing.assert_array_equal(read.nodes.ravel(), VALUES)
        assert read.provenance["source"] == name
    quadrature = Spectrum(values, weights=[0.1, 0.2, 0.3, 0.4], provenance={"source": "mine"})
    path = quadrature.save(tmp_path / "mine")
    with open(path, "rb") as stream:
        read = spectrum_of_file(stream, path.name)
    np.testing.assert_allclose(read.weights, quadrature.weights)
    assert read.provenance["source"] == "mine"


def test_a_cut_off_file(tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, np.arange(100.0))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"values\.npy is no array of numbers"):
        read_eigenvalues(str(path))

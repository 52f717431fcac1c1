"""Files of eigenvalues as people have them: read right, or refused; never something else."""

import io
import sys

import numpy as np
import pytest

from rmtland.cli.eigenvalues import read_eigenvalues

VALUES = [0.5, 1.25, 3.0, 7.5]
LINES = "\n".join(map(str, VALUES))


@pytest.mark.parametrize(
    "content",
    [LINES, "eigenvalue\n" + LINES, "# comment\n" + LINES, ",".join(map(str, VALUES)),
     "0.5 1.25\n3.0 7.5", "\ufeff" + LINES, "\ufeffeigenvalue\n" + LINES],
)  # fmt: skip
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
    ],
)
def test_text_that_is_no_list_of_eigenvalues(content, words, tmp_path):
    path = tmp_path / "values.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=words):
        read_eigenvalues(str(path))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.diag([1.0, 2.0, 3.0]), "holds a symmetric matrix"),
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


def test_a_cut_off_file(tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, np.arange(100.0))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"values\.npy is no array of numbers"):
        read_eigenvalues(str(path))

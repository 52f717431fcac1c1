r"""Checkpoints of Lanczos runs: what is done survives being killed, and resumes to the same bytes.

A folder holds two files for each group of start vectors: ``group-000.npz``, the coefficients and
the last vectors, replaced whole after each step, and ``group-000.basis``, to which the vectors are
appended. A digest (BLAKE2b) of every appended block is in the first file: a basis that does not fit
is refused, not used. Nothing is pickled. A header names the operator (by two products), probes,
seeds and settings; another run is refused by the name of what differs.

Examples
--------
>>> import tempfile, numpy as np
>>> with tempfile.TemporaryDirectory() as folder:
...     saved = Checkpoint(folder, {"size": 3})
...     saved.write("group-000", {"step": 2}, {"alpha": np.ones(2)})
...     saved.read("group-000")
({'step': 2}, {'alpha': array([1., 1.])})
"""

from __future__ import annotations

import json
import os
from hashlib import blake2b
from pathlib import Path

import numpy as np

from rmtland.estimate.krylov_basis import BasisStore, DiskBasis, MemoryBasis
from rmtland.estimate.lanczos import Lanczos
from rmtland.files import atomic_write
from rmtland.typing import NumpyArray, Record

__all__ = ["Checkpoint", "GroupCheckpoint"]

_FORMAT = "rmtland lanczos 1"


class Checkpoint:
    """A folder with the state of a run.

    Parameters
    ----------
    folder : path-like
        Made where it is missing; its parent must exist.
    header : dict
        JSON-able values that another call must have too. The key "signature" holds floats that may
        differ by rounding.
    tolerance : float, optional
        Difference of signatures that is rounding, relative to the largest number in them.

    Raises
    ------
    ValueError
        If the folder belongs to another run.
    """

    def __init__(
        self, folder: str | os.PathLike[str], header: Record, *, tolerance: float = 1e-8
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        header = json.loads(json.dumps(header))
        found = self.header(folder)
        if found is None:
            with atomic_write(self.folder / "header.json") as stream:
                stream.write(json.dumps({"format": _FORMAT, **header}, indent=1).encode())
            return
        for name, value in header.items():
            other = found.get(name)
            same = other == value
            if name == "signature" and isinstance(other, list) and len(other) == len(value):
                room = tolerance * float(np.abs(value).max())
                same = bool(np.allclose(other, value, rtol=0.0, atol=room))
            if not same:
                what = "the operator" if name == "signature" else name
                raise ValueError(
                    f"the checkpoint {self.folder} belongs to another run: {what} is "
                    f"{value!r}, there it is {other!r}; give another folder, or delete this one"
                )

    @staticmethod
    def header(folder: str | os.PathLike[str]) -> Record | None:
        """Return the header of a folder, None where there is none.

        Parameters
        ----------
        folder : path-like
            The folder.

        Returns
        -------
        dict or None
            What was given when the folder was made.

        Raises
        ------
        ValueError
            If it is damaged or of another version.
        """
        path = Path(folder) / "header.json"
        if not path.exists():
            return None
        try:
            found: Record = json.loads(path.read_text("utf-8"))
            if not isinstance(found, dict) or found.pop("format", None) != _FORMAT:
                raise ValueError("another format")
        except (ValueError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{path} is no header of a checkpoint of this version: {error}; give another folder"
            ) from error
        return found

    def write(self, name: str, header: Record, arrays: dict[str, NumpyArray]) -> None:
        """Write a state, whole or not at all.

        Parameters
        ----------
        name : str
            Of the state.
        header : dict
            JSON-able values.
        arrays : dict of str to ndarray
            Arrays by name.
        """
        text = np.array(json.dumps(header))
        named: Record = {f"array_{key}": array for key, array in arrays.items()}
        with atomic_write(self.folder / f"{name}.npz") as stream:
            np.savez(stream, header=text, **named)

    def read(self, name: str) -> tuple[Record, dict[str, NumpyArray]] | None:
        """Read a state; None where there is none.

        Parameters
        ----------
        name : str
            Of the state.

        Returns
        -------
        (dict, dict of str to ndarray) or None
            Header and arrays.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        path = self.folder / f"{name}.npz"
        if not path.exists():
            return None
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as data:
                header = json.loads(str(data["header"]))
                arrays = {
                    key.removeprefix("array_"): data[key] for key in data.files if key != "header"
                }
        except Exception as error:  # damaged bytes surface as almost any exception
            raise ValueError(
                f"{path} is damaged ({error}); delete the folder to start again"
            ) from error
        return header, arrays


_STATE = ("alpha", "beta", "lengths", "scale", "loss", "forced", "current")


class GroupCheckpoint:
    """The checkpoint of one group of start vectors that are advanced together.

    Parameters
    ----------
    saved : Checkpoint
        The folder.
    number : int
        Of the group.
    """

    def __init__(self, saved: Checkpoint, number: int) -> None:
        self.saved, self.name = saved, f"group-{number:03d}"
        self.path = saved.folder / f"{self.name}.basis"
        self.digests: list[str] = []

    def restore(self, run: Lanczos, steps: int, *, goes_on: bool = False) -> None:
        """Bring a run that has not begun to the state that was written last.

        Parameters
        ----------
        run : Lanczos
            The run; left as it is where nothing was written.
        steps : int
            Steps that it will take, for which room is made.
        goes_on : bool, optional
            Whether further steps may follow, for which the vectors are needed.

        Raises
        ------
        ValueError
            If the files are damaged or do not fit one another.
        """
        found = self.saved.read(self.name)
        if found is None:
            return
        header, arrays = found
        self.digests = list(header["digests"])
        done = int(header["step"])
        for key in _STATE:
            setattr(run, key, arrays[key])
        run.previous = arrays.get("previous")
        run.step, run.reorthogonalized = done, int(header["reorthogonalized"])
        if (done >= steps and not goes_on) or not run.active.size:
            return
        for length in np.cumsum(np.asarray(header.get("pieces", []), dtype=int)):
            run.basis.reserve(int(length), run.runs, run.size)  # sums are of the same pieces then
        run.basis.reserve(max(steps, done), run.runs, run.size)
        block = run.runs * run.size
        dtype = run.basis.dtype
        with open(self.path, "rb") as stream:
            for place, digest in enumerate(self.digests):
                content = stream.read(block * dtype.itemsize)
                if blake2b(content, digest_size=16).hexdigest() != digest:
                    raise ValueError(
                        f"{self.path} is damaged at step {place}; delete the folder to start again"
                    )
                rows = np.frombuffer(content, dtype=dtype).reshape(run.runs, run.size)
                if isinstance(run.basis, MemoryBasis):
                    run.basis.append(rows)
                if place + 1 == done and run.previous is None:
                    run.previous = rows.astype(run.operator.work_dtype)
        if isinstance(run.basis, DiskBasis):
            run.basis.filled = done

    def write(self, run: Lanczos, last: NumpyArray) -> None:
        """Write the state after a step.

        Parameters
        ----------
        run : Lanczos
            The run.
        last : ndarray, shape (m, p)
            The vectors that were multiplied in this step.
        """
        rows = np.ascontiguousarray(last, dtype=run.basis.dtype)
        content = rows.tobytes()
        self.digests.append(blake2b(content, digest_size=16).hexdigest())
        if not _is_on_disk(run.basis):
            if not self.path.exists():
                self.path.touch()
            with open(self.path, "r+b") as stream:
                stream.seek((run.step - 1) * len(content))
                stream.write(content)
        arrays = {key: getattr(run, key) for key in _STATE}
        if run.basis.dtype != run.operator.work_dtype:
            arrays["previous"] = last
        self.saved.write(
            self.name,
            {
                "step": run.step,
                "digests": self.digests,
                "reorthogonalized": run.reorthogonalized,
                "pieces": run.basis.lengths if isinstance(run.basis, MemoryBasis) else [],
            },
            arrays,
        )

    def forget_basis(self) -> None:
        """Delete the vectors of a group that is complete."""
        self.path.unlink(missing_ok=True)


def _is_on_disk(basis: BasisStore) -> bool:
    return isinstance(basis, DiskBasis)

"""Sections of a report from the files that commands wrote earlier: JSON, spectra, pictures.

What a file of JSON holds is shown whatever it is: single values in a table of names and values,
equal entries in a table with a row each, the rest below headings. Nothing in a file is trusted:
what is read is bounded, no array is unpickled, and texts stay texts.

>>> sections_of({"index": 0.25, "laws": {"A": {"mean": 1.0}, "B": {"mean": 2.0}}}, "a")[0].rows
(('index', '0.25'),)
"""

from __future__ import annotations

import json
import math
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmtland.report.pictures import picture_file, picture_of
from rmtland.report.sections import Heading, Section, Table, Text
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.spectrum import Spectrum

__all__ = ["KINDS", "MOST_SECTIONS", "read_results", "sections_of"]

KINDS = (".json", ".npz", ".png", ".svg")
"""Files that `read_results` reads."""

MOST_SECTIONS = 300
"""Sections that a file of JSON is shown in, at most."""

MOST_COLUMNS = 100
"""Columns of a table that is shown of equal entries, at most."""

LARGEST_JSON = 50_000_000
"""Bytes that a file of JSON may have."""

LARGEST_SPECTRUM = 500_000_000
"""Bytes that the arrays of a spectrum may take; of larger ones names and shapes are shown."""

_ANSWERS = ("verdict", "sentence")
_SHORT = 8
_FEW = 6


def read_results(
    paths: Iterable[str | os.PathLike[str]],
) -> tuple[list[Section], dict[str, str]]:
    """Return what files of results hold, as sections of a report.

    Parameters
    ----------
    paths : iterable of path-like
        Files (.json, .npz, .png, .svg), or folders, of which all such files are read. A picture
        that has the name of a file of JSON, and lies beside it, is shown with it.

    Returns
    -------
    sections : list of Heading, Text, Table and Picture
        In the order of the paths; in a folder, by name.
    left_out : dict of str to str
        Names of files of folders that could not be read, and why.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If a file that is named is none of these kinds or damaged, or if there is nothing to show.
    """
    sections: list[Section] = []
    left_out: dict[str, str] = {}
    seen: set[Path] = set()
    for path in (Path(path) for path in paths):
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there")
        inside = path.is_dir()
        files = [each for each in path.iterdir() if not each.is_dir()] if inside else _beside(path)
        for file in sorted(files, key=lambda file: (file.stem, KINDS.index(_kind(file)), file)):
            if file in seen or file.name.startswith("."):
                continue
            seen.add(file)
            try:
                sections += _file(file, [one.name for one in files])
            except (ValueError, OSError) as error:
                if not inside:
                    raise
                why = error.strerror if isinstance(error, OSError) else None  # without the folder
                left_out[file.name] = why or str(error)
    if not sections:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ValueError(
            "there is nothing to report: commands such as `rmtland overlay` write .json, .npz and "
            ".png files" + (f" ({why})" if why else "")
        )
    return sections, left_out


def _kind(path: Path) -> str:
    """Return the kind of a file, the last one for files of no kind: they are refused later."""
    return path.suffix if path.suffix in KINDS else KINDS[-1]


def _beside(path: Path) -> list[Path]:
    """Return a file, and the picture that belongs to it."""
    pictures = [path.with_suffix(suffix) for suffix in (".svg", ".png")]
    found = [one for one in pictures if path.suffix == ".json" and one.is_file()]
    return [path, *found[:1]]


def _file(path: Path, names: Sequence[str]) -> list[Section]:
    """Return the sections of one file, headed by its name unless that of another stands above."""
    if path.suffix not in KINDS:
        raise ValueError(
            f"{path.name} is none of {', '.join(KINDS)}: reports are made of files that commands "
            "wrote"
        )
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path.name} is a device or a pipe; give a file")
    if path.suffix == ".json":
        values = _json(path)
        if not _is_result(values):
            raise ValueError(
                f"{path.name} holds {_kind_of(values)}, which no command writes: give a file of "
                "named values, such as rmtland-output/overlay.json"
            )
        signed = values.pop("written_by", None) if isinstance(values, dict) else None
        origin = sections_of(signed, "written by", level=4) if signed else []
        return [Heading(path.name), *sections_of(values, path.stem), *origin]
    if path.suffix == ".npz":
        return [Heading(path.name), *_arrays(path)]
    picture = picture_file(path)
    belongs = f"{path.stem}.json" in names
    return [picture] if belongs else [Heading(path.name), picture]


def _is_result(values: object) -> bool:
    """Whether values have names: an object of JSON, or a list of objects."""
    entries = values if isinstance(values, list) else [values]
    return bool(entries) and all(isinstance(entry, dict) and entry for entry in entries)


def _kind_of(values: object) -> str:
    """Return what a file of JSON holds instead of a result, in words."""
    if isinstance(values, list):
        return f"a list of {len(values)} values without names" if values else "an empty list"
    return "an empty object" if isinstance(values, dict) and not values else "one value"


def _json(path: Path) -> object:
    size = path.stat().st_size
    if size > LARGEST_JSON:
        raise ValueError(f"{path.name} has {size} bytes; at most {LARGEST_JSON} are read")
    try:
        return json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_named_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not a file of JSON: {error}") from None


def _named_once(pairs: list[tuple[str, object]]) -> Record:
    """Return a mapping; what is named twice would hide a value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = max(Counter(name for name, _ in pairs).items(), key=lambda item: item[1])[0]
        raise ValueError(f"it names {twice[:40]!r} twice")
    return found


def sections_of(values: object, name: str, *, level: int = 3) -> list[Section]:
    """Return plain values, as JSON knows them, as sections of a report.

    Parameters
    ----------
    values : mapping, list, str, number, bool or None
        The values.
    name : str
        What they are called.
    level : int, optional
        Level of the headings.

    Returns
    -------
    list of Heading, Text and Table
        At most `MOST_SECTIONS`, and a text that says so where there were more.
    """
    try:
        found = list(_sections(values, name, level))
    except RecursionError:
        return [Text(f"{name}: values inside values, too deep to show")]
    if len(found) > MOST_SECTIONS:
        left = len(found) - MOST_SECTIONS
        found = [*found[:MOST_SECTIONS], Text(f"{left} more sections are in the file.")]
    return found


def _sections(values: object, name: str, level: int) -> Iterable[Section]:
    if isinstance(values, Mapping) and values:
        yield from _mapping(values, name, level)
    elif isinstance(values, list) and values and all(isinstance(v, Mapping) for v in values):
        if all(map(_is_flat, values)):
            yield _rows([(None, value) for value in values], name)
        else:
            for number, value in enumerate(values):
                yield Heading(f"{name} {number + 1}", min(level, 4))
                yield from _sections(value, name, level + 1)
    else:
        yield Text(f"{name}: {_shown(values)}")


def _mapping(values: Mapping[str, Any], name: str, level: int) -> Iterable[Section]:
    """Answers first, then single values, then what has parts."""
    answers = {key: text for key in _ANSWERS if isinstance(text := values.get(key), str)}
    for key, text in answers.items():
        yield Text(text, stressed=key == _ANSWERS[0])
    rest = {key: value for key, value in values.items() if key not in answers}
    facts = {key: value for key, value in rest.items() if not _has_parts(value)}
    if facts:
        yield Table(("", "value"), tuple((str(k), _shown(v)) for k, v in facts.items()))
    for key, value in rest.items():
        if key in facts:
            continue
        if isinstance(value, Mapping) and _is_table(value):
            yield _rows(list(value.items()), str(key))
        elif isinstance(value, Mapping) or not all(map(_is_flat, value)):
            yield Heading(str(key), min(level, 4))
            yield from _sections(value, str(key), level + 1)
        else:
            yield from _sections(value, str(key), level)


def _has_parts(value: object) -> bool:
    """Whether a value is a mapping, or a list with one, and has something in it."""
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _is_flat(value: object) -> bool:
    """Whether a value fits into a row: a mapping of values without parts, small mappings apart."""
    return isinstance(value, Mapping) and all(
        not _has_parts(inner)
        or (isinstance(inner, Mapping) and not any(map(_has_parts, inner.values())))
        for inner in value.values()
    )


def _is_table(value: Mapping[str, object]) -> bool:
    """Whether a mapping has an entry for each row."""
    entries = list(value.values())
    return all(isinstance(entry, Mapping) and entry and _is_flat(entry) for entry in entries)


def _rows(entries: Sequence[tuple[str | None, Mapping[str, object]]], name: str) -> Table:
    """Return a table of entries: a row each, or a column each where there are few and long ones."""
    keys = list(dict.fromkeys(str(key) for _, entry in entries for key in entry))
    few = len(keys) > len(entries) and len(entries) <= _FEW and entries[0][0] is not None
    if not few and len(keys) > MOST_COLUMNS:
        name = f"{name}: the first {MOST_COLUMNS} of {len(keys)} columns"
        keys = keys[:MOST_COLUMNS]
    cells = [[_shown(entry[key]) if key in entry else "" for key in keys] for _, entry in entries]
    names = [None if label is None else str(label) for label, _ in entries]
    if None in names:
        return Table(tuple(keys), tuple(map(tuple, cells)), name)
    labels = [str(label) for label in names]
    if few:
        columns = zip(keys, *cells, strict=True)
        return Table(("", *labels), tuple(columns), name)
    rows = tuple((label, *row) for label, row in zip(labels, cells, strict=True))
    return Table(("", *keys), rows, name)


def _shown(value: object) -> str:
    """Return a value in a few words."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        shown = [f"{key} {_shown(inner)}" for key, inner in list(value.items())[:_SHORT]]
        return "; ".join(shown) + ("; ..." if len(value) > _SHORT else "") or "-"
    if not isinstance(value, list):
        return str(value)
    sizes, numbers = _sizes(value)
    if len(value) <= _SHORT and len(sizes) == 1:
        inner = (f"[{_shown(v)}]" if isinstance(v, list) else _shown(v) for v in value)
        return ", ".join(inner) or "-"
    finite = [number for number in numbers if math.isfinite(number)]
    if not finite:
        return f"{len(value)} entries"
    how_many = " x ".join(map(str, sizes))
    return f"{how_many} numbers from {min(finite):.6g} to {max(finite):.6g}"


def _sizes(value: list[Any]) -> tuple[list[int], list[float]]:
    """Return lengths of a list of lists of numbers, and its numbers (none where it holds more)."""
    numbers: list[float] = []
    sizes, level = [], value
    while level and isinstance(level[0], list):
        if not all(isinstance(inner, list) and len(inner) == len(level[0]) for inner in level):
            return [len(value)], []
        sizes.append(len(level[0]))
        level = [item for inner in level for item in inner]
    for item in level:
        if isinstance(item, bool) or not (item is None or isinstance(item, int | float)):
            return [len(value), *sizes], []
        numbers.append(_float(item))
    return [len(value), *sizes], numbers


def _float(number: float | None) -> float:
    """Return a number of JSON as a float; nothing is not a number, and whole ones have no limit."""
    if number is None:
        return math.nan
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _arrays(path: Path) -> list[Section]:
    """Return a spectrum as its picture and numbers, other arrays by name, shape and type."""
    from rmtland.spectrum import Spectrum

    heads, size = _heads(path)
    if "header" not in [name for name, _, _ in heads] or size > LARGEST_SPECTRUM:
        return [Table(("array", "shape", "type"), tuple(heads), path.name)]
    try:
        spectrum = Spectrum.load(path)
    except ValueError:  # a header of another kind, such as that of a certificate
        return [Table(("array", "shape", "type"), tuple(heads), path.name)]
    return _spectrum(spectrum, path)


def _heads(path: Path) -> tuple[list[tuple[str, str, str]], int]:
    """Return names, shapes and types of the arrays of a file, and their bytes; none is read."""
    from numpy.lib import format as npy

    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            for entry in entries[:MOST_SECTIONS]:
                with archive.open(entry) as member:
                    version = npy.read_magic(member)
                    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
                    shape, _, dtype = read[version](member)
                name = entry.filename.removesuffix(".npy")
                found.append((name, " x ".join(map(str, shape)) or "one value", dtype.name))
    except Exception as error:  # damaged bytes surface as almost anything
        raise ValueError(f"{path.name} is not an .npz file of arrays: {error}") from error
    return found, sum(entry.file_size for entry in entries)


def _spectrum(spectrum: Spectrum, path: Path) -> list[Section]:
    from matplotlib.figure import Figure

    from rmtland.plot import draw_distributions, draw_spectrum

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    if spectrum.is_complete:
        draw_spectrum(ax, spectrum, label="eigenvalues")
        ax.set(xlabel="eigenvalue", ylabel="density", title=path.name)
        ax.set_ylim(bottom=0)
    else:  # weights of quadrature nodes are no density; their sums are a distribution function
        draw_distributions(ax, spectrum, {})
        ax.set(title=path.name)
    facts: Record = {
        "eigenvalues" if spectrum.is_complete else "quadrature nodes": int(spectrum.nodes.size),
        "dimension": spectrum.dimension,
        "runs": spectrum.runs,
        "mean": float(spectrum.mean()),
        "index (fraction negative)": float(spectrum.index()),
        "lowest": float(spectrum.nodes.min()),
        "highest": float(spectrum.nodes.max()),
    }
    origin = json.loads(json.dumps(spectrum.provenance))
    return [
        picture_of(figure, name=path.name),
        *sections_of(facts, "spectrum"),
        *(sections_of(origin, "provenance") if origin else []),
    ]

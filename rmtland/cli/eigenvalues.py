"""Eigenvalues from a file or from standard input, and laws fitted to them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmtland.cli.output import Output

if TYPE_CHECKING:
    from rmtland.comparison import Overlay
    from rmtland.spectrum import Spectrum

__all__ = ["FAMILIES", "families_of", "overlay_eigenvalues", "print_laws", "read_eigenvalues"]

_SIZES = (1e-100, 1e100)

FAMILIES = {
    "marchenko-pastur": "MarchenkoPastur",
    "semicircle": "Semicircle",
    "wishart-wigner": "WishartPlusWigner",
    "wishart-relu": "WishartPlusReluBlock",
}


_RESAMPLES = 39
"""Matrices of the goodness of fit: enough for 5 %."""
_TESTED = 4000
"""Spectra of more eigenvalues are not tested: drawing their equals takes minutes."""


def families_of(names: str) -> dict[str, Any]:
    """Return families by name from a list with commas, or say which there are."""
    import rmtland
    from rmtland.arguments import choice

    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise ValueError(f"give at least one family to fit: {', '.join(FAMILIES)}")
    return {
        name: getattr(rmtland, FAMILIES[choice("family", name, (*FAMILIES,))]) for name in wanted
    }


def read_eigenvalues(source: str) -> Spectrum:
    """Read a spectrum: .npy, .npz (of rmtland or with one array), text or CSV, "-" for stdin.

    A complex array is taken where its imaginary parts are rounding. Numbers of text are divided by
    commas, spaces or lines; a head line is left out. What is no list of eigenvalues is refused: a
    symmetric matrix, a table with several named columns or a column that counts its lines, and
    sizes whose squares leave double precision.
    """
    import numpy as np

    from rmtland.spectrum import Spectrum

    path = Path(source)
    if source != "-" and not path.exists():
        raise ValueError(f"there is no file {source}")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as data:
            names = list(data.files)
            if "nodes" in names:
                return Spectrum.load(path)
            name = "eigenvalues" if "eigenvalues" in names else names[0] if len(names) == 1 else ""
            if not name:
                raise ValueError(
                    f"{source} holds several arrays ({', '.join(names)}); call one 'eigenvalues'"
                )
            values = data[name]
    elif path.suffix == ".npy":
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{source} is no array of numbers: {error}") from error
    else:
        text = sys.stdin.read() if source == "-" else path.read_text("utf-8-sig")
        values = np.array(_numbers(text, source))
    if values.dtype.kind == "c":
        if np.abs(values.imag).max(initial=0.0) > 1e-8 * np.abs(values).max(initial=0.0):
            raise ValueError(
                f"{source} holds complex eigenvalues; a Hermitian matrix has real ones"
            )
        values = values.real
    square = values.ndim == 2 and values.shape[0] == values.shape[1] > 1
    if square and values.dtype.kind in "iuf" and (values == values.T).all():
        raise ValueError(
            f"{source} holds a symmetric matrix of shape {values.shape}, not eigenvalues; take "
            "numpy.linalg.eigvalsh of it first"
        )
    if values.dtype.kind == "f":
        largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
        if largest and not _SIZES[0] < largest < _SIZES[1]:
            raise ValueError(
                f"the eigenvalues of {source} are of the size {largest:.3g}; multiply them by a "
                "number that brings them to about 1"
            )
    return Spectrum(
        values.ravel(), provenance={"source": "standard input" if source == "-" else path.name}
    )


def _numbers(text: str, source: str) -> list[float]:
    """Return the numbers of a text; the first line may name its columns."""
    text = text.removeprefix("\ufeff")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows: list[list[float]] = []
    named = 0
    for number, line in enumerate(lines):
        words = line.replace(",", " ").replace(";", " ").split()
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            if number:
                raise ValueError(f"{source}: {line.strip()[:40]!r} is no number") from None
            named = len(words)
    if not any(rows):
        raise ValueError(f"{source} holds no numbers")
    table = len(rows) > 1 and all(len(row) > 1 for row in rows[1:])
    if table and (named > 1 or _counts(rows) or _counts(rows[1:])):
        raise ValueError(
            f"{source} is a table with {len(rows[-1])} columns; give the column of the eigenvalues "
            "alone"
        )
    return [value for row in rows for value in row]


def _counts(rows: list[list[float]]) -> bool:
    """Whether the first column of a table numbers its lines, as an index does."""
    first = [row[0] for row in rows]
    return len(rows) > 2 and first == [first[0] + i for i in range(len(rows))]


def overlay_eigenvalues(
    output: Output, source: str, families: str, seed: int, *, method: str, outliers: str
) -> None:
    """Fit families to eigenvalues that are there, print the distances, write a figure.

    A family that the method cannot fit is left out, and the reason printed; if there is no other,
    that is the error.
    """
    from matplotlib.figure import Figure

    from rmtland.comparison import fit, overlay
    from rmtland.comparison.drawing import triple_of

    spectrum = read_eigenvalues(source)
    rule = int(outliers) if outliers.isdecimal() else outliers
    fitted, refused = {}, {}
    for name, family in families_of(families).items():
        try:
            fitted[f"{name}, fitted"] = fit(
                spectrum, family, method=method, outliers=rule, rng=seed, resamples=0
            )
        except (ValueError, ArithmeticError) as reason:
            refused[name] = str(reason)
    if not fitted:
        raise ValueError("; ".join(dict.fromkeys(refused.values())))
    result = overlay(spectrum, fitted)
    settings = {"eigenvalues": source, "families": families, "method": method,
                "outliers": rule, "seed": seed}  # fmt: skip
    report = {"settings": settings, "refused": refused, **result.to_dict()}
    output.line(f"{len(spectrum)} eigenvalues from {source}")
    print_laws(output, result)
    for name, sentence in refused.items():
        output.line(f"{name}: {sentence}")
    report["tests"] = {name: _tests(output, spectrum, name, found, seed)
                       for name, found in fitted.items()}  # fmt: skip
    figure = Figure(figsize=(11, 5.8), layout="constrained")
    axes, legend = triple_of(figure)
    result.plot(axes, legend=legend)
    figure.suptitle(f"{len(spectrum)} eigenvalues", fontsize=10)
    output.figure(figure, "overlay", dpi=115)
    output.numbers(report)


def _tests(output: Output, spectrum: Spectrum, name: str, fitted: Any, seed: int) -> dict[str, Any]:
    """Print signals and goodness of fit, where there is a test; return them as plain values."""
    from rmtland.comparison import goodness_of_fit, signals
    from rmtland.laws import MarchenkoPastur, Semicircle

    found: dict[str, Any] = {"signals": None, "goodness": None}
    if not isinstance(fitted.model, MarchenkoPastur | Semicircle) or len(spectrum) > _TESTED:
        return found
    words = []
    try:
        found["signals"] = signals(spectrum, fitted).to_dict()
        counted = found["signals"]
        words.append(f"{counted['count']} signals at 5 % (largest: p = {counted['p_value']:.2g})")
    except (ValueError, ArithmeticError) as reason:
        words.append(f"signals: {reason}")
    try:
        found["goodness"] = goodness_of_fit(
            spectrum, fitted, resamples=_RESAMPLES, rng=seed
        ).to_dict()
        words.append(f"goodness of fit p = {found['goodness']['p_value']:.2g}")
    except (ValueError, ArithmeticError) as reason:
        words.append(f"goodness of fit: {reason}")
    output.line(f"{name}: {'; '.join(words)}")
    return found


def print_laws(output: Output, result: Overlay) -> None:
    """Print a table of laws with their parameters and distances."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for column in ("law", "parameters", "KS", "W1", "index", "edges", "outliers"):
        left = column in ("law", "parameters")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for name, *numbers in result.rows():
        entry = result.parameters.get(name, {})
        errors = entry.get("errors", {})
        shown = "\n".join(
            f"{key} {value:.4g}" + (f" +- {errors[key]:.2g}" if errors.get(key) else "")
            for key, value in entry.items()
            if isinstance(value, float)
        )
        table.add_row(name, shown, *numbers)
    output.table(table)

"""Eigenvalues from a file or from standard input, and laws fitted to them."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rmtland.cli.output import Output
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.comparison import Fit, Overlay
    from rmtland.spectrum import Spectrum

__all__ = ["FAMILIES", "families_of", "overlay_eigenvalues", "print_laws", "read_eigenvalues"]

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


def families_of(names: str) -> Record:
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

    What is no list of eigenvalues is refused: see `rmtland.spectrum.eigenvalue_files`.
    """
    from rmtland.spectrum.eigenvalue_files import spectrum_of_file

    if source == "-":
        text = sys.stdin.read()
        return spectrum_of_file(io.BytesIO(text.encode()), "standard input")
    if not Path(source).exists():
        raise ValueError(f"there is no file {source}")
    if Path(source).is_dir():
        raise ValueError(f"{source} is a folder; give a file of eigenvalues")
    with open(source, "rb") as stream:
        return spectrum_of_file(stream, source)


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
    if rule not in ("keep", "exclude") and not isinstance(rule, int):
        raise ValueError(f"--outliers takes keep, exclude, or how many; got {outliers!r}")
    fitted, refused = {}, {}
    for name, family in families_of(families).items():
        try:
            fitted[f"{name}, fitted"] = fit(
                spectrum, family, method=method, outliers=rule, rng=seed, resamples=0
            )
        except (ValueError, ArithmeticError) as reason:
            refused[name] = str(reason)
    if not fitted:
        clauses = "; ".join(refused.values()).split("; ")  # families share most of what is wrong
        raise ValueError("; ".join(dict.fromkeys(clauses)))
    result = overlay(spectrum, fitted)
    settings = {
        "eigenvalues": source,
        "families": families,
        "method": method,
        "outliers": rule,
        "seed": seed,
    }
    report = {"settings": settings, "refused": refused, **result.to_dict()}
    output.line(f"{len(spectrum)} eigenvalues from {source}")
    print_laws(output, result)
    for name, sentence in refused.items():
        output.line(f"{name}: {sentence}")
    report["tests"] = {
        name: _tests(output, spectrum, name, found, seed) for name, found in fitted.items()
    }
    figure = Figure(figsize=(11, 5.8), layout="constrained")
    axes, legend = triple_of(figure)
    result.plot(axes, legend=legend)
    figure.suptitle(f"{len(spectrum)} eigenvalues", fontsize=10)
    output.figure(figure, "overlay", dpi=115)
    output.numbers(report)


def _tests(output: Output, spectrum: Spectrum, name: str, fitted: Fit[object], seed: int) -> Record:
    """Print signals and goodness of fit, where there is a test; return them as plain values."""
    from rmtland.comparison import goodness_of_fit, signals
    from rmtland.laws import MarchenkoPastur, Semicircle

    found: Record = {"signals": None, "goodness": None}
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

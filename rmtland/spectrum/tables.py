"""A spectrum as a table: for notebooks, and as a pandas DataFrame."""

from __future__ import annotations

import html
import importlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

    from rmtland.spectrum import Spectrum

__all__ = ["data_frame", "html_table", "summary"]


def summary(spectrum: Spectrum) -> str:
    """Return what a spectrum is: runs, nodes, range, dimension and source.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues or a quadrature.
    """
    what = "eigenvalues" if spectrum.is_complete else "nodes"
    runs = f"{spectrum.runs} runs of " if spectrum.runs > 1 else ""
    size = (
        ""
        if spectrum.is_complete or spectrum.dimension is None
        else f", dimension {spectrum.dimension}"
    )
    origin = spectrum.provenance.get("source")
    return (
        f"{runs}{spectrum.nodes.shape[1]} {what} in "
        f"[{spectrum.nodes.min():.6g}, {spectrum.nodes.max():.6g}]{size}"
        + (f", {str(origin)[:60]!r}" if origin is not None else "")
    )


def html_table(spectrum: Spectrum) -> str:
    """Return a small table for notebooks.

    Parameters
    ----------
    spectrum : Spectrum
        Of which mean, deviation, counts and index are shown.
    """
    rows = {
        "spectrum": summary(spectrum),
        "mean": f"{spectrum.mean():.6g}",
        "std": f"{spectrum.std():.6g}",
    }
    if spectrum.is_complete:
        negative, zero, positive, _ = spectrum.inertia()
        rows["negative, zero, positive"] = f"{negative}, {zero}, {positive}"
    rows["index"] = f"{spectrum.index():.6g}"
    cells = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{html.escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    return f"<table>{cells}</table>"


def data_frame(spectrum: Spectrum) -> DataFrame:
    """Return the nodes as a pandas DataFrame, one row each.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues or a quadrature.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install pandas") from error
    runs, size = spectrum.nodes.shape
    weights = np.full((runs, size), 1 / size) if spectrum.weights is None else spectrum.weights
    columns = {
        "run": np.repeat(np.arange(runs), size),
        "node": spectrum.nodes.ravel(),
        "weight": weights.ravel(),
    }
    if spectrum.errors is not None:
        columns["error"] = spectrum.errors.ravel()
    if spectrum.brackets is not None:
        columns["low"] = spectrum.brackets[..., 0].ravel()
        columns["high"] = spectrum.brackets[..., 1].ravel()
    return pandas.DataFrame(columns)

r"""Everything about the spectrum of an operator in one call: what `rmtland measure` prints.

From one set of Lanczos runs with Gaussian probes come the density with the standard errors of its
distribution function, the index with its intervals and the trace; a second, short computation
gives the extremal eigenvalues with their residuals; then laws are fitted to the spectrum and laid
over it. A matrix of no more rows than that would take products is formed and diagonalised.

The trace is p times the mean of m spectra, with the standard error of a mean over probes.

>>> import numpy as np
>>> from rmtland.laws import MarchenkoPastur
>>> from rmtland.ensembles import WishartEnsemble
>>> eigenvalues = WishartEnsemble(0.5).sample(300, rng=0).nodes.ravel()
>>> found = measure(np.diag(eigenvalues), families=[MarchenkoPastur], rng=0, resamples=0)
>>> found.index.value, found.outliers.size
(0.0, 0)
>>> found.overlay.comparisons["MarchenkoPastur, fitted"].kolmogorov < 0.05
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtland.arguments import count, truth
from rmtland.comparison.fitting import Fit, fit
from rmtland.comparison.outliers import edge_margins, outside
from rmtland.comparison.overlay import Overlay, named_things, overlay
from rmtland.comparison.theories import Theory, law_of
from rmtland.estimate import (
    Eigenpairs,
    MassEstimate,
    SymmetricOperator,
    extremal_eigenpairs,
    krylov_quadratures,
    negative_fraction,
    symmetric_operator,
)
from rmtland.estimate.density import quadrature_spectrum
from rmtland.estimate.index import estimated_mass
from rmtland.laws import MarchenkoPastur, Semicircle
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.streams import streams
from rmtland.typing import Operator, Real, Record, Rng

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["Measurement", "measure"]

_LARGEST_DENSE = 8192
_PRODUCTS_OF_A_PAIR = 40
"""Of an extremal eigenpair by Lanczos, about: 45 for the Hessian of a convolutional network."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was measured of an operator, and the laws laid over it.

    Made by `rmtland.comparison.measure`.

    Parameters
    ----------
    size : int
        p, the order of the matrix.
    spectrum : Spectrum
        All eigenvalues, or a quadrature with errors.
    index : MassEstimate
        Fraction of negative eigenvalues with its intervals.
    trace : (float, float)
        The trace and its standard error, 0 where it is exact.
    eigenpairs : Eigenpairs or None
        Extremal eigenvalues with their residuals; None where they were not asked for.
    overlay : Overlay
        The fitted laws and their distances.
    outliers : ndarray
        Extremal eigenvalues outside the fitted law that is nearest.
    products : int
        Products with the matrix that were spent.
    unfitted : dict of str to str
        Families that could not be fitted, with the reasons.
    """

    size: int
    spectrum: Spectrum
    index: MassEstimate
    trace: tuple[float, float]
    eigenpairs: Eigenpairs | None
    overlay: Overlay
    outliers: Real
    products: int
    unfitted: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            Nested dictionaries of plain values.
        """
        pairs = self.eigenpairs
        return {
            "size": self.size,
            "products": self.products,
            "index": {
                "value": self.index.value,
                "interval": list(self.index.interval),
                "rigorous": list(self.index.rigorous),
                "confidence": self.index.confidence,
                "method": self.index.method,
            },
            "trace": {"value": self.trace[0], "standard_error": self.trace[1]},
            "eigenvalues": None
            if pairs is None
            else {
                "values": pairs.values.tolist(),
                "residuals": pairs.residuals.tolist(),
            },
            "outliers": self.outliers.tolist(),
            "unfitted": dict(self.unfitted),
            **self.overlay.to_dict(),
        }

    def plot(self, axes: tuple[Axes, Axes] | None = None, **options: Any) -> list[Artist]:
        """Draw density and distribution function with the fitted laws.

        Parameters
        ----------
        axes : pair of Axes, optional
            A new figure by default.
        **options
            Of `rmtland.plot.draw_overlay`.

        Returns
        -------
        list of Artist
            What was drawn.
        """
        return self.overlay.plot(axes, **options)

    def __repr__(self) -> str:
        lost = "".join(f", {name} not fitted: {reason}" for name, reason in self.unfitted.items())
        outliers = f"{len(self.outliers)} outliers"
        return f"Measurement(size={self.size}, index={self.index!r}, {outliers}{lost})"

    def _repr_html_(self) -> str:
        """Return the table of laws for notebooks."""
        return self.overlay._repr_html_()


def measure(
    operator: Operator,
    *,
    probes: int = 10,
    steps: int = 80,
    eigenpairs: int = 6,
    families: Mapping[str, Callable[..., object]] | Iterable[Callable[..., object]] = (
        MarchenkoPastur,
        Semicircle,
    ),
    resamples: int = 40,
    rng: Rng = None,
    progress: bool | None = None,
) -> Measurement:
    """Measure the spectrum of anything that multiplies, and lay fitted laws over it.

    Parameters
    ----------
    operator : anything that multiplies
        `rmtland.adapters.from_torch` and `from_jax` make one of a model; also a matrix, or
        whatever `rmtland.estimate.symmetric_operator` takes.
    probes, steps : int, optional
        Gaussian probes, and Lanczos steps of each.
    eigenpairs : int, optional
        Extremal eigenvalues at each end; 0 for none.
    families : classes or callables, by name or listed, optional
        Families of laws or models to fit (`rmtland.fit`).
    resamples : int, optional
        Bootstrap samples for the errors of their parameters; 0 for none.
    rng : anything `numpy.random.default_rng` takes
        For probes, starts and fits.
    progress : bool, optional
        Show a bar; where stderr is a terminal by default.

    Returns
    -------
    Measurement
        Numbers, table, JSON and figure.

    Raises
    ------
    ValueError, TypeError
        For an operator that is none. A family that cannot be fitted is named in `unfitted`.
    ConvergenceError
        If extremal eigenvalues do not converge.

    See Also
    --------
    rmtland.estimate.spectral_density : one quantity.
    rmtland.audit.audit_operators : levels of theory.
    rmtland.adapters.from_torch : an operator of a model.
    """
    found = symmetric_operator(operator)
    probes, steps = count("probes", probes), count("steps", steps)
    wanted = count("eigenpairs", eigenpairs, min_value=0)
    shown = None if progress is None else truth("progress", progress)
    for_probes, for_pairs, for_fits = streams(rng, 3)
    before = found.products
    looked_at, counted = found, None
    ends = min(wanted, found.size // 2 or 1)
    if _is_small(found, probes * steps, ends) and not found.is_complex:
        looked_at = _formed(found)
        spectrum = Spectrum(np.linalg.eigvalsh(looked_at.dense()), precision=found.precision)
        index = negative_fraction(looked_at, method="inertia")
        counted = index.interval
        trace = (float(found.size * spectrum.measure[0].mean()), 0.0)
    else:
        runs = krylov_quadratures(found, probes=probes, steps=steps, rng=for_probes, progress=shown)
        spectrum = quadrature_spectrum(runs, found, np.empty(0))
        index = estimated_mass(runs, found, 0.0, None, 0.95)
        trace = _trace(spectrum, found)
    pairs = None
    if wanted:
        pairs = extremal_eigenpairs(looked_at, ends, tol=1e-6, rng=for_pairs)
    fitted: dict[str, Fit[Theory]] = {}
    unfitted: dict[str, str] = {}
    for name, family in _that_fit(families, spectrum).items():
        try:
            fitted[f"{name}, fitted"] = fit(spectrum, family, rng=for_fits, resamples=resamples)
        except (ValueError, ConvergenceError) as error:  # what was measured is kept
            unfitted[name] = str(error)
    if fitted:
        laid = replace(overlay(spectrum, fitted), index_range=counted)
        best = min(laid.comparisons, key=lambda name: laid.comparisons[name].kolmogorov)
        beyond = _beyond(spectrum, pairs, laid.theories[best], found.size)
    else:
        laid, beyond = Overlay(spectrum, {}, {}, {}, counted), np.empty(0)
    spent = found.products - before
    return Measurement(found.size, spectrum, index, trace, pairs, laid, beyond, spent, unfitted)


def _is_small(operator: SymmetricOperator, products: int, ends: int) -> bool:
    """Whether forming the matrix takes no more products than estimates of it would."""
    if operator.matrix is None:
        products += 2 * ends * _PRODUCTS_OF_A_PAIR
    return operator.size <= min(max(products, 2), _LARGEST_DENSE)


def _formed(operator: SymmetricOperator) -> SymmetricOperator:
    """Return an operator by the matrix that products formed, once, with their precision."""
    if operator.matrix is not None:
        return operator
    matrix = operator.dense()
    return SymmetricOperator(lambda v: matrix @ v, operator.size, operator.dtype, operator.source)


def _that_fit(families: object, spectrum: Spectrum) -> Record:
    """Return the families by name; without positive eigenvalues only those of both signs."""
    named = named_things(families)
    if spectrum.measure[0][-1] > 0.0 or len(named) < 2:
        return named
    return {name: family for name, family in named.items() if family is not MarchenkoPastur}


def _trace(spectrum: Spectrum, operator: SymmetricOperator) -> tuple[float, float]:
    """Return p times the mean of the runs, and the standard error of that."""
    weights = spectrum.weights
    assert weights is not None
    means = operator.size * (weights * spectrum.nodes).sum(axis=1)
    error = means.std(ddof=1) / len(means) ** 0.5 if len(means) > 1 else np.inf
    return float(means.mean()), float(error)


def _beyond(spectrum: Spectrum, pairs: Eigenpairs | None, theory: Theory, size: int) -> Real:
    """Return the extremal eigenvalues outside a law, ascending."""
    values = spectrum.measure[0] if pairs is None else np.unique(pairs.values)
    try:
        pieces = edge_margins(law_of(theory), size, spectrum.zero_tolerance)
    except ConvergenceError:
        return np.empty(0)
    return np.unique(values[outside(values, pieces)])

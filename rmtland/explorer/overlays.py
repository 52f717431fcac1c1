"""Spectra laid over the law of the explorer: drawn matrices, networks, a file of the user's.

>>> state = ExplorerState(law="semicircle", sample="matrices", width=32)
>>> found = overlay_of(state, drawn(state))
>>> found.count, found.words, len(found.heights) + 1 == len(found.edges)
(1024, '32 matrices of order 32', True)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np

from rmtland.comparison import compare, fit
from rmtland.explorer.state import SIZES, ExplorerState
from rmtland.networks import MLP, gaussian
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator, streams
from rmtland.typing import Real, Record

__all__ = ["ExplorerFit", "ExplorerOverlay", "drawn", "fitted", "overlay_of"]

_EIGENVALUES = 1024
"""Eigenvalues of all matrices together, at least."""
_MOST_PARAMETERS = 2048
_MOST_SAMPLES = 20_000
_MOST_FITTED = 200_000
_BINS = 60
_STEPS = 400
_TAIL = 0.01


@dataclass(frozen=True)
class ExplorerOverlay:
    """A spectrum as the page draws it.

    Made by `rmtland.explorer.overlay_of`.

    Parameters
    ----------
    words : str
        What it is.
    count : int
        Number of eigenvalues.
    edges, heights : list of float
        Histogram over the bulk, per unit of eigenvalue; all eigenvalues together have mass 1.
    zero_mass : float
        Fraction of the eigenvalues that are zero to rounding, left out of the histogram.
    beyond : list of float
        Eigenvalues outside the histogram, at most 100 from either end.
    x, y : list of float
        Distribution function, at 400 quantiles at most.
    index : float
        Fraction below zero.
    kolmogorov, wasserstein : float
        Distances from the law of the state; the latter in widths of the law.
    reason : str
        Why there are no distances, where the law has none.
    """

    words: str
    count: int
    edges: list[float]
    heights: list[float]
    zero_mass: float
    beyond: list[float]
    x: list[float]
    y: list[float]
    index: float
    kolmogorov: float | None
    wasserstein: float | None
    reason: str = ""

    def to_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            One entry for each attribute.
        """
        return asdict(self)


@dataclass(frozen=True)
class ExplorerFit:
    """The member of a family that is nearest to a spectrum.

    Made by `rmtland.explorer.fitted`.

    Parameters
    ----------
    state : ExplorerState
        At the fitted parameters.
    words : str
        Parameters, distances and what the fit leaves open, in one sentence or two.
    """

    state: ExplorerState
    words: str


def drawn(state: ExplorerState) -> Spectrum:
    """Draw what the state asks for: matrices of the law, or Hessians of networks.

    A network has n = `width` inputs, hidden units and outputs, m = 2n/phi samples of iid N(0, 1),
    LeCun's initialisation, and iid residuals of variance 2 energy.

    Parameters
    ----------
    state : ExplorerState
        With ``sample`` other than "none".

    Returns
    -------
    Spectrum
        Eigenvalues, a run each matrix; what they are in ``provenance["words"]``.

    Raises
    ------
    ValueError
        If nothing is to be drawn, or the network is too large to be drawn while one waits.
    """
    if state.sample == "none":
        raise ValueError("nothing is to be drawn: the sample is 'none'")
    order = state.width if state.sample == "matrices" else 2 * state.width**2
    runs = max(1, math.ceil(_EIGENVALUES / order))
    if state.sample == "matrices":
        matrix = state.family.matrix(**state.values)
        nodes = matrix.sample(state.width, rng=state.seed, runs=runs).nodes
        words = f"{runs} {'matrix' if runs == 1 else 'matrices'} of order {order}"
        return Spectrum(nodes, provenance={"words": words})
    samples = max(1, round(2 * state.width / state.phi))
    if order > _MOST_PARAMETERS or samples > _MOST_SAMPLES:
        raise ValueError(
            f"a network of width {state.width} has {order} parameters, and {samples} samples at "
            f"this phi; at most {_MOST_PARAMETERS} and {_MOST_SAMPLES} are drawn here: lower the "
            "width or raise phi"
        )
    rows = [_network(state, samples, stream) for stream in streams(state.seed, runs)]
    plural = "Hessian" if runs == 1 else "Hessians"
    words = (
        f"{runs} {plural} of a {state.activation} network, {state.width} units a layer, {samples} "
        f"samples (phi = {2 * state.width / samples:.4g}), at initialisation"
    )
    return Spectrum(np.array(rows), provenance={"words": words})


def _network(state: ExplorerState, samples: int, stream: np.random.Generator) -> Real:
    """Return the eigenvalues of the Hessian of one network."""
    n, rng = state.width, random_generator(stream)
    data = gaussian(samples, n, rng=rng)
    net = MLP((n, n, n), activation=state.activation)
    theta = net.init(rng=rng)
    noise = rng.normal(size=data.y.shape) * math.sqrt(2 * state.energy)
    point = net.at(theta, data.x, net.predict(theta, data.x) - noise)
    return np.asarray(np.linalg.eigvalsh(point.hessian().total), dtype=np.float64)


def overlay_of(state: ExplorerState, spectrum: Spectrum) -> ExplorerOverlay:
    """Return a spectrum as the page draws it over the law of a state.

    Parameters
    ----------
    state : ExplorerState
        For the distances.
    spectrum : Spectrum
        Eigenvalues or a quadrature.

    Returns
    -------
    ExplorerOverlay
        Histogram, distribution function and distances.
    """
    nodes, weights = spectrum.measure
    kolmogorov, wasserstein, reason = None, None, ""
    try:
        found = compare(spectrum, state.family.matrix(**state.values).law)
        kolmogorov, wasserstein = found.kolmogorov, found.wasserstein
    except (ValueError, ArithmeticError) as error:
        reason = str(error)
    zero = np.abs(nodes) <= spectrum.zero_tolerance
    edges, heights, beyond = _histogram(nodes[~zero], weights[~zero])
    levels = np.cumsum(weights)
    steps = np.unique(np.searchsorted(levels, np.linspace(0, levels[-1], _STEPS)))
    steps = steps[steps < nodes.size]
    return ExplorerOverlay(
        words=str(spectrum.provenance.get("words") or spectrum.provenance.get("source", "")),
        count=spectrum.nodes.size,
        edges=edges,
        heights=heights,
        zero_mass=float(weights[zero].sum()),
        beyond=beyond,
        x=nodes[steps].tolist(),
        y=levels[steps].tolist(),
        index=float(spectrum.index()),
        kolmogorov=kolmogorov,
        wasserstein=wasserstein,
        reason=reason,
    )


def _histogram(nodes: Real, weights: Real) -> tuple[list[float], list[float], list[float]]:
    """Return edges, heights and what is outside: far eigenvalues do not squeeze the bulk."""
    if not nodes.size:
        return [], [], []
    levels = np.cumsum(weights) / weights.sum()
    first, last = np.searchsorted(levels, [_TAIL, 1 - _TAIL])
    low, high = float(nodes[first]), float(nodes[min(last, nodes.size - 1)])
    reach = (high - low) or max(abs(low), 1.0) * 1e-6
    low, high = max(low - reach, float(nodes[0])), min(high + reach, float(nodes[-1]))
    if not high > low:
        low, high = low - reach, high + reach
    mass, edges = np.histogram(nodes, _BINS, range=(low, high), weights=weights)
    far = nodes[(nodes < low) | (nodes > high)]
    shown = np.unique(np.concatenate([far[:100], far[-100:]]))
    return edges.tolist(), (mass / np.diff(edges)).tolist(), shown.tolist()


def fitted(state: ExplorerState, spectrum: Spectrum) -> ExplorerFit:
    """Fit the family of a state to a spectrum, by the distance of distribution functions.

    Parameters
    ----------
    state : ExplorerState
        Of which the family counts; all else is kept.
    spectrum : Spectrum
        Eigenvalues.

    Returns
    -------
    ExplorerFit
        The state at the fitted parameters, and words about them.

    Raises
    ------
    ValueError
        If the spectrum has too few distinct eigenvalues, or more than are fitted while one waits,
        or they are larger or smaller than laws that are shown.
    """
    if spectrum.nodes.size > _MOST_FITTED:
        raise ValueError(
            f"there are {spectrum.nodes.size} eigenvalues; at most {_MOST_FITTED} are fitted here: "
            "take rmtland.fit"
        )
    largest, (low, high) = float(np.abs(spectrum.nodes).max()), SIZES["sigma"]
    if largest and not low <= largest <= high:
        raise ValueError(
            f"the eigenvalues are of size {largest:.3g}, and laws from {low:g} to {high:g} are "
            "shown here: give the eigenvalues in other units"
        )
    bounds = {name: SIZES[name] for name in state.family.parameters}
    found = fit(spectrum, state.family.build, rng=0, resamples=0, bounds=bounds)
    values: Record = {name: found.parameters[name] for name in state.family.parameters}
    words = [", ".join(f"{name} = {value:.4g}" for name, value in values.items())]
    words.append(
        f"Kolmogorov distance {found.comparison.kolmogorov:.3g}, Wasserstein "
        f"{found.comparison.wasserstein:.3g}"
    )
    for names, what in ((found.undetermined, "not determined"), (found.at_bounds, "at a bound")):
        if names:
            words.append(f"{', '.join(names)} {what}")
    return ExplorerFit(replace(state, traces="printed", **values), "; ".join(words))

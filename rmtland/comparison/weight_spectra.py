r"""Spectra of weight matrices: Marchenko-Pastur bulk, spikes, edge test and power-law tail.

For each weight matrix W, with N its longer and M its shorter side, the eigenvalues of W W^T / N
(squared singular values over N) are laid beside the Marchenko-Pastur law of aspect ratio M/N that
independent entries of variance sigma^2 would have (the job of WeightWatcher). Candidates for spikes
are found with the variance that the median eigenvalue tells, which spikes hardly move; the variance
stated is the mean of the eigenvalues that are no spikes.

An eigenvalue is a spike where it is above the edge by more than chance at a stated level: by the
Tracy-Widom law of order 1 with the centring and scale of finite sizes [1]_ [2]_,

.. math::

    \mu = \bigl(\sqrt{N - \tfrac12} + \sqrt{M - \tfrac12}\bigr)^2, \qquad
    s = \sqrt{\mu} \Bigl( \frac{1}{\sqrt{N - 1/2}} + \frac{1}{\sqrt{M - 1/2}} \Bigr)^{1/3},

tested from the last candidate up, with M smaller by one for each spike above it. The singular value
x of the signal behind a spike y (of noise of unit variance, over sqrt(N)) inverts
y^2 = (1 + x^2)(x^2 + q)/x^2 (BBP) [3]_. Heavy tails of trained weights: [4]_.

References
----------
.. [1] I. M. Johnstone, On the distribution of the largest eigenvalue in principal components
       analysis, Annals of Statistics 29 (2001) 295-327.
.. [2] Z. Ma, Accuracy of the Tracy-Widom limits for the extreme eigenvalues in white Wishart
       matrices, Bernoulli 18 (2012) 322-359.
.. [3] M. Gavish and D. L. Donoho, The optimal hard threshold for singular values is 4/sqrt(3),
       IEEE Transactions on Information Theory 60 (2014) 5040-5053.
.. [4] C. H. Martin and M. W. Mahoney, Implicit self-regularization in deep neural networks,
       Journal of Machine Learning Research 22 (2021) 1-73.

Examples
--------
>>> import numpy as np
>>> noise = np.random.default_rng(0).standard_normal((60, 200))
>>> noise[0] += 3.0
>>> spectra_of_weights({"layer": noise}, rng=0)["layer"].spikes.size
1
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtland.adapters.weight_matrices import weight_matrices
from rmtland.arguments import positive
from rmtland.comparison.distances import compare
from rmtland.comparison.power_tail import PowerTail, power_tail
from rmtland.laws import MarchenkoPastur, TracyWidom
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator, streams
from rmtland.typing import Real, Rng

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["LayerSpectrum", "WeightSpectra", "spectra_of_weights"]

_COLUMNS = (
    "layer", "rows", "columns", "sigma", "edge", "largest", "p_value", "spikes", "kolmogorov",
    "alpha", "alpha_error", "tail_start", "tail_size", "stable_rank", "norm",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class LayerSpectrum:
    """The spectrum of one weight matrix and the law beside it.

    Parameters
    ----------
    name : str
        Of the weights.
    shape : tuple of int
        (outputs, inputs), a convolution unrolled.
    spectrum : Spectrum
        Eigenvalues of W W^T / N.
    law : MarchenkoPastur
        Of the bulk; its scale is the variance of the entries.
    spikes : ndarray
        Eigenvalues above the edge by more than chance, descending.
    signals : ndarray
        Singular values of the signal behind each spike, in units of those of W.
    p_value : float
        Of the largest eigenvalue, by the Tracy-Widom law.
    kolmogorov : float
        Distance of the eigenvalues that are no spikes to the law.
    tail : PowerTail or None
        Power law of the largest eigenvalues; None for fewer than 10.
    """

    name: str
    shape: tuple[int, int]
    spectrum: Spectrum
    law: MarchenkoPastur
    spikes: Real
    signals: Real
    p_value: float
    kolmogorov: float
    tail: PowerTail | None

    @property
    def singular_values(self) -> Real:
        """Singular values of the weight matrix, ascending."""
        return np.asarray(np.sqrt(max(self.shape) * np.sort(self.spectrum.nodes.ravel())))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for tables and JSON.

        Returns
        -------
        dict of str to values
            One entry a column of the table.
        """
        values = self.singular_values
        tail = self.tail
        row = (
            self.name, *self.shape, float(np.sqrt(self.law.scale)), self.law.support[0][1],
            float(self.spectrum.nodes.max()), self.p_value, len(self.spikes), self.kolmogorov,
            None if tail is None else tail.exponent, None if tail is None else tail.error,
            None if tail is None else tail.start, None if tail is None else tail.size,
            float((values**2).sum() / values[-1] ** 2), float(values[-1]),
        )  # fmt: skip
        return dict(zip(_COLUMNS, row, strict=True))

    def plot(self, ax: Axes | None = None) -> list[Artist]:
        """Draw the eigenvalues, the law, and the spikes.

        Parameters
        ----------
        ax : Axes, optional
            Where; a new figure by default.

        Returns
        -------
        list of Artist
            What was drawn.
        """
        from rmtland.drawing import draw_law, draw_outliers, draw_spectrum, new_axes

        ax = new_axes(ax)
        rows, columns = self.shape
        label = f"Marchenko-Pastur, sigma = {np.sqrt(self.law.scale):.3g}"
        name, bins = f"{self.name}, {rows} x {columns}", min(80, 10 + len(self.spectrum) // 5)
        artists = [
            draw_spectrum(ax, self.spectrum, bins=bins, label=name),
            draw_law(ax, self.law, label=label, color="#D55E00"),
        ]
        if self.spikes.size:
            artists.append(draw_outliers(ax, self.spikes))
        ax.legend(fontsize="small")
        return artists


@dataclass(frozen=True, eq=False)
class WeightSpectra:
    """Spectra of all weight matrices of a model.

    Parameters
    ----------
    layers : tuple of LayerSpectrum
        In the order of the model.
    level : float
        Level of the edge test.
    """

    layers: tuple[LayerSpectrum, ...]
    level: float

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[LayerSpectrum]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> LayerSpectrum:
        """Return the layer of a name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; there are {', '.join(x.name for x in self.layers)}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            The level, and a list of layers.
        """
        return {"level": self.level, "layers": [layer.to_dict() for layer in self.layers]}

    def to_dataframe(self) -> Any:
        """Return the table as a DataFrame of pandas.

        Returns
        -------
        pandas.DataFrame
            One row a layer.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        from rmtland.adapters.optional import optional

        return optional("pandas", extra="pandas").DataFrame(self.to_dict()["layers"])

    def rows(self) -> list[tuple[str, ...]]:
        """Return what a table shows, the heads first.

        Returns
        -------
        list of tuple of str
            Layer, shape, standard deviation of the noise, largest eigenvalue over the edge,
            p-value, spikes, Kolmogorov distance of the bulk, exponent of the tail with its error.
        """
        heads = ("layer", "shape", "sigma", "largest/edge", "p", "spikes", "KS", "alpha")
        rows: list[tuple[str, ...]] = [heads]
        for layer in self.layers:
            v = layer.to_dict()
            alpha = "" if layer.tail is None else f"{v['alpha']:.2f} +- {v['alpha_error']:.2f}"
            rows.append((
                layer.name, f"{v['rows']} x {v['columns']}", f"{v['sigma']:.3g}",
                f"{v['largest'] / v['edge']:.2f}", f"{v['p_value']:.2g}", str(v["spikes"]),
                f"{v['kolmogorov']:.3f}", alpha,
            ))  # fmt: skip
        return rows

    def plot(self, axes: Any = None, *, columns: int = 3) -> list[Artist]:
        """Draw every layer with its law.

        Parameters
        ----------
        axes : array of Axes, optional
            One for each layer; a new figure by default.
        columns : int, optional
            Of a new figure.

        Returns
        -------
        list of Artist
            What was drawn.
        """
        if axes is None:
            from matplotlib import pyplot

            across = min(columns, len(self))
            down = -(-len(self) // across)
            _, grid = pyplot.subplots(
                down, across, figsize=(4 * across, 3 * down), layout="constrained", squeeze=False
            )
            axes = grid.ravel()[: len(self)]
            for ax in grid.ravel()[len(self) :]:
                ax.set_axis_off()
        pairs = zip(np.ravel(axes), self.layers, strict=True)
        return [artist for ax, layer in pairs for artist in layer.plot(ax)]

    def __repr__(self) -> str:
        found = sum(len(layer.spikes) for layer in self.layers)
        return f"WeightSpectra({len(self)} layers, {found} spikes at level {self.level:g})"

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        import html

        heads, *rows = self.rows()
        lines = ["".join(f"<th>{head}</th>" for head in heads)]
        lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def spectra_of_weights(
    model: Any, *, level: float = 0.05, min_size: int = 8, resamples: int = 40, rng: Rng = None
) -> WeightSpectra:
    """Return the spectrum of every weight matrix with the Marchenko-Pastur law beside it.

    Parameters
    ----------
    model : nn.Module, mapping of str to array, sequence of arrays, or array
        As `rmtland.adapters.weight_matrices` takes it; convolutions are unrolled.
    level : float, optional
        Chance with which a matrix of independent entries shows a spike.
    min_size : int, optional
        Matrices with fewer rows or columns are left out.
    resamples : int, optional
        Bootstrap samples for the error of each tail.
    rng : anything `numpy.random.default_rng` takes
        For the errors of the tails.

    Returns
    -------
    WeightSpectra
        One entry a matrix: table, DataFrame, JSON, plot.

    Raises
    ------
    ValueError
        If there is no such matrix, one is not finite, or the level is not between 0 and 1.
    """
    level = positive("level", level)
    if level >= 1.0:
        raise ValueError(f"level must lie between 0 and 1; got {level}")
    matrices = weight_matrices(model, min_size=min_size)
    seeds = streams(rng, len(matrices))
    return WeightSpectra(
        tuple(
            _layer(name, matrix, level, resamples, seed)
            for (name, matrix), seed in zip(matrices.items(), seeds, strict=True)
        ),
        level,
    )


def _layer(name: str, matrix: Real, level: float, resamples: int, rng: Any) -> LayerSpectrum:
    long, short = max(matrix.shape), min(matrix.shape)
    values = np.linalg.svd(matrix, compute_uv=False) ** 2 / long
    if values[0] == 0.0:
        raise ValueError(f"the weights {name} are all zero")
    law, spikes, p_value = _bulk(values, long, short, level)
    bulk = Spectrum(values[spikes:])
    tail = None
    if np.unique(values[values > 0]).size >= 10:
        tail = power_tail(values, resamples=resamples, rng=random_generator(rng))
    found = values[:spikes]
    return LayerSpectrum(
        name, (int(matrix.shape[0]), int(matrix.shape[1])), Spectrum(values), law, found,
        _signals(found / law.scale, law.aspect_ratio) * np.sqrt(law.scale * long), p_value,
        compare(bulk, law).kolmogorov, tail,
    )  # fmt: skip


def _bulk(values: Real, long: int, short: int, level: float) -> tuple[MarchenkoPastur, int, float]:
    """Return the law of the bulk, the number of spikes and the p-value of the largest.

    Candidates are found with the variance of the median; from the last of them up, each is then
    tested with the mean of those that are not above it, which the null hypothesis calls noise.
    """
    ratio, most = short / long, min(short - 4, 200)
    rough = _variance(values, long, short)
    spikes = 0
    while spikes < most and _chance(values[spikes] / rough, long, short - spikes) < 4 * level:
        spikes += 1
    if spikes:
        rough = _variance(values[spikes:], long, short - spikes)
        while spikes < most and _chance(values[spikes] / rough, long, short - spikes) < 4 * level:
            spikes += 1
    while spikes and _chance_within(values, spikes - 1, long, short) > level:
        spikes -= 1
    law = MarchenkoPastur(ratio, float(values[spikes:].mean()) * long / (long - spikes))
    if spikes > 1:
        return law, spikes, _chance(values[0] / law.scale, long, short)
    return law, spikes, _chance_within(values, 0, long, short)


def _variance(bulk: Real, long: int, short: int) -> float:
    """Return the variance of the entries by the median of eigenvalues that are mostly noise."""
    middle = float(np.median(bulk))
    if middle <= 1e-12 * float(bulk[0]):
        raise ValueError("half of the singular values are zero: the matrix has no bulk")
    return middle / float(MarchenkoPastur(short / long).median())


def _chance_within(values: Real, k: int, long: int, short: int) -> float:
    """Return the chance of the k-th eigenvalue where it and all below are noise."""
    return _chance(values[k] / float(values[k:].mean()), long, short - k)


def _chance(value: float, long: int, short: int) -> float:
    """Return the chance of a largest eigenvalue of this size, entries of variance 1 over `long`."""
    a, b = np.sqrt(long - 0.5), np.sqrt(short - 0.5)
    centre = (a + b) ** 2
    scale = (a + b) * (1 / a + 1 / b) ** (1 / 3)
    return float(TracyWidom(1).sf((long * value - centre) / scale))


def _signals(values: Real, ratio: float) -> Real:
    """Return the singular values of the signal behind spikes, noise of variance 1 over N."""
    inner = values - 1.0 - ratio
    root = np.sqrt(np.maximum(inner**2 - 4.0 * ratio, 0.0))
    return np.asarray(np.sqrt((inner + root) / 2.0))

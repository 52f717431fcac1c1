r"""Spectra of weight matrices: Marchenko-Pastur bulk, spikes, edge test and power-law tail.

For each weight matrix W, with N its longer and M its shorter side, the eigenvalues of W W^T / N
(squared singular values over N) are laid beside the Marchenko-Pastur law of aspect ratio M/N that
independent entries of variance sigma^2 would have (the job of WeightWatcher). The variance
stated is that of the eigenvalues that are no spikes.

Whether the bulk may be that of independent entries says a goodness of fit that is calibrated for
eigenvalues (`rmtland.comparison.goodness`): the mean square distance of the distribution functions
of the eigenvalues that are no spikes, with the shift that spikes give them, beside that of Gaussian
matrices of the same shape whose variance is estimated in the same way.

An eigenvalue is a spike where it is above the edge by more than chance at a stated level, by the
sequential Tracy-Widom test of `rmtland.comparison.signals`, with centring and scale of finite sizes
and the correction for the estimated variance. The level is that of Gaussian entries: the size of a
single entry of a heavy tail may make a spike. The singular value of the signal behind a spike, its
standard error and the overlaps of its singular vectors are those of
`rmtland.comparison.spike_strengths` (BBP, inverted). Heavy tails of trained weights: [1]_.

References
----------
.. [1] C. H. Martin and M. W. Mahoney, Implicit self-regularization in deep neural networks,
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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rmtland.adapters.weight_matrices import weight_matrices
from rmtland.arguments import count, positive
from rmtland.comparison.distances import compare
from rmtland.comparison.power_tail import PowerTail, power_tail
from rmtland.comparison.signals import WishartNoise
from rmtland.comparison.spectral_shift import spectral_shift
from rmtland.comparison.spike_strengths import Strength, rectangular_strengths
from rmtland.ensembles import WishartEnsemble
from rmtland.laws import MarchenkoPastur
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator, streams
from rmtland.typing import NumpyArray, Real, Record, Rng

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from pandas import DataFrame

__all__ = ["LayerSpectrum", "WeightSpectra", "spectra_of_weights"]

_COLUMNS = (
    "layer",
    "rows",
    "columns",
    "sigma",
    "edge",
    "largest",
    "p_value",
    "spikes",
    "kolmogorov",
    "goodness",
    "alpha",
    "alpha_error",
    "tail_start",
    "tail_size",
    "stable_rank",
    "norm",
)
_MOST_DRAWN = 1024
"""Shorter sides of the matrices that are drawn for the goodness of fit, at most."""

_TINY = 1e-75
"""Size of entries whose eigenvalues squared are numbers yet."""


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
    strengths : tuple of Strength
        The same with standard errors and the overlaps of the singular vectors.
    goodness : float or None
        p-value of the bulk under Gaussian entries; None where it was not asked for.
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
    strengths: tuple[Strength, ...] = ()
    goodness: float | None = None

    @property
    def singular_values(self) -> Real:
        """Singular values of the weight matrix, ascending."""
        return np.asarray(np.sqrt(max(self.shape) * np.sort(self.spectrum.nodes.ravel())))

    def to_dict(self) -> Record:
        """Return plain values, for tables and JSON.

        Returns
        -------
        dict of str to values
            layer; rows and columns, a convolution unrolled; sigma, standard deviation of the
            entries without the spikes; edge of the law and the largest eigenvalue, of W W^T / N;
            p_value of the latter (Tracy-Widom) and number of spikes; kolmogorov, distance of the
            bulk to the law, and its goodness, a p-value; alpha, exponent of the power-law tail,
            its alpha_error, where it starts (tail_start, an eigenvalue) and tail_size, the number
            of eigenvalues in it; stable_rank, squared Frobenius norm over the squared norm; and
            norm, the largest singular value.
        """
        values = self.singular_values
        tail = self.tail
        row = (
            self.name,
            *self.shape,
            float(np.sqrt(self.law.scale)),
            self.law.support[0][1],
            float(self.spectrum.nodes.max()),
            self.p_value,
            len(self.spikes),
            self.kolmogorov,
            self.goodness,
            None if tail is None else tail.exponent,
            None if tail is None else tail.error,
            None if tail is None else tail.start,
            None if tail is None else tail.size,
            float((values**2).sum() / values[-1] ** 2),
            float(values[-1]),
        )
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

    Made by `rmtland.comparison.spectra_of_weights`.

    Parameters
    ----------
    layers : tuple of LayerSpectrum
        In the order of the model.
    level : float
        Level of the edge test.
    refused : mapping of str to str
        Matrices that no law was laid beside, by name, and why (all zero, or half of them).
    """

    layers: tuple[LayerSpectrum, ...]
    level: float
    refused: Mapping[str, str] = field(default_factory=dict)

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

    def to_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            The level, a list of layers, and the matrices that were refused with the reasons.
        """
        return {
            "level": self.level,
            "layers": [layer.to_dict() for layer in self.layers],
            "refused": dict(self.refused),
        }

    def to_dataframe(self) -> DataFrame:
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
            p-value, spikes, Kolmogorov distance of the bulk and p-value of its goodness of fit,
            exponent of the tail with its error.
        """
        heads = (
            "layer",
            "shape",
            "sigma",
            "largest/edge",
            "p",
            "spikes",
            "KS",
            "p of bulk",
            "alpha",
        )
        rows: list[tuple[str, ...]] = [heads]
        for layer in self.layers:
            v = layer.to_dict()
            alpha = "" if layer.tail is None else f"{v['alpha']:.2f} +- {v['alpha_error']:.2f}"
            rows.append(
                (
                    layer.name,
                    f"{v['rows']} x {v['columns']}",
                    f"{v['sigma']:.3g}",
                    f"{v['largest'] / v['edge']:.2f}",
                    f"{v['p_value']:.2g}",
                    str(v["spikes"]),
                    f"{v['kolmogorov']:.3f}",
                    "" if layer.goodness is None else f"{layer.goodness:.2g}",
                    alpha,
                )
            )
        return rows

    def plot(self, axes: NumpyArray | None = None, *, columns: int = 3) -> list[Artist]:
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
        left = f", {len(self.refused)} matrices refused" if self.refused else ""
        return f"WeightSpectra({len(self)} layers, {found} spikes at level {self.level:g}{left})"

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        import html

        heads, *rows = self.rows()
        lines = ["".join(f"<th>{head}</th>" for head in heads)]
        lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        notes = "".join(
            f"<p>{html.escape(name)}: {html.escape(why)}</p>" for name, why in self.refused.items()
        )
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + f"</table>{notes}"


def spectra_of_weights(
    model: object,
    *,
    level: float = 0.05,
    min_size: int = 8,
    resamples: int = 40,
    goodness: int = 99,
    rng: Rng = None,
    transposed: str | Iterable[str] = (),
) -> WeightSpectra:
    """Return the spectrum of every weight matrix with the Marchenko-Pastur law beside it.

    Parameters
    ----------
    model : nn.Module, mapping of str to array, sequence of arrays, or array
        As `rmtland.adapters.weight_matrices` takes it; convolutions are unrolled.
    level : float, optional
        Chance with which a matrix of independent Gaussian entries shows a spike. Entries of heavier
        tails show one more often, those of lighter tails less often.
    min_size : int, optional
        Matrices with fewer rows or columns are left out.
    resamples : int, optional
        Bootstrap samples for the error of each tail.
    goodness : int, optional
        Matrices drawn for the p-value of each bulk, at least 19; 0 for none. They are drawn once
        for all matrices of a shape and number of spikes; where the shorter side is above 1024 it
        is left out.
    rng : anything `numpy.random.default_rng` takes
        For the errors of the tails and the goodness of fit.
    transposed : str or iterable of str, optional
        Kernels of transposed convolutions, as in `rmtland.adapters.weight_matrices`.

    Returns
    -------
    WeightSpectra
        One entry a matrix: table, DataFrame, JSON, plot.

    Raises
    ------
    ValueError, TypeError
        If there is no such matrix, one is not finite, no law can be laid beside any of them, the
        level is no number between 0 and 1, `resamples` no count of at least 2, or `goodness`
        between 0 and 19.

    See Also
    --------
    rmtland.comparison.signals : the same for any eigenvalues.
    rmtland.adapters.weight_matrices : the matrices.
    """
    level = positive("level", level)
    if level >= 1.0:
        raise ValueError(f"level must lie between 0 and 1; got {level}")
    count("resamples", resamples, min_value=2)
    if 0 < count("goodness", goodness, min_value=0) < 19:
        raise ValueError(f"goodness must be 0, or at least 19 matrices; got {goodness}")
    matrices = weight_matrices(model, min_size=min_size, transposed=transposed)
    *seeds, last = streams(rng, len(matrices) + 1)
    null = _Null(goodness, random_generator(last))
    layers: list[LayerSpectrum] = []
    refused: dict[str, str] = {}
    for (name, matrix), seed in zip(matrices.items(), seeds, strict=True):
        try:
            layers.append(_layer(name, matrix, level, resamples, seed, null))
        except (ValueError, ArithmeticError) as reason:
            if len(matrices) == 1:
                raise
            refused[name] = str(reason)
    if not layers:
        name, why = next(iter(refused.items()))
        raise ValueError(f"no law can be laid beside any of {len(refused)} weights; {name}: {why}")
    return WeightSpectra(tuple(layers), level, refused)


class _Null:
    """Statistics of Gaussian matrices, drawn once for a shape and a number of spikes."""

    def __init__(self, draws: int, generator: np.random.Generator) -> None:
        self.draws, self.generator = draws, generator
        self.spectra: dict[tuple[int, int], Real] = {}
        self.misfits: dict[tuple[int, int, int], Real] = {}

    def chance(self, noise: WishartNoise, spikes: int) -> float | None:
        """Return the p-value of a bulk."""
        if not self.draws or noise.short > _MOST_DRAWN:
            return None
        shape = (noise.long, noise.short)
        if shape not in self.spectra:
            ensemble = WishartEnsemble(noise.short / noise.long)
            drawn = ensemble.sample(noise.short, rng=self.generator, runs=self.draws).nodes
            self.spectra[shape] = drawn[:, ::-1]
        if (*shape, spikes) not in self.misfits:
            self.misfits[*shape, spikes] = np.array(
                [
                    _misfit(WishartNoise(values, *shape), spikes, shifted=False)
                    for values in self.spectra[shape]
                ]
            )
        own = _misfit(noise, spikes, shifted=True)
        larger = int(np.count_nonzero(self.misfits[*shape, spikes] >= own))
        return (1 + larger) / (self.draws + 1)


def _misfit(noise: WishartNoise, spikes: int, *, shifted: bool) -> float:
    """Mean square distance of a bulk to the law of its estimated variance.

    The largest eigenvalues are left out of noise too, where they have shifted nothing.
    """
    scale = noise.variance(spikes if shifted else 0)
    law = MarchenkoPastur(noise.short / noise.long, scale)
    values = noise.values[spikes:][::-1]
    level = np.arange(values.size) + 0.5
    if shifted and spikes:
        level += spectral_shift(law, noise.values[:spikes], values)
    return float(np.mean((np.asarray(law.cdf(values)) - level / noise.short) ** 2))


def _layer(
    name: str, matrix: Real, level: float, resamples: int, rng: Rng, null: _Null
) -> LayerSpectrum:
    long, short = max(matrix.shape), min(matrix.shape)
    largest = float(np.abs(matrix).max())
    if largest == 0.0:
        raise ValueError(f"the weights {name} are all zero")
    if not _TINY <= largest <= 1 / _TINY:
        raise ValueError(
            f"the weights {name} are as large as {largest:.3g}: squares of numbers below {_TINY:g} "
            f"or above {1 / _TINY:g} leave double precision; rescale them"
        )
    values = np.linalg.svd(matrix, compute_uv=False) ** 2 / long
    noise = WishartNoise(values, long, short)
    spikes, chances = noise.count(level)
    scale = noise.variance(spikes)
    law = MarchenkoPastur(short / long, scale)
    bulk = Spectrum(values[spikes:])
    tail = None
    if np.unique(values[values > 0]).size >= 10:
        tail = power_tail(values, resamples=resamples, rng=random_generator(rng))
    found = values[:spikes]
    strengths = rectangular_strengths(found, long=long, short=short, scale=scale)
    return LayerSpectrum(
        name,
        (int(matrix.shape[0]), int(matrix.shape[1])),
        Spectrum(values),
        law,
        found,
        np.array([one.strength for one in strengths]),
        chances[0],
        compare(bulk, law).kolmogorov,
        tail,
        strengths,
        null.chance(noise, spikes),
    )

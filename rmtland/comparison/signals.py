r"""How many eigenvalues are signal: a sequential Tracy-Widom test at a stated level.

Of the eigenvalues above the bulk some are signal (spikes, principal components, outliers), others
noise that came out large. Each candidate is laid beside the law of the largest eigenvalue of noise
of the size that is left (`rmtland.comparison.edge_law`: Tracy-Widom, Roy's largest root, parallel
analysis), its variance estimated from the eigenvalues that are not above it, and corrected for
what k signals take out of the noise [1]_,

.. math::

    N M \, \hat\sigma^2 = N \sum_{j > k} \lambda_j
        + N \hat\sigma^2 \sum_{j \le k} \Bigl( 1 + q + \frac{q}{x_j^2} \Bigr) - k^2 \hat\sigma^2,
    \qquad q = M / N,

where x_j is the strength of signal j (`rmtland.comparison.spike_strengths`). For Wigner noise the
squares of the eigenvalues take the place of the eigenvalues, and signals may be at either end: the
p-value is that of the smaller of two independent ones.

Candidates are found with the variance that the median (or the interquartile range) tells, which
signals hardly move, so that many strong ones do not mask each other; the last candidate that is
above chance, and all above it, are the signals. The level is the probability that noise alone shows
one. Entries are taken to be independent and Gaussian. Any independent ones with four moments have
the same law in the limit, but it is approached slowly: in matrices of some hundred rows, entries of
heavier tails than Gaussian ones show signals more often than the level says.

References
----------
.. [1] S. Kritchman and B. Nadler, Non-parametric detection of the number of signals: hypothesis
       testing and random matrix theory, IEEE Transactions on Signal Processing 57 (2009) 3930-3941.

Examples
--------
>>> import numpy as np
>>> from rmtland import MarchenkoPastur, Spectrum
>>> generator = np.random.default_rng(0)
>>> samples = generator.normal(size=(50, 200)) * np.sqrt([9.0, 4.0] + 48 * [1.0])[:, None]
>>> found = signals(Spectrum(np.linalg.eigvalsh(samples @ samples.T / 200)), MarchenkoPastur(0.25))
>>> found.count, [round(one.strength, 1) for one in found.strengths]
(2, [8.3, 4.1])
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from rmtland.arguments import among, positive
from rmtland.comparison.edge_law import EdgeLaw, wigner_edge, wishart_edge
from rmtland.comparison.spike_strengths import Strength, spike_strengths
from rmtland.comparison.theories import Theory, law_of
from rmtland.laws import MarchenkoPastur, Semicircle
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Record

__all__ = ["Signals", "WishartNoise", "signals"]

_WIDER = 4.0
"""Candidates are those above the edge at so many times the level."""
_LEAST = 4
"""Noise eigenvalues that have to be left."""


@dataclass(frozen=True, eq=False)
class Signals:
    """Eigenvalues above the noise by more than chance.

    Made by `rmtland.comparison.signals`.

    Parameters
    ----------
    count : int
        Number of signals.
    p_value : float
        Of the outermost eigenvalue: the chance that noise alone has one further out.
    p_values : tuple of float
        Of each candidate, from the outermost inwards, given that those before it are signals.
    strengths : tuple of Strength
        Signals behind the eigenvalues, outermost first: population eigenvalues of a spiked
        covariance, or eigenvalues of an additive perturbation of a Wigner matrix.
    law : MarchenkoPastur or Semicircle
        Of the noise, with its estimated variance.
    level : float
        Of the test.
    edges : tuple of float
        Lowest and highest eigenvalue that chance allows at the level; the lowest of covariances is
        -inf.
    """

    count: int
    p_value: float
    p_values: tuple[float, ...]
    strengths: tuple[Strength, ...]
    law: MarchenkoPastur | Semicircle
    level: float
    edges: tuple[float, float]

    @property
    def values(self) -> Real:
        """Eigenvalues of the signals, outermost first."""
        return np.array([strength.value for strength in self.strengths])

    def to_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            Count, level, p-values, noise, and a list of signals.
        """
        noise = self.law.scale if isinstance(self.law, MarchenkoPastur) else self.law.variance
        return {
            "count": self.count,
            "level": self.level,
            "p_value": self.p_value,
            "p_values": list(self.p_values),
            "noise_variance": noise,
            "signals": [
                {
                    "value": one.value,
                    "strength": one.strength,
                    "error": one.error,
                    "overlap": one.overlap,
                }
                for one in self.strengths
            ],
        }


def signals(
    spectrum: Spectrum, noise: Theory, *, level: float = 0.05, beta: int | None = None
) -> Signals:
    r"""Count the signals in a spectrum whose bulk is noise.

    .. formula:: Number of signals: largest eigenvalue of noise, :math:`\mu = (\sqrt{N - 1/2} +
        \sqrt{M - 1/2})^2`, variance estimated
        :and: rmtland.comparison.spectra_of_weights

    Parameters
    ----------
    spectrum : Spectrum
        All eigenvalues of one matrix.
    noise : Law, ensemble, or fit
        A Marchenko-Pastur law (of a sample covariance; its aspect ratio says how many samples), or
        a semicircle. Scale and centre are estimated anew.
    level : float, optional
        Probability that noise alone shows a signal.
    beta : {1, 2}, optional
        Real or complex entries; the ensemble's, or 1.

    Returns
    -------
    Signals
        Their number, p-values, strengths with errors and overlaps.

    Raises
    ------
    ValueError
        If the spectrum is an estimate or of several matrices, too small, of lower rank than the
        aspect ratio says, or mostly ties; if the noise is of another kind; or if the level is not
        between 0 and 1.
    TypeError
        If the arguments are not a spectrum and a theory.

    See Also
    --------
    rmtland.comparison.spectra_of_weights : the same for the singular values of weights.

    References
    ----------
    .. [1] I. M. Johnstone, On the distribution of the largest eigenvalue in principal components
           analysis, Annals of Statistics 29 (2001) 295-327.
    .. [2] N. El Karoui, A rate of convergence result for the largest eigenvalue of complex white
           Wishart matrices, Annals of Probability 34 (2006) 2077-2117.
    .. [3] Z. Ma, Accuracy of the Tracy-Widom limits for the extreme eigenvalues in white Wishart
           matrices, Bernoulli 18 (2012) 322-359.
    .. [4] B. Nadler, On the distribution of the ratio of the largest eigenvalue to the trace of a
           Wishart matrix, Journal of Multivariate Analysis 102 (2011) 363-371.
    .. [5] S. Kritchman and B. Nadler, Non-parametric detection of the number of signals: hypothesis
           testing and random matrix theory, IEEE Transactions on Signal Processing 57 (2009)
           3930-3941.
    """
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"expected a Spectrum; got {type(spectrum).__name__}")
    if not 0 < positive("level", level) < 1:
        raise ValueError(f"level must lie between 0 and 1; got {level}")
    if not spectrum.is_complete or spectrum.runs != 1:
        raise ValueError(
            "signals are counted among all eigenvalues of one matrix; this spectrum "
            + (f"holds {spectrum.runs} runs" if spectrum.is_complete else "is an estimate")
        )
    law = law_of(noise)
    beta = getattr(getattr(noise, "model", noise), "beta", 1) if beta is None else beta
    beta = among("beta", beta, {1: "real entries", 2: "complex ones"})
    values = np.sort(spectrum.nodes.ravel())[::-1]
    if isinstance(law, MarchenkoPastur):
        return _of_covariance(values, law, level, beta, spectrum.zero_tolerance)
    if isinstance(law, Semicircle):
        return _of_wigner(values, level, beta)
    raise ValueError(
        "the law of the largest eigenvalue is known for Marchenko-Pastur and semicircle noise; got "
        f"{law!r}. Its outliers are told by rmtland.comparison.outliers"
    )


# Sample covariances -------------------------------------------------------------------------------


@dataclass(frozen=True)
class WishartNoise:
    """Noise of a rectangular matrix: which of its squared singular values are above chance.

    Parameters
    ----------
    values : ndarray of float64
        Squared singular values over `long`, descending, `short` of them.
    long, short : int
        Sides of the matrix.
    beta : int
        1 or 2.
    """

    values: Real
    long: int
    short: int
    beta: int = 1

    def __post_init__(self) -> None:
        middle = self.values[self.short // 2]  # of an even number the lower one
        if self.values[0] <= 0 or middle <= 1e-12 * self.values[0]:
            raise ValueError("half of the singular values are zero: the matrix has no bulk")
        refuse_ties(self.values, 2)

    def variance(self, k: int) -> float:
        """Variance of the entries where the first k values are signals.

        Parameters
        ----------
        k : int
            Number of signals.

        Returns
        -------
        float
            Corrected for what the signals take out of the noise.
        """
        n, m, q = self.long, self.short, self.short / self.long
        total = float(self.values[k:].sum()) * n
        variance = total / ((n - k) * (m - k))
        for _ in range(20 if k else 0):
            inner = self.values[:k] / variance - 1 - q
            square = (inner + np.sqrt(np.maximum(inner**2 - 4 * q, 0.0))) / 2
            square = np.maximum(square, np.sqrt(q))
            taken = n * float(np.sum(1 + q + q / square)) - k * k
            new = total / max(n * m - taken, (n - k) * (m - k) / 2)
            if abs(new - variance) <= 1e-12 * variance:
                break
            variance = new
        return variance

    def edge(self, k: int) -> EdgeLaw:
        """Law of the largest eigenvalue of what k signals leave."""
        return wishart_edge(self.long - k, self.short - k, beta=self.beta)

    def chance(self, k: int, variance: float | None = None) -> float:
        """Chance of the value behind k signals where it is noise.

        Parameters
        ----------
        k : int
            Number of signals before it.
        variance : float, optional
            Of the entries, estimated by default.

        Returns
        -------
        float
            A p-value.
        """
        scale = self.variance(k) if variance is None else variance
        return self.edge(k).chance(self.long * float(self.values[k]) / scale)

    def candidates(self, level: float) -> int:
        """Count the values that are above the edge with the variance of the median.

        Parameters
        ----------
        level : float
            Of the test.

        Returns
        -------
        int
            At most half of all.
        """
        most, found = min(self.short - _LEAST, self.short // 2), 0
        for _ in range(3):
            rest = self.values[found:]
            middle = _median((self.short - found) / (self.long - found))
            rough = float(np.median(rest)) / middle * self.long / (self.long - found)
            before = found
            while found < most and self.chance(found, rough) < _WIDER * level:
                found += 1
            if found == before:
                break
        return found

    def count(self, level: float) -> tuple[int, tuple[float, ...]]:
        """Count the signals, and give the p-value of each candidate and of the one behind.

        Parameters
        ----------
        level : float
            Of the test.

        Returns
        -------
        (int, tuple of float)
            Values above the last one that is above chance are signals too.
        """
        candidates = self.candidates(level)
        chances = tuple(self.chance(k) for k in range(candidates + 1))
        below = [k + 1 for k, chance in enumerate(chances[:candidates]) if chance <= level]
        count = max(below, default=0)
        if count > 1:  # the others raise the variance that the outermost is laid beside
            outermost = self.chance(0, self.variance(count))
            chances = (min(chances[0], outermost), *chances[1:])
        return count, chances


def refuse_ties(values: Real, least: int) -> None:
    """Refuse spectra that are too small for a bulk, or whose values are mostly repeated.

    Parameters
    ----------
    values : ndarray of float64
        Eigenvalues of one matrix.
    least : int
        How many there have to be.

    Raises
    ------
    ValueError
        If there are fewer, or most are equal to others.
    """
    number = values.size
    if number < least:
        raise ValueError(f"a bulk needs at least {least} eigenvalues; got {number}")
    distinct = np.unique(values).size
    if distinct <= number // 2:
        raise ValueError(
            f"only {distinct} of {number} eigenvalues are distinct: noise with a density has no "
            "ties"
        )


def _of_covariance(
    values: Real, law: MarchenkoPastur, level: float, beta: int, zero: float
) -> Signals:
    n = values.size
    columns = max(round(n / law.aspect_ratio), 1)
    long, short = max(n, columns), min(n, columns)
    rank = int(np.count_nonzero(np.abs(values) > zero))
    if rank != short or values[short - 1] <= 0:
        raise ValueError(
            f"a sample covariance of order {n} from {columns} samples has {short} positive "
            f"eigenvalues; this spectrum has {int(np.count_nonzero(values > zero))} (others are "
            "zero or negative): correct the aspect ratio (a subtracted mean takes one sample), or "
            "leave out constant directions"
        )
    refuse_ties(values[:short], 2 * _LEAST)
    noise = WishartNoise(values[:short] * columns / long, long, short, beta)
    count, chances = noise.count(level)
    scale = noise.variance(count)
    fitted = MarchenkoPastur(n / columns, scale)
    found = _beyond(values[:count], fitted, long, columns, scale, beta)
    edge = noise.edge(count).quantile(level) * scale / columns
    return Signals(count, chances[0], chances, found, fitted, level, (-np.inf, float(edge)))


def _beyond(
    values: Real, law: MarchenkoPastur, long: int, columns: int, scale: float, beta: int
) -> tuple[Strength, ...]:
    """Strengths of spikes; one within the limiting bulk has the strength of the threshold."""
    edge = law.support[0][1]
    inside = values <= edge * (1 + 1e-9)
    threshold = scale * (1 + np.sqrt(law.aspect_ratio))
    outer = iter(
        spike_strengths(values[~inside], law, size=round(columns * law.aspect_ratio), beta=beta)
    )
    return tuple(
        Strength(float(value), float(threshold), np.inf, 0.0) if within else next(outer)
        for value, within in zip(values, inside, strict=True)
    )


@lru_cache(maxsize=256)
def _median(ratio: float) -> float:
    """Median of the Marchenko-Pastur law of an aspect ratio and scale 1."""
    return float(MarchenkoPastur(ratio).median())


# Wigner noise -------------------------------------------------------------------------------------


def _of_wigner(values: Real, level: float, beta: int) -> Signals:
    """Signals at both ends, the further out first."""
    n = values.size
    refuse_ties(values, 2 * _LEAST)
    quarter = _upper_quartile()
    rest, far = values, np.empty(0)
    for _ in range(3):
        low, middle, high = np.quantile(rest, [0.25, 0.5, 0.75])
        rough = ((high - low) / (2 * quarter)) * np.sqrt(n / rest.size)
        if rough == 0:
            raise ValueError("half of the eigenvalues are equal: the matrix has no bulk")
        edge = wigner_edge(n - far.size, beta=beta)
        reach = edge.quantile(min(_WIDER * level / 2, 0.5)) * rough / np.sqrt(n)
        outside = np.abs(values - middle) > reach
        if outside.sum() in (far.size,) or outside.sum() > min(n - _LEAST, n // 2):
            break
        far, rest = values[outside], values[~outside]
    order = np.argsort(-np.abs(far - np.median(rest)), kind="stable")
    ranked = np.concatenate([far[order], rest[np.argsort(-np.abs(rest - np.median(rest)))]])
    chances = []
    for k in range(far.size + 1):
        centre, variance = _moments_of_wigner(ranked, k, beta)
        value = abs(ranked[k] - centre) / np.sqrt(variance / n)
        chances.append(_of_either_end(wigner_edge(n - k, beta=beta).chance(float(value))))
    count = max((k + 1 for k in range(far.size) if chances[k] <= level), default=0)
    centre, variance = _moments_of_wigner(ranked, count, beta)
    if count > 1:  # the others raise the variance that the outermost is laid beside
        value = abs(ranked[0] - centre) / np.sqrt(variance / n)
        chances[0] = min(chances[0], _of_either_end(wigner_edge(n, beta=beta).chance(float(value))))
    law = Semicircle(variance, centre)
    reach = wigner_edge(n - count, beta=beta).quantile(1 - (1 - level) ** 0.5) * np.sqrt(
        variance / n
    )
    found = tuple(
        spike_strengths([value], law, size=n, beta=beta)[0]
        if abs(value - centre) > 2 * np.sqrt(variance)
        else Strength(float(value), float(np.copysign(variance**0.5, value - centre)), np.inf, 0.0)
        for value in ranked[:count]
    )
    return Signals(
        count,
        chances[0],
        tuple(chances),
        found,
        law,
        level,
        (float(centre - reach), float(centre + reach)),
    )


@cache
def _upper_quartile() -> float:
    """Upper quartile of the semicircle of variance 1."""
    return float(Semicircle().ppf(0.75))


def _of_either_end(chance: float) -> float:
    return 1.0 - (1.0 - chance) ** 2 if chance > 1e-8 else 2 * chance


def _moments_of_wigner(ranked: Real, k: int, beta: int) -> tuple[float, float]:
    """Centre and variance of the noise where the first k eigenvalues are signals."""
    n, rest = ranked.size, ranked[k:]
    m = n - k
    spread = (2 / beta - 1) * m - 2 / beta
    centre, variance = float(rest.mean()), float(rest.var()) * m * n / (m * m + spread)
    for _ in range(20 if k else 0):
        y = ranked[:k] - centre
        theta = (y + np.sign(y) * np.sqrt(np.maximum(y * y - 4 * variance, 0.0))) / 2
        theta = np.where(np.abs(theta) < variance**0.5, np.sign(y) * variance**0.5, theta)
        centre = float(rest.sum() + np.sum(variance / theta)) / m
        squares = float(np.sum((rest - centre) ** 2))
        degrees = n - 2 * k - float(np.sum(variance / theta**2)) + spread / n
        new = squares / max(degrees, m * m / n / 2)
        if abs(new - variance) <= 1e-12 * variance:
            break
        variance = new
    return centre, variance

r"""Are residuals and weights what the theory takes them to be? Tests of a point of a network.

Random-matrix theory of the Hessian assumes residuals e, shape (m, n_out), and weights W_l that are
independent, Gaussian, of equal variance, and independent of each other and of the data. At
initialisation the weights are; residuals are made of the weights and the targets, and training
makes both depend on the data. Each test gives a statistic, what it is expected to be under the
assumption with its standard error, and a p-value:

- **skewness** and **excess kurtosis** of the entries, z-scores by D'Agostino's and by Anscombe and
  Glynn's transformation [1]_ (Pennington and Bahri's supplement shows histograms);
- **largest correlation** of columns: the largest eigenvalue of Y^T Y for an array Y of independent
  entries is about :math:`\mu + \sigma T`, T of the Tracy-Widom law,
  :math:`\mu = (\sqrt{n - 1} + \sqrt k)^2` (Johnstone [2]_), the edge of the Marchenko-Pastur law;
  the variance of the entries is taken from the same array, which lowers that of the ratio by
  :math:`2 \mu^2 / nk` (relative to n^2; Nadler [3]_). Rows and columns give the same eigenvalues,
  so that it sees correlation across samples too;
- **spread of correlations**: the variance of those eigenvalues over their squared mean, John's
  statistic, chi-square; too little of it means that training made rows orthogonal;
- **unequal samples**: chi-square of the mean squares of the rows of e;
- **explained by inputs, by features**: the share R^2 of the residuals in the span of the inputs,
  of the features f(W1 x): beta-distributed under independence, whatever the data;
- **aligned with outputs**: the cosine of e with the outputs (for one hidden layer W2 h): beta,
  as e = W2 h - y is correlated with W2 unless the targets cancel it.

With m_t tests a p-value counts as a rejection below `significance` / m_t (Bonferroni), so that the
probability of any false one is below `significance`. Tests whose number of entries is too small
(fewer than 20) are left out.

References
----------
.. [1] R. D'Agostino, A. Belanger and R. D'Agostino Jr., A suggestion for using powerful and
       informative tests of normality, American Statistician 44 (1990) 316-321.
.. [2] I. M. Johnstone, On the distribution of the largest eigenvalue in principal components
       analysis, Annals of Statistics 29 (2001) 295-327.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(60, 8, rng=0), MLP((8, 8, 8))
>>> found = diagnose(net.at(net.init(rng=1), data.x, data.y))
>>> {check.array for check in found.rejected}  # e = W2 h - y is made of W2 and the data
{'residuals'}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rmtland.arguments import float_array, positive
from rmtland.arrays import to_numpy
from rmtland.laws import TracyWidom
from rmtland.networks import LossPoint
from rmtland.networks.loss_point import loss_point
from rmtland.typing import Record

__all__ = [
    "Check",
    "Diagnostics",
    "Quantiles",
    "diagnose",
    "entries",
    "largest_correlation",
    "spread_of_correlations",
]

Real = NDArray[np.float64]

_LEAST = 20


@dataclass(frozen=True)
class Check:
    """One test of an assumption.

    Parameters
    ----------
    array : str
        "residuals", "W1", "W2", ...
    what : str
        What is tested.
    value, expected, error : float
        The statistic, its mean under the assumption and its standard deviation there.
    p_value : float
        Probability of as large a deviation under the assumption.
    size : int
        Numbers that went into it.
    """

    array: str
    what: str
    value: float
    expected: float
    error: float
    p_value: float
    size: int

    def as_dict(self) -> Record:
        """Return plain values, for JSON."""
        names = ("array", "what", "value", "expected", "error", "p_value", "size")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Standardised quantiles of an array beside those of the normal law (a QQ plot).

    Parameters
    ----------
    array : str
        Name.
    normal, measured : ndarray, shape (k,)
        Quantiles of N(0, 1) and of the entries less their mean over their standard deviation.
    error : ndarray, shape (k,)
        Standard error of a measured quantile of that many independent normal entries.
    """

    array: str
    normal: Real
    measured: Real
    error: Real


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """All tests of a point.

    Made by `rmtland.audit.diagnose`.

    Parameters
    ----------
    tests : tuple of Check
        By array.
    quantiles : tuple of Quantiles
        One an array.
    significance : float
        Probability of any false rejection.
    """

    tests: tuple[Check, ...]
    quantiles: tuple[Quantiles, ...]
    significance: float

    @property
    def threshold(self) -> float:
        """P-value below which a test rejects."""
        return self.significance / max(1, len(self.tests))

    @property
    def rejected(self) -> tuple[Check, ...]:
        """Tests that reject their assumption."""
        return tuple(test for test in self.tests if test.p_value < self.threshold)

    def of(self, array: str) -> tuple[Check, ...]:
        """Return the tests of one array.

        Parameters
        ----------
        array : str
            Name of the array.

        Returns
        -------
        tuple of Check
            Empty if there is no test of it.
        """
        return tuple(test for test in self.tests if test.array == array)

    @property
    def sentence(self) -> str:
        """What the tests say, in plain words."""
        if not self.rejected:
            return (
                f"None of {len(self.tests)} tests finds residuals or weights other than "
                f"independent and Gaussian (significance {self.significance:g})."
            )
        parts = []
        for array in dict.fromkeys(test.array for test in self.rejected):
            found = [
                f"{t.what} {t.value:.3g}, expected {t.expected:.3g} +- {t.error:.2g}"
                for t in self.rejected
                if t.array == array
            ]
            parts.append(f"{array} ({'; '.join(found)})")
        return f"Not independent and Gaussian as assumed: {', '.join(parts)}."

    def as_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            Nested dictionaries and lists of plain values.
        """
        return {
            "significance": self.significance,
            "threshold": self.threshold,
            "tests": [{**t.as_dict(), "rejected": t.p_value < self.threshold} for t in self.tests],
            "quantiles": [
                {"array": q.array, "normal": q.normal.tolist(), "measured": q.measured.tolist()}
                for q in self.quantiles
            ],
            "sentence": self.sentence,
        }


def diagnose(point: LossPoint, *, significance: float = 0.01) -> Diagnostics:
    """Test residuals and weights of a point for what the theory takes them to be.

    Parameters
    ----------
    point : LossPoint
        Any multilayer perceptron.
    significance : float
        Probability of any false rejection, in (0, 1).

    Returns
    -------
    Diagnostics
        Each test with its p-value.

    Raises
    ------
    ValueError
        If the significance is not in (0, 1).
    TypeError
        If it is no point, or `significance` is no real number.
    """
    level = positive("significance", significance)
    if level >= 1:
        raise ValueError(f"significance must be below 1; got {significance}")
    net = loss_point(point).net
    residuals = to_numpy(point.residuals).astype(np.float64)
    arrays = {"residuals": residuals}
    for block, weight in zip(net.blocks, net.unflatten(point.theta), strict=True):
        if not block.is_bias:
            arrays[block.name] = to_numpy(weight).astype(np.float64)
    tests: list[Check] = []
    quantiles = []
    for name, array in arrays.items():
        if array.size >= _LEAST and array.std() > 0:
            tests += entries(name, array)
            quantiles.append(_quantiles(name, array))
            if min(array.shape) > 1:
                tests.append(largest_correlation(name, array))
                tests.append(spread_of_correlations(name, array))
    if residuals.size >= _LEAST and residuals.std() > 0:
        tests += _of_residuals(point, residuals)
    return Diagnostics(tuple(tests), tuple(quantiles), level)


def entries(name: str, array: ArrayLike) -> Iterator[Check]:
    """Yield tests of the entries of an array for skewness and kurtosis of a normal law.

    Parameters
    ----------
    name : str
        For the report.
    array : array_like, any shape, at least 20 entries
        Numbers that are not all equal.
    """
    values = np.asarray(array, dtype=np.float64)
    values = float_array(name, values, ndim=values.ndim).ravel()
    n = values.size
    if n < _LEAST:
        raise ValueError(f"at least {_LEAST} entries are needed; got {n}")
    skew_error = float(np.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3))))
    kurtosis_error = float(2 * skew_error * np.sqrt((n * n - 1) / ((n - 3) * (n + 5))))
    yield Check(
        name,
        "skewness",
        float(stats.skew(values)),
        0.0,
        skew_error,
        float(stats.skewtest(values).pvalue),
        n,
    )
    yield Check(
        name,
        "excess kurtosis",
        float(stats.kurtosis(values)),
        -6 / (n + 1),
        kurtosis_error,
        float(stats.kurtosistest(values).pvalue),
        n,
    )


def largest_correlation(name: str, array: ArrayLike) -> Check:
    """Test the largest eigenvalue of Y^T Y / (n s^2) against the edge of Marchenko-Pastur.

    Parameters
    ----------
    name : str
        For the report.
    array : array_like, shape (n, k), both at least 2
        Entries of mean 0; s^2 is their mean square.
    """
    y = float_array(name, array, ndim=2)
    n, k = max(y.shape), min(y.shape)
    if k < 2:
        raise ValueError(f"at least two rows and columns are needed; got shape {y.shape}")
    top = float(np.linalg.norm(y, 2) ** 2) / (float((y**2).mean()) * n)
    root = np.sqrt(n - 1) + np.sqrt(k)
    center = root**2 / n
    scale = root * (1 / np.sqrt(n - 1) + 1 / np.sqrt(k)) ** (1 / 3) / n
    law = TracyWidom(1)
    mean, spread = center + scale * law.mean(), scale**2 * law.var()
    error = np.sqrt(max(spread - 2 * center**2 / (n * k), 0.1 * spread))
    place = law.mean() + (top - mean) / error * np.sqrt(law.var())
    p_value = float(min(1.0, 2 * min(law.sf(place), law.cdf(place))))
    return Check(name, "largest correlation", top, float(mean), float(error), p_value, y.size)


def spread_of_correlations(name: str, array: ArrayLike) -> Check:
    """Test the spread of the eigenvalues of Y^T Y over its mean (John's test of sphericity).

    Parameters
    ----------
    name : str
        For the report.
    array : array_like, shape (n, k), both at least 2
        Entries of mean 0; the statistic is tr S^2 k/(tr S)^2 - 1, S = Y^T Y.
    """
    y = float_array(name, array, ndim=2)
    n, k = max(y.shape), min(y.shape)
    if k < 2:
        raise ValueError(f"at least two rows and columns are needed; got shape {y.shape}")
    squares = np.linalg.svd(y, compute_uv=False) ** 2
    value = float((squares**2).mean() / squares.mean() ** 2 - 1)
    expected = (k * k + k - 2) / (k * n + 2)
    law = stats.chi2(k * (k + 1) / 2 - 1)
    place = law.mean() * value / expected
    p_value = float(min(1.0, 2 * min(law.sf(place), law.cdf(place))))
    error = float(expected * law.std() / law.mean())
    return Check(name, "spread of correlations", value, expected, error, p_value, y.size)


def _quantiles(name: str, array: Real) -> Quantiles:
    values = np.sort((array.ravel() - array.mean()) / array.std())
    share = min(values.size, 199)
    levels = (np.arange(share) + 0.5) / share
    normal = stats.norm.ppf(levels)
    error = np.sqrt(levels * (1 - levels) / values.size) / stats.norm.pdf(normal)
    return Quantiles(name, normal, np.quantile(values, levels, method="hazen"), error)


def _of_residuals(point: LossPoint, e: Real) -> Iterator[Check]:
    """Yield tests of the residuals against samples, inputs, features and outputs."""
    m, n_out = e.shape
    if m >= _LEAST:
        squares = (e**2).sum(axis=1) / (e**2).mean()
        value = float(squares.var(ddof=1)) / (2 * n_out)
        # variance of squares over that of a chi-square law of n_out degrees
        kurt = 3 + 12 / n_out
        error = float(np.sqrt((kurt - 1) / m))
        yield Check(
            "residuals",
            "unequal samples",
            value,
            1.0,
            error,
            _dispersion(squares, n_out),
            e.size,
        )
    layers = point.layers
    spans = [("explained by inputs", to_numpy(point.x).astype(np.float64))]
    if len(layers) > 1:
        spans.append(("explained by features", to_numpy(layers[-2][1]).astype(np.float64)))
    total = float((e**2).sum())
    for what, columns in spans:
        u, s, _ = np.linalg.svd(columns, full_matrices=False)
        u = u[:, s > s[0] * 1e-10] if s.size and s[0] > 0 else u[:, :0]
        rank = u.shape[1]
        if not 0 < rank < m:
            continue
        law = stats.beta(rank * n_out / 2, (m - rank) * n_out / 2)
        value = float(((u.T @ e) ** 2).sum()) / total
        p_value = float(min(1.0, 2 * min(law.sf(value), law.cdf(value))))
        yield Check("residuals", what, value, rank / m, float(law.std()), p_value, e.size)
    outputs = to_numpy(point.prediction).astype(np.float64)
    size = float(np.linalg.norm(outputs) * np.sqrt(total))
    if size > 0:
        cosine = float((outputs * e).sum()) / size
        n = e.size
        p_value = float(stats.beta(0.5, (n - 1) / 2).sf(min(cosine**2, 1.0)))
        yield Check(
            "residuals", "aligned with outputs", cosine, 0.0, float(1 / np.sqrt(n)), p_value, n
        )


def _dispersion(squares: Real, n_out: int) -> float:
    """P-value of equal variances: Bartlett's statistic of the rows."""
    means = np.maximum(squares / n_out, 1e-300)
    m = means.size
    statistic = m * n_out * (np.log(means.mean()) - np.log(means).mean())
    correction = 1 + (m + 1) / (3 * m * n_out)
    return float(stats.chi2(m - 1).sf(statistic / correction))

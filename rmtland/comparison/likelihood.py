r"""Fits by maximum likelihood of all eigenvalues together.

For Wishart, Gaussian and Jacobi matrices the eigenvalues have a joint density, an exponential
family in two sums (`rmtland.comparison.joint_density`): the best estimate matches these sums to
their means, whatever else the eigenvalues say. It is found by Fisher scoring,

.. math::
    \theta \leftarrow \theta + (J^T C J)^{-1} J^T (T - E T), \qquad
    J = \frac{\partial \eta}{\partial \theta},

with C the covariance of the sums, and its errors are those of the inverse information: no
resampling, at any size. Of outliers that are left out, the sums take what
`rmtland.comparison.joint_density.outlier_sums` says.

Zero eigenvalues of a sample covariance matrix say how many samples there were: where there are
any, the aspect ratio is the order over the rank, without error.

Examples
--------
>>> import numpy as np
>>> from rmtland import MarchenkoPastur, WishartEnsemble
>>> from rmtland.comparison.families import Family
>>> spectrum = WishartEnsemble(0.5, 3.0).sample(100, rng=0)
>>> family = Family.of(MarchenkoPastur)
>>> descent = Descent(family, family.boxes(spectrum, None, np.random.default_rng(0)))
>>> found = maximum_likelihood(descent, spectrum, {"aspect_ratio": 0.4, "scale": 1.0}, beta=1.0)
>>> {name: (round(found.values[name], 3), round(found.errors[name], 3)) for name in found.values}
{'aspect_ratio': (0.493, 0.008), 'scale': (2.987, 0.03)}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rmtland.comparison.descent import Descent
from rmtland.comparison.families import Family
from rmtland.comparison.joint_density import JointDensity, joint_density, outlier_sums, sums
from rmtland.laws import Law, MarchenkoPastur, Semicircle, Wachter
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import Logical, Real

__all__ = ["LikelihoodFit", "check_likelihood", "maximum_likelihood"]

_RATIO = "aspect_ratio"
_SMALL = 1e-10
"""Steps, in logarithms or in units of the spectrum, at which the scoring ends."""


class LikelihoodFit(NamedTuple):
    """The most likely parameters.

    Parameters
    ----------
    values, errors : dict of str to float
        Of every free parameter; an infinite error where nothing tells it.
    at_bounds, undetermined : tuple of str
        As of a fit.
    """

    values: dict[str, float]
    errors: dict[str, float]
    at_bounds: tuple[str, ...]
    undetermined: tuple[str, ...]


@dataclass(frozen=True)
class _Sample:
    """Eigenvalues whose joint density is asked for, from an origin, over a unit, and outliers."""

    bulk: Real
    outliers: Real
    size: int
    runs: int
    zeros: int
    beta: float
    unit: float
    origin: float

    def density(self, law: Law | None) -> JointDensity | None:
        """Joint density of one run of all eigenvalues."""
        if law is None:
            return None
        if isinstance(law, MarchenkoPastur) and (law.aspect_ratio > 1) != (self.zeros > 0):
            return None
        return joint_density(law, self.size, beta=self.beta, unit=self.unit, origin=self.origin)

    def sums(self, law: Law) -> Real:
        """Return the sums over all runs, as they would be without spikes."""
        total = sums(law, (self.bulk - self.origin) / self.unit)
        if self.outliers.size:
            total = total + outlier_sums(law, self.outliers, unit=self.unit, origin=self.origin)
        return total


def maximum_likelihood(
    descent: Descent,
    spectrum: Spectrum,
    start: Mapping[str, float],
    *,
    beta: float,
    far: Logical | None = None,
) -> LikelihoodFit:
    """Find the parameters under which the eigenvalues are most likely.

    Parameters
    ----------
    descent : Descent
        Family and bounds.
    spectrum : Spectrum
        All eigenvalues of one or more matrices.
    start : mapping of str to float
        Where the scoring begins.
    beta : float
        Dyson index of the matrices, > 0.
    far : ndarray of bool, optional
        Outliers that are left out.

    Returns
    -------
    LikelihoodFit
        Parameters and their errors.

    Raises
    ------
    ValueError
        If the spectrum is an estimate, the family has no joint density, or the eigenvalues are
        impossible under every member: zeros without an aspect ratio above 1, or the reverse.
    ConvergenceError
        If the scoring does not end.
    """
    law = check_likelihood(descent.family, spectrum, start, beta)
    sample = _sample(spectrum, law, far, beta)
    known: dict[str, float] = {}
    if sample.zeros:
        descent, known = _known_ratio(descent, sample)
    elif isinstance(law, MarchenkoPastur) and _RATIO in descent.family.names:
        box = descent.boxes[_RATIO]
        if box.low >= 1:
            raise _impossible(sample, box.low)
        descent = Descent(
            descent.family, {**descent.boxes, _RATIO: replace(box, high=min(box.high, 1.0))}
        )
    values, errors = dict(known), dict.fromkeys(known, 0.0)
    loose: tuple[str, ...] = ()
    at_bounds: tuple[str, ...] = ()
    if descent.family.names:
        position, information = _scored(descent, sample, descent.position(start))
        values |= descent.values(position)
        found, loose = _errors(descent, information)
        errors |= {
            name: size * (values[name] if descent.boxes[name].positive else 1.0)
            for name, size in found.items()
        }
        at_bounds = tuple(
            name for name, end in zip(descent.boxes, _ended(descent, position), strict=True) if end
        )
    return LikelihoodFit(values, errors, at_bounds, loose)


def check_likelihood(
    family: Family[object], spectrum: Spectrum, start: Mapping[str, float], beta: float | None
) -> MarchenkoPastur | Semicircle | Wachter:
    """Refuse what has no joint density of eigenvalues.

    Parameters
    ----------
    family : Family
        Of laws, models or ensembles.
    spectrum : Spectrum
        All eigenvalues of one or more matrices.
    start : mapping of str to float
        Parameters of a member.
    beta : float or None
        Dyson index; None stands for that of the member.

    Returns
    -------
    Law
        Of the member.

    Raises
    ------
    ValueError
        If the spectrum is an estimate, or the family has no joint density.
    """
    if not spectrum.is_complete:
        raise ValueError(
            "a likelihood is that of all eigenvalues; this spectrum is an estimate: use "
            "method='distance' or 'quantiles'"
        )
    if beta is not None and beta <= 0:
        raise ValueError(
            f"a joint density of eigenvalues takes beta > 0; got {beta}: independent points are "
            "fitted by method='distance'"
        )
    law = family.law(dict(start))
    if not isinstance(law, MarchenkoPastur | Semicircle | Wachter):
        raise ValueError(
            f"the joint density of eigenvalues is known for Marchenko-Pastur, semicircle and "
            f"Wachter laws and their ensembles; {family.name} has none: use "
            "method='quantiles' or 'distance'"
        )
    return law


def _sample(spectrum: Spectrum, law: Law, far: Logical | None, beta: float) -> _Sample:
    nodes = spectrum.nodes
    out = np.zeros(nodes.shape, dtype=bool) if far is None else far
    zero = np.zeros(nodes.shape, dtype=bool)
    if not isinstance(law, Semicircle):
        zero = np.abs(nodes) <= spectrum.zero_tolerance
    bulk = nodes[~zero & ~out]
    if not bulk.size or np.unique(bulk).size < 2:
        raise ValueError("a likelihood needs at least 2 distinct eigenvalues that are not zero")
    if isinstance(law, Wachter):
        if zero.any() or nodes.min() < 0 or nodes.max() >= 1:
            raise ValueError(
                "the likelihood of Jacobi matrices is for eigenvalues between 0 and 1, without "
                f"either end; got {nodes.min():.4g} to {nodes.max():.4g}"
            )
    elif isinstance(law, MarchenkoPastur) and nodes[~zero].min() < 0:
        raise ValueError(
            f"a sample covariance matrix has no negative eigenvalue; got {nodes.min():.4g}"
        )
    counts = np.count_nonzero(zero, axis=1)
    if counts.min() != counts.max():
        raise ValueError("the runs have unlike numbers of zero eigenvalues; fit them one by one")
    unit, origin = 1.0, 0.0
    if isinstance(law, MarchenkoPastur):
        unit = float(bulk.mean())
    elif isinstance(law, Semicircle):
        unit, origin = float(bulk.std()), float(bulk.mean())
    return _Sample(
        bulk, nodes[out & ~zero], nodes.shape[1], spectrum.runs, int(counts[0]), beta, unit, origin
    )


def _known_ratio(descent: Descent, sample: _Sample) -> tuple[Descent, dict[str, float]]:
    """Return the descent with the aspect ratio that the rank tells."""
    family = descent.family
    ratio = sample.size / (sample.size - sample.zeros)
    if _RATIO not in family.names:
        held = family.fixed.get(_RATIO)
        if held is not None and abs(sample.size / held - sample.size / ratio) > 0.5:
            raise _impossible(sample, held)
        return descent, {}
    box = descent.boxes[_RATIO]
    if not box.low <= ratio <= box.high:
        raise _impossible(sample, box.low if ratio < box.low else box.high)
    names = tuple(name for name in family.names if name != _RATIO)
    boxes = {name: descent.boxes[name] for name in names}
    held_family = Family(family.build, family.name, names, {**family.fixed, _RATIO: ratio})
    return Descent(held_family, boxes), {_RATIO: ratio}


def _impossible(sample: _Sample, ratio: float) -> ValueError:
    n, rank = sample.size, sample.size - sample.zeros
    return ValueError(
        f"{rank} of {n} eigenvalues are not zero; matrices of aspect ratio {ratio:g} have "
        f"{min(n, round(n / ratio))}: the likelihood is zero; use method='distance' or 'quantiles'"
    )


def _scored(descent: Descent, sample: _Sample, position: Real) -> tuple[Real, Real]:
    """Return where Fisher scoring ends, and the information there."""
    low, high = descent.ends()
    scale = np.array([1.0 if box.positive else sample.unit for box in descent.boxes.values()])
    position = np.clip(position, low, high)
    for turn in range(200):
        law = descent.family.law(descent.values(position))
        density = sample.density(law)
        if law is None or density is None:
            raise _impossible(sample, float(getattr(law, _RATIO, np.nan)))
        wanted = sample.sums(law)
        slopes = _slopes(descent, sample, position, scale)
        score = slopes.T @ (wanted - sample.runs * density.mean)
        information = sample.runs * slopes.T @ density.covariance @ slopes
        free = ~(((position <= low) & (score < 0)) | ((position >= high) & (score > 0)))
        step = np.zeros(position.shape)
        inner = information[np.ix_(free, free)]
        step[free] = np.linalg.lstsq(inner, score[free], rcond=1e-12)[0]
        step /= max(1.0, float(np.abs(step).max(initial=0.0)))
        step /= 1 + turn // 20  # what outliers add to the sums moves too: no cycles
        here = float(wanted @ density.natural) - sample.runs * density.log_partition
        for _half in range(40):
            there = np.clip(position + scale * step, low, high)
            other = sample.density(descent.family.law(descent.values(there)))
            if other is not None:
                gain = float(wanted @ other.natural) - sample.runs * other.log_partition - here
                if gain >= -1e-9 * max(1.0, abs(here)):
                    break
            step /= 2
        moved, position = np.abs(there - position) / scale, there
        if moved.max(initial=0.0) <= _SMALL:
            return position, information / np.outer(scale, scale)
    raise ConvergenceError(
        f"the likelihood of {descent.family.name} has no maximum that 200 steps reach; give bounds "
        "or use method='quantiles'"
    )


def _slopes(descent: Descent, sample: _Sample, position: Real, scale: Real) -> Real:
    """Return derivatives of the natural parameters by the coordinates, in units of their scales."""
    columns = []
    low, high = descent.ends()
    for i, unit in enumerate(scale):
        ends = []
        for sign in (1.0, -1.0):
            there = position.copy()
            there[i] = np.clip(there[i] + sign * 1e-5 * unit, low[i], high[i])
            density = sample.density(descent.family.law(descent.values(there)))
            ends.append((there[i], None if density is None else density.natural))
        here = sample.density(descent.family.law(descent.values(position)))
        assert here is not None
        pairs = [(place, here.natural if eta is None else eta) for place, eta in ends]
        places = [position[i] if eta is None else place for place, eta in ends]
        width = places[0] - places[1]
        columns.append((pairs[0][1] - pairs[1][1]) / width * unit if width else 0 * here.natural)
    return np.stack(columns, axis=1)


def _errors(descent: Descent, information: Real) -> tuple[dict[str, float], tuple[str, ...]]:
    """Errors of the coordinates, and the parameters that nothing tells."""
    size = np.sqrt(np.diag(information))
    unit = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(unit, unit))
    null = vectors[:, values <= 1e-8]
    loose = (np.abs(null) > 0.1).any(axis=1) | (size == 0)
    sound = values > 1e-8
    inverse = (vectors[:, sound] / values[sound]) @ vectors[:, sound].T
    errors = np.where(loose, np.inf, np.sqrt(np.maximum(np.diag(inverse), 0.0)) / unit)
    names = tuple(descent.boxes)
    return (
        {name: float(error) for name, error in zip(names, errors, strict=True)},
        tuple(name for name, free in zip(names, loose, strict=True) if free),
    )


def _ended(descent: Descent, position: Real) -> list[bool]:
    low, high = descent.ends()
    return [bool(x <= a or x >= b) for x, a, b in zip(position, low, high, strict=True)]

r"""Condition numbers of Jacobians and Gauss-Newton matrices against depth.

For each depth several networks are drawn, at inputs of one size, and from each come

- s_max/s_min of the positive singular values of the input-output Jacobian,
- their spread, the quotient of the quantiles at .9 and .1 (a condition number without extremes),
- lambda_max/lambda_min of the positive eigenvalues of the Gauss-Newton matrix,

beside what the free product of the layers' laws gives for the first two. What is zero is counted
and left out. Growth is told by two straight lines, through log kappa against L (exponential) and
against log L (a power): the texts claim exp(L) for plain networks and L^2 for normalised ones.

Synonyms: exploding and vanishing gradients, dynamical isometry, batch normalisation, conditioning
of deep networks.

References
----------
.. [1] J. Pennington, S. S. Schoenholz and S. Ganguli, The emergence of spectral universality in
       deep networks, AISTATS 2018; J. Pennington, S. S. Schoenholz and S. Ganguli, Resurrecting the
       sigmoid in deep learning through dynamical isometry, NIPS 2017.

Examples
--------
>>> scan = depth_scan([2, 4, 8], width=16, kind="residual", draws=2, rng=0)
>>> scan.jacobian.shape, bool(scan.growth("jacobian").rate.value > 0)
((3, 2), True)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rmtland.arguments import callable_or_none, choice, count, entries, float_array, length, truth
from rmtland.landscape.depth.jacobian_law import JacobianLaw
from rmtland.landscape.depth.layer_stack import LayerStack
from rmtland.landscape.linearisation.exponent import Exponent, fit_exponent
from rmtland.solution import ConvergenceError
from rmtland.streams import streams
from rmtland.typing import ArrayLike, Integer, Real, Rng

__all__ = ["MEASURES", "DepthScan", "Growth", "depth_scan"]

MEASURES = ("jacobian", "spread", "gauss_newton")
"""Condition number and spread of the Jacobian, condition number of the Gauss-Newton matrix."""


class Growth(NamedTuple):
    """How a condition number grows with depth.

    Made by `rmtland.landscape.depth.DepthScan.growth`.

    Parameters
    ----------
    rate : Exponent
        r of kappa = c exp(r L).
    power : Exponent
        a of kappa = c L^a.
    exponential : bool
        Whether the exponential leaves the smaller squares in log kappa.
    ratio : float
        Root mean square of what the exponential leaves over that of the power.
    """

    rate: Exponent
    power: Exponent
    exponential: bool
    ratio: float


@dataclass(frozen=True, eq=False)
class DepthScan:
    """Condition numbers at several depths.

    Made by `rmtland.landscape.depth.depth_scan`.

    Parameters
    ----------
    stack : LayerStack
        The network of the largest depth.
    depths : ndarray of int, shape (d,)
        Depths L.
    jacobian, spread, gauss_newton : ndarray, shape (d, draws)
        What was measured.
    null : ndarray, shape (d, draws)
        Share of the singular values of the Jacobian that are zero, and left out.
    dropped : ndarray of int, shape (d, draws)
        Eigenvalues of the Gauss-Newton kernel that are zero up to rounding, and left out.
    laws : tuple of JacobianLaw or None
        The limit law at each depth; None where there is none.
    reasons : tuple of str
        Why there is no law at each depth; empty where there is one.
    """

    stack: LayerStack
    depths: Integer
    jacobian: Real
    spread: Real
    gauss_newton: Real
    null: Real
    dropped: Integer
    laws: tuple[JacobianLaw | None, ...]
    reasons: tuple[str, ...] = ()

    def predicted(self, measure: str) -> Real:
        """Return what the law gives at each depth, for the width of the network.

        Parameters
        ----------
        measure : {"jacobian", "spread"}
            Condition number (from quantiles at 1/(2 n)) or spread.

        Returns
        -------
        ndarray, shape (d,)
            NaN where there is no law.

        Raises
        ------
        ValueError
            For another name.
        """
        choice("measure", measure, MEASURES[:2])
        found = np.full(len(self.depths), np.nan)
        for i, law in enumerate(self.laws):
            if law is not None:
                found[i] = (
                    law.spread() if measure == "spread" else law.condition_number(self.stack.width)
                )
        return found

    def growth(self, measure: str) -> Growth:
        """Return how a measure grows with depth.

        Parameters
        ----------
        measure : {"jacobian", "spread", "gauss_newton"}
            Which.

        Returns
        -------
        Growth
            Exponential rate and power, with intervals, and which of them fits.

        Raises
        ------
        ValueError
            If there are fewer than three depths.
        """
        values = getattr(self, choice("measure", measure, MEASURES))
        if len(self.depths) < 3:
            raise ValueError(f"growth needs three depths; got {self.depths.tolist()}")
        L = self.depths.astype(float)
        rate, power = fit_exponent(np.exp(L / L.max()), values), fit_exponent(L, values)
        rate = replace(
            rate,
            value=rate.value / L.max(),
            low=rate.low / L.max(),
            high=rate.high / L.max(),
            local=rate.local / L.max(),
        )
        logs = np.log(values)
        left = [
            float(np.sqrt(((logs - (math.log(c) + line[:, None])) ** 2).mean()))
            for c, line in (
                (rate.prefactor, rate.value * L),
                (power.prefactor, power.value * np.log(L)),
            )
        ]
        return Growth(rate, power, left[0] < left[1], left[0] / left[1] if left[1] else math.inf)

    def __repr__(self) -> str:
        return (
            f"DepthScan({self.stack.kind!r}, width={self.stack.width}, depths "
            f"{self.depths.tolist()}, {self.jacobian.shape[1]} draws)"
        )


def depth_scan(
    depths: Sequence[int],
    *,
    width: int = 64,
    kind: str = "plain",
    activation: str = "tanh",
    weights: str = "gaussian",
    weight_variance: float = 1.0,
    branch_scale: float = 1.0,
    inputs: ArrayLike | None = None,
    samples: int = 20,
    outputs: int = 2,
    draws: int = 5,
    law: bool = True,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> DepthScan:
    """Measure condition numbers of Jacobian and Gauss-Newton matrix at several depths.

    Parameters
    ----------
    depths : sequence of int
        Depths L.
    width : int, optional
        n.
    kind, activation, weights, weight_variance, branch_scale
        As for `LayerStack`.
    inputs : array_like, shape (m, n), optional
        Data; each row is scaled to mean square 1. Normal numbers by default.
    samples : int, optional
        Samples of the Gauss-Newton matrix, where `inputs` is left out.
    outputs : int, optional
        Readouts k.
    draws : int, optional
        Networks at each depth; the Jacobian is taken at one sample of each.
    law : bool, optional
        Whether the limit laws are computed.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    progress : callable, optional
        Called with the fraction of the work done.

    Returns
    -------
    DepthScan
        Measured and predicted condition numbers.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or a Jacobian has fewer than two positive values.
    TypeError
        If `draws`, a depth or `outputs` is no integer, `law` no truth value, or `progress` cannot
        be called.
    """
    callable_or_none("progress", progress)
    law = truth("law", law)
    many = sorted({count("depths", depth) for depth in entries("depths", depths)})
    if not many:
        raise ValueError("depths must name at least one depth")
    stacks = [
        LayerStack(
            width,
            depth,
            kind=kind,
            activation=activation,
            weights=weights,
            weight_variance=weight_variance,
            branch_scale=branch_scale,
        )
        for depth in many
    ]
    generators = streams(rng, length("draws", draws))
    rows: list[list[tuple[float, float, float, float, int]]] = [[] for _ in many]
    for number, generator in enumerate(generators):
        x = _inputs(inputs, width, samples, generator)
        readout = generator.standard_normal((count("outputs", outputs), width))
        for i, stack in enumerate(stacks):
            drawn = stack.draw(rng=generator)
            rows[i].append(_measured(stack, x, drawn, readout, number % len(x)))
            if progress is not None:
                progress((number * len(many) + i + 1) / (len(many) * draws))
    columns = np.array(rows, dtype=float).transpose(2, 0, 1)
    laws = [_law(stack) if law else (None, "law=False: it was not asked for") for stack in stacks]
    return DepthScan(
        stacks[-1],
        np.array(many),
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        columns[4].astype(np.int64),
        tuple(found for found, _ in laws),
        tuple(reason for _, reason in laws),
    )


def _inputs(
    inputs: ArrayLike | None, width: int, samples: int, generator: np.random.Generator
) -> Real:
    """Return inputs whose rows have mean square 1."""
    if inputs is None:
        x = generator.standard_normal((count("samples", samples), width))
    else:
        x = float_array("inputs", inputs, ndim=2)
        if x.shape[1] != width or not len(x):
            raise ValueError(f"inputs must have {width} columns, one a unit; got shape {x.shape}")
    sizes = np.sqrt((x * x).mean(axis=1, keepdims=True))
    if not (sizes > 0).all():
        raise ValueError("inputs must not have a row of zeros")
    return np.asarray(x / sizes)


def _measured(
    stack: LayerStack, x: Real, drawn: Sequence[Real], readout: Real, sample: int
) -> tuple[float, float, float, float, int]:
    logs = stack.log_singular_values(x[sample], drawn)
    positive = logs[np.isfinite(logs)]
    if positive.size < 2:
        raise ValueError(f"the Jacobian of {stack} has {positive.size} singular values above 0")
    spread = np.quantile(positive, 0.9) - np.quantile(positive, 0.1)
    values = np.linalg.eigvalsh(stack.gauss_newton_kernel(x, drawn, readout))[::-1]
    kept = values[values > len(values) * np.finfo(np.float64).eps * values[0]]
    return (
        float(np.exp(min(positive[0] - positive[-1], 700.0))),
        float(np.exp(min(spread, 700.0))),
        float(kept[0] / kept[-1]),
        1.0 - positive.size / logs.size,
        int(len(values) - len(kept)),
    )


def _law(stack: LayerStack) -> tuple[JacobianLaw | None, str]:
    """Return the limit law, or None and the reason where it is not treated or was lost."""
    try:
        found = stack.law()
        _ = found.mass
    except (ValueError, ConvergenceError) as error:
        return None, str(error)
    return found, ""

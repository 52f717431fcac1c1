r"""Curvature during training: sharpness, trace and index every few steps, within a share of time.

The sharpness is the largest eigenvalue of the Hessian. Gradient descent with step size s is stable
where it is below 2/s, and full-batch training tends to end there (edge of stability [1]_). Each
measurement continues from the eigenvector of the last one (warm start) with a few Lanczos steps; it
states a residual r: an eigenvalue lies within r of the sharpness. Trace and index come from a few
Gaussian probes; the interval of the index is the rigorous one of `rmtland.estimate`.

A measurement that would take more than the share of training time that was allowed is left out, and
counted.

References
----------
.. [1] J. M. Cohen, S. Kaur, Y. Li, J. Z. Kolter and A. Talwalkar, Gradient descent on neural
       networks typically occurs at the edge of stability, ICLR 2021.

Examples
--------
>>> from rmtland.networks import MLP, gaussian, train
>>> data, net = gaussian(20, 5, rng=0), MLP((5, 5, 5))
>>> monitor = CurvatureMonitor(every=10, share=None, step_size=0.1, rng=0)
>>> result = train(net, net.init(rng=1), data.x, data.y, method="gd", step_size=0.1, max_steps=30,
...     callback=monitor.watch)
>>> [record.step for record in monitor.history]
[0, 10, 20, 30]
>>> monitor.history[-1].residual < 0.1 * monitor.history[-1].sharpness
True
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtland.arguments import count, nonnegative, positive
from rmtland.estimate import SymmetricOperator, krylov_quadratures, symmetric_operator
from rmtland.estimate.index import estimated_mass
from rmtland.estimate.leading_pair import leading_pair
from rmtland.estimate.sketches import sphere_error
from rmtland.streams import random_generator
from rmtland.typing import Operator, Real, Record, Rng

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from rmtland.networks import LossPoint

__all__ = ["CurvatureMonitor", "CurvatureRecord"]


@dataclass(frozen=True)
class CurvatureRecord:
    """One measurement.

    Made by `rmtland.adapters.CurvatureMonitor`.

    Parameters
    ----------
    step : int
        Training steps taken.
    sharpness : float
        Largest eigenvalue.
    residual : float
        An eigenvalue lies within this of it.
    trace, trace_error : float
        Estimate and standard error; NaN without probes.
    index : float
        Fraction of negative eigenvalues; NaN without probes.
    index_interval : (float, float)
        Rigorous interval of it at 95 %.
    stable_below : float
        2 / step size; NaN where that is not known.
    seconds : float
        What the measurement took.
    """

    step: int
    sharpness: float
    residual: float
    trace: float
    trace_error: float
    index: float
    index_interval: tuple[float, float]
    stable_below: float
    seconds: float


class CurvatureMonitor:
    """Record curvature while a network trains.

    .. formula:: Sharpness beside :math:`2/h`, :math:`h` the step size

    For a PyTorch loop give the operator and call `step` after every training step: the operator of
    `from_torch` follows the parameters. As the callback of `rmtland.networks.train` pass `watch`.
    `on_train_batch_end` has the signature of a Lightning callback.

    Parameters
    ----------
    operator : anything that multiplies, or callable without arguments that returns it, optional
        Of the Hessian at the present parameters.
    every : int, optional
        Training steps between measurements.
    share : float or None, optional
        Largest share of training time that measurements may take together, but for the first one,
        which is always made; None for no limit.
    step_size : float or callable, optional
        Of gradient descent, or what returns the present one: 2/step size is drawn beside the
        sharpness.
    lanczos_steps : int, optional
        Products for the sharpness, three times as many the first time.
    probes, probe_steps : int, optional
        Gaussian probes for trace and index, and Lanczos steps of each; 0 probes for none.
    rng : anything `numpy.random.default_rng` takes
        For starts and probes.
    clock : callable, optional
        What tells the time, in seconds.

    Attributes
    ----------
    history : list of CurvatureRecord
        The measurements.
    skipped : int
        Measurements left out for want of time.

    Raises
    ------
    ValueError
        If `every` or `probe_steps` is below 1, `lanczos_steps` below 2, `probes` or a `step_size`
        that is a number below 0, or `share` not positive.
    TypeError
        If one of them is no number, or no integer where one is wanted.
    """

    def __init__(
        self,
        operator: Operator | Callable[[], Operator] | None = None,
        *,
        every: int = 100,
        share: float | None = 0.1,
        step_size: float | Callable[[], float] | None = None,
        lanczos_steps: int = 8,
        probes: int = 2,
        probe_steps: int = 12,
        rng: Rng = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.operator = operator
        self.every = count("every", every)
        self.share = None if share is None else positive("share", share)
        self.step_size = step_size
        if step_size is not None and not callable(step_size):
            self.step_size = nonnegative("step_size", step_size)
        self.lanczos_steps = count("lanczos_steps", lanczos_steps, min_value=2)
        self.probes = count("probes", probes, min_value=0)
        self.probe_steps = count("probe_steps", probe_steps)
        self.history: list[CurvatureRecord] = []
        self.skipped = 0
        self._generator = random_generator(rng)
        self._vector: Real | None = None
        self._steps = -1
        self._clock = clock
        self._begun = clock()
        self._spent = self._last = 0.0

    def step(self) -> CurvatureRecord | None:
        """Count a training step, and measure where it is time to.

        Returns
        -------
        CurvatureRecord or None
            The measurement, if one was made.

        Raises
        ------
        TypeError
            If the monitor was made without an operator.
        """
        if self.operator is None:
            raise TypeError("step() needs a monitor made with an operator")
        self._steps += 1
        return self._consider(self._steps, self.operator)

    def watch(self, step: int, point: LossPoint) -> CurvatureRecord | None:
        """Measure at a point of `rmtland.networks.train`: its callback.

        Parameters
        ----------
        step : int
            Steps taken.
        point : LossPoint
            The loss there.

        Returns
        -------
        CurvatureRecord or None
            The measurement, if one was made.
        """
        return self._consider(step, point.operator)

    def on_train_batch_end(self, *_: object, **__: object) -> None:
        """Count a training step of a Lightning trainer.

        Parameters
        ----------
        *_, **__
            What Lightning gives to its callbacks; not used.
        """
        self.step()

    @property
    def time_share(self) -> float:
        """Time spent on measurements over the time since the monitor was made."""
        elapsed = self._clock() - self._begun
        return self._spent / elapsed if elapsed > 0 else 0.0

    def to_dict(self) -> Record:
        """Return plain values, for JSON; NaN becomes None.

        Returns
        -------
        dict of str to values
            The records and what was left out.
        """
        records = [
            {k: None if isinstance(v, float) and v != v else v for k, v in asdict(one).items()}
            for one in self.history
        ]
        return {"records": records, "skipped": self.skipped, "every": self.every}

    def plot(self, ax: Axes | None = None) -> list[Artist]:
        """Draw the sharpness over the steps, and 2/step size beside it.

        Parameters
        ----------
        ax : Axes, optional
            Where; a new figure by default.

        Returns
        -------
        list of Artist
            What was drawn.

        Raises
        ------
        ValueError
            If nothing was measured.
        """
        from rmtland.drawing import COLORS, new_axes

        if not self.history:
            raise ValueError("nothing was measured yet")
        ax = new_axes(ax)
        steps = np.array([one.step for one in self.history])
        sharpness = np.array([one.sharpness for one in self.history])
        residual = np.array([one.residual for one in self.history])
        stable = np.array([one.stable_below for one in self.history])
        artists: list[Artist] = [
            *ax.plot(steps, sharpness, marker=".", color=COLORS[0], label="sharpness"),
            ax.fill_between(
                steps, sharpness - residual, sharpness + residual, color=COLORS[0], alpha=0.2
            ),
        ]
        if np.isfinite(stable).any():
            artists += ax.plot(steps, stable, ls="--", color="black", label="2 / step size")
        ax.set_xlabel("training steps")
        ax.set_ylabel("largest eigenvalue of the Hessian")
        ax.legend()
        return artists

    def __repr__(self) -> str:
        return (
            f"CurvatureMonitor({len(self.history)} measurements, {self.skipped} skipped, every "
            f"{self.every} steps)"
        )

    def _consider(self, step: int, operator: Any) -> CurvatureRecord | None:
        """Measure if the step is one to measure at, and there is time."""
        if step % self.every:
            return None
        now = self._clock()
        trained = now - self._begun - self._spent
        if self.share is not None and self.history:
            allowed = self.share / (1 - min(self.share, 0.99)) * trained
            if self._spent + self._last > allowed:
                self.skipped += 1
                return None
        made = operator() if callable(operator) and not hasattr(operator, "shape") else operator
        record = self._measured(step, symmetric_operator(made, check=False), now)
        self.history.append(record)
        self._last = record.seconds
        self._spent += record.seconds
        return record

    def _measured(self, step: int, operator: SymmetricOperator, begun: float) -> CurvatureRecord:
        drawn = self._generator.standard_normal(operator.size)
        pair = leading_pair(operator, self._vector, self.lanczos_steps, drawn)
        self._vector = pair.vector
        trace = error = index = np.nan
        interval = (0.0, 1.0)
        if self.probes:
            found = krylov_quadratures(
                operator,
                probes=self.probes,
                steps=min(self.probe_steps, operator.size),
                rng=self._generator,
                progress=False,
            )
            mass = estimated_mass(found, operator, 0.0, None, 0.95)
            index, interval = mass.value, mass.rigorous
            first = np.array([(one.alpha[0], one.beta[0]) for one in found.tridiagonals])
            trace = operator.size * float(first[:, 0].mean())
            squares = operator.size * (first**2).sum(axis=1)  # of images of probes of norm sqrt(p)
            error = sphere_error(operator, trace, squares, size=operator.size)
        size = self.step_size() if callable(self.step_size) else self.step_size
        return CurvatureRecord(
            step,
            pair.value,
            pair.residual,
            trace,
            error,
            float(index),
            interval,
            2.0 / size if size else np.nan,
            self._clock() - begun,
        )

r"""Which coefficients the next step has, and whether to go back: the safeguard of designed methods.

A method made for a spectrum (`rmtland.optimizer`) has coefficients h (step), m (momentum) and e
(extrapolation) for every step,

.. math::
    y_t = x_t + e_t v_t, \qquad v_{t+1} = m_t v_t - h_t \nabla f(y_t), \qquad
    x_{t+1} = x_t + v_{t+1}, \qquad v_t = x_t - x_{t-1},

and goes wrong where that spectrum is not the true one. Each time that the loss is known, `judge`
compares it with the loss at the last (re)start: a method that has climbed above it diverges. Then
the run goes back to the best point, halves its steps and starts the method anew; after a few times
it falls back to gradient descent that must go down. So no point that was kept has a larger loss
than the start.

Where the largest curvature is measured on the way, steps follow it, by at most a factor up at a
time, and by at most another one in all: under cross-entropy the curvature tends to 0.

Examples
--------
>>> from types import SimpleNamespace
>>> constant = lambda n: (np.full(n, 0.5), np.zeros(n), np.zeros(n))
>>> control = StepControl(SimpleNamespace(coefficients=constant))
>>> state = control.start()
>>> control.judge(1.0, state), control.coefficients(state)
('best', (0.5, 0.0, 0.0, 0.0))
>>> control.advance(state)
>>> control.judge(7.0, state), control.coefficients(state)
('back', (0.25, 0.0, 0.0, 0.0))
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from rmtland.arguments import count, positive
from rmtland.typing import Array, ArrayLike, Record

__all__ = ["DesignedMethod", "StepControl"]

Verdict = Literal["best", "on", "restart", "back"]
Coefficients = tuple[Array, ...]

_SLACK = 1e-12
"""Relative rounding of a loss."""


class DesignedMethod(Protocol):
    """What has coefficients: a method of `rmtland.optimizer`."""

    def coefficients(self, steps: int) -> tuple[ArrayLike, ArrayLike, ArrayLike]:
        """Return step, momentum and extrapolation of the first steps, three arrays."""


@dataclass(frozen=True)
class StepControl:
    """Coefficients of a method step by step, kept safe.

    Parameters
    ----------
    method : DesignedMethod
        The method.
    restart : int, "loss" or None, optional
        Start the method anew, without momentum, after so many steps, or each time that the loss has
        risen; by default never.
    largest : float, optional
        Largest curvature that the method was made for; ``method.largest_curvature`` by default.
    growth : float, optional
        Most that steps grow by from one measured curvature to the next.
    most : float, optional
        Most that they grow by in all, from the first measured curvature on.
    strikes : int, optional
        How many times the method is started anew before gradient descent takes over.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    method: DesignedMethod
    restart: int | str | None = None
    largest: float | None = None
    growth: float = 1.2
    most: float = 100.0
    strikes: int = 3
    _known: list[Coefficients] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not callable(getattr(self.method, "coefficients", None)):
            raise TypeError(
                "method must have coefficients, as those of rmtland.optimizer have; got "
                f"{type(self.method).__name__}"
            )
        if isinstance(self.restart, str):
            if self.restart != "loss":
                raise ValueError(f"restart must be a number, 'loss' or None; got {self.restart!r}")
        elif self.restart is not None:
            count("restart", self.restart)
        if self.largest is not None:
            positive("largest", self.largest)
        for name in ("growth", "most"):
            if not (positive(name, getattr(self, name)) >= 1):
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        count("strikes", self.strikes)

    @property
    def design(self) -> float:
        """Largest curvature that the method was made for.

        Raises
        ------
        ValueError
            If it is not known.
        """
        found = self.largest
        if found is None:
            found = getattr(self.method, "largest_curvature", None)
        if found is None:
            raise ValueError(
                "measured curvatures need the largest one that the method was made for: give "
                "largest="
            )
        return float(found)

    def start(self) -> Record:
        """Return the state before the first step: numbers by name.

        Returns
        -------
        dict
            JSON-able.
        """
        return {
            "t": 0,
            "steps": 0,
            "fresh": 1,
            "fallen": 0,
            "strikes": 0,
            "shrink": 1.0,
            "scale": 1.0,
            "first_scale": math.nan,
            "best_loss": math.inf,
            "floor": math.inf,
            "last_loss": math.inf,
            "curvature": math.nan,
        }

    def coefficients(self, state: Record) -> tuple[float, float, float, float]:
        """Return what the next step has.

        Parameters
        ----------
        state : dict
            The state.

        Returns
        -------
        (float, float, float, float)
            Step, momentum, extrapolation at the point, and that after the step.
        """
        factor = state["scale"] * state["shrink"]
        if state["fallen"]:
            return factor * self._safe_step(), 0.0, 0.0, 0.0
        t = state["t"]
        step, momentum, ahead = self._coefficients(t + 2)
        last = isinstance(self.restart, int) and t + 1 >= self.restart
        return (
            factor * float(step[t]),
            float(momentum[t]) if t else 0.0,
            float(ahead[t]) if t else 0.0,
            0.0 if last else float(ahead[t + 1]),
        )

    def advance(self, state: Record) -> None:
        """Count a step.

        Parameters
        ----------
        state : dict
            The state; changed in place.
        """
        state["steps"] += 1
        state["t"] += 1
        if isinstance(self.restart, int) and state["t"] >= self.restart:
            state["t"], state["fresh"] = 0, 1

    def judge(self, loss: float, state: Record) -> Verdict:
        """Say what to do at a point whose loss is known.

        Parameters
        ----------
        loss : float
            The loss; inf or NaN where it overflows.
        state : dict
            The state; changed in place.

        Returns
        -------
        {"best", "on", "restart", "back"}
            Keep the point as the best one, go on, go on without momentum, or go back to the best
            one without momentum.

        Raises
        ------
        ValueError
            If the loss is not finite at the start.
        """
        finite = math.isfinite(loss)
        if math.isinf(state["best_loss"]) and not finite:
            raise ValueError(f"the loss at the start must be finite; got {loss}")
        fallen, last = state["fallen"], state["last_loss"]
        limit = state["best_loss"] if fallen else state["floor"]
        if not (finite and loss <= limit + _SLACK * abs(limit)):
            state["strikes"] += 1
            state["shrink"] /= 2
            state["fallen"] = int(state["strikes"] >= self.strikes)
            state["floor"] = state["last_loss"] = state["best_loss"]
            state["t"], state["fresh"] = 0, 0
            return "back"
        if state["fresh"]:
            state["floor"], state["fresh"] = loss, 0
        state["last_loss"] = loss
        if loss < state["best_loss"]:
            state["best_loss"] = loss
            return "best"
        if self.restart == "loss" and state["t"] and loss > last + _SLACK * abs(last):
            state["t"], state["floor"] = 0, loss
            return "restart"
        return "on"

    def measured(self, curvature: float, state: Record) -> None:
        """Let the steps follow a measured curvature.

        Parameters
        ----------
        curvature : float
            Largest curvature at the point, or a bound above it; not above 0 where there is none,
            which changes nothing.
        state : dict
            The state; changed in place.
        """
        if not (math.isfinite(curvature) and curvature > 0):
            return
        first = math.isnan(state["first_scale"])
        target = self.design / curvature
        if first:
            state["first_scale"] = state["scale"] = target
        else:
            highest = min(self.growth * state["scale"], self.most * state["first_scale"])
            state["scale"] = min(target, highest)
            state["shrink"] = min(1.0, self.growth * state["shrink"])
        state["curvature"] = curvature
        if state["fallen"]:
            state["fallen"] = state["strikes"] = 0

    def _safe_step(self) -> float:
        """Step of gradient descent: that of the largest curvature, or the least one designed."""
        known = self.largest or getattr(self.method, "largest_curvature", None)
        if known:
            return 1 / float(known)
        return float(np.min(self._coefficients(32)[0]))

    def _coefficients(self, size: int) -> Coefficients:
        """Coefficients of at least so many steps."""
        if not self._known or len(self._known[0][0]) < size:
            asked = max(64, 2 * size)
            made = tuple(self.method.coefficients(asked))
            if len(made) != 3 or any(np.shape(part) != (asked,) for part in made):
                raise ValueError(
                    f"coefficients({asked}) of the method must be three arrays of shape "
                    f"({asked},); got {', '.join(str(np.shape(part)) for part in made)}"
                )
            self._known[:] = [made]
        return self._known[0]

r"""Step rules of first-order training: gradient descent, momentum, Adam.

With gradient g of the full loss or of a batch, step size eta:

    gradient descent, SGD   theta <- theta - eta g
    momentum                v <- mu v + g,   theta <- theta - eta v       (Polyak 1964)
    Adam                    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,
                            theta <- theta - eta m^ / (sqrt(v^) + 1e-8),
                            m^ = m / (1 - b1^t), v^ = v / (1 - b2^t)      (Kingma & Ba, ICLR 2015)

References
----------
.. [1] D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.

Examples
--------
>>> import numpy as np
>>> rule = StepRule("momentum", step_size=0.5, momentum=0.5)
>>> state = rule.start(np.zeros(1))
>>> theta = rule.step(np.ones(1), np.ones(1), state)
>>> rule.step(theta, np.ones(1), state)
array([-0.25])
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from rmtland.arrays import array_namespace
from rmtland.typing import Array, Record

if TYPE_CHECKING:
    from rmtland.networks.loss_point import LossPoint

__all__ = ["STEP_SIZES", "Rule", "StepRule"]

State = Record

STEP_SIZES = {"gd": 0.1, "sgd": 0.1, "momentum": 0.01, "adam": 1e-3}
"""Default step sizes."""


class Rule(Protocol):
    """How a gradient moves the parameters, and what a look at the loss changes."""

    @property
    def judges(self) -> bool:
        """Whether looks matter to it."""

    def start(self, theta: Array) -> State:
        """Return the state before the first step: arrays and numbers by name."""

    def step(self, theta: Array, gradient: Array, state: State) -> Array:
        """Return the next parameters; the state is brought forward."""

    def look(self, point: LossPoint | None, state: State) -> Array | None:
        """Return the parameters to go back to, or None; no point where the loss overflows."""

    def end(self, point: LossPoint, state: State) -> Array | None:
        """Return better parameters to end at, or None; the state is as it was."""

    def settings(self) -> Record:
        """Return what a checkpoint must agree with, JSON-able."""


@dataclass(frozen=True)
class StepRule:
    """How a gradient moves the parameters.

    Parameters
    ----------
    name : {"gd", "sgd", "momentum", "adam"}
        The rule; "gd" and "sgd" are the same on a given gradient.
    step_size : float
        eta.
    momentum : float, optional
        mu of momentum.
    betas : (float, float), optional
        b1 and b2 of Adam.
    """

    name: str
    step_size: float
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)

    def start(self, theta: Array) -> State:
        """Return the state before the first step.

        Parameters
        ----------
        theta : array, shape (p,)
            The parameters.

        Returns
        -------
        dict
            What the rule remembers, by name: arrays and counts.
        """
        zeros = array_namespace(theta).zeros_like(theta)
        if self.name == "momentum":
            return {"velocity": zeros}
        if self.name == "adam":
            return {"mean": zeros, "square": zeros, "count": 0}
        return {}

    def step(self, theta: Array, gradient: Array, state: State) -> Array:
        """Return the next parameters; the state is brought forward.

        Parameters
        ----------
        theta, gradient : array, shape (p,)
            The parameters, and the gradient there.
        state : dict
            What `start` returned; changed in place.

        Returns
        -------
        array, shape (p,)
        """
        if self.name == "momentum":
            state["velocity"] = self.momentum * state["velocity"] + gradient
            return theta - self.step_size * state["velocity"]
        if self.name == "adam":
            first, second = self.betas
            state["count"] += 1
            state["mean"] = first * state["mean"] + (1.0 - first) * gradient
            state["square"] = second * state["square"] + (1.0 - second) * gradient * gradient
            mean = state["mean"] / (1.0 - first ** state["count"])
            square = state["square"] / (1.0 - second ** state["count"])
            return theta - self.step_size * mean / (array_namespace(square).sqrt(square) + 1e-8)
        return theta - self.step_size * gradient

    @property
    def judges(self) -> bool:
        """Whether looks at the loss matter to it."""
        return False

    def look(self, point: LossPoint | None, state: State) -> None:
        """Do nothing: these rules continue whatever the loss.

        Parameters
        ----------
        point : LossPoint or None
            The point.
        state : dict
            The state.
        """

    def end(self, point: LossPoint, state: State) -> None:
        """Do nothing: these rules end at the last point.

        Parameters
        ----------
        point : LossPoint
            The point.
        state : dict
            The state.
        """

    def settings(self) -> Record:
        """Return what a checkpoint must agree with.

        Returns
        -------
        dict
        """
        return asdict(self)

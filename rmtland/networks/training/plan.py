"""What a training run does, and what moves it on: its settings and its state.

>>> from rmtland.networks.mlp import MLP
>>> start = MLP((2, 1)).at([0.0, 0.0], [[1.0, 2.0], [3.0, 4.0]], [[1.0], [2.0]])
>>> plan = TrainingPlan.of(start, "adam", step_size=0.1, batch_size=1)
>>> plan.batch_size, plan.check_every
(1, 2)
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from rmtland.arguments import choice, count, entries, nonnegative, positive
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.training.step_rules import STEP_SIZES, Rule, StepRule
from rmtland.typing import Array, Integer, Record

__all__ = ["METHODS", "TrainingPlan", "TrainingState"]

METHODS = ("lbfgs", *STEP_SIZES)
"""The methods by name."""


@dataclass(frozen=True)
class TrainingPlan:
    """What a checkpoint must agree with to be resumed.

    Parameters
    ----------
    net : str
        The network, with its loss and options.
    samples : int
        The number m of samples.
    precision : str
        The dtype of the parameters.
    method : str
        One of `METHODS`.
    rule : Rule or None
        How a gradient moves the parameters; None for L-BFGS.
    batch_size : int
        Samples per step.
    check_every : int
        Steps between looks at the full loss.
    """

    net: str
    samples: int
    precision: str
    method: str
    rule: Rule | None
    batch_size: int
    check_every: int

    @classmethod
    def of(
        cls,
        start: LossPoint,
        method: str | Rule,
        *,
        step_size: float | None = None,
        momentum: float = 0.9,
        betas: tuple[float, float] = (0.9, 0.999),
        batch_size: int | None = None,
        check_every: int | None = None,
    ) -> Self:
        """Return the plan of a run; the arguments are those of `train`.

        Parameters
        ----------
        start : LossPoint
            Where the run starts.
        method, step_size, momentum, betas, batch_size, check_every
            As in `train`.

        Returns
        -------
        TrainingPlan

        Raises
        ------
        ValueError
            For settings that are out of range or not of the method.
        """
        own = None if isinstance(method, str) else method
        if own is not None and not hasattr(own, "judges"):
            raise TypeError(
                f"method must be one of {METHODS}, or a step rule such as "
                f"rmtland.optimizer.SpectralSteps; got {own!r}"
            )
        mu = nonnegative("momentum", momentum)
        if len(entries("betas", betas)) != 2:
            raise ValueError(f"betas must be two numbers; got {betas!r}")
        first, second = (nonnegative("betas", beta) for beta in betas)
        if max(mu, first, second) >= 1.0:
            raise ValueError(f"momentum and betas must be below 1; got {momentum!r} and {betas!r}")
        name = choice("method", method, METHODS) if isinstance(method, str) else "designed"
        m = start.data.size
        precision = str(start.theta.dtype).rsplit(".", maxsplit=1)[-1]
        identity = (repr(start.net), m, precision, name)
        if name in ("lbfgs", "gd") and batch_size is not None:
            raise ValueError(
                f"{name!r} takes all samples at once; batch_size is for sgd and others"
            )
        if name == "lbfgs":
            if step_size is not None:
                raise ValueError("'lbfgs' chooses its steps itself; step_size is for the others")
            if check_every not in (None, 1):
                raise ValueError(f"'lbfgs' looks at every step; got check_every={check_every!r}")
            return cls(*identity, rule=None, batch_size=m, check_every=1)
        if own is not None and step_size is not None:
            raise ValueError("a step rule has its own steps; step_size is for methods by name")
        size = STEP_SIZES.get(name, 0.0) if step_size is None else positive("step_size", step_size)
        if batch_size is None:
            batch_size = 32 if name == "sgd" else m
        batch_size = min(m, count("batch_size", batch_size))
        default = 1 if batch_size == m else -(-m // batch_size)
        looks = default if check_every is None else count("check_every", check_every)
        rule = own if own is not None else StepRule(name, size, mu, (first, second))
        return cls(*identity, rule=rule, batch_size=batch_size, check_every=looks)

    def as_dict(self) -> Record:
        """Return the settings by name, JSON-able.

        Returns
        -------
        dict
        """
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        return named | {"rule": None if self.rule is None else self.rule.settings()}


class TrainingState:
    """What moves a run on: parameters, the state of the rule, the order of the samples.

    Parameters
    ----------
    theta : array, shape (p,)
        The parameters.
    generator : Generator or None
        Draws the order of the samples.
    samples : int
        The number m of samples.
    """

    def __init__(self, theta: Array, generator: np.random.Generator | None, samples: int) -> None:
        self.theta, self.generator = theta, generator
        self.rule: Record = {}
        self.order: Integer = np.arange(samples)
        self.position = samples

    def next_batch(self, size: int) -> Integer:
        """Return the numbers of the next samples, in ascending order.

        Parameters
        ----------
        size : int
            How many at most.

        Returns
        -------
        ndarray of int
        """
        if self.position >= len(self.order):
            assert self.generator is not None
            self.order, self.position = self.generator.permutation(len(self.order)), 0
        chosen = self.order[self.position : self.position + size]
        self.position += size
        return np.sort(chosen)

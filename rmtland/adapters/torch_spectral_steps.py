"""The PyTorch class behind `rmtland.adapters.spectral_optimizer`; PyTorch loads with this file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from rmtland.adapters.monitor import CurvatureMonitor
from rmtland.adapters.torch_operator import TorchOperator
from rmtland.estimate import symmetric_operator
from rmtland.estimate.leading_pair import leading_pair
from rmtland.networks.training.step_control import StepControl
from rmtland.typing import Array, Operator, Record

__all__ = ["SpectralOptimizer"]


class SpectralOptimizer(torch.optim.Optimizer):  # type: ignore[misc]
    """Steps of a method made for a spectrum: see `rmtland.adapters.spectral_optimizer`.

    Parameters
    ----------
    params : iterable
        Parameters or groups.
    control : StepControl
        Coefficients and safeguard.
    curvature : operator, callable, CurvatureMonitor or None
        What is measured.
    every, lanczos_steps, seed : int
        Of measurements.
    safeguard : bool
        Whether the loss of a closure is judged.
    """

    def __init__(
        self,
        params: Iterable[Array],
        control: StepControl,
        *,
        curvature: Operator | CurvatureMonitor | Callable[[], Operator] | None,
        every: int,
        lanczos_steps: int,
        safeguard: bool,
        seed: int,
    ) -> None:
        super().__init__(params, {"lr": 1.0})
        self.control, self.curvature, self.every = control, curvature, every
        self.lanczos_steps, self.safeguard, self.seed = lanczos_steps, safeguard, seed

    def __getstate__(self) -> Record:
        """Return what copies and pickles hold; PyTorch's own leave out what is not in groups."""
        names = ("control", "curvature", "every", "lanczos_steps", "safeguard", "seed")
        return {**super().__getstate__(), **{name: getattr(self, name) for name in names}}

    def add_param_group(self, param_group: Record) -> None:
        """Add parameters.

        Parameters
        ----------
        param_group : dict
            "params", and "lr" if it is not 1.

        Raises
        ------
        ValueError
            If the rate is negative or not finite.
        """
        rate = float(param_group.get("lr", 1.0))
        if not 0 <= rate < math.inf:
            raise ValueError(f"lr of a group must be a finite number of at least 0; got {rate}")
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Array] | None = None) -> Array:
        """Take a step.

        Parameters
        ----------
        closure : callable, optional
            Clears the gradients, computes loss and gradients, and returns the loss. Without one
            the gradients must be there, and nothing is judged.

        Returns
        -------
        tensor or None
            The loss before the step.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
                if self.safeguard and self.look(_number(loss)):
                    loss = closure()
        self._measure()
        numbers = self._numbers
        coefficients = self.control.coefficients(numbers)
        with torch.no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    if param.grad is not None:
                        self._move(param, float(group["lr"]), coefficients)
        self.control.advance(numbers)
        return loss

    def look(self, loss: float) -> bool:
        """Judge the present parameters by their full loss.

        Parameters
        ----------
        loss : float
            The loss; not finite where it overflows.

        Returns
        -------
        bool
            Whether it went back to the best parameters, so that loss and gradients are others.

        Raises
        ------
        ValueError
            If the loss is not finite at the start.
        """
        verdict = self.control.judge(float(loss), self._numbers)
        with torch.no_grad():
            for param in self._params():
                state = self.state[param]
                if verdict == "best":
                    if "best" in state:
                        state["best"].copy_(param)
                    else:
                        state["best"] = param.detach().clone()
                elif verdict in ("back", "restart"):
                    state.pop("velocity", None)
                    if verdict == "back" and "best" in state:
                        param.copy_(state["best"])
        return verdict == "back"

    def finish(self, closure: Callable[[], Array]) -> float:
        """Go back to the best parameters if the last ones are worse.

        Parameters
        ----------
        closure : callable
            As for `step`.

        Returns
        -------
        float
            The loss of the parameters that are left.
        """
        with torch.enable_grad():
            loss = _number(closure())
        best = float(self._numbers["best_loss"])
        if math.isinf(best) or loss <= best:
            return loss
        with torch.no_grad():
            for param in self._params():
                if "best" in self.state[param]:
                    param.copy_(self.state[param]["best"])
                self.state[param].pop("velocity", None)
        return best

    def report(self) -> dict[str, float]:
        """Return what the optimiser knows and has spent.

        Returns
        -------
        dict
            "steps", "curvature" (the last one measured, NaN without), "products" (of measurements),
            "shrink" (factor that divergence has cost), "fallen" (1 in gradient descent).
        """
        names = ("steps", "curvature", "products", "shrink", "fallen")
        return {name: self._numbers[name] for name in names}

    @property
    def _numbers(self) -> Record:
        """Numbers of the control, kept with the first parameter as L-BFGS of PyTorch keeps its."""
        state = self.state[self.param_groups[0]["params"][0]]
        if "numbers" not in state:
            counts = {"products": 0, "measurements": 0, "measured_at": -1}
            state["numbers"] = self.control.start() | counts
        found: Record = state["numbers"]
        return found

    def _move(self, param: Array, rate: float, coefficients: tuple[float, ...]) -> None:
        """Move a parameter and its velocity."""
        if param.grad.is_sparse:
            raise ValueError("gradients must be dense; got a sparse one")
        step, momentum, ahead, after = coefficients
        old = self.state[param].get("velocity")
        new = param.grad * (-rate * step)
        if old is not None:
            new.add_(old, alpha=momentum)
            if ahead:
                param.sub_(old, alpha=ahead)
        param.add_(new, alpha=1.0 + after)
        self.state[param]["velocity"] = new

    def _params(self) -> Iterator[Array]:
        for group in self.param_groups:
            yield from group["params"]

    def _moves_what(self, operator: Any) -> None:
        """Raise if curvatures are of other parameters than those that move: a bound of nothing."""
        moved = [p for p in self._params() if p.grad is not None]
        if isinstance(operator, TorchOperator):
            named = dict(operator.function.model.named_parameters())
            known = {id(named[block.name]) for block in operator.blocks}
            others = sum(id(p) not in known for p in moved)
            if others:
                raise ValueError(
                    f"curvature= is of {len(known)} parameters of a "
                    f"{type(operator.function.model).__name__}, and {others} of the {len(moved)} "
                    "that move are not among them: make it of the model that is trained"
                )
        entries, order = sum(p.numel() for p in moved), getattr(operator, "shape", (math.inf,))[0]
        if order < entries:
            raise ValueError(
                f"curvature= must be of all {entries} parameters that move; it has order {order}"
            )

    def _measure(self) -> None:
        """Bring the largest curvature up to date where it is time to."""
        numbers = self._numbers
        operator: Any = self.curvature
        if operator is None:
            return
        if isinstance(operator, CurvatureMonitor):
            self._moves_what(operator.operator)
            record = operator.step()
            if record is not None:
                self.control.measured(record.sharpness + record.residual, numbers)
            return
        if 0 <= numbers["measured_at"] > numbers["steps"] - self.every:
            return
        first = self.param_groups[0]["params"][0]
        state = self.state[first]
        made = operator() if callable(operator) and not hasattr(operator, "shape") else operator
        self._moves_what(made)
        with torch.enable_grad():
            matrix = symmetric_operator(made, check=False)
            generator = np.random.default_rng([self.seed, numbers["measurements"]])
            last = state.get("leading")
            pair = leading_pair(
                matrix,
                None if last is None else last.double().cpu().numpy(),
                self.lanczos_steps,
                generator.standard_normal(matrix.size),
            )
        state["leading"] = torch.as_tensor(pair.vector).to(first)
        numbers["measurements"] += 1
        numbers["measured_at"] = numbers["steps"]
        numbers["products"] += pair.products
        self.control.measured(pair.value + pair.residual, numbers)


def _number(loss: Array) -> float:
    """Return the number that a closure returned, tensor or not."""
    if loss is None or (isinstance(loss, torch.Tensor) and loss.numel() != 1):
        came = "nothing" if loss is None else f"a tensor of shape {tuple(loss.shape)}"
        raise ValueError(f"the closure must return its loss, one number; it returned {came}")
    return float(loss.detach() if isinstance(loss, torch.Tensor) else loss)

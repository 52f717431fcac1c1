"""What the commands of `rmtland landscape` look at: a trained network, or a model of one's own.

By default a small network is trained on digits; with ``--model MODULE:FUNCTION`` the function
returns (model, loss, data) of PyTorch, and the model is taken as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from rmtland.cli.problem import DATA, hidden_widths, problem_data
from rmtland.cli.user_function import function_of
from rmtland.typing import Array, Tree

if TYPE_CHECKING:
    from torch.nn import Module

    from rmtland.landscape.surface import LossSurface
    from rmtland.networks import MLP, LossPoint, TrainResult
    from rmtland.typing import Real

__all__ = [
    "ActivationName",
    "Bias",
    "Data",
    "Decay",
    "Hidden",
    "LossName",
    "Model",
    "Network",
    "Samples",
    "SamplesOrAll",
    "Steps",
    "Subject",
    "minimised",
    "perceptron",
    "torch_model",
    "with_network",
]

Data: TypeAlias = Annotated[str, typer.Option("--data", help=DATA)]
Hidden: TypeAlias = Annotated[
    str, typer.Option("--hidden", help="Widths of the hidden layers, such as 16 or 12,8.")
]
Samples: TypeAlias = Annotated[int | None, typer.Option("--samples", help="Samples m.")]
SamplesOrAll: TypeAlias = Annotated[
    int | None, typer.Option("--samples", help="Samples m; 300 by default, of a file all.")
]
ActivationName: TypeAlias = Annotated[
    str, typer.Option("--activation", help="tanh, erf, gelu, silu, relu, ...")
]
LossName: TypeAlias = Annotated[str, typer.Option("--loss", help="mse, cross_entropy or logistic.")]
Bias: TypeAlias = Annotated[bool, typer.Option("--bias/--no-bias", help="Biases in each layer.")]
Decay: TypeAlias = Annotated[float, typer.Option("--weight-decay", help="w in (w/2)|theta|^2.")]
Steps: TypeAlias = Annotated[
    int, typer.Option("--train-steps", help="Steps of L-BFGS at most, before anything is measured.")
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODULE:FUNCTION",
        help="Function without arguments that returns (model, loss, data) of PyTorch, taken as it "
        "is in place of a network; MODULE may be a file such as run.py.",
    ),
]


@dataclass(frozen=True)
class Subject:
    """A loss surface and a point of it.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    theta : ndarray, shape (p,)
        Where: a trained network, or the model as it was given.
    title : str
        What it is, for tables and figures.
    data : str
        On what data.
    point : LossPoint, optional
        The point of rmtland's own network; None for a model of PyTorch.
    """

    surface: LossSurface
    theta: Real
    title: str
    data: str
    point: LossPoint | None = None

    @property
    def heading(self) -> str:
        """Title and data in lines that fit above a figure."""
        from textwrap import fill

        return f"{fill(self.title, 100)}\n{fill(self.data, 100)}"


@dataclass(frozen=True)
class Network:
    """The options of a network, its data and its training.

    Parameters
    ----------
    data, hidden, samples, activation, loss, bias, weight_decay, steps, seed
        As the options of the same names.
    """

    data: str
    hidden: str
    samples: int | None
    activation: str
    loss: str
    bias: bool
    weight_decay: float
    steps: int
    seed: int

    def problem(self) -> tuple[MLP, Array, Array, str]:
        """Return the network, inputs, targets, and a line on the data."""
        from rmtland.networks import MLP

        samples = 300 if self.samples is None and not self.data.endswith(".npz") else self.samples
        found = problem_data(self.data, samples, None, self.loss, self.seed)
        widths = (found.x.shape[1], *hidden_widths(self.hidden), found.outputs)
        net = MLP(
            widths, self.activation, self.bias, loss=self.loss, weight_decay=self.weight_decay
        )
        return net, found.x, found.y, found.description

    def trained(self) -> Subject:
        """Train the network from the seed, and return where it ended."""
        from rmtland.arguments import count
        from rmtland.landscape.surface import NetworkSurface

        net, x, y, description = self.problem()
        steps = count("train_steps", self.steps, min_value=0)
        theta = net.init(rng=self.seed)
        if steps:
            theta = minimised(net, theta, x, y, max_steps=steps, gradient_norm=1e-8).theta
        surface = NetworkSurface.of(net, x, y)
        return Subject(surface, theta, repr(net), description, surface.point.at(theta))

    def subject(self, model: str | None, *, batch_statistics: str = "kept") -> Subject:
        """Return the trained network, or the model that MODULE:FUNCTION returns."""
        if model is None:
            return self.trained()
        return model_subject(model, batch_statistics=batch_statistics)


def minimised(net: MLP, theta: Real, x: Array, y: Array, **options: Any) -> TrainResult:
    """Train a network; Ctrl-C ends the command, which has no use for a network trained by half."""
    from rmtland.networks import train

    return train(net, theta, x, y, **options).unless_interrupted()


def with_network(*, train_steps: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a network, its data and its training.

    Parameters
    ----------
    train_steps : int
        Default of ``--train-steps``.

    Returns
    -------
    callable
        Of a command whose first parameter is a `Network`, and which has a `seed`: one whose
        parameters are the options of the network in the place of that.
    """
    options: dict[str, tuple[object, object]] = {
        "data": (Data, "digits-labels"),
        "hidden": (Hidden, "12"),
        "samples": (SamplesOrAll, None),
        "activation": (ActivationName, "tanh"),
        "loss": (LossName, "cross_entropy"),
        "bias": (Bias, False),
        "weight_decay": (Decay, 1e-3),
        "train_steps": (Steps, train_steps),
    }

    def changed(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            parts = {name: given.pop(name) for name in options}
            steps = parts.pop("train_steps")
            command(Network(**parts, steps=steps, seed=given["seed"]), **given)

        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        kind = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter(name, kind, default=default, annotation=annotation)
            for name, (annotation, default) in options.items()
        ]
        parameters = [*added, *(one.replace(kind=kind) for one in own)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return changed


def torch_model(target: str) -> tuple[Module, Callable[..., Array], Tree]:
    """Return (model, loss, data) of PyTorch from a user's function."""
    made = function_of(target)()
    if not (isinstance(made, tuple) and len(made) == 3 and hasattr(made[0], "named_parameters")):
        raise ValueError(
            f"--model: {target} must return (model, loss, data) of PyTorch; got "
            f"{type(made).__name__}" + (f" of {len(made)}" if isinstance(made, tuple) else "")
        )
    return made


def perceptron(target: str) -> tuple[MLP, Real, Array, Array]:
    """Return a user's model of PyTorch as a network of rmtland: net, parameters, inputs, targets.

    For commands that need exact Jacobians and samples, which only such networks have here.
    """
    from rmtland.networks import MLP

    model, loss, data = torch_model(target)
    kind = type(loss).__name__
    try:
        if kind != "MSELoss":
            raise ValueError(f"the loss must be nn.MSELoss; got {kind}")
        net, theta = MLP.from_torch(model, loss="mse")
        x, y = (part.detach().cpu().numpy().astype(float) for part in data)
        net.at(theta, x, y)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"--model: this command takes nn.Sequential of linear layers with one activation, and "
            f"tensors (x, y): {error}"
        ) from None
    return net, theta, x, y


def model_subject(target: str, *, batch_statistics: str = "kept") -> Subject:
    """Return the surface of a model of PyTorch that a user's function returns."""
    from rmtland.landscape.surface import TorchSurface

    made = torch_model(target)
    surface = TorchSurface(*made, batch_statistics=batch_statistics)
    name = f"{type(made[0]).__name__}, {surface.size} parameters"
    return Subject(surface, surface.parameters(), name, target)

r"""Problems that optimisers are compared on: quadratics, regressions, linearised and real networks.

Every one is a mean over samples, so that a gradient may be that of all samples or of a batch, and
has held-out data where there are any. Real data are scikit-learn's: handwritten digits (8 x 8) and
the breast cancer table.

>>> problem = make_problem("logistic regression", seed=0, size="small")
>>> loss, gradient = problem.value_and_gradient(problem.start)
>>> round(loss, 6), gradient.shape  # log 2 at zero weights
(0.693147, (31,))
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator
from scipy.special import expit

from rmtland.arguments import choice
from rmtland.landscape.linearisation import linearise
from rmtland.networks import MLP, LossPoint, digits
from rmtland.networks.datasets.dataset import Dataset
from rmtland.networks.derivatives.operators import PointOperator
from rmtland.typing import Array, Integer, Multiplies, NumpyArray, Real

if TYPE_CHECKING:
    from torch.nn import Module

    from rmtland.adapters.torch_operator import TorchOperator

__all__ = ["PROBLEMS", "Problem", "make_problem"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem(abc.ABC):
    """A loss over samples, and an error on held-out ones.

    Parameters
    ----------
    start : ndarray, shape (p,)
        Where every method starts.
    samples : int
        m.
    fraction : float
        The loss is to fall to this part of the way from the start down to `floor`.
    floor : float
        Least loss there is, or 0 where it is not known.
    """

    start: Real
    samples: int
    fraction: float
    floor: float = 0.0

    product_cost: ClassVar[float] = 1.0
    """What a product with the Hessian costs, in gradients."""

    is_quadratic: ClassVar[bool] = False

    @abc.abstractmethod
    def value_and_gradient(self, theta: Real, rows: Integer | None = None) -> tuple[float, Real]:
        """Return the loss and its gradient, over all samples or some rows of them."""

    @abc.abstractmethod
    def operator(self, theta: Real) -> Multiplies:
        """Return the Hessian as a thing that multiplies."""

    def gauss_newton(self, theta: Real) -> Multiplies:
        """Return the Gauss-Newton matrix, which has no negative curvature."""
        return self.operator(theta)

    @abc.abstractmethod
    def held_out(self, theta: Real) -> float:
        """Return the error on held-out samples; NaN where there are none."""

    @property
    def target(self) -> float:
        """Loss to be reached."""
        first = self.value_and_gradient(self.start)[0]
        return self.floor + self.fraction * (first - self.floor)


@dataclass(frozen=True, eq=False, kw_only=True)
class LeastSquares(Problem):
    """Half the mean squared error of a linear model, or of a network linearised about its start."""

    features: Real
    targets: Real
    test: tuple[LossPoint | Real, Integer] | None = None
    rows_each: int = 1

    is_quadratic = True

    def value_and_gradient(self, theta: Real, rows: Integer | None = None) -> tuple[float, Real]:
        """Return the loss and its gradient."""
        a, y, m = self.features, self.targets, self.samples
        if rows is not None:
            k, m = self.rows_each, len(rows)
            chosen = rows if k == 1 else (rows[:, None] * k + np.arange(k)).ravel()
            a, y = a[chosen], y[chosen]
        residual = a @ theta.reshape(a.shape[1], -1) - y
        return 0.5 * float((residual**2).sum()) / m, (a.T @ residual).ravel() / m

    def operator(self, theta: Real) -> LinearOperator:
        """Return the Hessian."""
        a, p = self.features, theta.size

        def product(v: Real) -> Real:
            return np.asarray(a.T @ (a @ v.reshape(a.shape[1], -1))).ravel() / self.samples

        return LinearOperator((p, p), matvec=product, dtype=np.float64)

    def held_out(self, theta: Real) -> float:
        """Return the share of held-out samples that are taken for another class."""
        if self.test is None:
            return float("nan")
        given, labels = self.test
        if isinstance(given, LossPoint):  # linearised about it
            outputs = np.asarray(given.prediction) + given.jvp(theta).reshape(len(labels), -1)
        else:
            outputs = given @ theta.reshape(given.shape[1], -1)
        return float((outputs.argmax(axis=1) != labels).mean())


@dataclass(frozen=True, eq=False, kw_only=True)
class LogisticRegression(Problem):
    """Mean logistic loss of labels -1, 1 with a ridge penalty."""

    features: Real
    labels: Real
    test: tuple[Real, Integer]
    ridge: float

    def value_and_gradient(self, theta: Real, rows: Integer | None = None) -> tuple[float, Real]:
        """Return the loss and its gradient."""
        a, y = (
            (self.features, self.labels)
            if rows is None
            else (self.features[rows], self.labels[rows])
        )
        margin = y * (a @ theta)
        loss = float(np.logaddexp(0.0, -margin).mean()) + 0.5 * self.ridge * float(theta @ theta)
        return loss, -(a.T @ (y * expit(-margin))) / len(y) + self.ridge * theta

    def operator(self, theta: Real) -> Real:
        """Return the Hessian."""
        p = expit(self.features @ theta)
        data: Real = (self.features.T * (p * (1 - p))) @ self.features / len(p)
        return data + self.ridge * np.eye(theta.size)

    def held_out(self, theta: Real) -> float:
        """Return the share of held-out samples on the wrong side."""
        a, y = self.test
        return float((y * (a @ theta) <= 0).mean())


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkTraining(Problem):
    """A fully connected network, trained for what it is."""

    net: MLP
    x: Real
    y: NumpyArray
    test: tuple[Real, Integer]

    product_cost = 2.0

    def value_and_gradient(self, theta: Real, rows: Integer | None = None) -> tuple[float, Real]:
        """Return the loss and its gradient."""
        x, y = (self.x, self.y) if rows is None else (self.x[rows], self.y[rows])
        try:
            point = self.net.at(theta, x, y)
            return float(point.loss), np.asarray(point.gradient)
        except ValueError:  # parameters or outputs are beyond the range of numbers
            return float("inf"), np.full(theta.size, np.nan)

    def operator(self, theta: Real) -> PointOperator:
        """Return the Hessian."""
        return self.net.at(theta, self.x, self.y).operator()

    def gauss_newton(self, theta: Real) -> PointOperator:
        """Return the Gauss-Newton matrix."""
        return self.net.at(theta, self.x, self.y).operator("gauss_newton")

    def held_out(self, theta: Real) -> float:
        """Return the share of held-out images that are taken for another digit."""
        x, labels = self.test
        return float((np.argmax(self.net.predict(theta, x), axis=1) != labels).mean())


@dataclass(frozen=True, eq=False, kw_only=True)
class TorchTraining(Problem):
    """A small convolutional PyTorch network on images, cross-entropy."""

    model: Module
    x: Array
    y: Array
    test: tuple[Array, Array]

    product_cost = 2.0

    def value_and_gradient(self, theta: Real, rows: Integer | None = None) -> tuple[float, Real]:
        """Return the loss and its gradient."""
        import torch

        self._set(theta)
        x, y = (self.x, self.y) if rows is None else (self.x[rows], self.y[rows])
        loss = torch.nn.functional.cross_entropy(self.model(x), y)
        value = float(loss.detach())
        pieces = torch.autograd.grad(loss, list(self.model.parameters()))
        gradient = torch.cat([piece.reshape(-1) for piece in pieces])
        return value, gradient.numpy().copy()

    def operator(self, theta: Real) -> TorchOperator:
        """Return the Hessian."""
        import torch

        from rmtland.adapters import from_torch

        self._set(theta)
        return from_torch(self.model, torch.nn.CrossEntropyLoss(), (self.x, self.y))

    def gauss_newton(self, theta: Real) -> TorchOperator:
        """Return the Gauss-Newton matrix."""
        return self.operator(theta).with_part("gauss_newton")

    def held_out(self, theta: Real) -> float:
        """Return the share of held-out images that are taken for another digit."""
        import torch

        self._set(theta)
        x, labels = self.test
        with torch.no_grad():
            return float((self.model(x).argmax(dim=1) != labels).double().mean())

    def _set(self, theta: Real) -> None:
        import torch

        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(
                torch.from_numpy(np.array(theta, dtype=np.float64)), self.model.parameters()
            )


class Size(NamedTuple):
    """How large problems are: order of quadratics, samples of each kind, width."""

    dimension: int
    linear: int
    linearised: int
    images: int
    width: int


SIZES = {"small": Size(200, 400, 32, 100, 16), "large": Size(2000, 1200, 48, 400, 32)}


def make_problem(
    name: str, *, seed: int, size: str = "large", label_noise: float = 0.0, root: int = 0
) -> Problem:
    """Return a problem with its data drawn.

    Parameters
    ----------
    name : str
        One of `PROBLEMS`.
    seed, root : int
        Of data, split and start.
    size : {"small", "large"}, optional
        How large.
    label_noise : float, optional
        Share of the training labels that are drawn anew; the random quadratic has none.

    Returns
    -------
    Problem
        Data, start and target.

    Raises
    ------
    ValueError
        For another name or size.
    ImportError
        If PyTorch is missing for the convolutional network.
    """
    choice("problem", name, PROBLEMS)
    choice("size", size, tuple(SIZES))
    rng = np.random.default_rng(np.random.SeedSequence([root, seed, PROBLEMS.index(name)]))
    made = {
        "random quadratic": _quadratic,
        "linear regression": _linear,
        "logistic regression": _logistic,
        "linearised network": _linearised,
        "network, squared": _network,
        "network, cross-entropy": _network,
        "convolutional network": _convolutional,
    }[name]
    problem: Problem = made(name, SIZES[size], label_noise, rng)
    return problem


PROBLEMS = (
    "random quadratic",
    "linear regression",
    "logistic regression",
    "linearised network",
    "network, squared",
    "network, cross-entropy",
    "convolutional network",
)
"""Names of the problems; the last needs PyTorch."""


def available(names: tuple[str, ...]) -> tuple[str, ...]:
    """Leave the convolutional network out where PyTorch is missing.

    Parameters
    ----------
    names : tuple of str
        Of `PROBLEMS`.

    Returns
    -------
    tuple of str
    """
    found = find_spec("torch") is not None
    return tuple(name for name in names if found or name != "convolutional network")


def _relabelled(
    labels: Integer, share: float, classes: int, rng: np.random.Generator
) -> NumpyArray:
    """Draw a share of the labels anew."""
    drawn = rng.random(labels.size) < share
    return np.where(drawn, rng.integers(0, classes, labels.size), labels)


def _split(samples: int, rng: np.random.Generator) -> tuple[Dataset, Integer, Integer]:
    """Return all digits, the rows to train on, and 400 others."""
    data = digits(target="one-hot")
    order = rng.permutation(len(data))
    return data, order[:samples], order[samples : samples + 400]


def _quadratic(name: str, size: Size, noise: float, rng: np.random.Generator) -> Problem:
    d = size.dimension
    features = rng.standard_normal((2 * d, d))
    hidden = rng.standard_normal((d, 1)) / np.sqrt(d)
    return LeastSquares(
        start=np.zeros(d),
        samples=2 * d,
        fraction=1e-4,
        features=features,
        targets=features @ hidden,
    )


def _linear(name: str, size: Size, noise: float, rng: np.random.Generator) -> Problem:
    data, train, test = _split(size.linear, rng)
    a = np.hstack([data.x, np.ones((len(data), 1))])
    labels = _relabelled(data.labels[train], noise, 10, rng)
    targets = np.eye(10)[labels]
    best = np.linalg.lstsq(a[train], targets, rcond=None)[0]
    floor = 0.5 * float(((a[train] @ best - targets) ** 2).sum()) / len(train)
    return LeastSquares(
        start=np.zeros(a.shape[1] * 10),
        samples=len(train),
        fraction=1e-2,
        floor=floor,
        features=a[train],
        targets=targets,
        test=(a[test], data.labels[test]),
    )


def _logistic(name: str, size: Size, noise: float, rng: np.random.Generator) -> Problem:
    from sklearn.datasets import load_breast_cancer

    x, labels = load_breast_cancer(return_X_y=True)
    order = rng.permutation(len(x))
    train, test = order[:400], order[400:]
    middle, spread = x[train].mean(axis=0), x[train].std(axis=0)
    a = np.hstack([(x - middle) / spread, np.ones((len(x), 1))])
    y = 2.0 * _relabelled(labels[train], noise, 2, rng) - 1
    problem = LogisticRegression(
        start=np.zeros(a.shape[1]),
        samples=len(train),
        fraction=1e-3,
        features=a[train],
        labels=y,
        test=(a[test], 2.0 * labels[test] - 1),
        ridge=1e-3,
    )
    theta = problem.start
    for _ in range(40):  # Newton's method with halved steps
        loss, gradient = problem.value_and_gradient(theta)
        step, rate = np.linalg.solve(problem.operator(theta), gradient), 1.0
        while problem.value_and_gradient(theta - rate * step)[0] > loss and rate > 1e-10:
            rate /= 2
        theta = theta - rate * step
    return LogisticRegression(
        start=problem.start,
        samples=problem.samples,
        fraction=1e-3,
        features=a[train],
        labels=y,
        test=problem.test,
        ridge=problem.ridge,
        floor=problem.value_and_gradient(theta)[0],
    )


def _linearised(name: str, size: Size, noise: float, rng: np.random.Generator) -> Problem:
    data, train, test = _split(size.linearised, rng)
    net = MLP((64, size.width, 10), parametrisation="ntk")
    theta = net.init(rng=rng)
    labels = _relabelled(data.labels[train], noise, 10, rng)
    point = net.at(theta, data.x[train], np.eye(10)[labels])
    tangent = linearise(point)
    others = net.at(theta, data.x[test], data.y[test])
    assert tangent.jacobian is not None
    return LeastSquares(
        start=np.zeros(net.parameter_count),
        samples=len(train),
        fraction=1e-2,
        features=tangent.jacobian,
        targets=-tangent.residuals[:, None],
        rows_each=10,
        test=(others, data.labels[test]),
    )


def _network(name: str, size: Size, noise: float, rng: np.random.Generator) -> Problem:
    data, train, test = _split(size.images, rng)
    squared = name.endswith("squared")
    net = MLP((64, size.width, 10), bias=True, loss="mse" if squared else "cross_entropy")
    labels = _relabelled(data.labels[train], noise, 10, rng)
    return NetworkTraining(
        start=net.init(rng=rng),
        samples=len(train),
        fraction=0.02,
        net=net,
        x=data.x[train],
        y=np.eye(10)[labels] if squared else labels,
        test=(data.x[test], data.labels[test]),
    )


def _convolutional(name: str, size: Size, noise: float, rng: np.random.Generator) -> Problem:
    import torch
    from torch import nn

    data, train, test = _split(min(size.images, 100), rng)
    labels = _relabelled(data.labels[train], noise, 10, rng)
    state = torch.random.get_rng_state()
    torch.manual_seed(int(rng.integers(2**31)))
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 16, 10),
    ).double()
    torch.random.set_rng_state(state)

    def images(rows: Integer) -> Array:
        return torch.from_numpy(np.array(data.x[rows])).reshape(-1, 1, 8, 8)

    start = torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy().copy()
    return TorchTraining(
        start=start,
        samples=len(train),
        fraction=0.02,
        model=model,
        x=images(train),
        y=torch.from_numpy(np.array(labels)),
        test=(images(test), torch.from_numpy(np.array(data.labels[test]))),
    )

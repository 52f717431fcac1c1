"""PyTorch optimisers from spectra: the steps of our own training, safety, resumption."""

import copy
import pickle

import numpy as np
import pytest

from rmtland import MarchenkoPastur
from rmtland.adapters import CurvatureMonitor, from_torch, spectral_optimizer
from rmtland.networks.training.step_control import StepControl
from rmtland.optimizer import (
    GradientDescent,
    HeavyBall,
    Nesterov,
    SpectralSteps,
    average_case_optimal,
)

torch = pytest.importorskip("torch")


class Case:
    """A small classifier, its loss, and a closure."""

    def __init__(self, *, loss=None, dtype=torch.float64, seed=0):
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
        ).to(dtype)
        self.loss = torch.nn.CrossEntropyLoss() if loss is None else loss
        self.x = torch.randn(40, 5, dtype=dtype)
        self.y = torch.randint(0, 3, (40,))
        self.optimizer = None

    def operator(self):
        return from_torch(self.model, self.loss, (self.x, self.y))

    def value(self):
        with torch.no_grad():
            return float(self.loss(self.model(self.x), self.y))

    def closure(self):
        self.model.zero_grad()
        loss = self.loss(self.model(self.x), self.y)
        loss.backward()
        return loss

    def run(self, steps, **options):
        options.setdefault("method", Nesterov(1.0))
        if options.pop("measured", False):
            options["curvature"] = self.operator()
        if self.optimizer is None:
            self.optimizer = spectral_optimizer(self.model.parameters(), **options)
        return [float(self.optimizer.step(self.closure).detach()) for _ in range(steps)]

    def flat(self):
        return torch.nn.utils.parameters_to_vector(self.model.parameters()).detach().clone()


@pytest.mark.parametrize("method", [GradientDescent(0.2), HeavyBall(0.2, 0.6), Nesterov(0.2)])
def test_steps_are_those_of_our_training(method):
    """The same arithmetic as `SpectralSteps`, from the same gradients."""
    case, rule = Case(), SpectralSteps(method)
    theta = case.flat().numpy()
    state = rule.start(theta)
    other = Case()
    for _ in range(15):
        torch.nn.utils.vector_to_parameters(torch.from_numpy(theta), other.model.parameters())
        other.closure()
        gradient = torch.cat([p.grad.ravel() for p in other.model.parameters()]).numpy()
        theta = rule.step(theta, gradient, state)
    case.run(15, method=method)
    np.testing.assert_allclose(case.flat().numpy(), theta, rtol=1e-12, atol=1e-14)


def test_measured_curvature_follows_the_hessian():
    case = Case()
    losses = case.run(60, method=GradientDescent(1.0), measured=True, every=10, lanczos_steps=3)
    assert (np.diff(losses) <= 0).all()
    report = case.optimizer.report()
    assert report["products"] == 9 + 5 * 3  # the cost that is stated
    matrix = case.operator() @ np.eye(case.operator().shape[0])
    top = np.linalg.eigvalsh(matrix)[-1]
    assert report["curvature"] == pytest.approx(top, rel=0.3)


def test_a_monitor_may_measure():
    case = Case()
    monitor = CurvatureMonitor(case.operator(), every=5, share=None, probes=0, rng=0)
    case.run(11, method=GradientDescent(1.0), curvature=monitor)
    assert len(monitor.history) == 3
    last = monitor.history[-1]
    assert case.optimizer.report()["curvature"] == last.sharpness + last.residual


def test_under_cross_entropy_steps_grow_by_stated_factors_only():
    """Separable data: the curvature tends to 0, and the steps stay bounded."""
    case = Case()
    case.y = (case.x[:, 0] > 0).long()
    losses = case.run(600, measured=True, every=10, growth=1.5, most=8.0, restart="loss")
    assert losses[-1] < 0.01
    numbers = case.optimizer._numbers
    assert numbers["scale"] == pytest.approx(8.0 * numbers["first_scale"])
    assert case.optimizer.finish(case.closure) <= losses[0]


@pytest.mark.parametrize("misjudged", [1e-4, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("restart", [None, 8])
def test_it_never_ends_above_its_start(misjudged, restart):
    case = Case()
    start = case.value()
    method = average_case_optimal(MarchenkoPastur(1.0, scale=0.1 * misjudged), 20)
    losses = case.run(60, method=method, restart=restart)
    final = case.optimizer.finish(case.closure)
    assert final == pytest.approx(case.value(), rel=1e-12)
    assert final <= min(losses) < 0.9 * start


def test_it_resumes_bit_for_bit():
    options = {"measured": True, "every": 4, "restart": "loss", "lanczos_steps": 2}
    for dtype in (torch.float64, torch.float32):
        whole = Case(dtype=dtype)
        whole.run(25, **options)
        part = Case(dtype=dtype)
        part.run(11, **options)
        again = Case(dtype=dtype)
        again.run(0, **options)
        again.model.load_state_dict(part.model.state_dict())
        again.optimizer.load_state_dict(part.optimizer.state_dict())
        again.run(14)
        assert torch.equal(again.flat(), whole.flat())
        assert again.flat().dtype == dtype


def test_a_copy_goes_on_as_the_original():
    """PyTorch's own copies and pickles leave out what is not in groups or state."""
    case = Case()
    case.run(7, measured=True, every=4, restart="loss")
    other = copy.deepcopy(case)
    case.run(9)
    other.run(9)
    assert torch.equal(other.flat(), case.flat())
    assert other.optimizer.report() == case.optimizer.report()
    assert other.optimizer.report()["products"] > 12  # measured on after the copy
    plain = spectral_optimizer(case.model.parameters(), GradientDescent(0.1))
    assert pickle.loads(pickle.dumps(plain)).control == plain.control


def test_groups_and_schedulers():
    """lr of a group multiplies its steps; a group at 0 rests; frozen parameters are left."""
    case = Case()
    first, second = case.model[0], case.model[2]
    second.bias.requires_grad_(False)
    before = [p.detach().clone() for p in case.model.parameters()]
    groups = [{"params": first.parameters()}, {"params": second.parameters(), "lr": 0.0}]
    optimizer = spectral_optimizer(groups, GradientDescent(0.5))
    case.closure()
    gradients = [None if p.grad is None else p.grad.clone() for p in case.model.parameters()]
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    optimizer.step(case.closure)
    scheduler.step()
    after = list(case.model.parameters())
    torch.testing.assert_close(after[0].detach(), before[0] - 0.5 * gradients[0])
    assert torch.equal(after[2], before[2])
    assert torch.equal(after[3], before[3])
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_without_a_closure_losses_are_judged_when_told():
    case = Case()
    optimizer = spectral_optimizer(case.model.parameters(), HeavyBall(50.0, 0.9))
    start = case.flat()
    assert not optimizer.look(case.value())
    for _ in range(3):
        case.closure()
        assert optimizer.step() is None
    assert optimizer.look(1e9)
    assert torch.equal(case.flat(), start)
    assert optimizer.report()["shrink"] == 0.5


def test_curvature_of_other_parameters_is_refused():
    """Else the steps follow a matrix that says nothing of this loss."""
    case, other = Case(), Case(seed=1)
    part = from_torch(case.model, case.loss, (case.x, case.y), parameters="2.*")
    monitor = CurvatureMonitor(other.operator(), every=5, share=None, probes=0, rng=0)
    for curvature in (other.operator(), other.operator, part, monitor):
        optimizer = spectral_optimizer(case.model.parameters(), Nesterov(1.0), curvature=curvature)
        with pytest.raises(ValueError, match="not among them"):
            optimizer.step(case.closure)
    optimizer = spectral_optimizer(case.model.parameters(), Nesterov(1.0), curvature=np.eye(3))
    with pytest.raises(ValueError, match="all 75 parameters"):
        optimizer.step(case.closure)
    case.model[0].requires_grad_(False)  # the last layer alone: its own matrix, or that of more
    case.model.zero_grad()
    for curvature in (part, np.eye(75)):
        optimizer = spectral_optimizer(case.model.parameters(), Nesterov(1.0), curvature=curvature)
        assert float(optimizer.step(case.closure).detach()) > 0


@pytest.mark.parametrize("loss", [None, torch.ones(2)])
def test_closures_return_one_number(loss):
    optimizer = spectral_optimizer(Case().model.parameters(), Nesterov(1.0))
    with pytest.raises(ValueError, match="must return its loss"):
        optimizer.step(lambda: loss)


def test_a_loss_or_a_gradient_that_is_nan_is_a_divergence():
    for spoiled in ("loss", "gradient"):
        case, seen = Case(), []

        def closure(case=case, seen=seen, spoiled=spoiled):
            loss = float(case.closure().detach())  # a number will do
            seen.append(loss)
            if len(seen) == 5 and spoiled == "gradient":
                case.model[0].weight.grad.fill_(np.nan)
            return np.nan if len(seen) == 5 and spoiled == "loss" else loss

        optimizer = spectral_optimizer(case.model.parameters(), Nesterov(0.2))
        for _ in range(30):
            optimizer.step(closure)
        assert optimizer.report()["shrink"] == 0.5
        final = optimizer.finish(closure)
        assert final == pytest.approx(case.value())
        assert final < seen[3]


def test_wrong_arguments():
    params = list(Case().model.parameters())
    with pytest.raises(ValueError, match="give curvature="):
        spectral_optimizer(params, Nesterov(1.0), every=5)
    with pytest.raises(TypeError, match="must have coefficients"):
        spectral_optimizer(params, "nesterov")
    with pytest.raises(ValueError, match="lanczos_steps"):
        spectral_optimizer(params, Nesterov(1.0), lanczos_steps=0)
    for rate in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="lr of a group"):
            spectral_optimizer([{"params": params, "lr": rate}], Nesterov(1.0))
    embedding = torch.nn.Embedding(4, 2, sparse=True)
    optimizer = spectral_optimizer(embedding.parameters(), GradientDescent(0.1))
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="dense"):
        optimizer.step()
    assert isinstance(optimizer.control, StepControl)

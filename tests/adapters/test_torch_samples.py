"""What a batch is made of: samples along another axis, weights of entries, rows that are held."""

import functools
import inspect

import numpy as np
import pytest
from torch_cases import F, torch

from rmtland.adapters import from_torch

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
nn = torch.nn
X = torch.randn(11, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
Y = torch.randn(11, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
WEIGHTS = torch.rand(11, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def linear():
    torch.manual_seed(3)
    return nn.Linear(3, 2).double()


def dense(operator):
    return operator @ np.eye(operator.shape[0])


def by_hand(model, loss):
    """Return the Hessian of a loss that takes no arguments, by double backward of whole data."""
    parameters = list(model.parameters())
    slopes = torch.autograd.grad(loss(), parameters, create_graph=True)
    gradient = torch.cat([one.reshape(-1) for one in slopes])
    rows = [torch.autograd.grad(one, parameters, retain_graph=True) for one in gradient]
    return np.array([np.concatenate([r.reshape(-1).numpy() for r in row]) for row in rows])


class TimeFirst(nn.Module):
    """A recurrent network whose samples lie along the second axis."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.core, self.end = nn.RNN(2, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.end(self.core(x)[0][-1])


def test_samples_along_another_axis_have_no_gradients_of_their_own():
    """Rows of the targets were laid over outputs of all samples: the trace was six times too large,
    with an error of a hundredth."""
    x = X[:, :2].repeat(2, 1)[:20].reshape(4, 5, 2)
    operator = from_torch(TimeFirst().double(), F.mse_loss, [(x, Y[:5])])
    matrix = dense(operator)
    found = operator.trace(rng=0)
    assert abs(found.value - np.trace(matrix)) < 4 * found.standard_error
    assert found.standard_error < 0.5 * np.trace(matrix)
    np.testing.assert_allclose(operator.diagonal(), np.diagonal(matrix), rtol=1e-10, atol=1e-14)
    with pytest.raises(ValueError, match="are not those in its batch"):
        operator.with_part("gauss_newton").diagonal()


def test_a_mask_as_long_as_the_batch_is_not_cut_with_it():
    class Masked(nn.Linear):
        def forward(self, x, mask):
            return super().forward(x) * mask.sum(0)

    torch.manual_seed(3)
    made = Masked(3, 2).double()
    operator = from_torch(made, F.mse_loss, [((X, WEIGHTS), Y)], part="gauss_newton")
    with pytest.raises(ValueError, match="are not those in its batch"):
        operator.diagonal()
    found = operator.trace(rng=0)
    assert abs(found.value - np.trace(dense(operator))) < 4 * found.standard_error


def test_weights_of_samples_are_not_spread_over_one():
    loss = nn.BCEWithLogitsLoss(weight=WEIGHTS)
    targets = torch.sigmoid(Y)
    operator = from_torch(linear(), loss, (X, targets))
    matrix = dense(operator)
    np.testing.assert_allclose(operator.diagonal(), np.diagonal(matrix), rtol=1e-10)
    with pytest.raises(ValueError, match="not the sum of those of its samples"):
        operator.with_part("gauss_newton").diagonal()
    with pytest.raises(ValueError, match="empirical Fisher matrix"):
        from_torch(linear(), loss, (X, targets), part="empirical_fisher")


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_means_over_weighted_entries(name):
    """The mean of weighted entries was over their number, not the sum of the weights."""
    function = getattr(F, name)
    if "weight" not in inspect.signature(function).parameters:
        pytest.skip("no weights of entries before PyTorch 2.7")
    model = nn.Sequential(linear(), nn.Tanh())
    loss = functools.partial(function, weight=WEIGHTS)
    operator = from_torch(model, loss, (X, Y))
    expected = by_hand(model, lambda: loss(model(X), Y))
    np.testing.assert_allclose(dense(operator), expected, rtol=1e-10, atol=1e-14)
    halves = functools.partial(function, weight=WEIGHTS[:5])
    with pytest.raises(ValueError, match="does not take parts of a batch"):
        from_torch(model, halves, [(X[:5], Y[:5]), (X[5:10], Y[5:10])])


def test_a_loss_or_a_model_for_one_size_of_batch():
    """Trials on a few of the samples raised PyTorch's own error."""

    class Fixed(nn.Linear):
        def forward(self, x):
            return super().forward(x) + WEIGHTS

    torch.manual_seed(3)
    fixed = Fixed(3, 2).double()
    for model, loss in (
        (linear(), lambda o, t: (WEIGHTS * (o - t) ** 2).mean()),
        (fixed, F.mse_loss),
    ):
        expected = by_hand(model, lambda: loss(model(X), Y))  # noqa: B023 (called at once)
        np.testing.assert_allclose(dense(from_torch(model, loss, (X, Y))), expected, rtol=1e-10)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_loss_that_is_zero_tells_beside_its_targets(reduction):
    model = linear()
    with torch.no_grad():
        batches = [(X[:4], model(X[:4])), (X[4:], model(X[4:]))]
    operator = from_torch(
        model, lambda o, t: getattr((o - t).square().sum(-1), reduction)(), batches
    )
    expected = 2 * float(X[:, 0].square().sum()) / (11 if reduction == "mean" else 1)
    assert dense(operator)[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("first", [0, 1])
def test_a_loss_of_probabilities_that_is_zero_tells_beside_them(reduction, refuses, first):
    """Beside probabilities of 0 and 1 are none, of which it is NaN or says no."""
    model = nn.Sequential(linear(), nn.Softmax(1))
    targets = (torch.arange(11) % 2).long()
    sharp = 1e3 * F.one_hot(targets[:4], 2).double() - model[0].bias.detach()
    batches = [(sharp @ torch.linalg.pinv(model[0].weight.detach()).T, targets[:4]), (X, targets)]

    def loss(outputs, labels):
        assert not refuses or bool((outputs >= 0).all())
        losses = -torch.log(outputs[torch.arange(len(labels)), labels])
        return losses.mean() if reduction == "mean" else losses.sum()

    assert loss(model(batches[0][0]), batches[0][1]) == 0.0
    plain = from_torch(model, loss, batches[:: 1 - 2 * first], reduction=reduction)
    found = from_torch(model, loss, batches[:: 1 - 2 * first])
    assert (dense(found) == dense(plain)).all()


def test_samples_without_a_batch_axis():
    """Entries of a sample's targets were taken for samples: the mean was eleven times too large."""
    single = list(zip(X, Y, strict=True))

    def own(outputs, targets):
        return ((outputs - targets) ** 2).sum(-1).mean()

    with pytest.raises(ValueError, match="without a batch axis"):
        from_torch(linear(), own, single)
    with pytest.raises(ValueError, match="without a batch axis"):
        from_torch(linear(), F.mse_loss, single, part="empirical_fisher")
    together = dense(from_torch(linear(), F.mse_loss, (X, Y)))
    operator = from_torch(linear(), F.mse_loss, single)
    np.testing.assert_allclose(dense(operator), together, rtol=1e-10, atol=1e-14)
    assert operator.trace().value == pytest.approx(np.trace(together), rel=0.5)


@pytest.mark.parametrize("method", ["double_backward", "forward_over_reverse", None])
@pytest.mark.parametrize("tied", [False, True])
def test_padding_of_an_embedding_is_held(method, tied):
    """Products took the padding for a parameter forwards and for none backwards."""

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.table, self.end = nn.Embedding(5, 3, padding_idx=0), nn.Linear(3, 5, bias=False)
            with torch.no_grad():
                self.table.weight[0] = 0.5
            if tied:
                self.end.weight = self.table.weight

        def forward(self, x):
            return self.end(torch.tanh(self.table(x))).transpose(1, 2)

    made = Tokens().double()
    x, y = torch.arange(24).reshape(6, 4) % 5, torch.arange(1, 25).reshape(6, 4) % 5
    operator = from_torch(made, F.cross_entropy, (x, y), method=method)
    expected = by_hand(made, lambda: F.cross_entropy(made(x), y))
    np.testing.assert_allclose(dense(operator), expected, atol=1e-13)
    assert operator.method == (method or "double_backward")


def test_a_route_that_is_not_symmetric_is_refused():
    class Lookup(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.table, self.end = nn.Parameter(torch.randn(5, 3)), nn.Linear(3, 2)

        def forward(self, x):
            return self.end(torch.tanh(F.embedding(x, self.table, padding_idx=0))).sum(1)

    x = torch.arange(44).reshape(11, 4) % 5
    with pytest.raises(ValueError, match="not symmetric"):
        from_torch(Lookup().double(), F.mse_loss, (x, Y))

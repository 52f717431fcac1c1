"""Products with PyTorch models: three routes against each other, dense Hessians and peers."""

import copy
import functools
import pickle
import random

import numpy as np
import pytest
from torch_cases import BY_NAME, CASES, F, perceptron, plain_kernels, torch

from rmtland.adapters import from_torch
from rmtland.estimate import symmetric_operator

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
EXACT = ("double_backward", "forward_over_reverse")
PARTS = ("total", "gauss_newton", "residual", "empirical_fisher")


def dense(operator):
    return operator.matmat(np.eye(operator.shape[0]))


@functools.cache
def matrix(name, part="total"):
    """The matrix of a case, by double backward on ragged batches."""
    case = BY_NAME[name]
    return dense(from_torch(case.model, case.loss, case.batches, part=part))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hessian_of_ragged_batches_is_that_of_all_samples(case):
    expected = case.hessian()
    assert abs(matrix(case.name) - expected).max() <= 1e-13 * abs(expected).max() + 1e-15
    operator = from_torch(case.model, case.loss, case.batches)
    loss, theta = case.flat_loss()
    assert operator.loss() == pytest.approx(float(loss(theta)), rel=1e-14)
    gradient = torch.func.grad(loss)(theta).numpy()
    assert abs(operator.gradient() - gradient).max() <= 1e-14 * max(1, abs(gradient).max())
    assert np.array_equal(operator.parameters(), theta.numpy())


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_routes_agree(case, part):
    expected = matrix(case.name, part)
    size, v = abs(expected).max() + 1e-15, np.random.default_rng(0).standard_normal(len(expected))
    for method in EXACT:
        operator = from_torch(case.model, case.loss, case.whole, part=part, method=method)
        assert abs(operator @ v - expected @ v).max() <= 1e-12 * size
    if part == "residual":
        split = matrix(case.name) - matrix(case.name, "gauss_newton")
        assert abs(expected - split).max() <= 1e-13 * abs(matrix(case.name)).max()
    assert np.allclose(expected, expected.T, rtol=0, atol=1e-14 * size)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["mlp-ce", "mlp-mse", "cnn", "transformer"])
def test_finite_differences_are_off_by_less_than_they_say(name, part):
    case, expected = BY_NAME[name], matrix(name, part)
    operator = from_torch(
        case.model, case.loss, case.batches, part=part, method="finite_differences"
    )
    v = np.random.default_rng(0).standard_normal(len(expected))
    off = np.linalg.norm(operator @ v - expected @ v) / np.linalg.norm(v)
    scale = max(np.linalg.norm(expected, 2), 1.0) if part != "total" else 1.0
    assert off <= operator.product_error * scale < 1e-3


@pytest.mark.parametrize("part", ["gauss_newton", "empirical_fisher", "total"])
@pytest.mark.parametrize("name", ["mlp-ce", "mlp-mse", "mlp-sum", "cnn", "transformer"])
def test_diagonal(name, part):
    case = BY_NAME[name]
    diagonal = from_torch(case.model, case.loss, case.batches, part=part).diagonal()
    expected = np.diag(matrix(name, part))
    assert abs(diagonal - expected).max() <= 1e-13 * abs(expected).max()


@pytest.mark.parametrize("part", ["total", "gauss_newton", "residual", "empirical_fisher"])
@pytest.mark.parametrize("name", ["mlp-ce", "mlp-sum", "cnn", "transformer", "tied"])
def test_trace(name, part):
    """Of normal law: 4.5 standard errors are one of 150 000."""
    case = BY_NAME[name]
    found = from_torch(case.model, case.loss, case.batches, part=part).trace(probes=8, rng=0)
    expected = np.trace(matrix(name, part))
    rounding = 1e-12 * np.abs(matrix(name, part)).sum()
    assert abs(found.value - expected) <= 4.5 * found.standard_error + rounding
    if part in ("gauss_newton", "empirical_fisher"):
        assert found.standard_error == 0.0
    else:
        assert found.standard_error <= np.linalg.norm(matrix(name, part))


def test_trace_where_the_gauss_newton_part_has_no_squares():
    """Several outputs, so that blocks of the Hessian itself are multiplied."""

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 2, dtype=torch.float64)

        def forward(self, x):
            return self.layer(x), torch.tanh(self.layer(x))

    def loss(outputs, targets):
        return ((outputs[0] - targets) ** 2).mean() + (outputs[1] ** 4).mean()

    torch.manual_seed(0)
    x, y = torch.randn(5, 3).double(), torch.randn(5, 2).double()
    operator = from_torch(Two(), loss, (x, y))
    found = operator.trace(probes=50, rng=0)
    assert found.products == 100
    assert 0 < found.standard_error < 0.2 * found.value
    assert abs(found.value - np.trace(dense(operator))) < 4.5 * found.standard_error


def test_trace_of_a_piecewise_linear_network_is_exact():
    torch.manual_seed(0)
    layers = (
        torch.nn.Conv2d(1, 3, 3),
        torch.nn.BatchNorm2d(3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(27, 4),
        torch.nn.LeakyReLU(),
        torch.nn.Linear(4, 3),
    )
    model = torch.nn.Sequential(*layers).double().eval()
    data = torch.randn(9, 1, 5, 5).double(), torch.arange(9) % 3
    operator = from_torch(model, torch.nn.CrossEntropyLoss(), data)
    found = operator.trace(probes=1, rng=0)
    assert found.standard_error < 1e-15
    assert found.value == pytest.approx(np.trace(dense(operator)), rel=1e-12)


def test_a_kink_nearer_than_the_step_of_the_differences_is_no_fault():
    """A ResNet-20 was refused: of millions of ReLUs some have their kink within 1e-8."""
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 1, bias=False), torch.nn.ReLU(), torch.nn.Linear(1, 1, bias=False)
    ).double()
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([[1.0, -1.0]])
        model[2].weight[:] = 1.0
    near = torch.tensor([1e-9, -1e-9, 2e-9, -2e-9], dtype=torch.float64)
    x = torch.stack([torch.ones_like(near), 1.0 - near], 1)
    y = torch.full((4, 1), 5.0).double()
    operator = from_torch(model, torch.nn.MSELoss(), (x, y))
    assert np.isfinite(dense(operator)).all()


@pytest.mark.parametrize("unit", [torch.nn.ReLU(), torch.nn.LeakyReLU(0.2), torch.nn.Hardtanh()])
def test_parameters_on_a_kink_are_no_fault(unit):
    """Biases that start at zero over black pixels: every unit there is exactly at its kink."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), unit, torch.nn.Flatten(), torch.nn.Linear(32, 3)
    )
    torch.nn.init.zeros_(model[0].bias)
    if isinstance(unit, torch.nn.Hardtanh):
        torch.nn.init.ones_(model[0].bias)  # its kink
    x = torch.zeros(6, 1, 6, 6)
    x[:, :, 2:4, 2:4] = torch.rand(6, 1, 2, 2)
    operator = from_torch(model, torch.nn.CrossEntropyLoss(), (x, torch.arange(6) % 3))
    assert operator.method == "double_backward"


def test_fisher_of_a_likelihood_is_the_gauss_newton_matrix():
    case = BY_NAME["mlp-ce"]
    fisher = dense(from_torch(case.model, case.loss, case.batches, part="fisher"))
    assert np.array_equal(fisher, matrix("mlp-ce", "gauss_newton"))
    x, _ = case.whole
    probabilities = torch.softmax(case.model(x), 1).detach()
    expected = 0.0
    for c in range(3):  # expectation over labels drawn from the model, sample by sample
        for i in range(len(x)):
            operator = from_torch(case.model, case.loss, (x[i : i + 1], torch.tensor([c])))
            g = operator.gradient()
            expected = expected + float(probabilities[i, c]) * np.outer(g, g) / len(x)
    assert abs(fisher - expected).max() < 1e-14
    with pytest.raises(ValueError, match="distribution behind the loss"):
        from_torch(case.model, F.l1_loss, (x, x[:, :3]), part="fisher")


def test_empirical_fisher_is_made_of_the_gradients_of_samples():
    case = BY_NAME["mlp-mse"]
    x, y = case.whole
    gradients = [
        from_torch(case.model, case.loss, (x[i : i + 1], y[i : i + 1])).gradient()
        for i in range(len(x))
    ]
    expected = np.array(gradients).T @ np.array(gradients) / len(x)
    assert abs(matrix("mlp-mse", "empirical_fisher") - expected).max() < 1e-15


@pytest.mark.parametrize("name", ["mlp-ce", "mlp-sum", "cnn", "tied", "transformer"])
def test_curvlinops_agrees(name):
    curvlinops = pytest.importorskip("curvlinops", reason="needs curvlinops-for-pytorch")
    case = BY_NAME[name]
    p = len(matrix(name))
    parameters = [q for q in case.model.parameters() if q.requires_grad]
    kinds = {"total": "HessianLinearOperator", "gauss_newton": "GGNLinearOperator"}
    kinds |= {} if name == "transformer" else {"empirical_fisher": "EFLinearOperator"}
    vectors = torch.randn(p, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batches = case.batches
    if name == "transformer":  # curvlinops weights batches by samples, not by labels that count
        batches = [(torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches]))]
    with plain_kernels():
        for part, kind in kinds.items():
            peer = getattr(curvlinops, kind)(
                case.model,
                case.loss,
                parameters,
                batches,
                check_deterministic=False,
            )
            theirs = (peer @ vectors).detach().numpy()
            ours = matrix(name, part) @ vectors.numpy()
            if part == "empirical_fisher" and name == "tied":
                ours = 4.0 * ours  # it divides by all entries, and takes the sum of a sample
            right = np.ones(p, dtype=bool)
            if name == "transformer" and part == "total":  # derivatives of its jacrev, PyTorch 2.13
                for block in from_torch(case.model, case.loss, batches).blocks:
                    right[block.slice] = not block.fits("*norm?.weight")
            assert abs(theirs - ours)[right].max() <= 1e-12 * abs(ours).max(), part


@pytest.mark.parametrize("name", ["mlp-ce", "mlp-mse", "cnn", "tied", "transformer"])
def test_hessian_eigenthings_agrees(name):
    things = pytest.importorskip("hessian_eigenthings.operators", reason="needs it")
    case = BY_NAME[name]
    v = torch.randn(len(matrix(name)), dtype=torch.float64)
    whole = [case.whole]  # it weights ragged batches equally
    with plain_kernels():
        peer = things.HessianOperator(
            case.model, whole, lambda model, batch: case.loss(model(batch[0]), batch[1])
        )
        ours = matrix(name) @ v.numpy()
        assert abs(peer.matvec(v).detach().numpy() - ours).max() <= 1e-12 * abs(ours).max()
        peer = things.GGNOperator(
            case.model,
            whole,
            lambda model, batch: model(batch[0]),
            lambda outputs, batch: case.loss(outputs, batch[1]),
        )
        ours = matrix(name, "gauss_newton") @ v.numpy()
        assert abs(peer.matvec(v).detach().numpy() - ours).max() <= 1e-12 * abs(ours).max()


@pytest.mark.parametrize("name", ["mlp-ce", "transformer"])
@pytest.mark.parametrize("chunk", [1, 2, 16, None])
def test_blocks_of_vectors(name, chunk):
    case, expected = BY_NAME[name], matrix(name)
    vectors = np.random.default_rng(1).standard_normal((len(expected), 5))
    for method in EXACT:
        operator = from_torch(case.model, case.loss, case.batches, method=method, chunk=chunk)
        off = abs(operator.matmat(vectors) - expected @ vectors).max()
        assert off <= 1e-13 * abs(expected @ vectors).max()


@pytest.mark.parametrize("at_once", ["wrong", "refused"])
def test_vectors_whose_batching_cannot_be_trusted_are_multiplied_one_by_one(at_once):
    class Doubled:
        def __call__(self, vectors):
            return [2 * v for v in vectors]

        def several(self, vectors):
            if at_once == "refused":
                raise RuntimeError("Batching rule not implemented")
            return [3 * v for v in vectors]

    case = BY_NAME["mlp-ce"]
    operator = from_torch(case.model, case.loss, case.whole, chunk=4)
    rows = torch.ones(5, operator.shape[0], dtype=torch.float64)
    result = torch.zeros_like(rows)
    operator.multivectors.add(Doubled(), rows, result, None)
    assert (result == 2.0).all()


def test_data_of_every_kind():
    case, expected = BY_NAME["mlp-ce"], matrix("mlp-ce")
    x, y = case.whole
    dataset = torch.utils.data.TensorDataset(x, y)
    shuffled = torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True)
    own = torch.utils.data.DataLoader(
        dataset, batch_size=2, shuffle=True, generator=torch.Generator().manual_seed(3)
    )
    rows = torch.utils.data.Subset(dataset, range(9))
    for data in ((x, y), [x, y], (x.numpy(), y.numpy()), dataset, rows, shuffled, own):
        assert abs(dense(from_torch(case.model, case.loss, data)) - expected).max() < 1e-14
    for size in (1, 4, 9, 20):
        operator = from_torch(case.model, case.loss, (x, y), batch_size=size)
        assert abs(dense(operator) - expected).max() < 1e-14
    operator = from_torch(case.model, case.loss, shuffled)
    v = np.ones(len(expected))
    assert np.array_equal(operator @ v, operator @ v)  # the same order in every pass


def test_losses_of_ones_own_are_weighted_by_trial():
    case, expected = BY_NAME["mlp-ce"], matrix("mlp-ce")
    mean = from_torch(case.model, lambda o, y: F.cross_entropy(o, y), case.batches)
    assert abs(dense(mean) - expected).max() < 1e-14
    total = from_torch(case.model, lambda o, y: 9 * F.cross_entropy(o, y) * len(y), case.batches)
    assert abs(dense(total) - 81 * expected).max() < 1e-12
    fisher = from_torch(
        case.model, lambda o, y: F.cross_entropy(o, y), case.batches, part="empirical_fisher"
    )
    assert abs(dense(fisher) - matrix("mlp-ce", "empirical_fisher")).max() < 1e-14
    for loss in (F.cross_entropy, functools.partial(F.cross_entropy, ignore_index=-100)):
        assert abs(dense(from_torch(case.model, loss, case.batches)) - expected).max() < 1e-14


def test_labels_of_ones_own_loss_are_counted():
    case = BY_NAME["transformer"]
    operator = from_torch(
        case.model,
        lambda o, y: F.cross_entropy(o, y),
        case.batches,
        count_targets=lambda y: (y != -100).sum(),
    )
    assert abs(dense(operator) - matrix("transformer")).max() < 1e-14


def test_precision_is_chosen():
    case = BY_NAME["cnn"]
    model = copy.deepcopy(case.model).float()
    x, y = case.whole
    for data in ((x.float(), y), (x, y)):
        operator = from_torch(model, case.loss, data, dtype=torch.float64)
        assert operator.dtype == np.float64
        assert abs(dense(operator) - matrix("cnn")).max() < 1e-5 * abs(matrix("cnn")).max()
    single = from_torch(model, case.loss, (x.float(), y))
    assert single.dtype == np.float32
    assert single.matvec(np.ones(single.shape[0], np.float32)).dtype == np.float32
    assert next(model.parameters()).dtype == torch.float32


def test_parameters_by_pattern():
    case, expected = BY_NAME["transformer"], matrix("transformer")
    whole = from_torch(case.model, case.loss, case.batches)
    assert [block.name for block in whole.blocks] == list(case.values)
    for patterns in ("layer.linear*", ["layer.norm1", "head.weight"], "layer"):
        part = from_torch(case.model, case.loss, case.batches, parameters=patterns)
        rows = np.concatenate(
            [
                np.arange(b.start, b.stop)
                for b in whole.blocks
                if b.name in {block.name for block in part.blocks}
            ]
        )
        block = expected[np.ix_(rows, rows)]
        assert abs(dense(part) - block).max() < 1e-14
        assert abs(dense(whole.submatrix(patterns)) - block).max() < 1e-14
    pieces = whole.unflatten(whole.parameters())
    assert torch.equal(
        torch.tensor(pieces["layer.norm1.weight"]), case.values["layer.norm1.weight"]
    )


def test_frozen_parameters_are_left_out():
    case = BY_NAME["mlp-ce"]
    model = copy.deepcopy(case.model)
    model[0].weight.requires_grad_(False)
    frozen = from_torch(model, case.loss, case.batches)
    assert [block.name for block in frozen.blocks] == ["0.bias", "2.weight", "2.bias"]
    assert abs(dense(frozen) - matrix("mlp-ce")[20:, 20:]).max() < 1e-14


def test_operator_follows_training_unless_the_graph_is_kept():
    case = BY_NAME["mlp-mse"]
    model = copy.deepcopy(case.model)
    operator = from_torch(model, case.loss, case.whole)
    kept = from_torch(model, case.loss, case.whole, keep_graph=True)
    assert abs(dense(kept) - matrix("mlp-mse")).max() < 1e-14
    assert abs(dense(kept) - matrix("mlp-mse")).max() < 1e-14  # the kept graph
    with torch.no_grad():
        model[0].weight *= 0.5
    fresh = from_torch(model, case.loss, case.whole)
    assert np.array_equal(dense(operator), dense(fresh))
    assert abs(dense(fresh) - matrix("mlp-mse")).max() > 0.01


def test_nothing_of_the_model_changes():
    case = BY_NAME["cnn"]
    model = copy.deepcopy(case.model)
    model[1].weight.grad = torch.ones(2, dtype=torch.float64)
    before = copy.deepcopy(model.state_dict())
    x, y = case.whole
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y), batch_size=4, shuffle=True
    )
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    operator = from_torch(model, case.loss, loader)
    with torch.no_grad():  # whatever the caller has set
        assert np.isfinite(operator @ np.ones(operator.shape[0])).all()
    operator.loss(), operator.gradient(), operator.diagonal()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert random.getstate() == states[2]
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [p.grad is None for p in model.parameters()] == [True, True, False, True, True, True]
    assert all(p.requires_grad for p in model.parameters())


def test_data_are_not_copied():
    case = BY_NAME["mlp-mse"]
    x, y = case.whole
    operator = from_torch(case.model, case.loss, (x, y), batch_size=4)
    storages = {batch.inputs.untyped_storage().data_ptr() for batch in operator.batches}
    assert storages == {x.untyped_storage().data_ptr()}


def test_the_estimators_take_it():
    case = BY_NAME["mlp-mse"]
    operator = symmetric_operator(from_torch(case.model, case.loss, case.batches))
    assert operator.takes_blocks
    assert abs(operator.dense() - matrix("mlp-mse")).max() < 1e-14


class Cube(torch.autograd.Function):
    """x^3 with a first derivative only."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return 3 * ctx.saved_tensors[0] ** 2 * slope


class Cubes(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3).double()

    def forward(self, x):
        return Cube.apply(self.layer(x))


def test_a_model_without_second_derivatives():
    case = BY_NAME["mlp-mse"]
    torch.manual_seed(0)
    model = Cubes()
    with pytest.raises(ValueError, match=r"lacks derivatives.*finite_differences"):
        from_torch(model, case.loss, case.whole)
    operator = from_torch(model, case.loss, case.whole, method="finite_differences")
    exact = torch.nn.Sequential(model.layer)
    exact = from_torch(exact, lambda o, y: F.mse_loss(o**3, y), case.whole)
    v = np.random.default_rng(0).standard_normal(15)
    off = np.linalg.norm(operator @ v - exact @ v) / np.linalg.norm(v)
    assert 0 < off <= operator.product_error < 1e-4


def test_a_linear_loss_has_no_curvature():
    x = torch.ones(3, 4)
    operator = from_torch(torch.nn.Linear(4, 2), lambda o, y: o.mean(), (x, x))
    assert not dense(operator).any()


def test_inputs_by_keyword_and_several():
    torch.manual_seed(0)
    bilinear = torch.nn.Bilinear(2, 3, 2).double()
    a, b, y = (torch.randn(6, n, dtype=torch.float64) for n in (2, 3, 2))
    one = from_torch(bilinear, F.mse_loss, ((a, b), y))
    two = from_torch(bilinear, F.mse_loss, {"input1": a, "input2": b, "labels": y})
    three = from_torch(bilinear, F.mse_loss, [((a[:4], b[:4]), y[:4]), ((a[4:], b[4:]), y[4:])])
    assert np.array_equal(dense(one), dense(two))
    assert abs(dense(one) - dense(three)).max() < 1e-14


def test_pickle_and_repr():
    case = BY_NAME["mlp-mse"]
    operator = from_torch(case.model, case.loss, case.whole)
    assert "part='total', size=43, parameters=4" in repr(operator)
    again = pickle.loads(pickle.dumps(operator))
    assert np.array_equal(again @ np.ones(43), operator @ np.ones(43))
    assert len(list(perceptron())) == 3


def test_complex_vectors_keep_both_parts():
    case, expected = BY_NAME["mlp-ce"], matrix("mlp-ce")
    operator = from_torch(case.model, case.loss, case.batches)
    v = np.random.default_rng(1).standard_normal((2, len(expected)))
    product = operator.matvec(v[0] + 1j * v[1])
    np.testing.assert_array_equal(product, operator.matvec(v[0]) + 1j * operator.matvec(v[1]))


def test_a_batch_without_samples_adds_nothing_to_a_loss_of_ones_own():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 3, generator=generator), torch.randn(8, 2, generator=generator)
    model = torch.nn.Linear(3, 2)

    def loss(outputs, targets):
        return ((outputs - targets) ** 2).mean()

    whole = from_torch(model, loss, [(x, y)])
    parts = from_torch(model, loss, [(x[:5], y[:5]), (x[5:5], y[5:5]), (x[5:], y[5:])])
    assert parts.loss() == pytest.approx(whole.loss(), rel=1e-6)
    np.testing.assert_allclose(parts.gradient(), whole.gradient(), atol=1e-6)

"""Models, losses and settings with which a Hessian could be wrong without a word."""

import copy
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from torch_cases import F, perceptron, torch

from rmtland.adapters import from_torch

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
nn = torch.nn
X = torch.randn(10, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
Y = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
BATCHES = [(X[:7], Y[:7]), (X[7:], Y[7:])]


class Changed(nn.Module):
    """A perceptron whose call is another function."""

    def __init__(self, call):
        super().__init__()
        torch.manual_seed(3)
        self.net, self.call = perceptron(), call

    def forward(self, x):
        return self.call(self.net, x)


def model(call=lambda net, x: net(x)):
    return Changed(call).double()


def dense(operator):
    return operator @ np.eye(operator.shape[0])


def _shifted_weights(net, x):
    with torch.no_grad():
        net[0].weight.mul_(0.9)
    return net(x)


def _shifted_inputs(net, x):
    x += 1.0
    return net(x)


CUT_OFF = {
    "detach": lambda net, x: net(x).detach(),
    "no_grad": lambda net, x: torch.no_grad()(net)(x),
    "numpy": lambda net, x: torch.from_numpy(net(x).detach().numpy()),
}


@pytest.mark.parametrize("name", CUT_OFF)
def test_outputs_cut_off_from_the_parameters(name):
    with pytest.raises(ValueError, match="does not depend on the parameters"):
        from_torch(model(CUT_OFF[name]), F.mse_loss, (X, Y))


def test_loss_cut_off_from_the_parameters():
    with pytest.raises(ValueError, match="does not depend on the parameters"):
        from_torch(model(), lambda o, y: (o - y).square().mean().detach(), (X, Y))


def _centred(net, x):
    return net(x) - net(x).mean(0)


def _normalised(net, x):
    return F.batch_norm(net(x), None, None, training=True)


@pytest.mark.parametrize("call", [_centred, _normalised])
def test_samples_that_depend_on_their_batch(call):
    with pytest.raises(ValueError, match="depend on the others of its batch"):
        from_torch(model(call), F.mse_loss, BATCHES)
    assert from_torch(model(call), F.mse_loss, (X, Y)).shape == (43, 43)  # a function all the same


@pytest.mark.parametrize("call", [_shifted_weights, _shifted_inputs])
def test_what_a_model_writes_into_is_given_back(call):
    made, data = model(call), X.clone()
    before = [p.detach().clone() for p in made.parameters()]
    with pytest.raises(ValueError, match="writes into its parameters or its inputs"):
        from_torch(made, F.mse_loss, (data, Y))
    assert torch.equal(data, X)
    assert all(map(torch.equal, made.parameters(), before))


@pytest.mark.parametrize(
    ("options", "message"), [({"max_norm": 0.1}, "writes into"), ({"sparse": True}, "sparse=False")]
)
def test_embeddings(options, message):
    tokens = torch.arange(12).reshape(4, 3) % 7
    layers = nn.Embedding(7, 4, **options), nn.Flatten(), nn.Linear(12, 3)
    with pytest.raises(ValueError, match=message):
        from_torch(nn.Sequential(*layers).double(), F.mse_loss, (tokens, Y[:4]))


def test_several_precisions():
    mixed = perceptron().double()
    mixed[0].float()
    with pytest.raises(ValueError, match="several precisions"):
        from_torch(mixed, F.mse_loss, (X, Y))
    operator = from_torch(mixed, F.mse_loss, (X, Y), dtype=torch.float64)
    assert operator.dtype == "float64"


def test_modules_without_shapes_yet():
    with pytest.raises(ValueError, match="lazy"):
        from_torch(nn.Sequential(nn.LazyLinear(3)), F.mse_loss, (X, Y))


def test_models_made_in_inference_mode():
    with torch.inference_mode():
        made = model()
    with pytest.raises(ValueError, match="inference_mode"):
        from_torch(made, F.mse_loss, (X, Y))


def test_settings_of_the_caller_do_not_matter():
    expected = dense(from_torch(model(), F.mse_loss, (X, Y)))
    made = model()
    with torch.inference_mode():
        assert (dense(from_torch(made, F.mse_loss, (X, Y))) == expected).all()
    single = (X.float(), Y.float())
    made = made.float()
    expected = dense(from_torch(made, F.mse_loss, single))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (dense(from_torch(made, F.mse_loss, single)) == expected).all()


def test_outputs_that_are_no_tensor_for_a_loss_of_tensors():
    with pytest.raises(ValueError, match="returns a tuple"):
        from_torch(model(lambda net, x: (net(x), x)), nn.MSELoss(), (X, Y))


@pytest.mark.parametrize("options", [{"parameters": 3}, {"count_targets": 3}])
def test_options_of_another_type(options):
    with pytest.raises(TypeError, match="must be a"):
        from_torch(model(), F.mse_loss, (X, Y), **options)


def test_samples_drawn_with_replacement_are_no_data_set():
    sampler = torch.utils.data.WeightedRandomSampler([1.0] * 10, 10)
    dataset = torch.utils.data.TensorDataset(X, Y)
    with pytest.raises(ValueError, match="with replacement"):
        from_torch(
            model(), F.mse_loss, torch.utils.data.DataLoader(dataset, batch_size=4, sampler=sampler)
        )


@pytest.mark.parametrize(
    "loss",
    [
        lambda o, y: (o - y).square().mean(),
        lambda o, y: (o - y).square().sum(),
        lambda o, y: (o - y).square().mean().sqrt(),  # no sum over samples
    ],
    ids=["mean", "sum", "root"],
)
@pytest.mark.parametrize("part", ["gauss_newton", "total"])
def test_diagonal_of_a_loss_of_ones_own_in_one_batch(loss, part):
    operator = from_torch(model(), loss, (X, Y), part=part)
    diagonal = dense(operator).diagonal()
    assert abs(operator.diagonal() - diagonal).max() < 1e-12 * abs(diagonal).max()


def test_a_loss_of_pytorch_with_a_hook_is_ones_own():
    loss = torch.nn.MSELoss()
    plain = dense(from_torch(model(), loss, (X, Y)))
    loss.register_forward_hook(lambda module, inputs, value: 3 * value)
    for data in ((X, Y), [(X[:4], Y[:4]), (X[4:], Y[4:])]):
        hooked = dense(from_torch(model(), loss, data))
        assert abs(hooked - 3 * plain).max() < 1e-12 * abs(plain).max()


def test_kept_graph_is_that_of_the_present_parameters():
    made = model()
    operator = from_torch(made, F.mse_loss, (X, Y), keep_graph=True)
    first = dense(operator)
    with torch.no_grad():
        made.net[0].weight.mul_(2.0)
    assert (dense(operator) != first).any()
    assert (dense(operator) == dense(from_torch(made, F.mse_loss, (X, Y)))).all()
    made.net[2].weight.data.mul_(2.0)  # which no version counter notices
    assert (dense(operator) == dense(from_torch(made, F.mse_loss, (X, Y)))).all()
    state = copy.deepcopy(made.state_dict())
    with torch.no_grad():
        made.net[0].weight.mul_(2.0)
    made.load_state_dict(state)  # the same values, written anew
    assert (dense(operator) == dense(from_torch(made, F.mse_loss, (X, Y)))).all()


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ((X, Y), True),
        ([(X, Y)], True),
        ([(X, Y), (X[:0], Y[:0])], True),
        ([(X[:4], Y[:4]), (X[4:], Y[4:])], False),
    ],
    ids=["whole", "listed", "with an empty one", "two"],
)
def test_the_graph_is_kept_where_there_is_one_batch(data, kept):
    operator = from_torch(model(), F.mse_loss, data, keep_graph=None)
    assert operator.keep_graph is kept
    assert abs(dense(operator) - dense(from_torch(model(), F.mse_loss, (X, Y)))).max() < 1e-12


@pytest.mark.parametrize("kind", ["numpy", "other precision", "torch"])
def test_kept_graph_is_that_of_the_present_data(kind):
    x, y = X.clone(), Y.clone()
    if kind == "numpy":
        x, y = x.numpy(), y.numpy()  # written to without the tensors' knowledge
    made, dtype = model(), torch.float64
    if kind == "other precision":
        made = made.float()
        x, y = x.float(), y.float()
    operator = from_torch(made, F.mse_loss, (x, y), dtype=dtype, keep_graph=True)
    dense(operator)
    kept = operator._products._kept
    dense(operator)
    assert operator._products._kept is kept
    for written in (x, y):
        written *= 2
        fresh = from_torch(made, F.mse_loss, (x, y), dtype=dtype)
        assert (dense(operator) == dense(fresh)).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_operators_whose_graph_is_kept_are_copied_without_it(copied):
    operator = from_torch(perceptron().double(), F.mse_loss, (X, Y), keep_graph=True)
    first = dense(operator)
    buffer = ForkingPickler.dumps(operator)  # as processes are sent it
    assert len(buffer) > 0
    assert (dense(copied(operator)) == first).all()


def test_kept_graph_whose_making_was_stopped_is_made_again(monkeypatch):
    made = model()
    operator = from_torch(made, F.mse_loss, (X, Y), keep_graph=True)
    dense(operator)
    with torch.no_grad():
        made.net[0].weight.mul_(2.0)

    def stopped(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(operator._products, "route", stopped)
        with pytest.raises(KeyboardInterrupt):
            dense(operator)
    assert (dense(operator) == dense(from_torch(made, F.mse_loss, (X, Y)))).all()


def test_statistics_are_read_when_a_product_is_made_and_the_mode_is_kept():
    layers = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Tanh(), nn.Linear(5, 3)
    made = nn.Sequential(*layers).double().eval()
    operator = from_torch(made, F.mse_loss, BATCHES)
    made.train()
    made(3.0 * X)  # other statistics; and the model stays in training mode
    calls = made[1].num_batches_tracked.clone()
    found = dense(operator)
    assert made.training
    assert made[2].training
    assert torch.equal(calls, made[1].num_batches_tracked)
    assert (found == dense(from_torch(made.eval(), F.mse_loss, BATCHES))).all()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_models_in_half_precision_are_computed_in_single(half):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    data = (torch.randn(6, 3).to(half), torch.randn(6, 2).to(half))
    loss = torch.nn.MSELoss()
    model = model.to(half)
    operator = from_torch(model, loss, data)
    assert operator.function.dtype == torch.float32
    exact = from_torch(model.double(), loss, tuple(t.double() for t in data))
    v = np.random.default_rng(0).standard_normal(operator.shape[0])
    expected = exact @ v
    assert abs(operator @ v - expected).max() < 1e-6 * abs(expected).max()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_inside_a_loss_is_named(half):
    def rounded(outputs, targets):
        return F.mse_loss(outputs.to(half), targets.to(half))

    with pytest.raises(ValueError, match=r"the loss computes in half precision .* use \.float\(\)"):
        from_torch(model().float(), rounded, (X.float(), Y.float()))


def test_the_default_device_is_not_asked():
    """Trial vectors and NumPy data went to the default device, and calls ended in its errors."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    expected = dense(from_torch(made, F.mse_loss, (X, Y)))
    before = torch.get_default_device()
    torch.set_default_device("meta")
    try:
        for data in ((X, Y), (X.numpy(), Y.numpy())):
            assert (dense(from_torch(made, F.mse_loss, data)) == expected).all()
    finally:
        torch.set_default_device(before if before.type != "cpu" else None)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_products_are_not_rounded_to_tf32_or_bfloat16(precision):
    """float32 convolutions on a card are rounded by default, matrix products where asked for."""
    backends = torch.backends
    if not hasattr(backends.cudnn, "conv"):
        pytest.skip("before PyTorch 2.9 there was one setting for all operations")

    def settings():
        return [
            each.fp32_precision
            for each in (
                backends.cudnn.conv,
                backends.cudnn.rnn,
                backends.cuda.matmul,
                backends.mkldnn.matmul,
                backends.mkldnn.conv,
            )
        ]

    class Watched(nn.Linear):
        def forward(self, x):
            seen.append(settings())
            return super().forward(x)

    seen = []
    torch.set_float32_matmul_precision(precision)
    try:
        before = settings()
        operator = from_torch(nn.Sequential(Watched(4, 3).double()), F.mse_loss, (X, Y))
        operator @ np.ones(15)
        assert settings() == before
        assert before != ["ieee"] * 5
        assert seen
        assert all(one == ["ieee"] * 5 for one in seen)
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_hides_no_weights_of_samples(dtype):
    """1000 in single precision hid differences up to a hundredth."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(4, 3)).to(dtype)
    x, weights = X.to(dtype), torch.linspace(1, 3, len(X), dtype=dtype)[:, None]
    y = (weights - 1.5).expand(-1, 3)
    batches = [(x[:3], y[:3]), (x[3:], y[3:])]

    def weighted(outputs, targets):
        w = targets + 1.5
        return 1e3 + 0.04 * (w * (outputs - targets) ** 2).sum() / w.sum()

    with pytest.raises(ValueError, match=r"the mean (nor|over)"):
        from_torch(made, weighted, batches)
    mixed = torch.eye(3, dtype=dtype)  # a tensor of its own precision
    for loss in (
        lambda o, t: 1e3 + ((o - t) ** 2).mean(),
        lambda o, t: ((o - t) @ mixed).square().mean(),
    ):
        operator = from_torch(made, loss, batches)
        assert operator.loss() == pytest.approx(float(loss(made(x), y).detach()), rel=1e-5)


@pytest.mark.parametrize("part", ["gauss_newton", "residual"])
def test_curvature_that_a_loss_hides_is_refused_for_its_parts(part):
    """Only products with the total were compared with differences: half the matrix came back."""
    made = nn.Sequential(nn.Linear(4, 3)).double()

    def hides(outputs, targets):
        return ((0.5 * outputs.detach() + 0.5 * outputs - targets) ** 2).mean()

    with pytest.raises(ValueError, match="derivatives of the loss in the outputs"):
        from_torch(made, hides, (X, Y), part=part)
    from_torch(made, hides, (X, Y), part=part, check=False)
    with torch.no_grad():
        outputs = made(X)
    for loss in (
        lambda o, t: 1e6 + ((o - t) ** 2).mean(),
        lambda o, t: (o - t).abs().mean(),  # on its kinks where targets are the outputs
        lambda o, t: ((o - t).float() ** 2).mean(),
        lambda o, t: torch.relu(1 - o * t).mean(),
        lambda o, t: (o * t).mean(),
    ):
        for targets in (Y, outputs):
            from_torch(made, loss, (X, targets), part=part)


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        (1j, TypeError, "theta must be real numbers"),
        (np.nan, ValueError, "theta holds 1 NaN of"),
        (np.ma.masked, ValueError, "theta masks 1 of its"),
    ],
)
def test_parameters_of_which_a_part_would_be_dropped(entry, error, message):
    operator = from_torch(model(), F.mse_loss, (X, Y))
    theta = np.ma.array(operator.parameters(), dtype=complex if entry == 1j else float)
    theta[3] = entry
    with pytest.raises(error, match=message):
        operator.at(theta if entry is np.ma.masked else theta.data)

"""What would waste hours is refused beforehand, in one sentence."""

import sys

import numpy as np
import pytest
from torch_cases import BY_NAME, F, perceptron, torch

from rmtland.adapters import from_torch

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
nn = torch.nn
X, Y = BY_NAME["mlp-mse"].whole
CE = nn.CrossEntropyLoss()
L = torch.arange(9) % 3


def sequential(*layers):
    return nn.Sequential(nn.Linear(4, 3), *layers).double()


class Noise(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x


class Root(nn.Module):
    """Derivatives are infinite where x is 0."""

    def forward(self, x):
        return torch.sqrt((0 * x) ** 2)


def ignored(labels):
    return torch.where(torch.arange(len(labels)) == len(labels) - 1, CE.ignore_index, labels)


def integer_model():
    model = sequential()
    model.table = nn.Parameter(torch.arange(3), requires_grad=False)
    return model


def frozen_model():
    return sequential().requires_grad_(False)


def bad_model():
    model = sequential()
    with torch.no_grad():
        model[0].bias[0] = torch.nan
    return model


TRAINING = [
    (nn.Dropout(0.5), r"module 1 \(Dropout\) drops units at random, p = 0.5; call model.eval"),
    (nn.BatchNorm1d(3), r"module 1 \(BatchNorm1d\) normalises by the statistics of each batch"),
    (nn.RReLU(), "draws its slopes at random"),
]


@pytest.mark.parametrize(("layer", "message"), TRAINING, ids=lambda v: type(v).__name__)
def test_training_mode(layer, message):
    model = sequential(layer)
    with pytest.raises(ValueError, match=message):
        from_torch(model, F.mse_loss, (X, Y))
    assert from_torch(model.eval(), F.mse_loss, (X, Y)).shape[0] >= 15
    assert from_torch(sequential(nn.Dropout(0.0)), F.mse_loss, (X, Y)).shape == (15, 15)


def test_statistics_of_the_batch_in_evaluation_mode():
    model = sequential(nn.BatchNorm1d(3, track_running_stats=False)).eval()
    with pytest.raises(ValueError, match="track_running_stats=True"):
        from_torch(model, F.mse_loss, (X, Y))


def penalised(data):
    model = sequential()
    return (
        model,
        lambda o, y: F.mse_loss(o, y) + sum(p.square().sum() for p in model.parameters()),
        data,
    )


REFUSED = {
    "no module": (lambda: (lambda x: x, F.mse_loss, (X, Y)), {}, "must be a torch.nn.Module"),
    "not scalar": (lambda: (sequential(), lambda o, y: o - y, (X, Y)), {}, r"shape \(9, 3\)"),
    "no number": (lambda: (sequential(), lambda o, y: 1.0, (X, Y)), {}, "must be one real number"),
    "reduction none": (
        lambda: (sequential(), nn.MSELoss(reduction="none"), (X, Y)),
        {},
        "returns many numbers",
    ),
    "other reduction": (
        lambda: (sequential(), nn.MSELoss(), (X, Y)),
        {"reduction": "sum"},
        "the loss itself has",
    ),
    "NaN": (bad_model, {}, "loss of the first batch is nan; parameters are not finite"),
    "NaN product": (
        lambda: (sequential(Root()), F.mse_loss, (X, Y)),
        {},
        "product with the first batch are",
    ),
    "no batches": (lambda: (sequential(), F.mse_loss, []), {}, "hold no batches"),
    "no samples": (lambda: (sequential(), F.mse_loss, (X[:0], Y[:0])), {}, "hold no batches"),
    "empty batch": (lambda: (sequential(), F.mse_loss, [(X[:0], Y[:0])]), {}, "has no samples"),
    "integers": (integer_model, {"parameters": "table"}, "table is of dtype torch.int64"),
    "no pattern": (sequential, {"parameters": "conv*"}, "no parameter fits 'conv.'; there are 0.w"),
    "empty pattern": (sequential, {"parameters": []}, "names no parameter"),
    "frozen": (frozen_model, {}, "all 2 parameters chosen are frozen"),
    "no parameters": (lambda: nn.Sequential(nn.ReLU()), {}, "has no parameters"),
    "random": (lambda: sequential(Noise()), {}, "something in it is random"),
    "buffers": (lambda: sequential(Counter()), {}, "changes its buffer 1.calls"),
    "targets' shape": (
        lambda: (sequential(), F.mse_loss, (X, Y[:, :1])),
        {},
        r"outputs have shape \(9, 3\)",
    ),
    "lengths": (lambda: (sequential(), F.mse_loss, (X, Y[:4])), {}, "x has 9 samples and y has 4"),
    "precision": (lambda: (sequential().float(), F.mse_loss, (X, Y)), {}, "does not take"),
    "inputs' width": (lambda: (sequential(), F.mse_loss, (X[:, :2], Y)), {}, "does not take"),
    "labels ignored": (
        lambda: (perceptron().double(), CE, (X, torch.full((9,), -100))),
        {},
        "targets are ignored",
    ),
    "part": (sequential, {"part": "hessian"}, "unknown part 'hessian'"),
    "method": (sequential, {"method": "magic"}, "unknown method 'magic'"),
    "dtype": (sequential, {"dtype": torch.float16}, "must be torch.float64 or torch.float32"),
    "graph of batches": (
        sequential,
        {"keep_graph": True, "batch_size": 2},
        "keep_graph needs data in one batch",
    ),
    "one sample": (
        lambda: (sequential(), lambda o, y: F.mse_loss(o, y), [(X[:1], Y[:1]), (X, Y)]),
        {},
        "first batch has one sample; say reduction",
    ),
    "neither mean nor sum": (
        lambda: (sequential(), lambda o, y: F.mse_loss(o, y) + 1 / len(o) ** 2, [(X, Y)] * 2),
        {},
        "neither the mean nor the sum",
    ),
    "labels ignored later": (
        lambda: (perceptron().double(), lambda o, y: CE(o, y), [(X, L), (X, L), (X, ignored(L))]),
        {},
        "but not of batch 3",
    ),
    "sum that is zero first": (
        lambda: (sequential(), lambda o, y: F.relu(o - y).sum(), [(X, Y + 99), (X, Y)]),
        {},
        "but not of batch 2",
    ),
    "labels ignored in proportion": (
        lambda: (
            perceptron().double(),
            lambda o, y: CE(o, y),
            [(X[:6], L[:6]), (X[:6], torch.where(torch.arange(6) % 2 == 0, L[:6], -100))],
        ),
        {},
        "but not of batch 2 with the first",
    ),
    "classes weighted, sorted": (
        lambda: (
            perceptron().double(),
            lambda o, y: F.cross_entropy(o, y, weight=torch.arange(1.0, o.shape[1] + 1).to(o)),
            [(X, 0 * L), (X, 0 * L + 1)],
        ),
        {},
        "but not of batch 2 with the first",
    ),
    "last of one is ignored": (
        lambda: (perceptron().double(), lambda o, y: CE(o, y), [(X, L), (X[:1], 0 * L[:1] - 100)]),
        {},
        "but not of batch 2 with the first",
    ),
    "zero in every batch": (
        lambda: (sequential(), lambda o, y: F.relu(o - y).sum(), [(X, Y + 99)] * 2),
        {},
        "it is 0 in every batch; say reduction",
    ),
    "penalty": (lambda: penalised((X, Y)), {}, r"beside its outputs \('[\w.]+' and \d others"),
    "penalty, batches": (lambda: penalised([(X, Y), (X, Y)]), {}, "let the model return"),
    "parallel": (lambda: nn.DataParallel(sequential()), {}, "give model.module"),
    "scripted": (lambda: torch.jit.script(sequential()), {}, "give the module it was made of"),
    "no labels": (lambda: (sequential(), F.mse_loss, {"input": X}), {}, "must have 'labels'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, options, message = REFUSED[name]
    made = make()
    arguments = made if isinstance(made, tuple) else (made, F.mse_loss, (X, Y))
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        from_torch(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_iterators_and_others_are_no_data():
    model = sequential()
    with pytest.raises(TypeError, match="can be read only once"):
        from_torch(model, F.mse_loss, iter([(X, Y)]))
    with pytest.raises(TypeError, match=r"must be a pair \(x, y\)"):
        from_torch(model, F.mse_loss, [(X, Y, Y)])
    with pytest.raises(TypeError, match="data must be tensors"):
        from_torch(model, F.mse_loss, 3)


def test_shuffled_loaders_that_leave_samples_out():
    dataset = torch.utils.data.TensorDataset(X, Y)
    loader = torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True, drop_last=True)
    with pytest.raises(ValueError, match="drops 1 of 9 samples"):
        from_torch(sequential(), F.mse_loss, loader)
    loader = torch.utils.data.DataLoader(dataset, batch_size=3, shuffle=True, drop_last=True)
    assert from_torch(sequential(), F.mse_loss, loader).total_count == 27


class Augmented(torch.utils.data.Dataset):
    """Another sample in every pass, from a generator that no one can restore."""

    generator = np.random.default_rng(0)

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return X[i] + float(self.generator.standard_normal()), Y[i]


def test_data_that_change_between_passes():
    with pytest.raises(ValueError, match="another first batch in the second pass"):
        from_torch(sequential(), F.mse_loss, Augmented())


def test_other_devices():
    model = sequential()
    with pytest.raises(ValueError, match="data lie on meta, the model on cpu"):
        from_torch(model, F.mse_loss, (X.to("meta"), Y.to("meta")))
    with pytest.raises(ValueError, match="meta device"):
        from_torch(sequential().to("meta"), F.mse_loss, (X, Y))


def test_products_that_overflow_later():
    model = sequential()
    operator = from_torch(model, F.mse_loss, (X, Y))
    with torch.no_grad():
        model[0].weight.fill_(torch.inf)
    with pytest.raises(ValueError, match="15 entries of the gradient are NaN or infinite"):
        operator.gradient()
    with torch.no_grad():
        model[0].weight.fill_(0.0)
    with pytest.raises(ValueError, match="expected 15 entries"):
        operator.unflatten(np.ones(3))
    with pytest.raises(ValueError, match="no parameter of this operator fits"):
        operator.submatrix("1.*")


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'rmtland\[torch\]'"):
        from_torch(None, None, None)

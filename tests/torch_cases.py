"""PyTorch models, losses and data that the adapters are tested over; skips without PyTorch."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
F = torch.nn.functional


def perceptron():
    layers = torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)
    return torch.nn.Sequential(*layers)


def convolutions():
    layers = (
        torch.nn.Conv2d(1, 2, 3),
        torch.nn.BatchNorm2d(2),
        torch.nn.Softplus(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(8, 3),
    )
    model = torch.nn.Sequential(*layers)
    model[1].running_var.uniform_(0.5, 2.0)
    return model


class Tied(torch.nn.Module):
    """An autoencoder whose decoder is the encoder transposed, and a tied embedding."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(4, 4, bias=False)
        self.decoder = torch.nn.Linear(4, 4)
        self.decoder.weight = self.encoder.weight

    def forward(self, x):
        return self.decoder(torch.tanh(self.encoder(x)))


class Attention(torch.nn.Module):
    """A small causal transformer over 7 tokens, input and output embeddings tied."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 4)
        self.layer = torch.nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, activation="gelu")
        self.head = torch.nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        mask = torch.nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        mask = mask.to(self.embedding.weight)
        hidden = self.layer(self.embedding(tokens), src_mask=mask, is_causal=True)
        return self.head(hidden).transpose(1, 2)


@contextmanager
def plain_kernels():
    """Attention and encoders by operations that have second derivatives."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        yield
    torch.backends.mha.set_fastpath_enabled(fast)


@dataclass(frozen=True)
class Case:
    """A model in evaluation mode, a loss, and ragged batches."""

    name: str
    model: torch.nn.Module
    loss: torch.nn.Module
    batches: list

    @property
    def whole(self):
        x, y = zip(*self.batches, strict=True)
        return torch.cat(x), torch.cat(y)

    @property
    def values(self):
        return {name: p.detach() for name, p in self.model.named_parameters()}

    def flat_loss(self):
        """Loss of all samples as a function of one flat vector, and that vector."""
        values = self.values
        x, y = self.whole

        def loss(theta):
            pieces = torch.split(theta, [v.numel() for v in values.values()])
            given = {
                k: t.reshape(v.shape) for (k, v), t in zip(values.items(), pieces, strict=True)
            }
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                return self.loss(torch.func.functional_call(self.model, given, (x,)), y)

        return loss, torch.cat([v.reshape(-1) for v in values.values()])

    def hessian(self):
        loss, theta = self.flat_loss()
        if (
            self.name == "transformer"
        ):  # derivatives of jacrev are wrong in layer norms, PyTorch 2.13
            return torch.func.jacrev(torch.func.grad(loss))(theta).numpy()
        return torch.func.hessian(loss)(theta).numpy()


def ragged(x, y, sizes=(5, 1, 3)):
    return list(zip(torch.split(x, sizes), torch.split(y, sizes), strict=True))


def made(name, build, loss, x, y):
    torch.manual_seed(0)
    return Case(name, build().double().eval(), loss, ragged(x, y))


def cases():
    g = torch.Generator().manual_seed(1)
    x = torch.randn(9, 4, generator=g, dtype=torch.float64)
    images = torch.randn(9, 1, 6, 6, generator=g, dtype=torch.float64)
    labels = torch.randint(0, 3, (9,), generator=g)
    tokens = torch.randint(0, 7, (9, 5), generator=g)
    following = tokens.roll(-1, 1).masked_fill(torch.rand(9, 5, generator=g) < 0.4, -100)
    classes = torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64)
    yield made("mlp-ce", perceptron, torch.nn.CrossEntropyLoss(), x, labels)
    yield made("mlp-mse", perceptron, torch.nn.MSELoss(), x, x[:, :3].sin())
    yield made("mlp-bce", perceptron, torch.nn.BCEWithLogitsLoss(), x, (x[:, :3] > 0).double())
    yield made("mlp-sum", perceptron, torch.nn.CrossEntropyLoss(reduction="sum"), x, labels)
    weighted = torch.nn.CrossEntropyLoss(weight=classes, ignore_index=0, label_smoothing=0.1)
    yield made("mlp-weighted", perceptron, weighted, x, labels)
    yield made("cnn", convolutions, torch.nn.CrossEntropyLoss(), images, labels)
    yield made("tied", Tied, torch.nn.MSELoss(), x, x)
    yield made("transformer", Attention, torch.nn.CrossEntropyLoss(), tokens, following)


CASES = list(cases())
BY_NAME = {case.name: case for case in CASES}

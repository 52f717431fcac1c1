"""The audit of PyTorch and JAX models, with losses of regression and classification."""

import numpy as np
import pytest

from rmtland.adapters import from_jax, from_torch
from rmtland.audit import Level, audit_operators, audit_spectra
from rmtland.audit.operator_audit import parts_of
from rmtland.spectrum import Spectrum


def check(operator, outputs, *levels):
    """Parts, ratio and ranges of an operator of 50 parameters or so."""
    levels = list(levels)
    parts = parts_of(operator)
    assert parts.phi == operator.shape[0] / outputs
    eye = np.eye(operator.shape[0])
    h, h0, h1 = (one @ eye for one in (parts.total, parts.gauss_newton, parts.residual))
    assert h == pytest.approx(h0 + h1, abs=1e-10)
    assert np.linalg.eigvalsh(h0).min() > -1e-10
    audit = audit_operators(
        operator, method="estimate", probes=6, steps=20, atoms=30, levels=levels, rng=0
    )
    exact = audit_spectra(
        *[Spectrum(np.linalg.eigvalsh(h))],
        gauss_newton=Spectrum(np.linalg.eigvalsh(h0)),
        residual=Spectrum(np.linalg.eigvalsh(h1)),
        phi=parts.phi,
        levels=levels,
    )
    nearest = min(exact.levels, key=lambda result: result.kolmogorov)
    assert exact.verdict.startswith(f"Nearest is level {nearest.number} ({nearest.name}): ")
    assert [result.level for result in audit.levels] == levels
    for result in audit.levels:
        low, high = result.kolmogorov_range
        assert low <= exact[result.level].kolmogorov <= high
    return audit


@pytest.mark.parametrize(
    ("loss", "levels"),
    [
        ("CrossEntropyLoss", [Level.MATCHED, Level.MEASURED_PARTS]),
        ("MSELoss", [Level.MEASURED_GAUSS_NEWTON]),
    ],
)
def test_torch_models(loss, levels):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    torch.manual_seed(0)
    layers = torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)
    model = torch.nn.Sequential(*layers).double()
    x = torch.randn(20, 4, dtype=torch.float64)
    y = torch.randint(3, (20,)) if loss == "CrossEntropyLoss" else torch.randn(20, 3).double()
    operator = from_torch(model, getattr(torch.nn, loss)(), [(x[:13], y[:13]), (x[13:], y[13:])])
    audit = check(operator, 60, *levels)
    assert "TorchOperator(Sequential" in audit.provenance["source"]
    assert audit.inapplicable[Level.DYSON]
    some = parts_of(operator.submatrix("2"))
    assert some.phi == 18 / 60


def test_a_torch_model_that_returns_its_loss_has_no_parts():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")

    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 4)

        def forward(self, x):
            return (self.layer(x) ** 4).mean()

    data = [{"x": torch.ones(5, 3, dtype=torch.float64)}]
    parts = parts_of(from_torch(Own().double(), None, data))
    assert parts.gauss_newton is None
    assert parts.phi is None


def test_jax_models():
    jax = pytest.importorskip("jax", reason="needs JAX: pip install 'rmtland[jax]'")
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(4, 5)) / 2, "v": rng.normal(size=(5, 3)) / 2}
    x, y = rng.normal(size=(20, 4)), rng.integers(3, size=20)

    def model(p, inputs):
        return jax.numpy.tanh(inputs @ p["w"]) @ p["v"]

    def loss(outputs, labels):
        logits = jax.nn.log_softmax(outputs)
        return -jax.numpy.take_along_axis(logits, labels[:, None], axis=1).mean()

    operator = from_jax(loss, params, (x, y), model=model, dtype="float64")
    check(operator, 60, Level.MATCHED)
    whole = from_jax(lambda p, b: loss(model(p, b[0]), b[1]), params, (x, y), dtype="float64")
    assert parts_of(whole).gauss_newton is None
    with pytest.raises(ValueError, match="needs from_jax"):
        whole.with_part("residual")

"""A GPT-2 of Hugging Face, built from a configuration without weights."""

import numpy as np
import pytest

from rmtland.adapters import from_torch

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
pytest.importorskip("transformers", reason="needs: pip install 'rmtland[transformers]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of the packages


@pytest.fixture(scope="module")
def language_model():
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=11,
        n_positions=8,
        n_embd=4,
        n_layer=1,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    return GPT2LMHeadModel(config).double().eval()


def tokens(rows, length, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 11, (rows, length), generator=generator)


def next_token(outputs, targets):
    logits = outputs.logits[:, :-1].flatten(0, 1)
    return torch.nn.functional.cross_entropy(logits, targets[:, 1:].flatten())


def test_the_loss_of_the_model_and_one_of_ones_own(language_model):
    x = tokens(3, 6, 0)
    own = from_torch(language_model, None, {"input_ids": x, "labels": x})
    other = from_torch(language_model, next_token, ({"input_ids": x}, x))
    v = np.random.default_rng(0).standard_normal(own.shape[0])
    assert own.loss() == pytest.approx(float(language_model(x, labels=x).loss), rel=1e-12)
    assert np.allclose(own @ v, other @ v, rtol=1e-3, atol=1e-5)  # theirs is in single precision
    names = [block.name for block in own.blocks]
    assert "transformer.wte.weight" in names  # tied to the head: once
    assert "lm_head.weight" not in names
    gradient = own.gradient()
    loss = language_model(x, labels=x).loss
    expected = torch.autograd.grad(loss, list(language_model.parameters()))
    assert np.allclose(gradient, torch.cat([g.reshape(-1) for g in expected]).numpy(), atol=1e-13)


def test_sequences_of_different_lengths_are_weighed_by_their_tokens(language_model):
    batches = [tokens(2, 6, 0), tokens(3, 4, 1)]
    data = [{"input_ids": x, "labels": x} for x in batches]
    operator = from_torch(
        language_model, next_token, data, count_targets=lambda y: y[:, 1:].numel()
    )
    shares = np.array([2 * 5, 3 * 3]) / 19
    each = [from_torch(language_model, None, one) for one in data]
    losses = [one.loss() for one in each]
    assert operator.loss() == pytest.approx(shares @ losses, rel=1e-6)
    v = np.ones(operator.shape[0])
    expected = sum(s * (one @ v) for s, one in zip(shares, each, strict=True))
    assert np.allclose(operator @ v, expected, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match="different shapes between batches"):
        from_torch(language_model, next_token, data)


def test_parts_and_layers(language_model):
    x = tokens(3, 6, 0)
    data = ({"input_ids": x}, x)
    parts = [
        from_torch(language_model, next_token, data, part=part, parameters="transformer.h.0.mlp")
        for part in ("total", "gauss_newton", "residual")
    ]
    total, gauss_newton, residual = (one.matmat(np.eye(one.shape[0])) for one in parts)
    assert abs(total - gauss_newton - residual).max() < 1e-14
    assert np.linalg.eigvalsh(gauss_newton)[0] > -1e-14
    with pytest.raises(ValueError, match="returns it itself"):
        from_torch(language_model, None, [{"input_ids": x, "labels": x}] * 2)

"""Spectra of weight matrices: bulk, spikes at a stated level, tails with errors that cover."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.adapters import weight_matrices
from rmtland.comparison import power_tail, spectra_of_weights
from rmtland.networks import MLP


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.fixture(scope="module")
def noises():
    draws = {str(i): noise(20, 40, seed=i) for i in range(400)}
    return list(spectra_of_weights(draws, level=0.1, resamples=2, goodness=99, rng=0))


def test_edge_test_holds_its_level(noises):
    """400 matrices: a share p has the standard error sqrt(p (1 - p)/400), four of them allowed;
    of the level itself a tenth for the expansion in 1/n (`scripts/bench_fits.py --jobs levels`).
    """
    found = np.mean([len(layer.spikes) > 0 for layer in noises])
    assert abs(found - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 400) + 0.01
    chances = np.array([layer.p_value for layer in noises])
    for level in (0.25, 0.5):
        error = np.sqrt(level * (1 - level) / 400)
        assert abs(np.mean(chances < level) - level) < 4 * error + level / 10


def test_p_values_of_bulks_are_uniform(noises):
    """The 99 matrices of the null are common to all: both shares have standard errors."""
    chances = np.array([layer.goodness for layer in noises if not len(layer.spikes)])
    for level in (0.1, 0.25, 0.5, 0.75):
        error = np.sqrt(level * (1 - level) * (1 / chances.size + 1 / 99))
        assert abs(np.mean(chances <= level) - level) < 4 * error


def test_p_values_of_bulks_beside_spikes():
    """Three strong signals in each of 60 matrices; one of 60 with heavy tails is seen."""
    spiked = {}
    for seed in range(60):
        matrix = noise(30, 60, seed=seed)
        matrix[[0, 1, 2], [0, 1, 2]] += np.array([4.0, 5.0, 7.0]) * np.sqrt(60)
        spiked[str(seed)] = matrix
    found = [x for x in spectra_of_weights(spiked, resamples=2, rng=0) if len(x.spikes) == 3]
    assert len(found) >= 50
    chances = np.array([layer.goodness for layer in found])
    for level in (0.25, 0.5, 0.75):
        error = np.sqrt(level * (1 - level) * (1 / chances.size + 1 / 99))
        assert abs(np.mean(chances <= level) - level) < 4 * error
    rng = np.random.default_rng(0)
    tails = spectra_of_weights(rng.standard_t(3, size=(100, 200)), rng=0)["weights"]
    assert tails.goodness == 0.01


def test_goodness_may_be_left_out():
    layer = spectra_of_weights(noise(12, 30), goodness=0, rng=0)["weights"]
    assert layer.goodness is None
    assert layer.to_dict()["goodness"] is None
    with pytest.raises(ValueError, match="at least 19 matrices; got 5"):
        spectra_of_weights(noise(12, 30), goodness=5)


def test_rank_deficient_tied_and_single_precision_weights():
    matrix = noise(40, 60)
    single = matrix[:, ::-1].astype(np.float32).T[::2]  # strided, of 30 rows
    one, other = (spectra_of_weights(x, rng=0)["weights"] for x in (single, single.astype(float)))
    assert one.goodness == other.goodness
    assert one.p_value == pytest.approx(other.p_value, rel=1e-5)
    for unit in (1e-8, 1e8):
        scaled = spectra_of_weights(unit * matrix, rng=0)["weights"]
        plain = spectra_of_weights(matrix, rng=0)["weights"]
        assert scaled.goodness == plain.goodness
        assert np.sqrt(scaled.law.scale) == pytest.approx(unit * np.sqrt(plain.law.scale))
        assert scaled.tail.exponent == pytest.approx(plain.tail.exponent, rel=1e-6)
    with pytest.raises(ValueError, match="all zero"):
        spectra_of_weights(np.zeros((9, 9)))
    with pytest.raises(ValueError, match="distinct"):
        spectra_of_weights(np.eye(20))
    deficient = noise(40, 30) @ np.diag(np.arange(30) < 25).astype(float) @ noise(30, 60)
    deficient = spectra_of_weights(deficient, rng=0)["weights"]
    assert deficient.goodness == 0.01  # 15 of 40 singular values are zero


@pytest.mark.parametrize("shape", [(30, 90), (90, 30), (16, 3, 4, 5)])
def test_spikes_are_found_with_their_strength(shape):
    matrix = noise(*shape, seed=1).reshape(shape[0], -1)
    long = max(matrix.shape)
    left, right = noise(shape[0], 2, seed=2), noise(matrix.shape[1], 2, seed=3)
    left, right = np.linalg.qr(left)[0], np.linalg.qr(right)[0]
    strengths = np.array([9.0, 5.0]) * np.sqrt(long)
    total = 0.3 * (matrix + left * strengths @ right.T)
    layer = spectra_of_weights({"w": total.reshape(shape)}, rng=0)["w"]
    assert len(layer.spikes) == 2
    assert abs(layer.signals / (0.3 * strengths) - 1).max() < 0.1
    assert np.sqrt(layer.law.scale) == pytest.approx(0.3, rel=0.05)
    assert layer.kolmogorov < 0.15
    assert layer.p_value < 1e-6
    assert np.allclose(layer.singular_values[::-1], np.linalg.svd(total, compute_uv=False))


def test_independent_entries_follow_the_law():
    layer = spectra_of_weights(noise(200, 500), rng=0)["weights"]
    assert layer.law.scale == pytest.approx(1.0, abs=0.01)
    assert layer.kolmogorov < 0.02
    assert layer.spikes.size == 0


def test_convolutions_are_unrolled_and_biases_left_out():
    kernel = noise(4, 3, 2, 2)
    matrices = weight_matrices({"conv": kernel, "bias": np.ones(4), "again": kernel})
    assert list(matrices) == ["conv"]
    assert np.array_equal(matrices["conv"], kernel.reshape(4, 12))
    net = MLP((10, 12, 9), bias=True)
    found = spectra_of_weights(net.unflatten(net.init(rng=0)), rng=0)
    assert [layer.shape for layer in found] == [(12, 10), (9, 12)]


def test_a_torch_model():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    layers = torch.nn.Conv2d(3, 8, 3), torch.nn.ConvTranspose2d(8, 5, 3), torch.nn.Linear(9, 9)
    model = torch.nn.Sequential(*layers, torch.nn.LayerNorm(9)).to(torch.bfloat16)
    matrices = weight_matrices(model)
    assert {name: m.shape for name, m in matrices.items()} == {
        "0.weight": (8, 27),
        "1.weight": (5, 72),
        "2.weight": (9, 9),
    }
    kernel = layers[1].weight.detach().double().numpy()
    assert np.array_equal(matrices["1.weight"], kernel.swapaxes(0, 1).reshape(5, 72))
    assert len(spectra_of_weights(model, rng=0)) == 2


def test_sparse_weights_are_read_and_those_without_values_refused():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    pruned = torch.randn(9, 12, generator=torch.Generator().manual_seed(0)).clamp(min=0.5)
    for sparse in (pruned.to_sparse(), {"w": pruned.to_sparse()}):
        (found,) = weight_matrices(sparse).values()
        assert np.array_equal(found, pruned.double().numpy())
    with pytest.raises(ValueError, match="the weights weight lie on the meta device"):
        weight_matrices(torch.nn.Linear(9, 9, device="meta"))


def test_kernels_of_transposed_convolutions_are_told_by_module_bias_or_name():
    """Rows are outputs: the Jacobian of the layer has in each the weights of one output."""
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    layer = torch.nn.ConvTranspose2d(8, 6, 2, groups=2)
    kernel = layer.weight.detach().double().numpy()  # (8, 3, 2, 2)
    matrix = weight_matrices(layer)["weight"]
    assert matrix.shape == (6, 16)
    for output in range(6):
        of_group = kernel[4 * (output // 3) :][:4, output % 3]
        assert np.array_equal(matrix[output], of_group.ravel())
    for given in (layer.state_dict(), {"up.weight": kernel, "up.bias": np.zeros(6)}):
        assert np.array_equal(next(iter(weight_matrices(given).values())), matrix)


def test_kernels_without_a_bias_are_transposed_where_they_are_named():
    kernels = {"up.weight": noise(8, 3, 2, 2), "down.weight": noise(8, 3, 2, 2)}
    assert [m.shape for m in weight_matrices(kernels).values()] == [(8, 12), (8, 12)]
    for pattern in ("up.*", ["up.weight"]):
        found = weight_matrices(kernels, transposed=pattern)
        assert [m.shape for m in found.values()] == [(3, 32), (8, 12)]
    with pytest.raises(ValueError, match=r"no kernel of a convolution fits 'away.*'; there are up"):
        weight_matrices(kernels, transposed="away.*")
    same = {"a.weight": noise(4, 4, 2, 2), "a.bias": np.zeros(4)}  # as a convolution has it
    assert np.array_equal(weight_matrices(same)["a.weight"], same["a.weight"].reshape(4, 16))


def test_tied_weights_of_a_state_dict_count_once():
    """Its tensors are other objects than the parameters; only their memory is the same."""
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    model = torch.nn.Sequential(torch.nn.Linear(9, 9), torch.nn.Linear(9, 9), torch.nn.Linear(9, 9))
    model[2].weight = model[0].weight
    assert list(weight_matrices(model)) == ["0.weight", "1.weight"]
    assert list(weight_matrices(model.state_dict())) == ["0.weight", "1.weight"]


def test_what_is_no_number_is_left_out_and_complex_weights_are_refused():
    kept = {"whole": np.arange(12).reshape(3, 4), "swapped": noise(3, 4).astype(">f4")}
    others = {
        "mask": np.ones((9, 9), dtype=bool),
        "words": np.full((9, 9), "1"),
        "none": np.ones((0, 9)),
    }
    found = weight_matrices({**kept, **others})
    assert list(found) == list(kept)
    assert all(np.array_equal(found[name], kept[name]) for name in kept)
    with pytest.raises(TypeError, match="the weights w are complex"):
        weight_matrices({"w": noise(4, 4) + 1j})


@pytest.mark.parametrize("size", [1e-200, 1e-76, 1e76, 1e200])
def test_entries_whose_squares_leave_double_precision_are_refused(size):
    with pytest.raises(ValueError, match="leave double precision"):
        spectra_of_weights(size * noise(20, 30), rng=0)


@pytest.mark.parametrize("size", [1e-70, 1e70])
def test_units_change_nothing(size):
    matrix = noise(20, 30)
    scaled, plain = (
        spectra_of_weights(c * matrix, rng=0, goodness=19, resamples=4)["weights"]
        for c in (size, 1.0)
    )
    for name in ("p_value", "kolmogorov", "goodness"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name), rel=1e-9)
    assert scaled.law.scale == pytest.approx(size**2 * plain.law.scale, rel=1e-12)


def test_tails_of_a_power_law():
    """Errors over 40 samples: of normal law 95 % within 2; 34 or fewer of 40 has the chance 1 %;
    rms 1 with deviation .11, four of them, and a fifth for the choice of the start.
    """
    scores = []
    for seed in range(40):
        values = np.random.default_rng(seed).pareto(1.5, size=300) + 1.0
        tail = power_tail(values, resamples=20, rng=seed)
        scores.append((tail.exponent - 2.5) / tail.error)
    assert np.sum(np.abs(scores) < 2) > 34
    rms = np.sqrt(np.mean(np.square(scores)))
    assert 0.8 - 4 * 0.11 < rms < 1.2 + 4 * 0.11


def test_tail_with_a_bulk_below():
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.uniform(0, 1, 500), generator.pareto(2.0, 500) + 1.0])
    tail = power_tail(values, rng=0)
    assert abs(tail.exponent - 3.0) < 3 * tail.error < 0.8
    assert 0.8 < tail.start < 2.0
    assert tail.size == np.sum(values >= tail.start)


def test_table_json_and_figure():
    found = spectra_of_weights({"a": noise(12, 30), "b": noise(40, 10, seed=1)}, rng=0)
    heads, *rows = found.rows()
    assert [row[0] for row in rows] == ["a", "b"]
    assert len(heads) == len(rows[0])
    text = json.loads(json.dumps(found.to_dict()))
    assert text["layers"][1]["rows"] == 40
    axes = Figure().subplots(1, 2)
    artists = found.plot(axes)
    assert len(artists) >= 4
    assert "40 x 10" in axes[1].get_legend_handles_labels()[1][0]
    assert "<td>a</td>" in found._repr_html_()
    assert "2 layers" in repr(found)
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    assert list(found.to_dataframe()["layer"]) == ["a", "b"]
    assert pandas is not None


def test_a_matrix_without_a_law_leaves_the_others():
    weights = {"a": noise(12, 30), "zero": np.zeros((9, 9)), "b": noise(40, 10, seed=1)}
    found = spectra_of_weights(weights, goodness=0, rng=0)
    assert [layer.name for layer in found] == ["a", "b"]
    assert found.refused == {"zero": "the weights zero are all zero"}
    assert found.to_dict()["refused"] == found.refused
    assert repr(found).endswith(", 1 matrices refused)")
    assert "the weights zero are all zero" in found._repr_html_()
    with pytest.raises(ValueError, match=r"beside any of 2 weights; x: .* all zero"):
        spectra_of_weights({"x": np.zeros((9, 9)), "y": np.eye(20)[:, :5] @ noise(5, 30)})


def test_refused():
    with pytest.raises(ValueError, match="no weight matrix of at least 8 rows"):
        spectra_of_weights({"a": noise(3, 4)})
    with pytest.raises(ValueError, match="NaN or infinite"):
        spectra_of_weights({"a": noise(9, 9) * np.nan})
    with pytest.raises(ValueError, match="half of the singular values are zero"):
        spectra_of_weights({"a": np.eye(20)[:, :5] @ noise(5, 30)})
    with pytest.raises(ValueError, match="level must lie between"):
        spectra_of_weights(noise(9, 9), level=1.5)
    with pytest.raises(TypeError, match="expected a model with named_parameters"):
        spectra_of_weights(3)
    with pytest.raises(KeyError, match="no layer 'x'"):
        spectra_of_weights(noise(9, 9))["x"]
    with pytest.raises(ValueError, match="at least 10 different positive"):
        power_tail([1.0, 2.0, 3.0])


@pytest.mark.parametrize("rest", [np.zeros((10, 40)), noise(10, 40)])
def test_half_of_the_rows_zero_or_repeated(rest):
    """Repeated rows made ten spikes above chance, zero ones a division by zero."""
    with pytest.raises(ValueError, match="half of the singular values are zero"):
        spectra_of_weights(np.concatenate([noise(10, 40), rest]), goodness=0, rng=0)


def test_masks_and_mappings_of_mappings_are_no_weights():
    weights = np.ma.masked_greater(noise(9, 20), 1.0)
    with pytest.raises(ValueError, match="a mask is not kept"):
        weight_matrices({"a": weights})
    with pytest.raises(ValueError, match="'params' is a mapping itself"):
        weight_matrices({"params": {"kernel": noise(9, 20)}})

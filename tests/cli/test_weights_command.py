"""`rmtland weights`: anybody's weight matrices, from a function or a file, as table and JSON."""

import json
import sys
import tracemalloc

import numpy as np
import pytest

from rmtland.adapters.weight_files import read_weights
from rmtland.comparison import spectra_of_weights

LOOK_AT_PICTURES = {"test_a_function_that_returns_arrays"}
OWN = """
import numpy as np

def weights():
    draw = np.random.default_rng(1).standard_normal
    first = draw((20, 30))
    first[:] += 1.0
    convolution = {"b.weight": draw((9, 3, 2, 2)), "b.bias": draw(9)}
    return {"a.weight": first, **convolution, "c": np.zeros((9, 9))}

def model():
    import torch
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Linear(9, 9)), None, None

def scalar():
    return 3
"""
FAST = ("--goodness", "0", "--resamples", "4", "--out", "o")


@pytest.fixture(autouse=True)
def own(rmtland, monkeypatch):
    """A module of the user's in the folder of the command."""
    with open("own.py", "w") as stream:
        stream.write(OWN)
    monkeypatch.delitem(sys.modules, "own", raising=False)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def safetensors(path, tensors, *, kinds=None):
    """Write a safetensors file by its definition; kinds are dtypes that NumPy does not know."""
    names = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64"}
    head, body = {"__metadata__": {"format": "pt"}}, b""
    for name, array in tensors.items():
        kind = (kinds or {}).get(name, names.get(array.dtype.name))
        place = [len(body), len(body) + array.nbytes]
        head[name] = {"dtype": kind, "shape": array.shape, "data_offsets": place}
        body += array.tobytes()
    text = json.dumps(head).encode()
    with open(path, "wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text + body)


def test_a_function_that_returns_arrays(rmtland):
    result = rmtland("weights", "own:weights", *FAST, "--json", "numbers.json")
    assert (result.code, result.err) == (0, "")
    assert "own:weights: 2 weight matrices, spikes at level 0.05" in result.out
    assert "c was left out: the weights c are all zero" in result.out
    files = ["numbers.json", "o/weights.json", "o/weights.png", "own.py"]
    assert [name for name in result.written if "pycache" not in name] == files
    report = json.loads((result.folder / "numbers.json").read_text())
    assert report == json.loads((result.folder / "o/weights.json").read_text())
    assert [layer["layer"] for layer in report["layers"]] == ["a.weight", "b.weight"]
    assert [layer["spikes"] for layer in report["layers"]] == [1, 0]
    assert [layer["columns"] for layer in report["layers"]] == [30, 12]
    assert set(report["refused"]) == {"c"}


@pytest.mark.parametrize("kind", ["npz", "npy", "safetensors"])
def test_files_give_the_numbers_of_the_arrays(rmtland, kind):
    arrays = {"w": drawn(12, 20)} if kind != "npy" else {"weights": drawn(12, 20)}
    (name, matrix), *_ = arrays.items()
    if kind == "npz":
        np.savez("file.npz", **arrays, bias=np.ones(3))
    elif kind == "npy":
        np.save("file.npy", matrix)
    else:
        safetensors("file.safetensors", {**arrays, "ids": np.zeros((9, 9), dtype=np.int64)})
    result = rmtland("weights", f"file.{kind}", *FAST, "--json", "-", "--format", "svg")
    assert result.code == 0
    report = json.loads(result.out)
    expected = spectra_of_weights(arrays, goodness=0, resamples=4, rng=0).to_dict()
    assert report["layers"] == json.loads(json.dumps(expected["layers"]))
    assert report["layers"][0]["layer"] == name
    assert "wrote o/weights.svg" in result.err


def test_layers_by_pattern(rmtland):
    result = rmtland("weights", "own:weights", *FAST, "--layers", "b.*, a.*", "--json", "-")
    assert [layer["layer"] for layer in json.loads(result.out)["layers"]] == [
        "a.weight",
        "b.weight",
    ]
    result = rmtland("weights", "own:weights", *FAST, "--layers", "d*")
    assert (result.code, "no weight matrix fits 'd*'; there are a.weight" in result.err) == (
        2,
        True,
    )


def test_a_torch_model(rmtland):
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
    result = rmtland("weights", "own.py:model", *FAST, "--json", "-")
    assert [v["columns"] for v in json.loads(result.out)["layers"]] == [27, 9]


def test_half_precision_of_safetensors():
    single = drawn(4, 5).astype(np.float32)
    upper = (single.view(np.uint32) >> 16).astype(np.uint16)
    half = drawn(3, 4).astype(np.float16)
    safetensors("two.safetensors", {"b": upper, "h": half}, kinds={"b": "BF16"})
    found = read_weights("two.safetensors")
    assert abs(found["b"] / single - 1).max() < 2.0**-7
    assert np.array_equal(found["b"].view(np.uint32) & 0xFFFF, np.zeros((4, 5)))
    assert np.array_equal(found["h"], half)


def test_kernels_of_transposed_convolutions_in_a_file(rmtland):
    safetensors("up.safetensors", {"up.weight": drawn(20, 9, 2, 2), "down.weight": drawn(9, 9, 2)})
    result = rmtland("weights", "up.safetensors", *FAST, "--transposed", "up.*", "--json", "-")
    shapes = [(one["rows"], one["columns"]) for one in json.loads(result.out)["layers"]]
    assert shapes == [(9, 80), (9, 18)]


def test_tensors_of_a_file_are_in_memory_once():
    sizes = {f"w{i}": drawn(300, 300, seed=i) for i in range(8)}
    safetensors("large.safetensors", {**sizes, "ids": np.zeros(200_000, dtype=np.int64)})
    tracemalloc.start()
    found = read_weights("large.safetensors")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(np.array_equal(found[name], array) for name, array in sizes.items())
    assert peak < 1.05 * sum(array.nbytes for array in sizes.values())


def test_damaged_files_are_refused():
    safetensors("whole.safetensors", {"w": drawn(4, 5)})
    with open("whole.safetensors", "rb") as stream:
        content = stream.read()
    for cut in (0, 7, 20, len(content) - 1):
        with open("cut.safetensors", "wb") as stream:
            stream.write(content[:cut])
        with pytest.raises(ValueError, match="cut short"):
            read_weights("cut.safetensors")
    for old, new, message in (
        (b"[4, 5]", b"[4, 6]", "has 160 bytes, not 192"),
        (b"[4, 5]", b"[-4,5]", "is damaged"),
        (b'"F64"', b'"F99"', "has the dtype F99"),
        (b'"shape"', b'"shade"', "is damaged"),
        (b'{"__m', b'["__m', "is no JSON"),
    ):
        with open("bad.safetensors", "wb") as stream:
            stream.write(content.replace(old, new))
        with pytest.raises(ValueError, match=message):
            read_weights("bad.safetensors")


ENTRY = '{"dtype": "F64", "shape": [4, 5], "data_offsets": [0, 160]}'


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("[" * 100_000, "its head is no JSON"),
        (f'{{"w": {ENTRY}, "w": {ENTRY}}}', "'w' stands there twice"),
        (f'{{"w": {ENTRY}, "v": {ENTRY}}}', "'v' and 'w' share bytes"),
        (f'{{"w": {ENTRY}, "v": {ENTRY.replace("F64", "I64")}}}', "'v' and 'w' share bytes"),
        (f'{{"w": {ENTRY.replace("160", "Infinity")}}}', "the entry of 'w' in the head is damaged"),
        (f'{{"w": {ENTRY.replace("160", "NaN")}}}', "the entry of 'w' in the head is damaged"),
        (
            f'{{"w": {ENTRY.replace("4, 5", "4.2, 5.9")}}}',
            "the entry of 'w' in the head is damaged",
        ),
        (f'{{"w": {ENTRY.replace("[4, 5]", chr(34) + "45" + chr(34))}}}', "the entry of 'w'"),
        (f'{{"w": {ENTRY.replace("4, 5", "-4, -5")}}}', "the entry of 'w' in the head is damaged"),
        (f'{{"w": {ENTRY.replace("0, 160", "160, 0")}}}', "'w' is not all there"),
    ],
)
def test_hostile_heads_are_refused(head, message):
    with open("hostile.safetensors", "wb") as stream:
        stream.write(len(head).to_bytes(8, "little") + head.encode() + drawn(4, 5).tobytes())
    with pytest.raises(ValueError, match=message):
        read_weights("hostile.safetensors")


def test_an_archive_under_the_name_of_a_matrix_is_read_as_one():
    np.savez("archive.npz", first=drawn(3, 4))
    with open("archive.npz", "rb") as source, open("archive.npy", "wb") as target:
        target.write(source.read())
    assert np.array_equal(read_weights("archive.npy")["first"], drawn(3, 4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.npz",), "no file none.npz"),
        (("model.pt",), "is pickled"),
        (("own.py",), "weights are read from .npy, .npz, .safetensors"),
        (("own:scalar",), "expected a model with named_parameters"),
        (("own:nothing",), "own has no function 'nothing'"),
        (("text.npz",), "holds no arrays of numbers"),
        (("own:weights", "--min-size", "40"), "no weight matrix of at least 40 rows"),
        (("own:weights", "--layers", "c"), "the weights c are all zero"),
        (("own:weights", "--level", "2"), "level must lie between"),
        (("own:weights", "--resamples", "1"), "error: resamples must be an integer of at least 2"),
        (("own:weights", "--seed", "-1"), "error: seed must be an integer of at least 0; got -1"),
        (("own:weights", "--goodness", "3"), "goodness must be 0, or at least 19"),
    ],
)
def test_bad_input_is_one_line(rmtland, arguments, message):
    with open("text.npz", "w") as stream:
        stream.write("no archive")
    result = rmtland("weights", *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not [name for name in result.written if name.startswith("rmtland-output")]

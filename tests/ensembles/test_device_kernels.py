"""The kernels of a device: what a C++ compiler makes of them is compared with NumPy references."""

import runpy
from pathlib import Path

import cpp_kernels
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st

from rmtland.ensembles import sturm
from rmtland.ensembles.device import kernels, philox
from rmtland.ensembles.device.tridiagonal import eigenvalues_of, pivots_of

SCRIPTS = Path(__file__).parents[2] / "scripts"
KEYS = np.array([[7, 0], [7, 1], [2**63 + 11, 2**40]], dtype=np.uint64)
compiled = pytest.mark.skipif(cpp_kernels.COMPILER is None, reason="there is no C++ compiler")
cpp = cpp_kernels.KERNELS


# Philox -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [(0, 0), (7, 1), (2**64 - 1, 2**63 + 5)])
@pytest.mark.parametrize("counter", [(0, 0, 0, 0), (5, 2, 7, 0), (2**64 - 2, 9, 2**64 - 1, 3)])
def test_philox_is_that_of_numpy(key, counter):
    """NumPy's generator steps its counter before it draws."""
    whole = sum(word << 64 * i for i, word in enumerate(counter)) - 1
    before = np.array([whole % 2**256 >> 64 * i & 2**64 - 1 for i in range(4)], dtype=np.uint64)
    bits = np.random.Philox(counter=before, key=np.array(key, dtype=np.uint64))
    words = [int(word[0]) for word in philox.philox(counter, key)]
    assert words == [int(word) for word in bits.random_raw(4)]


@given(st.integers(0, 40), st.integers(0, 30), st.integers(0, 2**64 - 1), st.integers(1, 3))
def test_any_stretch_and_any_runs_give_the_same_integers(first, count, stream, runs):
    whole = philox.integers(KEYS, stream, 0, 80)
    found = philox.integers(KEYS[:runs], stream, first, count)
    np.testing.assert_array_equal(found, whole[:runs, first : first + count])


def test_runs_and_streams_differ():
    words = np.concatenate([philox.integers(KEYS, stream, 0, 1000) for stream in range(3)])
    assert np.unique(words).size == words.size == 9000
    ones = np.unpackbits(words.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 5 * 0.5 / np.sqrt(64 * words.size)


@compiled
@settings(max_examples=30)
@given(st.integers(0, 2000), st.integers(0, 300), st.integers(0, 2**64 - 1))
def test_kernels_give_the_same_integers(first, count, stream):
    np.testing.assert_array_equal(
        cpp.fill("integers", KEYS, stream, first, count),
        philox.integers(KEYS, stream, first, count),
    )


@compiled
@pytest.mark.parametrize("kind", ["normals", "uniforms"])
def test_kernels_give_the_same_floats(kind):
    reference = getattr(philox, kind)(KEYS, 3, 5, 4001)
    found = cpp.fill(kind, KEYS, 3, 5, 4001)
    np.testing.assert_allclose(found, reference, rtol=8 * 2.0**-52, atol=0)
    single = cpp.fill(kind, KEYS, 3, 5, 4001, "float32")
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, found.astype(np.float32))


DEGREES = [
    (1e-3, 0.0, 1.0),
    (0.6, 0.0, 1.0),
    (3000.0, 1.0, 1.0),
    (500.0, 1.0, 2.5),
    (1e12, 1.0, 4.0),
]


@compiled
@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("logarithm", [False, True])
def test_kernels_give_the_same_chi_squares(degrees, logarithm):
    reference = philox.chisquares(KEYS, 1, 11, 2000, degrees, logarithm=logarithm)
    found = cpp.chisquares(KEYS, 1, 11, 2000, degrees, logarithm=logarithm)
    finite = np.isfinite(reference)
    np.testing.assert_array_equal(finite, np.isfinite(found))
    # exp(log(u) / a) has a relative error of |log u| / a roundings
    slack = 64 * 2.0**-52 * (1 if degrees[0] > 1 else 40 / degrees[0])
    np.testing.assert_allclose(found[finite], reference[finite], rtol=slack, atol=slack * logarithm)


@pytest.mark.parametrize("degrees", [0.1, 0.5, 1.0, 2.0, 7.5, 1e4, 1e9])
def test_chi_squares_have_their_distribution(degrees):
    """Kolmogorov at 1e-6; the scale of large ones shows in the fluctuations."""
    values = philox.chisquares(KEYS[:1], 0, 0, 20000, (degrees, 0.0, 1.0)).ravel()
    assert scipy.stats.kstest(values, scipy.stats.chi2(degrees).cdf).pvalue > 1e-6


def test_logarithms_do_not_underflow():
    logarithms = philox.chisquares(KEYS, 0, 0, 4000, (1e-3, 0.0, 1.0), logarithm=True)
    assert np.isfinite(logarithms).all()
    assert logarithms.min() < -1000


@pytest.mark.parametrize(
    ("kind", "law"), [("normals", scipy.stats.norm), ("uniforms", scipy.stats.uniform)]
)
def test_distributions(kind, law):
    values = getattr(philox, kind)(KEYS, 2, 0, 30000)
    assert scipy.stats.kstest(values.ravel(), law.cdf).pvalue > 1e-6
    lags = [np.corrcoef(values[0, :-k], values[0, k:])[0, 1] for k in (1, 2, 3, 4)]
    lags += [np.corrcoef(values[0], values[1])[0, 1]]
    assert max(map(abs, lags)) < 5 / np.sqrt(30000)


# Sturm sequences --------------------------------------------------------------------------------


def matrices(runs, size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((runs, size)), rng.standard_normal((runs, size - 1))


@compiled
@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 17, 100])
def test_sweeps_count_as_the_reference_does(size):
    diagonal, off = matrices(3, size)
    shifts = np.tile(np.concatenate([[-np.inf], np.linspace(-4, 4, 97), [np.inf]]), (3, 1))
    squares = np.concatenate([np.zeros((3, 1)), off**2], axis=1)
    state, counts = np.ones(shifts.shape), np.zeros(shifts.shape, dtype=np.int64)
    for start in range(0, size, 13):  # blocks of rows
        rows = np.s_[:, start : start + 13]
        cpp.sweep(diagonal[rows], squares[rows], pivots_of(squares, np), shifts, state, counts)
    for run in range(3):
        reference = sturm.count_below_reference(diagonal[run], off[run], shifts[run])
        np.testing.assert_array_equal(counts[run], reference)
        np.testing.assert_array_equal(
            counts[run], sturm.count_below(diagonal[run], off[run], shifts[run])
        )


@compiled
def test_zero_pivots_are_replaced():
    diagonal, off = np.zeros((1, 6)), np.ones((1, 5))  # 2 cos(k pi / 7)
    values = eigenvalues_of(diagonal, off, cpp, 0, 6)
    np.testing.assert_allclose(values[0], -2 * np.cos(np.arange(1, 7) * np.pi / 7), atol=1e-15)


@compiled
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_bisection_finds_the_eigenvalues(scale):
    diagonal, off = (scale * part for part in matrices(2, 40))
    exact = np.array(
        [
            np.linalg.eigvalsh(np.diag(d) + np.diag(e, 1) + np.diag(e, -1))
            for d, e in zip(diagonal, off, strict=True)
        ]
    )
    found = eigenvalues_of(diagonal, off, cpp, 0, 40)
    np.testing.assert_allclose(found, exact, atol=1e-14 * scale, rtol=0)
    np.testing.assert_array_equal(eigenvalues_of(diagonal, off, cpp, 35, 4), found[:, 35:39])


# Compilers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["philox", "sturm"])
@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_nvrtc_compiles_every_source(name, architecture):
    nvrtc = pytest.importorskip("cupy.cuda.nvrtc", reason="CuPy is not installed")
    try:
        program = nvrtc.createProgram(kernels.source(name), f"{name}.cu", (), ())
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"NVRTC is not installed: {error}")
    nvrtc.compileProgram(program, (*kernels.OPTIONS, f"--gpu-architecture={architecture}"))
    text = nvrtc.getPTX(program).decode()
    names = {"philox": ["integers", "normals_float32", "chisquares"], "sturm": ["sweep", "bisect"]}
    for kernel in names[name]:
        assert f".entry {kernel}(" in text
    assert (
        "fma.rn.f64" not in text.split(".entry sweep(")[-1].split(".entry")[0] or name == "philox"
    )


def test_the_host_has_no_kernels():
    from rmtland.arrays import ArrayLibrary

    assert kernels.kernels_of(ArrayLibrary.of()) is None


def test_benchmarks_run_at_small_sizes(monkeypatch):
    """What `scripts/check_device.py` measures on a device; every check in it holds here too."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script = runpy.run_path(str(SCRIPTS / "device_samplers.py"))
    for name, case in script["CASES"].items():
        found = case(small=True)
        checks = [found, *(row for row in found.values() if isinstance(row, dict))]
        checks = [row["ok"] for row in checks if "ok" in row]
        assert checks, name
        assert all(checks), name

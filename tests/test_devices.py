"""What takes arrays takes them on any device: eigenvalues, matrices, points of laws.

Data are on array-api-strict's second device, which refuses implicit conversion, or are PyTorch
tensors on the CPU while the default device is one that holds no numbers. Laws, distances and fits
answer on the CPU, with NumPy arrays.
"""

import inspect
import sys

import numpy as np
import pytest
from device_places import PLACES, put_strict, putting
from transfer_counter import counted_transfers

from rmtland import (
    EmpiricalLaw,
    GaussianEnsemble,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    Uniform,
    compare,
    fit,
    goodness_of_fit,
    kolmogorov_distance,
    measure,
    nonlinear_shrinkage,
    overlay,
    signals,
    spectra_of_weights,
    spike_strengths,
    wasserstein_distance,
)
from rmtland.arrays import array_namespace, is_on_device
from rmtland.comparison import outliers, power_tail
from rmtland.laws import Discrete
from rmtland.spectrum import inertia

VALUES = np.linalg.eigvalsh(GaussianEnsemble().matrix(40, rng=1))
WIDE = np.random.default_rng(2).standard_normal((12, 15))
COVARIANCES = np.linalg.eigvalsh(np.cov(np.random.default_rng(3).standard_normal((40, 200))))
POINTS = np.linspace(-1.5, 2.5, 7)


def matrix(kind=float):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((12, 12))
    if kind is complex:
        a = a + 1j * rng.standard_normal((12, 12))
    return a + a.conj().T


@pytest.fixture(params=PLACES)
def put(request):
    """Return a function that puts arrays on a device that is not the default one."""
    with putting(request.param) as function:
        yield function


SURFACE = {
    "from_eigenvalues": lambda put: Spectrum.from_eigenvalues(put(VALUES)).nodes,
    "nodes and weights": lambda put: Spectrum(
        put(VALUES), put(np.full(40, 1 / 40)), dimension=100
    ).mean(),
    "from_matrix": lambda put: Spectrum.from_matrix(put(matrix())).nodes,
    "from_matrix, complex": lambda put: Spectrum.from_matrix(put(matrix(complex))).nodes,
    "from_matrix, stack": lambda put: (
        Spectrum.from_matrix(put(np.stack([matrix(), 2 * matrix()]))).nodes
    ),
    "inertia": lambda put: inertia(put(matrix()), 0.3),
    "cdf of a spectrum": lambda put: Spectrum.from_eigenvalues(put(VALUES)).cdf(put(POINTS)),
    "histogram": lambda put: GaussianEnsemble().histogram(30, put(POINTS), rng=0),
    "compare": lambda put: (
        compare(Spectrum.from_eigenvalues(put(VALUES)), Semicircle(1.0)).kolmogorov
    ),
    "fit": lambda put: fit(Spectrum.from_eigenvalues(put(VALUES)), Semicircle).defect,
    "kolmogorov_distance": lambda put: (
        kolmogorov_distance(Spectrum.from_eigenvalues(put(VALUES)), Semicircle(1.0)).value
    ),
    "wasserstein_distance": lambda put: (
        wasserstein_distance(Spectrum.from_eigenvalues(put(VALUES)), Semicircle(1.0)).value
    ),
    "outliers": lambda put: outliers(
        Spectrum.from_eigenvalues(put(np.append(VALUES, 5.0))), Semicircle(1.0)
    ),
    "goodness of fit": lambda put: (
        goodness_of_fit(
            Spectrum.from_eigenvalues(put(VALUES)), GaussianEnsemble(), resamples=19, rng=0
        ).p_value
    ),
    "nonlinear_shrinkage": lambda put: (
        nonlinear_shrinkage(
            put(COVARIANCES), samples=200, population=Discrete((1.0,), (1.0,))
        ).values
    ),
    "spike_strengths": lambda put: spike_strengths(put([5.0, 4.0]), Semicircle(1.0))[0].value,
    "signals": lambda put: (
        signals(Spectrum.from_eigenvalues(put(np.append(VALUES, 6.0))), Semicircle(1.0)).count
    ),
    "power_tail": lambda put: power_tail(put(np.exp(VALUES)), rng=0).exponent,
    "overlay": lambda put: len(
        overlay(Spectrum.from_eigenvalues(put(VALUES)), Semicircle(1.0)).comparisons
    ),
    "measure": lambda put: measure(
        put(matrix()), probes=3, steps=6, eigenpairs=2, rng=0
    ).spectrum.mean(),
    "spectra_of_weights": lambda put: [
        layer.shape for layer in spectra_of_weights({"W": put(WIDE)}, rng=0).layers
    ],
    "empirical law": lambda put: EmpiricalLaw(put(VALUES)).cdf(put(POINTS)),
    "discrete law": lambda put: Discrete(put([0.0, 1.0]), put([0.5, 0.5])).cdf(put(POINTS)),
    "sampled matrix": lambda put: (
        Spectrum.from_matrix(put(GaussianEnsemble().matrix(9, rng=4))).nodes
    ),
}
for name in ("pdf", "cdf", "sf", "stieltjes"):
    for law in (MarchenkoPastur(0.5), Semicircle(1.0), Uniform(0.0, 1.0)):
        shift = 1j if name == "stieltjes" else 0.0
        SURFACE[f"{name} of {law}"] = lambda put, law=law, name=name, shift=shift: getattr(
            law, name
        )(put(POINTS + shift))
for name in ("ppf", "isf"):
    SURFACE[name] = lambda put, name=name: getattr(MarchenkoPastur(0.5), name)(put([0.1, 0.7]))
for name in ("smoothed_pdf", "smoothed_cdf"):
    SURFACE[name] = lambda put, name=name: getattr(MarchenkoPastur(0.5), name)(put(POINTS), eta=0.1)


ELSEWHERE = {
    "law_of": "takes a theory, no arrays",
    "goodness_of_fit": "goodness of fit",
}


def test_every_function_of_spectra_is_in_the_table():
    """A function that is added to the rooms of spectra is called with device arrays above."""
    import rmtland.comparison
    import rmtland.spectrum

    for room in (rmtland.comparison, rmtland.spectrum):
        for name in room.__all__:
            if inspect.isfunction(getattr(room, name)):
                assert name in SURFACE or name in ELSEWHERE, name


@pytest.mark.parametrize("name", SURFACE)
def test_device_arrays_are_taken(name, put):
    want = SURFACE[name](np.asarray)
    got = SURFACE[name](put)
    assert type(got) is type(want)
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-12, atol=1e-13)


def test_faults_of_matrices_on_a_device_are_named():
    skew = matrix()
    skew[0, 1] += 1e-6
    for bad, text in (
        (skew, "not symmetric"),
        (skew * (1 + 0j), "not Hermitian"),
        (np.ones((2, 3)), "shape"),
        (np.ones((0, 0)), "empty"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.array([[1.0, np.inf], [0.0, 1.0]]), "infinite"),
    ):
        with pytest.raises(ValueError, match=text):
            Spectrum.from_matrix(put_strict(bad))
    assert Spectrum.from_matrix(put_strict(skew.astype(np.float32))).precision == "float32"
    with counted_transfers() as found:
        Spectrum.from_matrix(put_strict(matrix()))
    assert found.waits == 2  # what is checked, and the eigenvalues


@pytest.mark.parametrize("rows", [1, 5, 12])
def test_every_entry_of_a_large_matrix_is_compared_with_its_mirror(rows, monkeypatch):
    """Block of rows by block of rows; of a stack, the matrix at fault has its own scale."""
    xp = pytest.importorskip("array_api_strict")
    monkeypatch.setattr("rmtland.spectrum.matrices._ROWS", 12 * rows)
    sound = np.stack([matrix(complex), 1e6 * matrix(complex)])
    nodes = Spectrum.from_matrix(xp.asarray(sound, device=xp.Device("device1"))).nodes
    np.testing.assert_array_equal(nodes, [np.linalg.eigvalsh(one) for one in sound])
    for i, j in [(0, 11), (11, 0), (4, 5), (5, 4), (6, 6), (11, 11)]:
        for change, text in ((1e-6j, "not Hermitian"), (np.nan, "NaN"), (np.inf, "infinite")):
            bad = sound.copy()
            bad[0, i, j] += change
            with pytest.raises(ValueError, match=text):
                Spectrum.from_matrix(xp.asarray(bad, device=xp.Device("device1")))


def test_what_is_on_a_device():
    xp = pytest.importorskip("array_api_strict")
    assert is_on_device(xp.ones(2, device=xp.Device("device1")))
    assert not is_on_device(xp.ones(2))
    assert not any(is_on_device(one) for one in (np.ones(2), [1.0], 2.0, None, Semicircle(1.0)))
    torch = pytest.importorskip("torch")
    assert not is_on_device(torch.ones(2))
    assert is_on_device(torch.ones(2, device="meta"))


def test_a_missing_package_is_named(monkeypatch):
    xp = pytest.importorskip("array_api_strict")
    array = xp.eye(2, device=xp.Device("device1"))
    monkeypatch.setitem(sys.modules, "array_api_compat", None)
    for function in (Spectrum.from_matrix, array_namespace):
        with pytest.raises(ImportError, match=r"array.api.compat"):
            function(array)


def test_eigenvalue_signals_take_device_arrays(put):
    spectrum = Spectrum.from_eigenvalues(put(np.append(VALUES, 6.0)))
    assert signals(spectrum, Semicircle(1.0)).count >= 1
    assert power_tail(Spectrum.from_eigenvalues(put(np.exp(VALUES)))).exponent > 0

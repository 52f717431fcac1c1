"""Passes over a Krylov basis: the kernels against the formulas, by a C++ compiler and on a card."""

import shutil
import subprocess

import numpy as np
import pytest
from device_places import cupy_with_a_card

from rmtland.estimate.device_basis import (
    INNER,
    REMOVE,
    TAKEN,
    begun,
    ended,
    inner_products,
    less,
    removed,
    row_dots,
)
from rmtland.estimate.placement import HOST, Placement

KERNELS = """
#include <cmath>
#include <cstdio>
#include <complex>
using std::conj;
typedef %s T; typedef %s B;
int main() {
    long long used = %d, runs = %d, length = %d, stride = %d;
    static B basis[4096]; static T u[4096], h[4096], partial[65536];
    for (B& each : basis) each = NAN;  // nothing but what is given may be read
    const bool due[8] = {%s};
    double re, im;
    for (long long n = 0; n < used * runs * length; ++n) { scanf("%%lf %%lf", &re, &im); basis[n] = %s; }
    for (long long n = 0; n < runs * length; ++n) { scanf("%%lf %%lf", &re, &im); u[n] = %s; }
    for (long long i = 0; i < runs * stride; ++i) { %s }
    for (long long n = 0; n < used * runs; ++n) {
        h[n] = T(0);
        for (long long k = 0; k < stride; ++k) h[n] += partial[n * stride + k];
        printf("%%.17g %%.17g\\n", (double)std::real(h[n]), (double)std::imag(h[n]));
    }
    for (long long i = 0; i < runs * length; ++i) {
        const T old = u[i]; T left;
        %s
        printf("%%.17g %%.17g\\n", (double)std::real(left), (double)std::imag(left));
    }
}
"""  # noqa: E501


@pytest.mark.parametrize("kind", ["double", "std::complex<double>"])
def test_the_kernels_of_bases_compute_what_the_formulas_say(tmp_path, kind):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    is_complex, (used, runs, length) = "complex" in kind, (3, 2, 37)
    number = "T(re, im)" if is_complex else "re"
    source, program = tmp_path / "kernel.cpp", tmp_path / "kernel"
    inner = INNER.replace("CONJ", "conj" if is_complex else "").replace("TAKEN", str(TAKEN))
    numbers = (used, runs, length, -(-length // TAKEN), "true, false")
    source.write_text(KERNELS % (kind, kind, *numbers, number, number, inner, REMOVE))
    subprocess.run([compiler, "-O0", "-w", "-o", program, source], check=True)
    draw = np.random.default_rng(0).standard_normal((used + 1, runs, length, 2))
    text = "\n".join(f"{a:.17g} {b:.17g}" for a, b in draw.reshape(-1, 2))
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    found = np.loadtxt(done.stdout.splitlines()) @ [1, 1j]
    drawn = draw @ [1, 1j] if is_complex else draw[..., 0]
    basis, u, due = drawn[:-1], drawn[-1], np.array([True, False])
    h = inner_products(basis, u, due, HOST)
    np.testing.assert_allclose(found[: h.size], h.ravel(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        found[h.size :], removed(u, basis, h, due, HOST).ravel(), rtol=1e-12, atol=1e-14
    )


@pytest.mark.gpu
@pytest.mark.parametrize("kept", ["float32", "float64"])
@pytest.mark.parametrize("is_complex", [False, True])
def test_the_kernels_of_bases_on_a_gpu(kept, is_complex):
    cupy = cupy_with_a_card()
    shape, rng = (20, 3, 5003), np.random.default_rng(0)
    basis, u = rng.standard_normal(shape), rng.standard_normal(shape[1:])
    if is_complex:
        basis, u = basis + 1j * rng.standard_normal(shape), u + 1j
        kept = kept.replace("float32", "complex64").replace("float64", "complex128")
    basis, due = basis.astype(kept), np.array([True, False, True])
    place = Placement.of(cupy.ones(1))
    want = inner_products(basis, u, due, HOST)
    found = inner_products(cupy.asarray(basis), cupy.asarray(u), cupy.asarray(due), place)
    np.testing.assert_allclose(found.get(), want, rtol=1e-9, atol=1e-9)
    left = removed(cupy.asarray(u), cupy.asarray(basis), found, cupy.asarray(due), place)
    np.testing.assert_allclose(left.get(), removed(u, basis, want, due, HOST), rtol=1e-9, atol=1e-9)
    dots = row_dots(cupy.asarray(u), cupy.asarray(u), place)
    np.testing.assert_allclose(dots.get(), (abs(u) ** 2).sum(axis=1), rtol=1e-12)


def spaces(m=7, p=1003):
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, m, p))
    square = np.array([4.0, 1e-8, 0.0, np.nan, 1e-40, 1.0, 9.0])
    old = np.array([0.0, 1.0, 2.0, 1.0, 1.0, 100.0, 1e-3])
    alpha, rest, lost = rng.standard_normal((3, m))
    return first, second, square, old, alpha, rest, lost**2


def steps(place, put):
    """Return what the steps between two products give."""
    first, second, square, old, alpha, rest, lost = map(put, spaces())
    found = [less(place.xp.asarray(first, copy=True), second, alpha, place)]
    turned = put(np.ascontiguousarray(spaces()[0].T))  # rows that are not contiguous
    found.append(less(place.xp.matrix_transpose(turned), second, alpha, place))
    found += begun(alpha, rest, square, lost, old, 1 / 64, place)
    for last in (False, True):
        found += ended(square, old, 1e-14, last=last, place=place)
    return [place.take(each) for each in found]


def test_where_a_space_is_short_or_ends():
    _, _, alpha, scale, due, norm, inverse, at_last, none = steps(HOST, np.asarray)
    first, second, square, old, part, rest, lost = spaces()
    size = np.maximum(np.abs(part + rest), np.sqrt(square + lost))
    np.testing.assert_allclose(alpha, part + rest)
    np.testing.assert_array_equal(scale, np.maximum(old, size))
    assert due.tolist() == [False, True, True, False, True, True, False]
    assert (norm == 0).tolist() == (inverse == 0).tolist()
    assert (norm == 0).tolist() == [False, False, True, False, True, False, False]
    assert np.isnan(norm[3])  # no end: it is found when the numbers are read
    assert not at_last.any()
    assert not none.any()
    np.testing.assert_allclose(steps(HOST, np.asarray)[0], first - part[:, None] * second)


@pytest.mark.gpu
def test_the_steps_between_products_on_a_gpu():
    cupy = cupy_with_a_card()
    place = Placement.of(cupy.ones(1))
    for one, two in zip(steps(place, cupy.asarray), steps(HOST, np.asarray), strict=True):
        if one.shape == two.shape == (7,):  # what follows from a NaN is not compared
            one, two = np.delete(one, 3), np.delete(two, 3)
        np.testing.assert_allclose(one, two, rtol=1e-13, atol=1e-14)

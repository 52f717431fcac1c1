"""Runs from random probes: grouped, interrupted, killed, resumed, spread: always the same."""

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rmtland.estimate import (
    Interrupted,
    krylov_quadratures,
    log_determinant,
    negative_fraction,
    probes as module,
    spectral_density,
    symmetric_operator,
)
from rmtland.sweep import Serial

VALUES = np.append(np.linspace(-1, 2, 190), np.geomspace(3, 50, 10))


class Matrix:
    """A diagonal matrix that is interrupted at one of its products."""

    def __init__(self, values=VALUES, stop=None):
        self.values, self.shape, self.dtype = values, (len(values),) * 2, np.dtype(float)
        self.calls, self.stop = 0, stop

    def matmat(self, vectors):
        self.calls += 1
        if self.stop is not None and self.calls == self.stop:
            raise KeyboardInterrupt
        return self.values[:, None] * vectors


def coefficients(found):
    return [(one.alpha.tobytes(), one.beta.tobytes()) for one in found.tridiagonals]


def run(operator=None, **options):
    operator = symmetric_operator(Matrix() if operator is None else operator)
    options = {"probes": 4, "steps": 25, "rng": 0, **options}
    return krylov_quadratures(operator, **options)


def test_groups_change_rounding_only():
    whole = run()
    for options in ({"together": 1}, {"together": 3}, {"basis": "disk"}, {"basis": "float32"}):
        found = run(**options)
        accuracy = 1e-6 if options == {"basis": "float32"} else 1e-12
        for one, two in zip(whole.tridiagonals, found.tridiagonals, strict=True):
            for a, b in ((one.alpha, two.alpha), (one.beta, two.beta)):
                np.testing.assert_allclose(a[:6], b[:6], atol=accuracy * 50)
        assert found.seed == whole.seed
    assert whole.products == 100


def test_a_probe_depends_on_the_seed_and_its_number_only():
    few, many = run(probes=2), run(probes=5)
    for one, two in zip(few.tridiagonals, many.tridiagonals, strict=False):
        np.testing.assert_allclose(one.alpha, two.alpha, atol=1e-11)


STOPS = [(4, 4), (5, 2), (12, 4), (12, 2), (28, 4), (29, 2), (29, 4), (40, 2)]


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("basis", "stop", "together"),
    [
        *(("float64", *stop) for stop in STOPS),
        *(("float32", *stop) for stop in STOPS[2:4]),
        *(("disk", *stop) for stop in STOPS[::2]),
    ],
)
def test_interrupted_and_resumed_is_the_same(tmp_path, basis, together, stop):
    options = {"basis": basis, "together": together}
    whole = run(**options, checkpoint=tmp_path / "whole")
    folder = tmp_path / "parts"
    if stop <= 3 + 25 * (4 // together):
        with pytest.raises(Interrupted, match="resumes"):
            run(Matrix(stop=stop), **options, checkpoint=folder)
    else:
        run(Matrix(stop=stop), **options, checkpoint=folder)
    resumed = run(**options, checkpoint=folder)
    assert coefficients(resumed) == coefficients(whole)
    assert coefficients(run(**options, checkpoint=folder)) == coefficients(whole)
    assert not list(folder.glob("*.basis"))
    for file in sorted((tmp_path / "whole").iterdir()):
        assert (folder / file.name).exists()


def test_a_finished_run_takes_no_further_product(tmp_path):
    run(checkpoint=tmp_path / "a")
    operator = Matrix()
    run(operator, checkpoint=tmp_path / "a")
    assert operator.calls == 3  # those that look at the operator


def test_a_killed_process_resumes(tmp_path):
    script = textwrap.dedent(
        """
        import sys, os, signal
        import numpy as np
        from rmtland.estimate import krylov_quadratures, symmetric_operator
        values = np.append(np.linspace(-1, 2, 190), np.geomspace(3, 50, 10))
        calls = 0
        def product(v):
            global calls
            calls += 1
            if calls == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            return values * v
        operator = symmetric_operator(product, size=200)
        krylov_quadratures(operator, probes=2, steps=25, rng=0, checkpoint=sys.argv[1])
        """
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a")]
    killed = subprocess.run([*command, "30"], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    operator = symmetric_operator(lambda v: VALUES * v, size=200)
    resumed = krylov_quadratures(operator, probes=2, steps=25, rng=0, checkpoint=tmp_path / "a")
    whole = krylov_quadratures(operator, probes=2, steps=25, rng=0)
    assert coefficients(resumed) == coefficients(whole)


def test_without_a_seed_the_checkpoint_has_it(tmp_path):
    with pytest.raises(Interrupted):
        run(Matrix(stop=9), rng=None, checkpoint=tmp_path / "a")
    once = run(rng=None, checkpoint=tmp_path / "a")
    assert coefficients(run(rng=None, checkpoint=tmp_path / "a")) == coefficients(once)
    assert coefficients(run(rng=None)) != coefficients(once)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("probes", {"probes": 3}),
        ("steps", {"steps": 24}),
        ("seed", {"rng": 1}),
        ("reorthogonalize", {"reorthogonalize": "full"}),
        ("together", {"together": 2}),
        ("basis", {"basis": "float32"}),
        ("the operator", {"operator": Matrix(VALUES + 1e-3)}),
        ("size", {"operator": Matrix(VALUES[1:])}),
    ],
)
def test_another_run_is_refused_by_name(tmp_path, words, options):
    run(checkpoint=tmp_path / "a")
    with pytest.raises(ValueError, match=f"another run: {words}"):
        run(checkpoint=tmp_path / "a", **options)


def test_a_matrix_of_single_precision_after_a_step_is_another_one(tmp_path):
    """Matrices of single precision were the same within 1e-3."""
    matrix = np.diag(VALUES).astype(np.float32)
    options = {"probes": 1, "steps": 3, "rng": 0, "checkpoint": tmp_path / "a"}
    once = krylov_quadratures(matrix, **options)
    assert coefficients(krylov_quadratures(np.asfortranarray(matrix), **options)) == coefficients(
        once
    )
    with pytest.raises(ValueError, match="another run: the operator"):
        krylov_quadratures(matrix * np.float32(1.0001), **options)


@pytest.mark.parametrize("name", ["group-000.basis", "group-000.npz", "header.json"])
def test_damage_is_seen(tmp_path, name):
    with pytest.raises(Interrupted):
        run(Matrix(stop=12), checkpoint=tmp_path / "a")
    path = tmp_path / "a" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged|no header"):
        run(checkpoint=tmp_path / "a")


def test_an_interrupt_leaves_an_estimate():
    with pytest.raises(Interrupted, match="partial") as caught:
        negative_fraction(Matrix(stop=15), probes=4, steps=25, rng=0, method="lanczos")
    partial = caught.value.partial
    assert partial.steps == 11
    assert partial.interval[0] <= 63 / 200 <= partial.interval[1]
    with pytest.raises(Interrupted) as caught:
        spectral_density(Matrix(stop=15), probes=4, steps=25, rng=0, together=2)
    assert caught.value.partial.nodes.shape == (2, 11)
    with pytest.raises(Interrupted) as caught:
        spectral_density(Matrix(stop=4), probes=4, steps=25, rng=0)
    assert caught.value.partial is None


def test_probes_on_executors(tmp_path):
    alone = run(together=1)
    for options in (
        {"executor": Serial()},
        {"executor": Serial(), "checkpoint": tmp_path / "a"},
        {"executor": Serial(), "checkpoint": tmp_path / "a"},
    ):
        assert coefficients(run(**options)) == coefficients(alone)
    with ThreadPoolExecutor(2) as pool:
        assert coefficients(run(executor=pool)) == coefficients(alone)
    with pytest.raises(ValueError, match="executor"):
        negative_fraction(Matrix(), width=0.1, executor=Serial(), method="lanczos")

    class Failing(Matrix):
        def matmat(self, vectors):
            self.calls += 1
            if self.calls > 6:
                raise ArithmeticError("the loss is gone")
            return super().matmat(vectors)

    with pytest.raises(RuntimeError, match="loss is gone"):
        run(Failing(), executor=Serial())


def test_too_little_memory_is_said_beforehand(monkeypatch):
    operator = Matrix()
    monkeypatch.setattr(module, "available_bytes", lambda: 10_000)
    with pytest.raises(MemoryError, match="together=1"):
        run(operator)
    assert operator.calls == 3
    monkeypatch.setattr(module, "available_bytes", lambda: 200_000)
    # one probe takes 25 x 200 x 8 bytes and three vectors: two fit into half of that
    run(operator)
    assert operator.calls == 3 + 3 + 50
    monkeypatch.setattr(module, "available_bytes", lambda: None)
    assert run(operator).probes == 4


def test_progress_goes_to_stderr(capsys):
    run(progress=True)
    out, err = capsys.readouterr()
    assert not out
    assert "products" in err
    run(progress=False)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "basis", ["float64", *(pytest.param(b, marks=pytest.mark.slow) for b in ("float32", "disk"))]
)
@pytest.mark.parametrize("quantity", ["index", "density"])
def test_adaptive_runs_resume_to_the_same_bytes(tmp_path, basis, quantity):
    def found(operator, folder):
        options = {
            "probes": 2,
            "steps": 8,
            "rng": 0,
            "basis": basis,
            "together": 2,
            "checkpoint": folder,
        }
        if quantity == "index":
            return negative_fraction(operator, width=0.14, method="lanczos", **options)
        spectrum = spectral_density(operator, accuracy=2.5, **options)
        return spectrum.nodes.tobytes(), spectrum.weights.tobytes()

    counted = Matrix()
    whole = found(counted, tmp_path / "whole")
    assert counted.calls > 3 + 8 + 4  # further steps, or further probes
    last = 0
    for stop in range(5, counted.calls + 1, 23):
        folder = tmp_path / f"{stop}"
        with pytest.raises(Interrupted, match="resumes"):
            found(Matrix(stop=stop), folder)
        operator = Matrix()
        assert found(operator, folder) == whole
        assert last == 0 or operator.calls < last  # what is done is not done again
        last = operator.calls
    assert found(Matrix(), tmp_path / "whole") == whole
    with pytest.raises(ValueError, match="another run: adaptive"):
        run(Matrix(), probes=2, steps=8, basis=basis, together=2, checkpoint=tmp_path / "whole")


@pytest.mark.parametrize("method", [log_determinant, spectral_density])
@pytest.mark.parametrize("progress", [3, 0, "no", print, np.array([True, False])])
def test_progress_that_is_no_truth_value_is_refused(method, progress):
    """A function was taken for True: it was never called, and a bar was drawn."""
    with pytest.raises(TypeError, match="progress must be True or False"):
        method(np.eye(3), progress=progress)


@pytest.mark.parametrize("checkpoint", [3, True, b"folder"])
def test_a_checkpoint_that_is_no_path_is_refused(checkpoint):
    with pytest.raises(TypeError, match="checkpoint must be a path, a string or a Path"):
        log_determinant(np.eye(3), checkpoint=checkpoint)


@pytest.mark.parametrize("progress", [None, False, np.bool_(False)])
def test_truth_values_of_numpy_say_whether_there_is_a_bar(progress, capsys):
    assert log_determinant(np.eye(3), rng=0, progress=progress).value == pytest.approx(0.0)
    assert capsys.readouterr().err == ""

"""`scripts/measure_architectures.py`: a sweep resumes, and a small ResNet is measured whole."""

import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")


@pytest.fixture
def architectures(tmp_path, monkeypatch):
    """The script in this process, in an empty folder; arguments -> its lines are printed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    monkeypatch.chdir(tmp_path)
    import measure_architectures

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["measure_architectures.py", "--quick", *arguments])
        measure_architectures.main()

    run.module = measure_architectures
    return run


def test_a_sweep_over_architectures_resumes(architectures, monkeypatch, capsys):
    pytest.importorskip("sklearn", reason="needs the digits of scikit-learn")
    measured, index = [], architectures.module.negative_fraction

    def counted(operator, **options):
        measured.append(operator.shape[0])
        return index(operator, **options)

    monkeypatch.setattr(architectures.module, "negative_fraction", counted)
    common = ("--jobs", "sweep", "--blocks", "1", "--train", "1", "--samples", "8")
    tables = []
    for widths in (("2",), ("2", "3")):
        architectures(*common, "--store", "s.db", "--widths", *widths)
        tables.append(capsys.readouterr().out.splitlines())
    assert tables[1][:2] == tables[0]
    assert len(tables[1]) == 3
    assert len(measured) == 2  # that of the first run was not made again
    assert measured[0] < measured[1]


def _interrupted(*args, **options):
    raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_residual_network_within_its_budget(architectures, monkeypatch, capsys):
    pytest.importorskip("sklearn", reason="needs the digits of scikit-learn")
    options = ("--models", "resnet20", "--samples", "6", "--steps", "6", "--probes", "2")
    with monkeypatch.context() as context:  # ended in the second stage, and resumed
        context.setattr(architectures.module, "extremal_eigenpairs", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            architectures(*options, "--jobs", "budget", "--folder", "kept")
    first = capsys.readouterr().out
    monkeypatch.setattr(architectures.module, "spectral_density", _interrupted)  # which is kept
    architectures(*options, "--jobs", "budget", "product", "--repeats", "1", "--folder", "kept")
    out = capsys.readouterr().out
    assert out.startswith(first)
    assert "2 largest eigenvalues" in out
    residual = re.search(r"residuals below (\S+) of the norm", out)
    assert float(residual[1]) < 1e-6
    trace = re.search(r"trace (\S+) \+- (\S+): Gauss-Newton part exactly", out)
    assert float(trace[1]) > 0
    assert float(trace[2]) == 0.0  # linear in the weights of each layer by itself
    assert "ratio to torch.func by hand" in out

"""`rmtland audit`: table, sentence, figure and JSON of one or several points."""

import functools
import html
import json
import re
import struct
import sys

import numpy as np
import pytest

from rmtland import MLP
from rmtland.audit import Level, audit_hessian
from rmtland.cli.audit_tables import print_stages
from rmtland.cli.output import Output
from rmtland.networks import gaussian, train

SMALL = (
    "audit",
    "--width",
    "4",
    "--samples",
    "16",
    "--draws",
    "2",
    "--points",
    "20",
    "--json",
    "a.json",
    "--out",
    "o",
)


@pytest.fixture
def quick(monkeypatch):
    """Leave out levels 5 and 6, which take most of the time."""
    for module in ("redraws", "dyson_levels", "cost"):
        name = f"rmtland.audit.{module}.dyson_inapplicability"
        monkeypatch.setattr(name, lambda point: "left out here")


@pytest.fixture
def one_level(monkeypatch):
    """Compare level 0 alone, where a test asks what is done before and after the levels."""
    one = functools.partial(audit_hessian, levels=(Level.PRINTED,))
    monkeypatch.setattr("rmtland.audit.audit_hessian", one)


def stages_of(result):
    report = json.loads((result.folder / "a.json").read_text())
    assert report["format"] == "rmtland audit 1"
    return report["stages"]


@pytest.mark.slow
def test_initialisation(rmtland):
    result = rmtland(*SMALL, "--seed", 3, "--activation", "relu")
    assert result.code == 0, result.err
    assert result.written == ["a.json", "o/audit.png"]
    (stage,) = stages_of(result)
    data, net = gaussian(16, 4, rng=3), MLP((4, 4, 4), activation="relu")
    audit = audit_hessian(net.at(net.init(rng=4), data.x, data.y), draws=2, points=20, rng=3)
    expected = json.loads(json.dumps({**audit.as_dict()}))
    for key in ("levels", "shares", "verdict", "sentence", "spectrum", "chance"):
        assert stage[key] == expected[key], key
    assert stage["stage"] == "at initialisation"
    for level in audit.levels:
        assert level.name in result.out
        assert f"{level.comparison.kolmogorov:.3f}" in result.out
    for words in (audit.sentence, audit.verdict):
        assert " ".join(words.split()) in " ".join(result.out.split())
    assert "wrote o/audit.png\n" in result.out
    assert "wrote a.json\n" in result.out
    assert "exact Hessian" in result.err or "done" in result.err
    assert "32 parameters: about" in result.err
    png = (result.folder / "o" / "audit.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert min(struct.unpack(">II", png[16:24])) >= 700


@pytest.mark.slow
def test_along_training(rmtland, quick):
    result = rmtland(*SMALL, "--step", 3, "--step", 0, "--activation", "relu")
    assert result.code == 0, result.err
    assert result.written == ["a.json", "o/audit-1.png", "o/audit-2.png"]
    first, second = stages_of(result)
    assert (first["steps"], second["steps"]) == (0, 3)
    assert second["provenance"]["energy"] < first["provenance"]["energy"]
    assert "after 3 steps (max_steps)" in result.out
    assert "Kolmogorov distance at energy" in result.out


def test_distances_stand_below_the_energy_that_they_belong_to(capsys, tmp_path):
    def stage(energy, *levels):
        keys = ("number", "name", "kolmogorov")
        return {
            "provenance": {"energy": energy},
            "levels": [dict(zip(keys, level, strict=True)) for level in levels],
        }

    first = stage(0.41, (0, "printed", 0.1), (6, "Dyson", 0.2))
    second = stage(0.32, (0, "printed", 0.3), (2, "fitted", 0.4))  # nothing to fit, no layer
    third = stage(0.23, (0, "printed", 0.5), (2, "fitted", 0.6), (6, "Dyson", 0.7))
    print_stages(Output(tmp_path), [first, second, third])
    heading, *lines = [line for line in capsys.readouterr().out.splitlines() if "." in line]
    ends = [heading.index(energy) + 4 for energy in ("0.41", "0.32", "0.23")]
    cells = [[line[:end].split()[-1] for end in ends if line[end - 1] != " "] for line in lines]
    blank = [[line[end - 1] == " " for end in ends] for line in lines]
    assert [line.split()[:2] for line in lines] == [
        ["0", "printed"],
        ["2", "fitted"],
        ["6", "Dyson"],
    ]
    assert cells == [["0.100", "0.300", "0.500"], ["0.400", "0.600"], ["0.200", "0.700"]]
    assert blank == [[False] * 3, [True, False, False], [False, True, False]]


@pytest.mark.slow
def test_at_energies_and_at_their_checkpoint(rmtland, quick, request):
    result = rmtland(*SMALL, "--energy", 0.3, "--energy", 0.4, "--draws", 0, "--html", "a.html")
    assert result.code == 0, result.err
    stages = stages_of(result)
    page = html.unescape(result.page("a.html"))
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert all(one.startswith("Hessian of a 4-4-4 tanh") for one in headings[:2])
    assert headings[2:] == ["All stages", "Where this comes from"]
    stressed = re.findall(r'stressed">(.*?)</p>', page)
    assert stressed == [one[key] for one in stages for key in ("verdict", "sentence")]
    for stage, target in zip(stages, (0.4, 0.3), strict=True):
        assert 0.98 * target <= stage["provenance"]["energy"] <= target
        assert stage["levels"][0]["error"] is None
    data, net = gaussian(16, 4, rng=0), MLP((4, 4, 4), activation="tanh")
    path = result.folder / "run.npz"
    options = {"max_steps": 4, "checkpoint": path, "checkpoint_every": 2}
    end = train(net, net.init(rng=1), data.x, data.y, **options)
    request.getfixturevalue("one_level")
    again = rmtland(*SMALL, "--point", path, "--draws", 0)
    assert again.code == 0, again.err
    assert "at the given point" in again.out
    energy = stages_of(again)[0]["provenance"]["energy"]
    assert energy == pytest.approx(end.energy, rel=1e-12)


@pytest.mark.slow
def test_a_point_with_its_own_data(rmtland, one_level, tmp_path):
    data, net = gaussian(20, 6, rng=1), MLP((6, 4, 6), activation="relu")
    theta = net.init(rng=5)
    np.savez(tmp_path / "p.npz", theta=theta, x=data.x, y=data.y)
    mine = [item for item in SMALL if item not in ("--samples", "16")]
    result = rmtland(*mine, "--point", tmp_path / "p.npz", "--activation", "relu", "--draws", 0)
    assert result.code == 0, result.err
    (stage,) = stages_of(result)
    assert stage["provenance"]["energy"] == net.at(theta, data.x, data.y).energy
    assert stage["provenance"]["widths"] == [6, 4, 6]


def test_gaussian_residuals(rmtland, quick):
    result = rmtland(*SMALL, "--residuals", "gaussian", "--noise-energy", 2.0, "--draws", 0)
    assert result.code == 0, result.err
    (stage,) = stages_of(result)
    # 64 residuals: standard error of their mean square 2 * sqrt(2 / 64)
    assert stage["provenance"]["energy"] == pytest.approx(2.0, abs=1.5)
    assert "replaced by Gaussian noise of energy 2" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--step", 1, "--energy", 0.2), "not both"),
        (("--point", "missing.npz"), "No such file"),
        (("--point", "missing.npz", "--step", 2), "not trained"),
        (("--residuals", "gaussian", "--energy", 0.1), "not trained"),
        (("--residuals", "normal"), "residuals"),
        (("--data", "cats"), "digits"),
        (("--draws", 1), "draws"),
        (("--points", 3), "points"),
        (("--energy", -1), "energy"),
        (("--step", -1), "step"),
        (("--width", 0), "width must be an integer of at least 1; got 0"),
        (("--activation", "cosine"), "activation"),
        (("--json", "."), "folder"),
        (("--noise-energy", -1), "noise-energy"),
        (("--noise-energy", 0.3), "no effect without --residuals gaussian"),
        (("--max-steps", 9), "no effect without --energy"),
        (("--max-steps", 0, "--energy", 0.2), "max-steps"),
        (("--format", "gif"), "format"),
        (("--step", 100000, "--width", 1, "--samples", 2, "--draws", 1), "draws"),
    ],
)
def test_bad_input_gives_one_line(rmtland, arguments, words):
    result = rmtland(*SMALL, *arguments)
    assert result.code == 2
    assert words in result.err
    assert "Traceback" not in result.err
    assert result.written == []


def test_files_that_are_no_points(rmtland, tmp_path):
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"no archive")
    assert "not an .npz file" in rmtland(*SMALL, "--point", bad).err
    np.savez(bad, weights=np.ones(3))
    assert "no array `theta`" in rmtland(*SMALL, "--point", bad).err
    np.savez(bad, theta=np.ones(3))
    assert "32 parameters" in rmtland(*SMALL, "--point", bad).err
    np.savez(bad, theta=np.ones(32), x=np.ones((3, 4)))
    assert "one of `x` and `y`" in rmtland(*SMALL, "--point", bad).err
    np.savez(bad, theta=np.ones(32), x=np.ones((3, 4)), y=np.ones((2, 4)))
    assert "must be of shape" in rmtland(*SMALL, "--point", bad).err


def test_options_that_a_file_makes_useless(rmtland, tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, theta=np.ones(32), x=np.ones((5, 4)), y=np.ones((5, 4)))
    for option in (("--data", "gaussian"), ("--samples", 16)):
        result = rmtland(*SMALL[:3], "--point", path, *option)
        assert result.code == 2
        assert f"{option[0]} has no effect" in result.err


def test_size_is_checked_before_training(rmtland, monkeypatch):
    monkeypatch.setattr("rmtland.arrays._free_memory", lambda: 1000)
    monkeypatch.setattr("rmtland.networks.train", None)
    result = rmtland(*SMALL, "--energy", 0.3, "--method", "exact")
    assert result.code == 2
    assert "GiB are free" in result.err


def test_machines_get_json_alone(rmtland, quick):
    arguments = [item for item in SMALL if item not in ("--json", "a.json")]
    result = rmtland(*arguments, "--json", "-", "--format", "svg", "--draws", 0)
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert report["stages"][0]["levels"][0]["outside_fraction"] >= 0
    assert result.written == ["o/audit.svg"]


def test_an_interrupt_leaves_what_was_done(rmtland, quick, monkeypatch):
    from rmtland.audit import level_comparisons

    original, calls = level_comparisons.free_theories, []

    def stopped(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(level_comparisons, "free_theories", stopped)
    result = rmtland(*SMALL, "--step", 0, "--step", 2, "--draws", 0)
    assert result.code == 130
    assert result.written == ["a.json", "o/audit-1.png"]
    assert len(stages_of(result)) == 1
    assert "Traceback" not in result.err
    assert result.err.count("interrupted") == 1


# Estimates --------------------------------------------------------------------------------------

OWN = """
import numpy as np

j = np.random.default_rng(0).normal(size=(40, 48)) / 6

def parts():
    return {"total": j.T @ j, "phi": 1.2, "energy": 0.01}

def matrix():
    return j.T @ j

def wrong():
    return {"gauss_newton": j.T @ j}
"""


@pytest.fixture
def own(rmtland, monkeypatch):
    """A module of the user's in the folder of the command."""
    with open("own.py", "w") as stream:
        stream.write(OWN)
    monkeypatch.delitem(sys.modules, "own", raising=False)


LOOK_AT_PICTURES = {"test_initialisation"}
FAST = ("--method", "estimate", "--probes", "3", "--lanczos", "12")


@pytest.mark.slow
def test_a_network_by_estimates(rmtland):
    result = rmtland("audit", "--width", 4, "--samples", 16, *FAST, "--json", "a.json")
    assert result.code == 0, result.err
    assert "spectra of H, H0 and H1 are estimated from 3 probes x 12 products" in result.err
    (stage,) = stages_of(result)
    assert stage["estimated"] is True
    assert stage["provenance"]["widths"] == [4, 4, 4]
    assert [level["number"] for level in stage["levels"]] == [0, 1, 2, 3, 4, 7, 8]
    for level in stage["levels"]:
        low, high = level["kolmogorov_range"]
        assert f"{low:.3f} {high:.3f}" in result.out
        assert level["standing"] in result.out
    assert "threshold 0.05" in result.out
    assert (result.folder / "rmtland-output" / "audit.png").exists()


@pytest.fixture
def no_memory(monkeypatch):
    for module in ("cost", "hessian_audit"):
        name = f"rmtland.audit.{module}.exact_memory_is_free"
        monkeypatch.setattr(name, lambda point: False)


@pytest.mark.slow
def test_what_does_not_fit_is_estimated(rmtland, no_memory, one_level):
    small = ("audit", "--width", 4, "--samples", 16)
    result = rmtland(*small, "--probes", 3, "--lanczos", 12, "--json", "-")
    assert result.code == 0, result.err
    assert json.loads(result.out)["stages"][0]["estimated"] is True
    assert "all eigenvalues would take" in result.err


def test_what_does_not_fit_is_refused_exactly(rmtland, no_memory):
    result = rmtland("audit", "--width", 4, "--samples", 16, "--method", "exact")
    assert result.code == 2
    assert "method='estimate'" in result.err


def test_operators_of_a_function(rmtland, own):
    result = rmtland("audit", "own:parts", *FAST, "--json", "a.json", "--seed", 4)
    assert result.code == 0, result.err
    (stage,) = stages_of(result)
    assert stage["target"] == "own:parts"
    assert [level["number"] for level in stage["levels"]] == [0, 2]
    assert "level 1, matched: left out, it needs the spectra of H0 and H1" in result.out
    assert "own:parts, 48 parameters" in result.out
    for level in stage["levels"]:
        for key, how in (("kolmogorov", ".3f"), ("wasserstein", ".4f")):
            low, high = level[f"{key}_range"]
            assert f" {level[key]:{how}}  {low:{how}} {high:{how}} " in result.out
        assert level["standing"] in result.out
    assert "above 0.05, and holds" in " ".join(result.out.split())


def test_wrong_targets_are_refused_in_a_line(rmtland, own):
    for arguments, words in (
        (("own:parts", "--width", 4), "--width has no effect with MODULE:FUNCTION"),
        (("own:wrong",), "must hold 'total'"),
        (("own:parts", "--double"), "are for models"),
        (("own:matrix", "--method", "guess"), "method"),
        (("--double",), "go with MODULE:FUNCTION"),
        (("own",), "expected MODULE:FUNCTION"),
    ):
        result = rmtland("audit", *arguments)
        assert result.code == 2, arguments
        assert words in result.err
        assert result.err.count("\n") <= 2

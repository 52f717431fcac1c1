"""The verb: starts, statuses, stores, certificates."""

import dataclasses
import re

import numpy as np
import pytest

from rmtland.landscape import find_critical_points
from rmtland.landscape.critical_points import (
    STATUSES,
    CappedNewton,
    Certificate,
    CriticalPoint,
    CriticalPoints,
    GradientNorm,
    NetworkSurface,
    SymmetryType,
    TrustRegionNewton,
)
from rmtland.landscape.critical_points.critical_point import _status
from rmtland.landscape.critical_points.flatness import Flatness
from rmtland.landscape.critical_points.kinks import kinks
from rmtland.networks import MLP, gaussian
from rmtland.spectrum.files import read_arrays, write_arrays
from rmtland.sweep import Processes

DATA = gaussian(12, 3, rng=0)
NET = MLP((3, 3, 3), weight_decay=1e-2)


def search(**options):
    given = {"finder": SymmetryType(), "starts": 4, "rng": 3, **options}
    return find_critical_points(NET, DATA.x, DATA.y, **given)


def same(one, other):
    """Whether two searches have the same bytes."""
    return [p.theta.tobytes() for p in one] == [p.theta.tobytes() for p in other] and [
        (p.status, p.energy, p.index, p.groups) for p in one
    ] == [(p.status, p.energy, p.index, p.groups) for p in other]


def test_a_search_proves_points_and_says_what_they_are():
    points = search(spectrum=True)
    assert points.counts["proved"] == len(points) == 4
    for point in points:
        here = NET.at(point.theta, DATA.x, DATA.y)
        eigenvalues = np.linalg.eigvalsh(here.hessian("total"))
        assert point.index == np.count_nonzero(eigenvalues < 0)
        assert point.energy == pytest.approx(here.energy, rel=1e-12)
        assert point.gradient_square < 1e-24
        assert point.relative_index == point.index / 18
        assert point.proof.radius < 1e-13
        np.testing.assert_allclose(point.spectrum().nodes[0], eigenvalues, atol=1e-12)


def test_points_depend_on_their_start_alone():
    points = search(starts=3)
    assert same(points, search(starts=3))
    assert same(points, search(starts=5)[:3])
    assert not same(points, search(starts=3, rng=4))


def test_a_search_resumes_from_its_store(tmp_path):
    points = search(starts=2, store=tmp_path / "found.db")
    more = search(starts=4, store=tmp_path / "found.db")
    assert same(points, more[:2])
    assert same(more, search(starts=4))
    with pytest.raises(ValueError, match="task"):
        search(finder=CappedNewton(), store=tmp_path / "found.db")
    with pytest.raises(ValueError, match="task"):
        search(finder=SymmetryType(((1, 1),)), store=tmp_path / "found.db")


@pytest.mark.slow
def test_other_processes_find_the_same_bytes():
    assert same(search(), search(executor=Processes(2)))


def test_given_starts_and_weight_decay():
    starts = np.stack([NET.init(rng=seed) for seed in range(3)])
    plain = MLP((3, 3, 3))
    found = find_critical_points(
        plain, DATA.x, DATA.y, finder=TrustRegionNewton(), starts=starts, weight_decay=1e-2
    )
    assert [point.index for point in found] == [0, 0, 0]
    assert found[0].start_energy == plain.at(starts[0], DATA.x, DATA.y).energy
    assert found.counts["proved"] == 3


def test_published_points_are_not_critical():
    """With the published cutoff 1e-6 on the square of the gradient."""
    starts = np.stack([NET.init(rng=seed) for seed in range(4)])
    found = search(finder=GradientNorm(max_steps=60), prove=False, starts=starts)
    accepted = [point for point in found if point.gradient_square < 1e-6]
    assert accepted
    assert any(point.status in ("unfinished", "flat") for point in accepted)
    assert all(point.flatness is not None and point.proof is None for point in found)


def test_points_too_far_are_not_proved_and_say_why():
    starts = np.stack([NET.init(rng=seed) for seed in range(3)])
    found = search(finder=CappedNewton(max_steps=1), starts=starts)
    assert found.counts["proved"] == 0
    assert all("square of the gradient" in point.why_not for point in found)


@pytest.mark.parametrize(
    ("square", "flat", "growth", "status"),
    [
        (1e-24, (0.1, 0.0, 0.0), 20.0, "critical"),
        (1e-24, (0.95, 1e-5, 0.0), 1.0, "flat"),
        (1e-8, (0.95, 1e-5, 0.0), 1.0, "flat"),
        (1e-8, (0.95, 1e-5, 0.0), 20.0, "escaping"),
        (1e-8, (0.5, 1e-5, 0.0), 20.0, "escaping"),
        (1e-8, (0.95, 1e-3, 0.0), 1.0, "unfinished"),
    ],
)
def test_statuses(square, flat, growth, status):
    assert _status(square, Flatness(*flat), growth) == status


@pytest.mark.parametrize("root", [2.0**-20, 2.0**-6, 1.0, 2.0**20])
def test_what_a_point_is_does_not_depend_on_units(root):
    """Targets times c, weights times the root of c, decay times c: the loss times c^2."""
    net = MLP((3, 2, 3), "linear", weight_decay=0.01)
    start = np.array(net.init(rng=2))
    origin = net.at(start, DATA.x, DATA.y)
    best = TrustRegionNewton().find(NetworkSurface(origin), start).theta
    seen = []
    for unit in (1.0, root):
        net = MLP((3, 2, 3), "linear", weight_decay=0.01 * unit**2)
        for share in (0.0, 1e-12, 1e-8, 1e-3):
            theta = unit * (best + share * np.sin(np.arange(best.size)))
            here = net.at(theta, DATA.x, unit**2 * DATA.y)
            point = CriticalPoint.of(here, start_norm=unit * np.linalg.norm(start))
            seen.append((point.status, point.index, point.nullity, point.relative_gradient))
    assert seen[:4] == seen[4:]
    assert {one[0] for one in seen} == {"critical", "unfinished"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"starts": -1}, ValueError, "starts"),
        ({"starts": np.zeros((2, 5))}, ValueError, "18"),
        ({"starts": np.zeros((2, 18))}, ValueError, "makes its own starts"),
        ({"starts": np.full((1, 18), np.nan)}, ValueError, "finite"),
        ({"weight_decay": -1.0}, ValueError, "weight_decay"),
    ],
)
def test_bad_arguments_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        search(**options)


def test_networks_that_nothing_is_proved_of():
    relu = MLP((3, 3, 3), "relu", weight_decay=1e-2)
    with pytest.raises(ValueError, match="nothing is proved"):
        find_critical_points(relu, DATA.x, DATA.y, starts=1)
    finder = CappedNewton(max_steps=20)
    found = find_critical_points(relu, DATA.x, DATA.y, finder=finder, starts=1, prove=False, rng=0)
    assert found.counts["proved"] == 0
    assert found[0].start_energy < NET.at(np.zeros(18), DATA.x, DATA.y).energy
    with pytest.raises(ValueError, match="float64"):
        NetworkSurface(NET.at(np.zeros(18, np.float32), DATA.x.astype(np.float32), DATA.y))


def test_points_at_a_kink_have_no_index():
    """ReLU units that died: the Hessian of one side calls a point a minimum that is none."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 2))
    net = MLP((3, 4, 2), "relu", weight_decay=1e-2)
    for finder in (SymmetryType(), CappedNewton(max_steps=200)):
        points = find_critical_points(net, x, y, finder=finder, starts=4, prove=False, rng=0)
        for point in points:
            assert point.status != "critical", point
        dead = [point for point in points if point.weight_norm < 1e-6]
        assert dead
        for point in dead:
            assert "at a kink of the activation" in point.why_not
            here, moves = net.at(point.theta, x, y), 1e-3 * rng.standard_normal((400, 20))
            assert min(net.at(point.theta + move, x, y).loss for move in moves) < here.loss
    active = MLP((1, 1, 1), "relu", weight_decay=0.1)  # linear, and far from the kink
    one = np.ones((3, 1))
    (point,) = find_critical_points(
        active, one, one, finder=TrustRegionNewton(), starts=[[0.9, 0.9]], prove=False
    )
    assert (point.status, point.index, point.why_not) == ("critical", 0, "")
    assert kinks(active.at([0.0, 0.0], np.zeros((2, 1)), one[:2])) == 0  # at all weights


def test_what_is_no_finder_or_network_is_refused():
    with pytest.raises(TypeError, match="finder must be one such as"):
        find_critical_points(MLP((1, 1)), [[1.0]], [[1.0]], finder="newton")
    with pytest.raises(TypeError, match="network must be an MLP"):
        find_critical_points("network", [[1.0]], [[1.0]])


def test_collections():
    points = search()
    assert repr(points) == "<CriticalPoints: 4 proved>"
    assert repr(CriticalPoints([])) == "<CriticalPoints: none>"
    assert len(search(starts=0)) == 0
    assert points[:2].energies.tolist() == points.energies[:2].tolist()
    assert tuple(points.counts) == STATUSES
    with pytest.raises(ValueError, match="status"):
        points.of_status("good")
    with pytest.raises(ValueError, match="spectrum=True"):
        points[0].spectrum()
    (line,) = points.plot()
    assert line.axes.get_xlabel().startswith("energy")
    np.testing.assert_array_equal(line.get_ydata(), points.indices)


# Certificates ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate():
    return Certificate.of(NET, DATA.x, DATA.y, search())


def test_a_certificate_is_proved_again_from_its_file(certificate, tmp_path):
    path = certificate.save(tmp_path / "points")
    assert path.stat().st_size < 10_000
    loaded = Certificate.load(path)
    assert loaded.net == NET
    assert loaded.theta.tobytes() == certificate.theta.tobytes()
    assert len(loaded) == 4
    assert loaded.verify() == [""] * 4
    with np.load(path, allow_pickle=False) as arrays:  # another program needs NumPy alone
        assert set(arrays) == {
            "header",
            "x",
            "y",
            "theta",
            "radius",
            "uniqueness_radius",
            "index",
            "gap",
        }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": lambda a: a + 1}, "its index is"),
        ({"radius": lambda a: a * 1e-30}, "proved within"),
        ({"gap": lambda a: a * 10}, "eigenvalues proved above"),
        ({"theta": lambda a: a + 1e-9}, "may lie"),
        ({"uniqueness_radius": lambda a: a * 1e12}, "."),
        ({"uniqueness_radius": lambda a: -a}, "uniqueness radius"),
        ({"theta": lambda a: a * np.nan}, "not finite"),
        ({"radius": lambda a: a * np.nan}, "proved within"),
        ({"gap": lambda a: a * np.nan}, "eigenvalues proved above"),
        ({"uniqueness_radius": lambda a: a * np.nan}, "uniqueness radius"),
        ({"y": lambda a: a + 1e-6}, "may lie"),
        ({"net": lambda net: dataclasses.replace(net, weight_decay=0.011)}, "may lie"),
        ({"net": lambda net: dataclasses.replace(net, activation="erf")}, "may lie"),
    ],
)
def test_false_statements_are_not_proved(certificate, change, message):
    changed = {name: how(getattr(certificate, name)) for name, how in change.items()}
    complaints = dataclasses.replace(certificate, **changed).verify()
    assert len(complaints) == 4
    nonzero = [c for c, t in zip(complaints, certificate.theta, strict=True) if t.any()]
    assert nonzero
    assert all(re.search(message, complaint) for complaint in nonzero)


def test_damaged_files_are_refused(certificate, tmp_path):
    path = certificate.save(tmp_path / "points.npz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="critical points file"):
        Certificate.load(path)
    with pytest.raises(FileNotFoundError):
        Certificate.load(tmp_path / "none.npz")
    from rmtland.spectrum import Spectrum

    other = Spectrum([1.0]).save(tmp_path / "spectrum.npz")
    with pytest.raises(ValueError, match="not a critical points file"):
        Certificate.load(other)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("widths", [3, 3, 3, 3]),
        ("activation", "erf"),
        ("bias", True),
        ("loss", "logistic"),
        ("weight_decay", float(np.nextafter(0.01, 1.0))),
        ("parametrisation", "ntk"),
        ("digest", "0"),
    ],
)
def test_a_changed_network_is_seen_by_its_digest(certificate, tmp_path, name, value):
    """Also where the new statement is true: zero parameters are critical at all weight decays."""
    header, arrays = read_arrays(certificate.save(tmp_path / "points.npz"), kind="critical points")
    assert name in header
    header.pop("format")
    changed = {**header, name: value}
    path = write_arrays(tmp_path / "other.npz", changed, arrays, kind="critical points")
    with pytest.raises(ValueError, match="is damaged"):
        Certificate.load(path)
    path = write_arrays(tmp_path / "same.npz", header, arrays, kind="critical points")
    assert len(Certificate.load(path)) == len(certificate)
    del arrays["theta"]
    path = write_arrays(tmp_path / "less.npz", header, arrays, kind="critical points")
    with pytest.raises(ValueError, match="is damaged: it has no 'theta'"):
        Certificate.load(path)


def test_a_changed_array_is_seen_by_its_digest(certificate, tmp_path):
    header, arrays = read_arrays(certificate.save(tmp_path / "points.npz"), kind="critical points")
    header.pop("format")
    arrays["gap"] = arrays["gap"] * 0.5
    path = write_arrays(tmp_path / "other.npz", header, arrays, kind="critical points")
    with pytest.raises(ValueError, match="digest"):
        Certificate.load(path)
    del arrays["gap"]
    path = write_arrays(tmp_path / "other.npz", header, arrays, kind="critical points")
    with pytest.raises(ValueError, match="damaged"):
        Certificate.load(path)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("theta", np.longdouble), ("theta", np.complex128), ("x", np.float32), ("index", np.float64)],
)
def test_numbers_other_than_those_proved_are_refused(certificate, tmp_path, name, dtype):
    """A file whose index is 2.7 or whose theta has more digits states other than what is proved."""
    header, arrays = read_arrays(certificate.save(tmp_path / "points.npz"), kind="critical points")
    header.pop("format")
    arrays[name] = arrays[name].astype(dtype) + (dtype(0.25) if name == "index" else dtype(0))
    path = write_arrays(tmp_path / "other.npz", header, arrays, kind="critical points")
    with pytest.raises(ValueError, match=f"damaged: {name} must be an array of"):
        Certificate.load(path)


def test_shapes_of_certificates(certificate):
    with pytest.raises(ValueError, match="theta must have shape"):
        dataclasses.replace(certificate, gap=np.ones(3))
    for changed in ({"y": certificate.y[:, 0]}, {"x": certificate.x[1:]}):
        with pytest.raises(ValueError, match="must have shape"):
            dataclasses.replace(certificate, **changed)


@pytest.mark.parametrize("decay", [0.0, 1e-2 + 1e-9])
def test_points_of_another_network_get_no_certificate(decay):
    with pytest.raises(ValueError, match="weight decay of the search"):
        Certificate.of(MLP((3, 3, 3), weight_decay=decay), DATA.x, DATA.y, search())


def test_points_on_other_data_get_no_certificate():
    """Data that were written to a file with seven digits are others."""
    with pytest.raises(ValueError, match="and its data"):
        Certificate.of(NET, DATA.x.astype(np.float32), DATA.y, search())


def test_unproved_points_are_left_out():
    point = CriticalPoint.of(NET.at(NET.init(rng=0), DATA.x, DATA.y))
    assert point.status == "unfinished"
    empty = Certificate.of(NET, DATA.x, DATA.y, [point])
    assert len(empty) == 0
    assert empty.verify() == []

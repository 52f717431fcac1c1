"""Laws of sqrt(X), |X| and 1/X, against changes of variables, quadrature and known laws."""

import importlib
import math
import pickle

import numpy as np
import pytest

from rmtland.laws import (
    Arcsine,
    Discrete,
    FussCatalan,
    JacobiWeight,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    mixture,
)
from rmtland.laws.certificate import certificate
from rmtland.laws.folded_law import AbsoluteLaw, RootLaw
from rmtland.laws.inverse_law import InverseLaw
from rmtland.laws.pushforward import pushforward
from rmtland.solution import ConvergenceError

SPLIT = mixture(
    [Uniform(-3, -1), Uniform(0.5, 2), Discrete((-0.5, 0.5), (0.5, 0.5))], [0.4, 0.3, 0.3]
)
FUNCTIONS = {"sqrt": np.sqrt, "abs": np.abs, "inverse": lambda t: 1 / t}
CASES = [
    ("sqrt", MarchenkoPastur(0.5)),
    ("sqrt", MarchenkoPastur(1.0)),
    ("sqrt", MarchenkoPastur(2.0)),
    ("sqrt", Uniform(0, 3)),
    ("abs", Semicircle(1.0)),
    ("abs", Semicircle(0.3, center=0.4)),
    ("abs", Uniform(-1, 2)),
    ("abs", SPLIT),
    ("inverse", Uniform(1, 3)),
    ("inverse", MarchenkoPastur(0.4)),
    ("inverse", Uniform(-3, -1)),
    ("inverse", SPLIT),
]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_against_quantiles(name, law):
    pushed = pushforward(law, name)
    number = 20000
    values = np.sort(FUNCTIONS[name](law.ppf((np.arange(number) + 0.5) / number)))
    low, high = pushed.hull
    span = high - low
    assert low <= values[0] + 1e-12
    assert high >= values[-1] - 1e-12
    t = low + span * np.linspace(0.0131, 0.9873, 21)
    counted = np.searchsorted(values, t, side="right") / number
    assert pushed.cdf(t) == pytest.approx(counted, abs=3e-4)
    h = 1e-6 * span
    clear = [all(abs(x - edge) > 3 * h for band in pushed.support for edge in band) for x in t]
    clear = np.array(clear) & np.array(
        [all(abs(x - p) > 3 * h for p, _ in pushed.atoms) for x in t]
    )
    slope = (pushed.cdf(t + h) - pushed.cdf(t - h)) / (2 * h)
    assert pushed.pdf(t)[clear] == pytest.approx(slope[clear], rel=1e-5, abs=1e-8)
    assert -np.imag(pushed.stieltjes(t)) / math.pi == pytest.approx(pushed.pdf(t), abs=1e-9)
    z = np.concatenate([t[::4] + 0.3j * span, [low - span + 0.1j, high + span + 0.01j]])
    exact = np.mean(1 / (z[:, None] - values), axis=1)
    assert pushed.stieltjes(z) == pytest.approx(exact, rel=2e-3)
    potential = np.mean(np.log(z[:, None] - values), axis=1)
    assert pushed.log_potential(z) == pytest.approx(potential, abs=2e-3)
    step = 1e-5 * span
    rise = (pushed.log_potential(z + step) - pushed.log_potential(z - step)) / (2 * step)
    assert rise == pytest.approx(pushed.stieltjes(z), rel=1e-6)
    assert [pushed.moment(k) for k in range(4)] == pytest.approx(
        [np.mean(values**k) for k in range(4)], rel=2e-3
    )
    q = np.array([0.1, 0.35, 0.77])
    assert (pushed.cdf(pushed.ppf(q)) >= q - 1e-12).all()
    assert pickle.loads(pickle.dumps(pushed)) == pushed


@pytest.mark.parametrize(("name", "law"), CASES)
def test_certificates(name, law):
    assert certificate(pushforward(law, name), tolerance=1e-6).failures == ()


def test_atoms_and_edges_are_exact():
    assert pushforward(SPLIT, "abs").atoms == ((0.5, pytest.approx(0.3, abs=1e-16)),)
    assert pushforward(SPLIT, "abs").support == ((0.5, 3.0),)
    assert pushforward(SPLIT, "inverse").support == ((-1.0, -1 / 3), (0.5, 2.0))
    assert pushforward(SPLIT, "inverse").atoms == ((-2.0, 0.15), (2.0, 0.15))
    assert pushforward(MarchenkoPastur(2.0), "sqrt").atoms == ((0.0, 0.5),)
    signs = Discrete((-2.0, 2.0), (0.25, 0.75))
    assert pushforward(signs, "abs") == Discrete((2.0,), (1.0,))
    assert pushforward(signs, "inverse") == Discrete((-0.5, 0.5), (0.25, 0.75))


def test_known_laws():
    # the root of free Poisson is quarter-circular
    t = np.linspace(0, 2, 21)[1:-1]
    root = pushforward(MarchenkoPastur(1.0), "sqrt")
    assert isinstance(root, RootLaw)
    assert root.pdf(t) == pytest.approx(2 * Semicircle().pdf(t), rel=1e-13)
    assert root.pdf(0.0) == pytest.approx(2 / math.pi, rel=1e-6)
    assert root.mean() == pytest.approx(8 / (3 * math.pi), rel=1e-12)
    folded = pushforward(Semicircle(), "abs")
    assert isinstance(folded, AbsoluteLaw)
    z = np.array([0.5 + 1e-3j, 1.0, -0.3 + 0.2j, 3.0, 1e-6j])
    assert folded.stieltjes(z) == pytest.approx(root.stieltjes(z), rel=1e-7)
    assert pushforward(MarchenkoPastur(0.5), "abs") == MarchenkoPastur(0.5)
    inverse = pushforward(MarchenkoPastur(0.5), "inverse")
    assert isinstance(inverse, InverseLaw)
    assert inverse.mean() == pytest.approx(2.0, rel=1e-13)  # 1/(1 - ratio)


def test_stated_errors_are_at_least_the_true_ones():
    first, second = pushforward(MarchenkoPastur(1.0), "sqrt"), pushforward(Semicircle(), "abs")
    z = np.concatenate([np.linspace(-1, 3, 33), np.linspace(-1, 3, 33) + 0.01j])
    z = z[np.abs(z) > 1e-3]
    one, two = first.solve(z, throw=False), second.solve(z, throw=False)
    assert (np.abs(one.value - two.value) <= one.error + two.error + 1e-15).all()


@pytest.mark.parametrize(
    ("name", "law", "message"),
    [
        ("sqrt", Semicircle(), r"\[0, oo\)"),
        ("inverse", Semicircle(), "unbounded"),
        ("inverse", MarchenkoPastur(1.0), "unbounded"),
        ("inverse", MarchenkoPastur(2.0), "unbounded"),
        ("cube", Uniform(0, 1), "function"),
    ],
)
def test_refusals(name, law, message):
    with pytest.raises(ValueError, match=message):
        pushforward(law, name)


def test_old_names():
    # The function of that name hides the module from `import ... as`.
    module = importlib.import_module("rmtland.laws.pushforward")
    with pytest.warns(DeprecationWarning, match="pushforward"):
        assert module.image is pushforward


def test_atoms_of_a_square_root_are_steps_though_squares_are_rounded():
    rng = np.random.default_rng(0)
    for _ in range(10):
        places, masses = np.sort(rng.uniform(1.0, 5.0, 4)), np.array([0.125, 0.375, 0.25, 0.25])
        atoms = Discrete(tuple(places.tolist()), tuple(masses.tolist()))
        law = pushforward(mixture([Uniform(0.0, 1.0), atoms], [0.5, 0.5]), "sqrt")
        assert isinstance(law, RootLaw)
        roots = np.array([place for place, _ in law.atoms])
        below = 0.5 + np.array([0.0, 0.125, 0.5, 0.75]) / 2
        assert (law._mass_below(roots) == below).all()
        assert (law._cdf(roots) == below + masses / 2).all()
        assert (law._cdf(np.nextafter(roots, 0.0)) == below).all()
        assert (law._cdf(np.nextafter(roots, 9.0)) == below + masses / 2).all()


@pytest.mark.parametrize("end", [1.0, 1.5, 2.0])
def test_moduli_of_a_law_with_infinite_ends_are_integrated_with_all_their_mass(end):
    law = pushforward(Arcsine(-1.0, end), "abs")
    middle, radius = (end - 1) / 2, (end + 1) / 2
    turn = math.acos(-middle / radius)  # where X is 0
    nodes, weights = np.polynomial.legendre.leggauss(60)
    z = np.array([-3.0, -1.0, -0.5, 3.0])
    g, level = np.zeros(4), np.zeros(4)
    for low, high in ((0.0, turn), (turn, math.pi)):
        t = low + (high - low) * (nodes + 1) / 2
        gap = z[:, None] - np.abs(middle + radius * np.cos(t))
        share = weights * (high - low) / 2 / math.pi
        g += (1 / gap) @ share
        level += np.log(np.abs(gap)) @ share
    stated = law.solve(z)
    assert np.abs(stated.value - g).max() < 3e-11
    assert (np.abs(stated.value - g) <= stated.error).all()
    assert np.abs(law.log_potential(z).real - level).max() < 1e-10
    # L of the arcsine law is constant on its band; at 0 it is that of the modulus
    assert law.log_potential(0.0) == pytest.approx(
        complex(math.log(radius / 2), math.pi), abs=1e-10
    )


@pytest.mark.parametrize(
    ("name", "law", "expected"),
    [
        ("sqrt", MarchenkoPastur(1.0), -np.inf),
        ("sqrt", MarchenkoPastur(2.0), np.inf),  # an atom
        ("sqrt", FussCatalan(2.0), -np.inf),
        ("sqrt", Arcsine(0.0, 1.0), -np.inf),
        ("sqrt", Uniform(0.0, 1.0), -2.0),
        ("abs", Arcsine(-1.0, 2.0), -np.inf),
        ("abs", Semicircle(1.0), -np.inf),
        (
            "abs",
            mixture([Uniform(-3.0, -1.0), Uniform(0.5, 1.0)], [0.5, 0.5]),
            -math.log(3) / 4 - math.log(2),
        ),
    ],
)
def test_transforms_at_zero_are_limits(name, law, expected):
    made = pushforward(law, name)
    assert made.stieltjes(0.0) == pytest.approx(complex(expected, 0.0), rel=1e-10)
    assert (made.log_potential(0.0).real == -np.inf) == (len(made.atoms) > 0)


def test_transforms_at_ends_of_infinite_density_are_infinite():
    for end in (1.0, 2.0):
        for law in (Arcsine(-1.0, 2.0), Arcsine(-1.0, 1.0), Arcsine(-2.0, 1.0)):
            if end in map(abs, law.hull):
                assert pushforward(law, "abs").stieltjes(end) == complex(np.inf, 0.0)


def test_densities_of_roots_at_zero_follow_their_power():
    for power, expected in ((-0.45, 0.0), (-0.55, np.inf), (-0.6, np.inf)):
        law = pushforward(JacobiWeight(0.5, power, 0.0, 1.0), "sqrt")
        assert law.pdf(0.0) == expected
        if expected == 0:  # G(0) is finite, but most of it is nearer to 0 than any node
            with pytest.raises(ConvergenceError, match="no value found at 0j"):
                law.stieltjes(0.0)
        else:
            assert law.stieltjes(0.0) == complex(-np.inf, 0.0)


def test_the_inverse_beside_zero_and_beyond_what_can_be_squared():
    """1/X of X uniform on [1, 2], by quadrature."""
    law, nodes = pushforward(Uniform(1.0, 2.0), "inverse"), np.polynomial.legendre.leggauss(40)
    t, weights = 1.5 + nodes[0] / 2, nodes[1] / 2
    z = np.array([0.0, 1e-310, -1e-170, 1e-100, 3e-4, 6e-4, 1e-3j, 0.2, 5.0, 1e160, 1e300j])
    exact = (1 / (z[:, None] - 1 / t)) @ weights
    found = law.solve(z)
    assert (np.abs(found.value - exact) <= found.error + 4e-15 * np.abs(exact)).all()
    assert (found.error <= 1e-11 * np.abs(exact)).all()
    assert law.pdf(np.array([1e-170, -1e-310, 1e300])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "law", [MarchenkoPastur(1.0), MarchenkoPastur(2.0), MarchenkoPastur(0.5), Uniform(0, 1)]
)
def test_the_root_below_and_beyond_what_can_be_squared(law):
    root, held = pushforward(law, "sqrt"), sum(mass for _, mass in law.atoms)
    tiny = np.array([1e-300, 1e-170, 1e-120, 1e-170j, 3e-300 + 4e-300j])
    tiny = tiny if held else np.append(tiny, [1e-310, 5e-324])  # else beyond the floats
    found = root.solve(tiny)
    assert np.isfinite(found.value).all()
    assert (found.error > np.abs(found.value)).all()  # nodes say next to nothing there
    if held:  # the pole of the atom
        assert found.value * tiny == pytest.approx(held, rel=1e-9)
    x = np.array([1e-170, 1e-120, 1e-90])
    assert root.pdf(x) == pytest.approx([root.pdf(1e-80)] * 3, rel=1e-12, abs=1e-79)
    far = np.array([1e160, 1e300j, 1e160 + 1e160j])
    assert root.stieltjes(far) * far == pytest.approx(1, rel=1e-11)
    assert root.log_potential(far) == pytest.approx(np.log(far), rel=1e-12)


def test_the_modulus_beyond_what_can_be_squared():
    far = np.array([1e160, 1e300j, -1e300])
    law = pushforward(Semicircle(), "abs")
    assert law.stieltjes(far) * far == pytest.approx(1, rel=1e-11)


@pytest.mark.parametrize("unit", [1e-100, 1e140])
def test_square_roots_in_any_units(unit):
    """Within 1e-100 of zero a power was taken for the density, of whatever law."""
    one, law = (pushforward(Uniform(0.0, scale * scale), "sqrt") for scale in (1.0, unit))
    x = np.array([1e-3, 0.3, 0.9])
    np.testing.assert_allclose(unit * law.pdf(unit * x), one.pdf(x), rtol=1e-12)
    np.testing.assert_allclose(law.cdf(unit * x), one.cdf(x), rtol=1e-12)

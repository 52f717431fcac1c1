"""Ball arithmetic and proofs, against many digits and against what is false."""

from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from critical_point_toys import ACTIVATIONS, exact_loss
from examples import examples
from hypothesis import given, strategies as st

from rmtland.landscape.critical_points import (
    CappedNewton,
    NetworkSurface,
    Problem,
    Proof,
    SymmetryType,
    Unproved,
    prove,
)
from rmtland.landscape.critical_points.proofs.ball_array import (
    BallArray,
    frobenius_above,
    spectral_radius_above,
)
from rmtland.landscape.critical_points.proofs.ball_functions import smooth_function
from rmtland.landscape.critical_points.proofs.exact_gradient import exact_gradient
from rmtland.landscape.critical_points.proofs.hessian_enclosure import enclosed_hessian
from rmtland.landscape.critical_points.proofs.newton_test import _Eigenbasis
from rmtland.networks import MLP

pytest.importorskip("flint")

NETWORKS = [
    *(MLP((2, 3, 2), name, weight_decay=0.1) for name in ACTIVATIONS),
    MLP((2, 2, 2, 1), "tanh", bias=True, weight_decay=0.01),
    MLP((2, 2, 2, 2), "gelu", bias=True, loss="cross_entropy", weight_decay=0.01),
    MLP((2, 2, 1), "softplus", bias=True, loss="logistic", parametrisation="ntk"),
    MLP((3, 2, 2, 2), "silu", parametrisation="ntk", weight_decay=0.05),
    MLP((2, 2), "tanh", bias=True, loss="cross_entropy", weight_decay=0.1),
]


def problem_of(net, seed=0, m=4):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((m, net.n_in)), rng.standard_normal((m, net.n_out))
    if net.loss == "logistic":
        y = (y > 0).astype(float)
    if net.loss == "cross_entropy":
        y = np.eye(net.n_out)[rng.integers(net.n_out, size=m)]
    return Problem(net, x, y), 0.8 * rng.standard_normal(net.parameter_count)


numbers = st.integers(-(2**60), 2**60).map(lambda k: k * 2.0**-30)
radius = st.tuples(st.integers(0, 2**20), st.sampled_from([-70, -40, 5])).map(
    lambda pair: pair[0] * 2.0 ** pair[1]
)


@examples(60)
@given(
    st.lists(numbers, min_size=6, max_size=6),
    st.lists(numbers, min_size=6, max_size=6),
    st.lists(radius, min_size=12, max_size=12),
    st.lists(st.sampled_from([-1, 1]), min_size=12, max_size=12),
)
def test_results_of_ball_arithmetic_hold_the_exact_ones(a, b, radii, signs):
    """At the corners of the balls, in rational numbers."""
    left = BallArray(np.reshape(a, (2, 3)), np.reshape(radii[:6], (2, 3)))
    right = BallArray(np.reshape(b, (3, 2)), np.reshape(radii[6:], (3, 2)))
    exact = [
        Fraction(value) + sign * Fraction(radius)
        for value, radius, sign in zip(a + b, radii, signs, strict=True)
    ]
    other = right.reshape(2, 3)
    product, total, less, times = left @ right, left + other, left - other, left * left
    for i in range(2):
        for j in range(2):
            value = sum(exact[3 * i + k] * exact[6 + 2 * k + j] for k in range(3))
            assert abs(value - Fraction(product.mid[i, j])) <= Fraction(product.rad[i, j])
    for i, j in np.ndindex(2, 3):
        one, two = exact[3 * i + j], exact[6 + 3 * i + j]
        assert abs(one + two - Fraction(total.mid[i, j])) <= Fraction(total.rad[i, j])
        assert abs(one - two - Fraction(less.mid[i, j])) <= Fraction(less.rad[i, j])
        assert abs(one) <= Fraction(left.above[i, j])
        assert abs(one * one - Fraction(times.mid[i, j])) <= Fraction(times.rad[i, j])
    square = sum(Fraction(value) ** 2 for value in a)
    assert Fraction(frobenius_above(left.mid)) ** 2 >= square


def test_radii_are_rounded_up():
    """Where the midpoint is exact and the sum or product of radii is rounded down."""
    one, tiny = (BallArray(np.zeros((1, 1)), np.full((1, 1), r)) for r in (1.0, 2.0**-54))
    assert Fraction((one + tiny).rad[0, 0]) >= 1 + Fraction(2.0**-54)
    rough = BallArray(np.zeros((1, 1)), np.full((1, 1), 1.0 + 2.0**-52))
    fixed = BallArray.exact(rough.rad)
    for product in (rough * fixed, fixed * rough, rough @ fixed, fixed @ rough):
        assert Fraction(product.rad[0, 0]) >= Fraction(1.0 + 2.0**-52) ** 2
    assert (fixed * BallArray.exact(np.full((1, 1), 5e-324))).rad[0, 0] > 0.0
    assert (BallArray.exact(np.full((1, 1), 1e-200)) @ (one * tiny)).rad[0, 0] > 0.0
    many = np.full(200_000, 2.0**-27)  # their squares are lost beside the first
    many[0] = 1.0
    assert Fraction(frobenius_above(many)) ** 2 >= 1 + 199_999 * Fraction(2.0**-54)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_errors_of_eigenvectors_are_bounded(scale):
    """Norms of Q^T Q - 1, Q^T M Q - D and C g against 50 digits."""
    rng = np.random.default_rng(4)
    matrix = rng.standard_normal((5, 5))
    matrix = scale * (matrix + matrix.T) + 1e-14 * scale * rng.standard_normal((5, 5))
    basis = _Eigenbasis.of(matrix)
    gradient = BallArray(1e-12 * rng.standard_normal(5), 1e-13 * rng.random(5))
    with mp.workdps(50):
        q, m = mp.matrix(basis.vectors.tolist()), mp.matrix(matrix.tolist())
        d = mp.diag(basis.values.tolist())
        assert mp.mnorm(q.T * q - mp.eye(5), "f") <= basis.orthogonality < 1e-13
        assert mp.mnorm(q.T * m * q - d, "f") <= basis.defect_of_midpoint < 1e-12 * scale
        e = mp.mpf(basis.orthogonality)
        assert mp.sqrt((1 + e) / (1 - e)) <= basis.condition
        radii = np.full((5, 5), 1e-9 * scale)
        inside = mp.matrix((matrix + 0.999 * radii).tolist())
        assert mp.mnorm(q.T * inside * q - d, "f") <= basis.defect(radii) < 6e-9 * scale
        for _ in range(20):
            signs = rng.choice([-1.0, 0.0, 1.0], 5)
            g = mp.matrix(
                [
                    mp.mpf(a) + mp.mpf(s) * mp.mpf(b)
                    for a, s, b in zip(gradient.mid, signs, gradient.rad, strict=True)
                ]
            )
            step = q * mp.diag([1 / mp.mpf(each) for each in basis.values]) * q.T * g
            assert mp.norm(step) <= basis.step_above(gradient)
        exact = BallArray.exact(gradient.mid)
        step = q * mp.diag([1 / mp.mpf(each) for each in basis.values]) * q.T
        assert mp.norm(step * mp.matrix(gradient.mid.tolist())) <= basis.step_above(exact)
    skew = np.array([[1.0, 0.0], [np.nan, 1.0]])
    assert _Eigenbasis.of(skew) is None


@pytest.mark.parametrize(("activation", "slope"), [("linear", 1.0), ("sine", 1.0), ("silu", 0.5)])
def test_the_index_beside_a_zero_eigenvalue(activation, slope):
    """At the origin of a chain of two units the eigenvalues are w - c and w + c."""
    proved = 0
    for relative in (0.0, *(sign * 10.0**-k for k in range(6, 18) for sign in (-1, 1))):
        c = 0.75 * slope
        net = MLP((1, 1, 1), activation, weight_decay=c * (1.0 + relative))
        answer = prove(Problem(net, [[1.0]], [[0.75]]), np.zeros(2))
        gap = Fraction(net.weight_decay) - Fraction(c)
        if isinstance(answer, Proof):
            proved += 1
            assert answer.index == (gap < 0)
            assert Fraction(answer.gap) <= abs(gap)
        else:
            assert abs(relative) <= 1e-13
    assert proved >= 14  # all from 1e-12 on


def test_a_ball_with_a_second_critical_point_is_refused():
    """Past a pitchfork: two minima beside the saddle, within and without the ball."""
    for distance in 10.0 ** np.arange(-5.0, 0.0):
        net = MLP((1, 1, 1), "linear", weight_decay=1.0 - distance**2 / 2)
        problem = Problem(net, [[1.0]], [[1.0]])
        for share in (1.0 + 1e-6, 1.1, 2.0, 30.0):
            found = prove(problem, np.zeros(2), refine=False, radius=share * distance)
            assert isinstance(found, Unproved)
        near = prove(problem, np.zeros(2), refine=False, radius=0.01 * distance)
        assert isinstance(near, Proof)
        assert near.index == 1


def test_norms_are_above_those_of_matrices_within():
    matrix = np.abs(np.random.default_rng(0).standard_normal((6, 6)))
    assert spectral_radius_above(matrix) >= np.linalg.norm(matrix, 2)
    assert spectral_radius_above(np.eye(3)) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("z", [-9.5, -0.7, 0.0, 0.3, 4.0, 40.0])
def test_activations_hold_value_slope_and_curvature(name, z):
    import flint

    with mp.workdps(40):
        f = {
            "tanh": mp.tanh,
            "erf": mp.erf,
            "sigmoid": lambda t: 1 / (1 + mp.exp(-t)),
            "softplus": lambda t: mp.log1p(mp.exp(t)),
            "gelu": lambda t: t * mp.ncdf(t),
            "silu": lambda t: t / (1 + mp.exp(-t)),
            "sine": mp.sin,
            "quadratic": lambda t: t * t,
            "linear": lambda t: t,
        }[name]
        exact = [f(mp.mpf(z)), mp.diff(f, z, 1), mp.diff(f, z, 2)]
        for ball, value in zip(smooth_function(name)(flint.arb(z, 1e-9)), exact, strict=True):
            distance = abs(mp.mpf(float(ball)) - value)
            assert distance <= mp.mpf(float(ball.rad())) + mp.mpf(10) ** -15 * (1 + abs(value))
            assert float(ball.rad()) < 2e-6


@pytest.mark.parametrize("net", NETWORKS, ids=str)
def test_gradient_and_hessian_are_enclosed(net):
    problem, theta = problem_of(net)
    gradient = exact_gradient(problem, theta)
    with mp.workdps(40):
        h, centre = mp.mpf(10) ** -12, [mp.mpf(t) for t in theta]
        for place in range(theta.size):
            moved = [list(centre), list(centre)]
            moved[0][place] += h
            moved[1][place] -= h
            up, down = (exact_loss(net, each, problem.x, problem.y) for each in moved)
            slope = (up - down) / (2 * h)
            error = abs(slope - mp.mpf(gradient.mid[place]))
            assert error <= mp.mpf(gradient.rad[place]) + mp.mpf(10) ** -21
            assert gradient.rad[place] <= 1e-14
    rng = np.random.default_rng(1)
    radius = 1e-6
    enclosure = enclosed_hessian(problem, theta, radius)
    gap = np.abs(enclosure.mid - enclosure.mid.T)
    assert (gap <= enclosure.rad + enclosure.rad.T).all()
    for _ in range(3):
        near = theta + rng.choice([-radius, radius], theta.size) * 0.999
        exact = net.at(near, problem.x, problem.y).hessian("total")
        distance = np.abs(exact - enclosure.mid)
        assert (distance <= enclosure.rad + 1e-14).all()
    assert enclosure.rad.max() < 1e-3
    assert enclosed_hessian(problem, theta, 0.0).rad.max() < 1e-13


ISOLATED = [net for net in NETWORKS if net.weight_decay and net.activation != "linear"]
"""Networks without a continuous symmetry."""


def proved_point(net):
    """Return a problem, its surface and a proof: the first start that leads to a critical point."""
    for seed in range(3, 20):
        problem, theta = problem_of(net, seed=seed)
        surface = NetworkSurface(net.at(theta, problem.x, problem.y))
        walk = CappedNewton(max_steps=300).find(surface, theta)
        if walk.reason == "gradient":
            proof = prove(problem, walk.theta)
            assert isinstance(proof, Proof), proof.reason
            return problem, surface, proof
    raise AssertionError(f"no walk ends at a critical point of {net}")


def test_points_of_linear_units_turn_with_them_and_are_not_proved():
    (net,) = (net for net in NETWORKS if net.activation == "linear" and net.weight_decay)
    problem, theta = problem_of(net, seed=3)
    walk = CappedNewton(per="mode").find(NetworkSurface(net.at(theta, problem.x, problem.y)), theta)
    assert walk.reason == "gradient"
    assert np.linalg.norm(walk.theta) > 0.1
    assert isinstance(prove(problem, walk.theta), Unproved)


@pytest.mark.parametrize("net", ISOLATED, ids=str)
def test_proved_points_are_where_many_digits_find_them(net):
    """Newton's method in 40 digits from the centre ends within the radius, index as proved."""
    problem, surface, proof = proved_point(net)
    inverse = np.linalg.inv(surface.hessian(proof.theta))
    with mp.workdps(40):
        h, here = mp.mpf(10) ** -13, [mp.mpf(t) for t in proof.theta]
        for _ in range(3):
            gradient = []
            for place in range(proof.theta.size):
                up, down = list(here), list(here)
                up[place] += h
                down[place] -= h
                values = [exact_loss(net, each, problem.x, problem.y) for each in (up, down)]
                gradient.append((values[0] - values[1]) / (2 * h))
            for place in range(proof.theta.size):
                row = inverse[place].tolist()
                here[place] -= mp.fsum(c * g for c, g in zip(row, gradient, strict=True))
        pairs = zip(here, proof.theta.tolist(), strict=True)
        distance = mp.sqrt(mp.fsum((t - c) ** 2 for t, c in pairs))
        assert distance <= proof.radius + mp.mpf(10) ** -22
    eigenvalues = np.linalg.eigvalsh(surface.hessian(proof.theta))
    assert proof.index == np.count_nonzero(eigenvalues < 0.0)
    assert proof.gap <= np.abs(eigenvalues).min() <= 1.1 * proof.gap + 1e-9


def test_nothing_is_proved_of_other_points():
    net = MLP((2, 3, 2), weight_decay=0.1)
    problem, theta = problem_of(net)
    assert isinstance(prove(problem, theta, refine=False), Unproved)
    walk = SymmetryType(((2, 1),)).find(
        NetworkSurface(net.at(theta, problem.x, problem.y)), theta, rng=0
    )
    proof = prove(problem, walk.theta)
    assert isinstance(proof, Proof)
    away = proof.theta + 3e-10 * np.eye(theta.size)[0]
    assert isinstance(prove(problem, away, refine=False), Unproved)
    again = prove(problem, away)  # steps of Newton's method lead back
    assert isinstance(again, Proof)
    assert np.linalg.norm(again.theta - proof.theta) <= proof.radius + again.radius


def test_a_flat_direction_is_never_proved():
    net = MLP((2, 2, 1), "tanh")  # no decay: a unit that nothing enters or leaves is free
    problem, _ = problem_of(net)
    assert isinstance(prove(problem, np.zeros(net.parameter_count)), Unproved)


def convex_problem(rng):
    """One sample of two inputs: the Hessian x x^T + w is positive definite, nearly singular."""
    net, x, y = MLP((2, 1), weight_decay=1e-9), rng.standard_normal((1, 2)), np.ones((1, 1))
    x = x.astype(np.float32)
    wide = x.astype(float)
    theta = np.linalg.solve(wide.T @ wide + 1e-9 * np.eye(2), wide.T @ y).ravel()
    return net, x, y, theta


def test_data_in_single_precision_are_taken_exactly():
    """Products of float32 rounded as if they were doubles once "proved" a convex loss a saddle."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        net, x, y, theta = convex_problem(rng)
        proofs = [prove(Problem(net, each, y), theta) for each in (x, x.astype(float))]
        assert [proof.index for proof in proofs] == [0, 0]
        assert proofs[0].gap == proofs[1].gap


def test_integers_do_not_wrap_round():
    net = MLP((2, 1), weight_decay=0.5)
    x, y = np.array([[2**33 + 1, 2**32], [1, 3]]), np.array([[0], [0]])
    enclosed = enclosed_hessian(Problem(net, x, y), np.zeros(2), 0.0)
    exact = x.astype(float).T @ x.astype(float) / 2 + 0.5 * np.eye(2)
    assert (np.abs(enclosed.mid - exact) <= enclosed.rad + 1e-15 * exact).all()


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "logistic"])
def test_problems_take_the_data_that_networks_take(loss):
    net, x = MLP((2, 2), loss=loss, weight_decay=0.1), np.eye(2)
    for y in (np.ones((3, 2)), np.full((2, 2), np.nan), np.ones((2, 3)), np.ones(2) * 7):
        with pytest.raises(ValueError, match=r"^(y|x)\b|label|target"):
            Problem(net, x, y)
    if loss == "cross_entropy":
        assert Problem(net, x, [1, 0]).y.tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize("refine", [True, False])
def test_points_that_are_none_are_refused(refine):
    problem, theta = problem_of(MLP((2, 2, 2), weight_decay=0.1))
    for bad in (theta[:-1], np.append(theta, 0.0), theta.reshape(2, 4), np.full(8, np.nan)):
        with pytest.raises(ValueError, match=r"^theta"):
            prove(problem, bad, refine=refine)
    for radius in (0.0, -1e-9, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"^radius"):
            prove(problem, theta, refine=refine, radius=radius)
    for scale in (1e160, 1e300):  # squares overflow
        assert isinstance(prove(problem, scale * theta, refine=refine), Unproved)


def test_activations_without_two_derivatives_are_refused():
    net = MLP((2, 2, 1), "relu")
    with pytest.raises(ValueError, match="nothing is proved of networks"):
        Problem(net, np.ones((1, 2)), np.ones((1, 1)))


def test_without_flint_the_message_says_how_to_install_it(monkeypatch):
    import sys

    problem, theta = problem_of(MLP((2, 2, 1), weight_decay=0.1))
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"rmtland\[proofs\]"):
        prove(problem, theta)

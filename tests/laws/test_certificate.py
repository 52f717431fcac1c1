"""The certificate of a law: all laws of the table pass; laws broken on purpose do not."""

import functools
from fractions import Fraction

import numpy as np
import pytest
from law_table import LAWS

from rmtland.laws import Discrete, Law, MarchenkoPastur, Semicircle, mixture
from rmtland.laws.certificate import certificate, certify
from rmtland.laws.quadrature import DensityError
from rmtland.solution import ConvergenceError


@pytest.mark.parametrize("law", [pytest.param(c.law, id=c.name) for c in LAWS])
def test_laws_of_the_table_pass(law):
    found = certificate(law)
    assert found.failures == ()
    assert found.mass == pytest.approx(1, abs=1e-8 + 2 * found.mass_error)
    assert certify(law) is law


class Broken(Law):
    """A law that passes everything on to a sound one, until a mutation replaces a part of it."""

    def __init__(self, law, **parts):
        self.law = law
        for name, part in parts.items():
            setattr(self, f"mutated_{name}", part)

    def _of(self, name, *args):
        mutated = getattr(self, f"mutated_{name}", None)
        sound = getattr(self.law, name)
        if mutated is None:
            return sound(*args) if args else sound
        return mutated(sound, *args)

    support = property(lambda self: self._of("support"))
    atoms = property(lambda self: self._of("atoms"))
    _pdf = functools.partialmethod(_of, "_pdf")
    _cdf = functools.partialmethod(_of, "_cdf")
    _jet = functools.partialmethod(_of, "_jet")
    _stieltjes = functools.partialmethod(_of, "_stieltjes")
    _log_potential = functools.partialmethod(_of, "_log_potential")
    _ppf = functools.partialmethod(_of, "_ppf")
    _exact_moments = functools.partialmethod(_of, "_exact_moments")


# Two bands, [-1.2, -0.8] and [0.9, 3.1], and an atom at 0
SOUND = mixture(
    [Semicircle(0.01, -1.0), Semicircle(0.3025, 2.0), Discrete((0.0,), (1.0,))], [0.25, 0.5, 0.25]
)


def moved(k, by):
    """Moments with one of them off."""

    def mutated(sound, order):
        moments = list(sound(order))
        if order >= k:
            moments[k] += Fraction(by)
        return moments

    return mutated


MUTATIONS = {
    "mass too large": {"_pdf": lambda f, x: 1.001 * f(x)},
    "mass too small by 1e-6": {"_pdf": lambda f, x: (1 - 1e-6) * f(x)},
    "atom of mass above 1": {"atoms": lambda a: ((0.0, 1.25),)},
    "atom of negative mass": {"atoms": lambda a: ((0.0, 0.25), (0.5, -1e-3))},
    "atom lost": {"atoms": lambda a: ()},
    "atom at another place": {"atoms": lambda a: ((0.1, 0.25),)},
    "atom that is not there": {"atoms": lambda a: ((0.0, 0.25), (0.5, 1e-4))},
    "atom with too much of the mass": {"atoms": lambda a: ((0.0, 0.26),)},
    "turn of the logarithm in a gap": {
        "_cdf": lambda f, x: np.where((x > 0.2) & (x < 0.8), f(x) - 1, f(x))
    },
    "turn of the logarithm above a band": {
        "_log_potential": lambda f, z: np.where(z.real > 0.5, f(z) + 2j * np.pi, f(z))
    },
    "wrong sheet everywhere": {
        "_stieltjes": lambda f, z: f(z).conj(),
        "_jet": lambda f, z: tuple(part.conj() for part in f(z)),
    },
    "wrong sheet near the axis": {
        "_stieltjes": lambda f, z: np.where(z.imag < 0.01, f(z).conj(), f(z))
    },
    "other root of the equation": {"_stieltjes": lambda f, z: f(z) + 1 / (z - 1.0)},
    "edge shifted outwards": {"support": lambda s: (s[0], (0.8, 3.1))},
    "edge shifted outwards by 1e-6": {"support": lambda s: (s[0], (0.9 - 1e-6, 3.1))},
    "edge shifted inwards": {"support": lambda s: (s[0], (0.95, 3.1))},
    "edge inside, density to match": {
        "support": lambda s: (s[0], (0.9, 3.0)),
        "_pdf": lambda f, x: np.where(x <= 3.0, f(x), 0.0),
    },
    "band lost": {"support": lambda s: s[1:]},
    "band twice": {"support": lambda s: (s[0], *s)},
    "bands out of order": {"support": lambda s: s[::-1]},
    "band between the two": {
        "support": lambda s: ((s[0][0], s[1][1]),),
        "_pdf": lambda f, x: f(x) + 1e-4 * ((x > -0.8) & (x < 0.9)),
    },
    "distribution function decreases": {
        "_cdf": lambda f, x: f(x) - 1e-4 * ((x > -0.9) & (x < -0.85))
    },
    "distribution function does not reach 1": {"_cdf": lambda f, x: np.minimum(f(x), 1 - 1e-6)},
    "distribution function is 1 in the lower tail": {
        "_cdf": lambda f, x: np.where(x < -1.19, np.where(x < -1.2, 0.0, 1.0), f(x))
    },
    "mass moved between bands": {
        "_pdf": lambda f, x: f(x) * np.where(x < 0, 1.02, 0.99),
    },
    "wrong mean": {"_exact_moments": moved(1, 1e-6)},
    "wrong variance": {"_exact_moments": moved(2, 1e-6)},
    "negative density": {"_pdf": lambda f, x: f(x) - 1e-3 * ((x > 1.9) & (x < 2.1))},
    "density is NaN in places": {"_pdf": lambda f, x: np.where(np.abs(x - 2) < 0.1, np.nan, f(x))},
    "transform is NaN in places": {
        "_stieltjes": lambda f, z: np.where(np.abs(z.real - 1) < 0.1, np.nan, f(z))
    },
    "quantiles miss the atom": {"_ppf": lambda f, q: np.where((q > 0.25) & (q < 0.5), -0.1, f(q))},
    "quantiles off": {"_ppf": lambda f, q: f(q) + 1e-6},
}


def test_the_sound_law_passes():
    assert certificate(Broken(SOUND)).failures == ()


@pytest.mark.parametrize("place", [-1.0, -0.9, 1.3, 2.9])
def test_an_atom_inside_a_band_begins_no_gap(place):
    law = mixture(
        [Semicircle(0.01, -1.0), Semicircle(0.3025, 2.0), Discrete((place,), (1.0,))],
        [0.25, 0.5, 0.25],
    )
    assert certificate(law).failures == ()


@pytest.mark.parametrize("name", MUTATIONS)
def test_laws_broken_on_purpose_are_seen(name):
    broken = Broken(SOUND, **MUTATIONS[name])
    found = certificate(broken)
    assert not found.passed
    with pytest.raises(ConvergenceError, match="not found reliably"):
        certify(broken)


@pytest.mark.parametrize("name", ["wrong mean", "mass too small by 1e-6"])
def test_a_stated_error_is_allowed(name):
    assert certificate(Broken(SOUND, **MUTATIONS[name]), tolerance=1e-5).passed


def test_moments_known_to_the_caller_are_compared():
    law = MarchenkoPastur(0.3)
    assert certificate(law, mean=1.0, variance=0.3).passed
    assert any("mean" in failure for failure in certificate(law, mean=1.01).failures)
    assert any("variance" in failure for failure in certificate(law, variance=0.31).failures)


@pytest.mark.parametrize("distance", [3e-5, 1e-4])
def test_a_density_unknown_next_to_an_edge_takes_the_mass_of_the_distribution_function(distance):
    def refusing(f, x):
        unknown = np.abs(x - 3.1) < distance
        if unknown.any():
            raise DensityError("not known", unknown)
        return f(x)

    found = certificate(Broken(SOUND, _pdf=refusing))
    assert found.failures == ()
    assert np.isfinite(list(found.defects.values())).all()
    wrong = certificate(Broken(SOUND, _pdf=refusing, _cdf=lambda f, x: f(x) + 1e-6 * (x > 3)))
    assert not wrong.passed


def test_the_message_holds_the_numbers():
    broken = Broken(SOUND, atoms=lambda a: ((0.0, 1.7),))
    with pytest.raises(ConvergenceError, match=r"\(0\.0, 1\.7\)"):
        certify(broken)
    broken = Broken(SOUND, _pdf=lambda f, x: 1.001 * f(x))
    with pytest.raises(ConvergenceError, match=r"its mass is 1\.00075"):
        certify(broken)

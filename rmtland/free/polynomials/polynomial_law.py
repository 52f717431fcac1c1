r"""Laws of self-adjoint polynomials in free variables.

A polynomial in free variables of given laws, or of independent rotation-invariant random matrices
as they grow, is linearised (`rmtland.free.polynomials.linearisation`) to a pencil of which it is
the corner, and the pencil is solved as a matrix-valued equation [1]_:

- variables with rational R-transforms (semicircles, free Poisson laws, their sums) and circular
  variables are Gaussian: the pencil is a `MatrixDyson` equation, in which a free Poisson variable
  of rate c and jump t stands for :math:`t Y Y^T`, an n x cn matrix Y and a block of its own;
- any other law enters by operator-valued subordination
  (`rmtland.free.operator_valued.free_pencil`);
- two variables of two values each are two projections, with a closed form
  (`rmtland.free.polynomials.two_projections`).

Moments are sums over words of moments of free variables, in exact arithmetic.

References
----------
.. [1] S. T. Belinschi, T. Mai and R. Speicher, Analytic subordination theory of operator-valued
       free additive convolution and the solution of a general random matrix problem, J. reine
       angew. Math. 732 (2017) 21-53.
.. [2] A. Nica and R. Speicher, Commutators of free random variables, Duke Math. J. 92 (1998)
       553-592: xy + yx and i(xy - yx) of semicirculars.

Examples
--------
The anticommutator of two semicirculars, whose edges are +-((11 + 5 sqrt 5)/2)^(1/2):

>>> from rmtland import MarchenkoPastur, Semicircle
>>> x, y = free_variables("x y")
>>> law = law_of_polynomial(x * y + y * x, x=Semicircle(), y=Semicircle())
>>> [round(edge, 12) for edge in law.support[0]]
[-3.330190676786, 3.330190676786]
>>> [law.moment(k) for k in range(5)]
[1.0, 0.0, 2.0, 0.0, 10.0]

A Wishart matrix between semicirculars, by a function of symbols:

>>> law_of_polynomial(lambda x, w: x * w * x, x=Semicircle(), w=MarchenkoPastur(0.5)).mean()
1.0
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from rmtland.arguments import callable_or_none, choice
from rmtland.deprecation import renamed_argument
from rmtland.free.operator_valued.free_pencil import FreePencil, circular_part, law_part, levy_part
from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
from rmtland.free.operator_valued.resolvent_equation import ResolventEquation
from rmtland.free.operator_valued.resolvent_law import ResolventLaw
from rmtland.free.operator_valued.self_energy import LARGEST_SIZE
from rmtland.free.polynomials.circular import Circular
from rmtland.free.polynomials.common_eigenspaces import common_eigenspaces
from rmtland.free.polynomials.linearisation import Linearisation
from rmtland.free.polynomials.noncommutative_polynomial import (
    Letter,
    Polynomial,
    Word,
    WordMoments,
    free_variables,
)
from rmtland.free.polynomials.plain_units import in_plain_units
from rmtland.free.polynomials.reductions import (
    common_powers,
    free_summands,
    in_powers,
    sandwich,
    square_of,
    without_powers_of_projections,
)
from rmtland.free.polynomials.two_projections import (
    is_two_point,
    law_of_two_point_polynomial,
)
from rmtland.free.products import free_product
from rmtland.free.sums import free_sum
from rmtland.laws.affine_law import affine
from rmtland.laws.discrete import Discrete, PointMasses
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw
from rmtland.laws.light_tails import cut_tails
from rmtland.laws.pushforward import pushforward
from rmtland.typing import NumpyArray, Record

__all__ = ["Circular", "PolynomialLaw", "law_of_polynomial"]

METHODS = ("automatic", "gaussian", "subordination")
_MOST_WORDS = 1024
_LONGEST_WORD = 24


@dataclass(frozen=True)
class PolynomialLaw(ResolventLaw):
    """The law of a self-adjoint polynomial in free variables; made by `law_of_polynomial`.

    Parameters
    ----------
    polynomial : Polynomial
        Self-adjoint.
    variables : tuple of (str, Law or Circular)
        Name and law of each variable, in alphabetical order.
    gaussian : bool
        Whether the equation is a `MatrixDyson` equation, which needs rational R-transforms.
    """

    polynomial: Polynomial
    variables: tuple[tuple[str, Law | Circular], ...]
    gaussian: bool

    @cached_property
    def equation(self) -> ResolventEquation:  # type: ignore[override]
        """The equation for the pencil."""
        laws = dict(self.variables)
        sizes = {name: _norm(law) for name, law in self.variables}
        pencil = Linearisation.of(self.polynomial, scales=sizes)
        if self.gaussian:
            return _gaussian_equation(pencil, laws)
        constant = pencil.constant.copy()
        parts = []
        for letter, matrix in pencil.coefficients.items():
            law = laws[letter.name]
            if isinstance(law, Circular):
                if not letter.starred:
                    parts.append(circular_part(matrix, law.variance))
            elif isinstance(law, LevyLaw):
                constant += law.levy.drift * matrix
                parts.append(levy_part(matrix, law.levy))
            else:
                center = law.mean()
                constant += center * matrix
                parts.append(law_part(matrix, law, center=center))
        return FreePencil(constant, parts, radius=self._bound)

    @cached_property
    def _bound(self) -> float:
        """Bound of the norm: the polynomial with moduli for coefficients, at the norms."""
        sizes = {name: _norm(law) for name, law in self.variables}
        return math.fsum(
            abs(value) * math.prod(sizes[letter.name] for letter in word)
            for word, value in self.polynomial.coefficients.items()
        )

    def _atom_places(self) -> list[float]:
        """Values of the polynomial at atoms of some variables that do not depend on the others.

        Its constant is added, where densities of squares and products are unbounded.
        """
        constant = self.polynomial.coefficients.get((), 0j).real
        choices: list[list[float | None]] = []
        for _, law in self.variables:
            atoms = [] if isinstance(law, Circular) else [place for place, _ in law.atoms]
            choices.append([None, *atoms])
        if math.prod(len(options) for options in choices) > 1000:
            return [0.0, constant]
        places = [0.0, constant]
        names = [name for name, _ in self.variables]
        for values in product(*choices):
            chosen = {n: v for n, v in zip(names, values, strict=True) if v is not None}
            rest = _substituted(self.polynomial, chosen)
            size = max((abs(v) for v in self.polynomial.coefficients.values()), default=0.0)
            words = rest.coefficients
            if all(not word or abs(v) < 1e-14 * size for word, v in words.items()):
                places.append(words.get((), 0j).real)
        return places

    def _certain_atoms(self) -> list[tuple[float, float]]:
        """Atoms at common eigenvectors of the variables."""
        return common_eigenspaces(self.polynomial, dict(self.variables))

    def _ranks(self) -> list[float]:
        """Masses of atoms and of separate pieces of the variables' laws."""
        found: list[float] = []
        for _, law in self.variables:
            if isinstance(law, Circular):
                continue
            found += [mass for _, mass in law.atoms]
            found += [float(law.cdf(high)) for _, high in law.support]
        return found

    def _exact_moments(self, k: int) -> list[Fraction]:
        """Moments from those of words where there are not too many, else on a circle."""
        power: dict[Word, tuple[Fraction, Fraction]] = {(): (Fraction(1), Fraction(0))}
        laws = dict(self.variables)

        def cumulants(name: str, order: int) -> list[Fraction]:
            law = laws[name]
            if isinstance(law, Circular):
                return [Fraction(0), Fraction(law.variance)]
            return law._exact_cumulants(order)

        known = WordMoments(cumulants)
        terms = [
            (word, Fraction(value.real), Fraction(value.imag))
            for word, value in self.polynomial.coefficients.items()
        ]
        moments = [Fraction(1)]
        for order in range(1, k + 1):
            if len(power) * len(terms) > _MOST_WORDS or order * self.polynomial.degree > (
                _LONGEST_WORD
            ):
                return [*moments, *self._moments_on_circle(k)[order:]]
            longer: dict[Word, tuple[Fraction, Fraction]] = {}
            for word, (real, imaginary) in power.items():
                for factor, a, b in terms:
                    old = longer.get(word + factor, (Fraction(0), Fraction(0)))
                    longer[word + factor] = (
                        old[0] + real * a - imaginary * b,
                        old[1] + real * b + imaginary * a,
                    )
            power = longer
            moments.append(
                sum((v[0] * known.moment(w) for w, v in power.items() if v[0]), Fraction(0))
            )
        return moments


@renamed_argument("route", "method")
def law_of_polynomial(
    polynomial: Polynomial | Callable[..., Polynomial],
    *,
    method: str = "automatic",
    progress: Callable[[str, float, float], None] | None = None,
    **variables: Law | Circular,
) -> Law:
    """Return the law of a self-adjoint polynomial in free variables.

    .. formula:: Laws of polynomials by linearisation, such as commutator :math:`i(xy - yx)` and
        anticommutator :math:`xy + yx`

    Parameters
    ----------
    polynomial : Polynomial or callable
        Made from `free_variables`; or a function of symbols, called with one for each of
        `variables`. Free variables do not commute: x y + y x and 1j (x y - y x) are self-adjoint,
        x y is not.
    method : str
        "gaussian" for a matrix Dyson equation, which needs variables with rational R-transforms
        (and circular ones); "subordination" for the route that takes any law; "automatic" chooses
        the first where it can.
    progress : callable, optional
        Called as progress(stage, share, seconds) while bands and atoms are searched, with the
        share of the work that is done and an estimate of the seconds that are left. With it the
        search is done at once, without it when it is first needed; closed forms need none.
    **variables : Law or Circular
        The law of each variable; light tails are cut off (`rmtland.laws.Normal`), and a measured
        or deterministic spectrum is an `EmpiricalLaw`. A `Circular` variable is not self-adjoint.

    Returns
    -------
    Law
        A `PolynomialLaw`; by the automatic method, for two variables of two-point laws a closed
        form (`rmtland.free.polynomials.two_projections`), for a polynomial of degree one the free
        sum, for one of degree zero a point mass, for one variable its `Pushforward`, and what
        `rmtland.free.polynomials.reductions` reduces to these.

    Raises
    ------
    ValueError
        If the polynomial is not self-adjoint, a variable is missing, unknown or of heavy tails,
        values are no floating-point numbers, or the method does not suit the laws.
    TypeError
        If the polynomial or a law is of another type, or `progress` cannot be called.
    ConvergenceError
        If the search for bands and atoms (at once or later) does not give a law.

    See Also
    --------
    rmtland.free.free_variables : makes the variables.
    rmtland.free.free_sum, rmtland.free.free_product : closed forms.
    """
    choice("method", method, METHODS)
    callable_or_none("progress", progress)
    p = _checked(polynomial, variables)
    laws = {name: cut_tails(v) if isinstance(v, Law) else v for name, v in variables.items()}
    p, laws, unit = in_plain_units(p, laws)
    found = _law_of(p, laws, method)
    if progress is not None and isinstance(found, PolynomialLaw):
        found.prepare(progress)
    return affine(found, scale=unit)


def _law_of(p: Polynomial, laws: Mapping[str, Law | Circular], method: str) -> Law:
    """Return the law by a method, all arguments being right."""
    fixed = {n: v for n, v in laws.items() if isinstance(v, Law) and v.is_point_mass}
    p = _substituted(p, {name: law.atoms[0][0] for name, law in fixed.items()})
    p = without_powers_of_projections(p, laws) if method == "automatic" else p
    laws = _those_of(p, laws)
    rational = all(isinstance(law, LevyLaw | Circular) for law in laws.values())
    if method == "gaussian" and not rational:
        wrong = next(law for law in laws.values() if not isinstance(law, LevyLaw | Circular))
        raise ValueError(f"the method 'gaussian' needs rational R-transforms; got {wrong!r}")
    simple = _simple(p, laws) if method == "automatic" else None
    if simple is not None:
        return simple
    # Images of points are points; those of a density have transforms that cost more.
    powers = {n: k for n, k in common_powers(p).items() if isinstance(laws[n], PointMasses)}
    if powers and method == "automatic":
        images = {n: pushforward(laws[n], [0.0] * k + [1.0]) for n, k in powers.items()}
        return _law_of(in_powers(p, powers), {**laws, **images}, method)
    pencil = Linearisation.of(p)
    small = rational and _gaussian_size(pencil, laws) <= LARGEST_SIZE
    if method == "gaussian" and not small:
        raise ValueError(f"a linearisation of size above {LARGEST_SIZE}; take another method")
    gaussian = small and method != "subordination"
    return PolynomialLaw(p, tuple(sorted(laws.items())), gaussian)


def _checked(polynomial: object, variables: Mapping[str, Law | Circular]) -> Polynomial:
    """Return the polynomial, after a look at it and at its variables."""
    for name, law in variables.items():
        if not isinstance(law, Law | Circular):
            raise TypeError(f"{name} must be a Law or Circular; got {law!r}")
    p = _made(polynomial, variables)
    missing = [name for name in p.variables if name not in variables]
    if missing:
        raise ValueError(f"no law given for {', '.join(missing)}; pass {missing[0]}=<a law>")
    unused = [name for name in variables if name not in p.variables]
    if unused and isinstance(polynomial, Polynomial):
        raise ValueError(f"{', '.join(unused)} does not occur in the polynomial {p!r}")
    for letter in p.letters:
        law = variables[letter.name]
        if isinstance(law, Circular) == letter.self_adjoint:
            raise ValueError(
                f"{letter.name} is {'' if letter.self_adjoint else 'not '}self-adjoint but its law "
                f"is {law!r}; a circular variable is free_variables(..., self_adjoint=False)"
            )
    Linearisation.of(p) if p.asymmetry() else None
    return p


def _made(polynomial: object, variables: Mapping[str, Law | Circular]) -> Polynomial:
    if isinstance(polynomial, Polynomial):
        return polynomial
    if not callable(polynomial):
        raise TypeError(f"polynomial must be a Polynomial or a function; got {polynomial!r}")
    symbols = {
        name: free_variables([name], self_adjoint=not isinstance(law, Circular))
        for name, law in variables.items()
    }
    names = list(inspect.signature(polynomial).parameters)
    if set(names) != set(symbols):
        raise ValueError(f"the function takes {names}, but laws are given for {list(symbols)}")
    made = polynomial(**symbols)
    if isinstance(made, int | float | complex):
        return Polynomial({(): made})
    if not isinstance(made, Polynomial):
        raise TypeError(f"the function must return a Polynomial; got {made!r}")
    return made


def _simple(p: Polynomial, laws: Mapping[str, Law | Circular]) -> Law | None:
    """Return the law where no equation is needed, else None."""
    constant = p.coefficients.get((), 0j).real
    if p.degree == 0:
        return Discrete((constant,), (1.0,))
    everything = list(laws.values())
    if len(laws) == 2 and all(is_two_point(law) for law in everything):
        return law_of_two_point_polynomial(p, dict(laws))
    if p.degree == 1 and not any(isinstance(law, Circular) for law in everything):
        parts = [
            affine(law, scale=p.coefficients[(Letter(name),)].real)
            for name, law in laws.items()
            if isinstance(law, Law)
        ]
        return affine(free_sum(*parts), shift=constant)
    law = everything[0]
    if len(laws) == 1 and isinstance(law, Law):
        powers = [(Letter(next(iter(laws))),) * k for k in range(p.degree + 1)]
        return pushforward(law, [p.coefficients.get(word, 0j).real for word in powers])
    if any(isinstance(law, Circular) for law in everything):
        return None
    return _reduced(p, laws)


def _reduced(p: Polynomial, laws: Mapping[str, Any]) -> Law | None:
    """Return the law where it follows from simpler ones without a larger equation, else None."""
    parts = free_summands(p)
    if len(parts) > 1:
        found = [_simple(part, _those_of(part, laws)) for part in parts]
        return free_sum(*(law for law in found if law)) if all(found) else None
    outer = sandwich(p)
    if outer is not None and not all(isinstance(law, LevyLaw) for law in laws.values()):
        name, power, middle = outer
        inner = _simple(middle, _those_of(middle, laws))
        # A product with a law of one sign is the cheaper one.
        if inner is not None and _norm(inner) > 0 and _has_one_sign(inner):
            return free_product(pushforward(laws[name], [0.0] * (2 * power) + [1.0]), inner)
    square = square_of(p)
    if square is not None:
        root, series = square
        return pushforward(_law_of(root, _those_of(root, laws), "automatic"), series)
    return None


def _has_one_sign(law: Law) -> bool:
    low, high = law.ppf([0.0, 1.0])
    return bool(low >= 0 or high <= 0)


def _those_of(p: Polynomial, laws: Mapping[str, object]) -> Record:
    return {name: laws[name] for name in p.variables}


def _norm(law: Law | Circular) -> float:
    if isinstance(law, Circular):
        return 2 * math.sqrt(law.variance)
    ends = [end for band in law.support for end in band] + [place for place, _ in law.atoms]
    return max(abs(end) for end in ends)


def _substituted(p: Polynomial, values: Mapping[str, float]) -> Polynomial:
    """Return the polynomial with numbers in the place of some variables."""
    if not values:
        return p
    total: dict[Word, complex] = {}
    for word, value in p.coefficients.items():
        rest = tuple(letter for letter in word if letter.name not in values)
        factor = math.prod(values[letter.name] for letter in word if letter.name in values)
        total[rest] = total.get(rest, 0j) + value * factor
    return Polynomial(total)


def _gaussian_size(pencil: Linearisation, laws: Mapping[str, Law | Circular]) -> int:
    size = pencil.size
    for letter, matrix in pencil.coefficients.items():
        law = laws[letter.name]
        if isinstance(law, LevyLaw):
            size += len(law.levy.jumps) * int(np.linalg.matrix_rank(matrix))
    return size


def _gaussian_equation(pencil: Linearisation, laws: Mapping[str, Law | Circular]) -> MatrixDyson:
    """Return a matrix Dyson equation, with rows of their own for free Poisson parts."""
    k, size = pencil.size, _gaussian_size(pencil, laws)
    mean: NumpyArray = np.zeros((size, size), dtype=np.complex128)
    mean[:k, :k] = pencil.constant
    weights = np.ones(size)
    sandwiches: list[tuple[NumpyArray, NumpyArray]] = []
    blocks: list[tuple[NumpyArray, slice, float, float]] = []
    place = k
    for letter, matrix in pencil.coefficients.items():
        law = laws[letter.name]
        if isinstance(law, Circular):
            # both orders, one at each of the two letters
            scaled = law.variance * matrix
            sandwiches.append((scaled, matrix.conj().T))
            continue
        assert isinstance(law, LevyLaw)
        mean[:k, :k] += law.levy.drift * matrix
        if law.levy.variance:
            sandwiches.append((law.levy.variance * matrix, matrix))
        part = levy_part(matrix, law.levy)
        for rate, jump in zip(law.levy.rates, law.levy.jumps, strict=True):
            rows = slice(place, place + part.rank)
            place += part.rank
            mean[rows, rows] = -math.copysign(1.0, jump) * np.linalg.inv(part.core)
            weights[rows] = rate
            blocks.append((part.frame, rows, rate, abs(jump)))

    def covariance(m: NumpyArray) -> NumpyArray:
        energy = np.zeros(m.shape, dtype=np.complex128)
        corner = m[..., :k, :k]
        for left, right in sandwiches:
            energy[..., :k, :k] += left @ corner @ right
        for frame, rows, rate, size in blocks:
            adjoint = frame.conj().T
            energy[..., :k, :k] += rate * size * frame @ m[..., rows, rows] @ adjoint
            energy[..., rows, rows] += size * adjoint @ corner @ frame
        return energy

    ends = np.zeros(size)
    ends[0] = 1.0
    if not np.abs(mean.imag).any():
        mean = mean.real
    return MatrixDyson(mean, covariance, pencil=ends, weights=weights)

"""Laws written as Python expressions, read without running them.

An expression is made of calls of rmtland's laws, models, ensembles and free operations, by their
public names, with numbers (``pi`` and ``inf`` by name), tuples and text as arguments: it is parsed,
not evaluated, and nothing but those names can be called. A polynomial in free variables stands as
it is written, with a law for every variable; ``c.adjoint()`` is the adjoint of a circular variable.

Examples
--------
>>> theory("free_sum(MarchenkoPastur(.5), Semicircle(.3))").mean()
1.0
>>> theory("law_of_polynomial(x*y + y*x, x=Uniform(0, 1), y=Semicircle())").mean()
0.0
>>> theory("__import__('os')")  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
ValueError: unknown name '__import__' in a law; known are Affine, Arcsine, ...
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rmtland.synonyms import PACKAGE, meant
from rmtland.typing import Array, Record

if TYPE_CHECKING:
    from rmtland.comparison.theories import Theory

__all__ = ["NAMES", "theory"]

NAMES = (
    "Affine",
    "Arcsine",
    "Circular",
    "ConjugateKernel",
    "DeepGaussNewton",
    "DeformedWigner",
    "Discrete",
    "FreeMeixner",
    "FreePoisson",
    "FussCatalan",
    "GaussianEnsemble",
    "GeneralisedLinearHessian",
    "HaarProduct",
    "HaarSum",
    "InputOutputJacobian",
    "JacobiEnsemble",
    "JacobiWeight",
    "KestenMcKay",
    "LinearHessian",
    "LinearJacobian",
    "MarchenkoPastur",
    "Mixture",
    "NeuralTangentKernel",
    "NonlinearGram",
    "Normal",
    "PopulationHessian",
    "SampleCovariance",
    "Semicircle",
    "SoftmaxHessian",
    "TracyWidom",
    "Uniform",
    "Wachter",
    "Wigner",
    "WishartEnsemble",
    "WishartPlusReluBlock",
    "WishartPlusWigner",
    "affine",
    "free_compression",
    "free_power",
    "free_product",
    "free_sum",
    "general_marchenko_pastur",
    "law_of_polynomial",
    "mixture",
    "pushforward",
    "truncated",
)
"""Names that may be called."""

_LONGEST, _DEEPEST, _LARGEST, _MOST_WORDS = 2000, 30, 1e12, 5000
"""Characters, nested parts, moduli of numbers and words that an expression may have."""

_CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi}
"""Numbers with names: ends of unbounded laws, and what laws refuse in their own words."""

_NO_OPERATORS = " (no operators between laws: free_sum(a, b), free_product(a, b))"

_NUMBERS: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def theory(text: str) -> Theory:
    """Return the law, model or ensemble that an expression describes.

    Parameters
    ----------
    text : str
        Such as ``"free_product(MarchenkoPastur(.5), Uniform(1, 2))"``.

    Returns
    -------
    Law, model or ensemble

    Raises
    ------
    ValueError
        If it is not such an expression, or too long; the message says where.
    TypeError
        If an argument is not what is expected there.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"a law may have {_LONGEST} characters; got {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        detail = getattr(error, "msg", None) or str(error)
        raise ValueError(
            f"{text[:80]!r} is not a law, such as MarchenkoPastur(.5): {detail}"
        ) from None
    found: Theory = _value(tree.body, 0)
    if not (hasattr(found, "support") or hasattr(type(found), "law")):
        raise ValueError(f"{text[:80]!r} is {type(found).__name__}, not a law, model or ensemble")
    return found


def _value(node: ast.AST, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"a law may have {_DEEPEST} nested parts")
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as constant):
            return _small(constant)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return tuple(_value(part, depth + 1) for part in parts)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_number(inner, depth)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _number(inner, depth)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _NUMBERS:
            try:
                return _small(_NUMBERS[type(op)](_number(left, depth), _number(right, depth)))
            except ZeroDivisionError:
                raise ValueError(f"{ast.unparse(node)} divides by zero") from None
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            return _called(name, arguments, keywords, depth)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Name(id=name):
            _require_known(name)
            raise ValueError(f"{name!r} is not a law: give it parameters, as in {name}(...)")
    raise ValueError(
        f"{ast.unparse(node)!r} has no place in a law; take names, numbers and tuples"
        + _NO_OPERATORS
    )


def _require_known(name: str) -> None:
    if name not in NAMES:
        here = (meant(name, PACKAGE) or "").removeprefix("rmtland.")
        there = f"{here} is what is meant" if here in NAMES else f"known are {', '.join(NAMES)}"
        raise ValueError(f"unknown name {name!r} in a law; {there}")


def _called(name: str, arguments: list[ast.expr], keywords: list[ast.keyword], depth: int) -> Any:
    _require_known(name)
    if any(isinstance(part, ast.Starred) for part in arguments) or any(
        keyword.arg is None for keyword in keywords
    ):
        raise ValueError(f"give the arguments of {name} one by one")
    import rmtland

    if name == "law_of_polynomial" and len(arguments) == 1:
        laws = {str(keyword.arg): _value(keyword.value, depth + 1) for keyword in keywords}
        return rmtland.law_of_polynomial(_polynomial(arguments[0], _symbols(laws), depth), **laws)
    values = [_value(part, depth + 1) for part in arguments]
    options = {str(keyword.arg): _value(keyword.value, depth + 1) for keyword in keywords}
    return getattr(rmtland if hasattr(rmtland, name) else rmtland.models, name)(*values, **options)


def _symbols(laws: Record) -> Record:
    """Free variables of the names of laws; circular ones are not self-adjoint."""
    from rmtland import Circular, free_variables

    return {
        name: free_variables([name], self_adjoint=not isinstance(law, Circular))
        for name, law in laws.items()
    }


def _polynomial(node: ast.AST, symbols: Record, depth: int) -> Any:
    """Return the polynomial that an expression in free variables and numbers describes."""
    if depth > _DEEPEST:
        raise ValueError(f"a polynomial may have {_DEEPEST} nested parts")
    match node:
        case ast.Name(id=name) if name in _CONSTANTS and name not in symbols:
            return _small(_CONSTANTS[name])
        case ast.Name(id=name):
            if name not in symbols:
                raise ValueError(f"no law given for {name!r}; add {name}=<a law>")
            return symbols[name]
        case ast.Constant(value=int() | float() | complex() as constant) if not isinstance(
            constant, bool
        ):
            return _small(constant)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_polynomial(inner, symbols, depth + 1)
        case ast.Call(func=ast.Attribute(value=inner, attr="adjoint"), args=[], keywords=[]):
            return _polynomial(inner, symbols, depth + 1).adjoint()
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() as power)):
            if not 0 <= power <= _DEEPEST:
                raise ValueError(f"exponents of polynomials are from 0 to {_DEEPEST}; got {power}")
            inner = _polynomial(left, symbols, depth + 1)
            if isinstance(inner, int | float | complex):
                return _small(inner**power)
            words = max(1, len(inner.coefficients)) ** power
            return _short(inner.degree * power, words, node) and inner**power
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _NUMBERS:
            first = _polynomial(left, symbols, depth + 1)
            second = _polynomial(right, symbols, depth + 1)
            sizes = [
                (part.degree, len(part.coefficients)) if hasattr(part, "degree") else (0, 1)
                for part in (first, second)
            ]
            if isinstance(op, ast.Mult):
                _short(sizes[0][0] + sizes[1][0], sizes[0][1] * sizes[1][1], node)
            try:
                return _NUMBERS[type(op)](first, second)
            except ZeroDivisionError:
                raise ValueError(f"{ast.unparse(node)} divides by zero") from None
            except TypeError:
                raise ValueError(f"{ast.unparse(node)!r} is not a polynomial") from None
    raise ValueError(
        f"{ast.unparse(node)!r} has no place in a polynomial; take numbers, variables, +, -, *, "
        "** and .adjoint()"
    )


def _short(degree: int, words: int, node: ast.AST) -> bool:
    """Raise for a polynomial that is too large to expand."""
    if degree > _DEEPEST or words > _MOST_WORDS:
        raise ValueError(
            f"{ast.unparse(node)[:40]!r} has the degree {degree} and up to {words} words; a "
            f"polynomial may have {_DEEPEST} and {_MOST_WORDS}"
        )
    return True


def _number(node: ast.AST, depth: int) -> float:
    value = _value(node, depth + 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{ast.unparse(node)!r} is not a number{_NO_OPERATORS}")
    return value


def _small(value: object) -> object:
    if isinstance(value, int | float) and not abs(value) <= _LARGEST:
        text = str(value)
        shown = text if len(text) <= 12 else f"{text[:12]}... ({len(text)} characters)"
        raise ValueError(f"a number in a law is at most {_LARGEST:g} in modulus; got {shown}")
    return value

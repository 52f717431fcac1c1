r"""What is looked at before products with a JAX loss are made.

Besides shape and value of the loss: whether its derivatives are those of its values. A
`stop_gradient` (or a custom rule, or an integer on the way) cuts derivatives without a word, and
the Hessian would be zero, or that of another function; so for a vector v

.. math::

    \nabla L \cdot v \approx \frac{L(\theta + h v) - L(\theta - h v)}{2h}, \qquad
    H v \approx \frac{\nabla L(\theta + h v) - \nabla L(\theta - h v)}{2h}

are compared on the first samples, in double precision; where the gradient is 0, as with targets
that are the outputs, v.Hv and second differences of the loss.

>>> refuse_hidden_derivatives.__name__
'refuse_hidden_derivatives'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import numpy as np

from rmtland.adapters.loss_parts import LossParts, first_part
from rmtland.typing import Array, Tree

__all__ = [
    "batches_of",
    "found_reduction",
    "refuse_bad_loss",
    "refuse_hidden_derivatives",
    "refuse_no_likelihood",
    "refuse_no_pairs",
    "samples_of",
]

Losses = tuple[Callable[[Array, Tree], Tree], Callable[[Tree, Tree], Array]]
"""Flat parameters, batch -> outputs; outputs, batch -> loss."""

_SAMPLES = 64
"""Samples of the first batch that derivatives are compared on, at most."""
_STEP = 1e-4
_FAR = 1e-3
"""Relative distance that curvature along the way explains."""


def samples_of(jax: ModuleType, batch: Tree) -> int:
    """Return the number of samples of a batch: the length of its first array.

    Parameters
    ----------
    jax : module
        JAX.
    batch : pytree of arrays
        The batch.

    Returns
    -------
    int
        1 for an array without axes.

    Raises
    ------
    ValueError
        If it holds no arrays.
    """
    leaves = jax.tree_util.tree_leaves(batch)
    if not leaves:
        raise ValueError("a batch holds no arrays")
    shape = np.shape(leaves[0])
    return int(shape[0]) if shape else 1


def rows_of(jax: ModuleType, batch: Tree, rows: slice) -> Tree:
    """Return some samples of a batch.

    Parameters
    ----------
    jax : module
        JAX.
    batch : pytree of arrays
        The batch.
    rows : slice
        Which.

    Returns
    -------
    pytree of arrays
        Arrays without axes stay as they are.
    """
    return jax.tree_util.tree_map(lambda a: a[rows] if np.ndim(a) else a, batch)


def refuse_bad_loss(losses: Losses, theta: Array, batch: Tree) -> None:
    """Refuse a loss that is not one finite real number.

    Parameters
    ----------
    losses : tuple of callable
        Model and criterion.
    theta : array, shape (p,)
        Parameters.
    batch : pytree of arrays
        The first batch.

    Raises
    ------
    ValueError
        If it is none.
    """
    value = losses[1](losses[0](theta, batch), batch)
    if value is None or isinstance(value, str):
        raise ValueError(f"the loss must be one real number; got {value!r}")
    shape = np.shape(value)
    if shape or "float" not in str(getattr(value, "dtype", "float")):
        raise ValueError(
            f"the loss must be one real number; got shape {shape}: take its mean or sum over the "
            "samples"
        )
    if not np.isfinite(float(value)):
        raise ValueError(
            f"the loss of the first batch is {float(value)}; look at the parameters and the data"
        )


def refuse_no_pairs(batches: Sequence[Tree]) -> None:
    """Refuse batches that are not (inputs, targets): of others a part would be left out.

    Parameters
    ----------
    batches : sequence
        All of them.

    Raises
    ------
    ValueError
        If one is no tuple of two.
    """
    for batch in batches:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            length = f" of {len(batch)}" if hasattr(batch, "__len__") else ""
            raise ValueError(
                "with model= a batch is a tuple (inputs, targets); got "
                f"{type(batch).__name__}{length}: put further arrays into one of them, as a dict "
                "say, or leave model out"
            )


def batches_of(data: Tree) -> list[Tree]:
    """Return the batches of data: a list of them, or a single one.

    Parameters
    ----------
    data : pytree of arrays, or list of them
        As `rmtland.adapters.from_jax` takes them.

    Returns
    -------
    list of pytree

    Raises
    ------
    TypeError
        If the data can be read only once.
    """
    if isinstance(data, Iterator):
        raise TypeError(
            f"data can be read only once (a {type(data).__name__}), and every product reads them "
            "again; give a list of batches"
        )
    return list(data) if isinstance(data, list) else [data]


def found_reduction(jax: ModuleType, losses: Losses, theta: Array, batches: Sequence[Tree]) -> str:
    """Return whether a loss is the mean or the sum over samples, by trial on parts of each batch.

    Parameters
    ----------
    jax : module
        JAX.
    losses : tuple of callable
        Model and criterion.
    theta : array, shape (p,)
        Parameters.
    batches : sequence of pytree of arrays
        The data.

    Returns
    -------
    {"mean", "sum"}

    Raises
    ------
    ValueError
        If it is neither or not the same in each, alone or together with the first, or 0 in all, or
        the first batch has one sample.
    """
    try:
        return _reduction_at(jax, losses, theta, batches)
    except ValueError:  # a loss of 0, where targets are the outputs, is tried beside the point
        v = np.random.default_rng(20261128).standard_normal(theta.shape[0])
        moved = theta + jax.numpy.asarray(0.1 * v, dtype=theta.dtype)
        here, there = (float(_exact_loss(jax, losses, t, batches[0])) for t in (theta, moved))
        if not abs(here) <= 1e-9 * abs(there) < np.inf:
            raise
    return _reduction_at(jax, losses, moved, batches)


def _reduction_at(jax: ModuleType, losses: Losses, theta: Array, batches: Sequence[Tree]) -> str:
    """Return the reduction that is found at some parameters."""
    remedy = "say reduction='mean' or 'sum', or give a loss that is one of them"
    if samples_of(jax, batches[0]) < 2:
        raise ValueError(
            "whether the loss is a mean or a sum cannot be found out from a batch of one sample; "
            + remedy
        )

    def parts_of(whole: Tree, first: Tree, others: Tree) -> LossParts:
        values = [_exact_loss(jax, losses, theta, part) for part in (whole, first, others)]
        rounding = 1e-9 if str(theta.dtype) == "float64" else 1e-6
        if any(str(value.dtype) != "float64" for value in values):
            rounding = 1e-5
        samples, ahead = samples_of(jax, whole), samples_of(jax, first)
        a, b, c = (float(value) for value in values)
        return LossParts(samples, ahead, a, b, c, rounding)

    reduction, told = "", False
    for number, batch in enumerate(batches, 1):
        m = samples_of(jax, batch)
        if m > 1:
            k = first_part(m)
            cuts = (rows_of(jax, batch, rows) for rows in (slice(None), slice(k), slice(k, None)))
            parts = parts_of(*cuts)
            reduction = reduction or parts.reduction(remedy)
            parts.refuse_other(reduction, f"batch {number}", remedy)
            told |= parts.tells
        joined = _joined(jax, batches[0], batch) if number > 1 and m else None
        if joined is not None:
            parts = parts_of(joined, batches[0], batch)
            parts.refuse_other(reduction, f"batch {number} with the first", remedy)
            told |= parts.tells
    LossParts.refuse_untold(told, remedy)
    return reduction


def _exact_loss(jax: ModuleType, losses: Losses, theta: Array, batch: Tree) -> Array:
    """Return the loss of the outputs in double precision, where it can be computed so.

    In single precision a constant in the loss hides what it adds to.
    """

    def double(leaf: Tree) -> Tree:
        is_real = hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, np.floating)
        return jax.numpy.asarray(leaf, dtype="float64") if is_real else leaf

    outputs = losses[0](theta, batch)
    try:
        return losses[1](*(jax.tree_util.tree_map(double, one) for one in (outputs, batch)))
    except (TypeError, ValueError):  # it has arrays of its own that do not go with them
        return losses[1](outputs, batch)


def _joined(jax: ModuleType, one: Tree, other: Tree) -> Tree:
    """Return two batches as one, None where their arrays do not fit."""
    leaves, shape = jax.tree_util.tree_flatten(one)
    others, like = jax.tree_util.tree_flatten(other)
    if shape != like:
        return None
    found = []
    for a, b in zip(leaves, others, strict=True):
        if np.shape(a)[1:] != np.shape(b)[1:] or np.ndim(a) != np.ndim(b):
            return None
        if not np.ndim(a) and not np.array_equal(a, b):
            return None
        found.append(jax.numpy.concatenate((a, b)) if np.ndim(a) else a)
    return jax.tree_util.tree_unflatten(shape, found)


def refuse_hidden_derivatives(jax: ModuleType, losses: Losses, theta: Array, batch: Tree) -> None:
    """Refuse a loss whose derivatives are not those of its values.

    Parameters
    ----------
    jax : module
        JAX, in the precision of the comparison.
    losses : tuple of callable
        Model and criterion.
    theta : array, shape (p,)
        Parameters.
    batch : pytree of arrays
        The first batch.

    Raises
    ------
    ValueError
        If gradients or products differ from differences along each of three vectors (a kink of
        ReLU on the way of one is no fault).
    """
    some = rows_of(jax, batch, slice(_SAMPLES))

    def loss(t: Array) -> Array:
        return losses[1](losses[0](t, some), some)

    # compiled whole: step by step every step is compiled
    slopes = jax.jit(jax.value_and_grad(loss))
    moved = jax.jit(lambda t, along: jax.jvp(slopes, (t,), (along,)))
    eps = float(np.finfo(np.dtype(str(jax.eval_shape(loss, theta).dtype))).eps)
    exact = eps < 1e-10
    far = _FAR if exact else 0.05
    generator = np.random.default_rng(20261127)
    size = max(float(np.linalg.norm(np.asarray(theta))), 1e-3)
    why = ""
    for _ in range(3):
        v = generator.standard_normal(theta.shape[0])
        v /= np.linalg.norm(v)
        step = (_STEP if exact else 1e-2) * size
        direction = jax.numpy.asarray(v, dtype=theta.dtype)
        (value, gradient), (_, product) = moved(theta, direction)
        ends = [slopes(theta + sign * step * direction) for sign in (1.0, -1.0)]
        values, gradients = zip(*ends, strict=True)
        gradient, product = np.asarray(gradient, float), np.asarray(product, float)
        along = (float(values[0]) - float(values[1])) / (2 * step)
        bent = (np.asarray(gradients[0], float) - np.asarray(gradients[1], float)) / (2 * step)
        noise = 16 * eps / step
        slope, norm = float(gradient @ v), float(np.linalg.norm(gradient))
        allowed = far * (abs(slope) + abs(along) + norm / len(v) ** 0.5)
        largest = max(abs(float(one)) for one in values)
        allowed += noise * largest
        second = (float(values[0]) - 2 * float(value) + float(values[1])) / step**2
        flat = abs(along - slope) <= 10 * far * step * abs(second)  # a slope of 0 tells nothing
        told = 4 * noise * largest / step <= 0.05 * abs(second)
        agrees = flat and told and abs(float(product @ v) - second) <= 0.05 * abs(second)
        if abs(along - slope) > allowed and not agrees:
            why = f"the slope along a vector is {slope:.4g}, differences of its values {along:.4g}"
            continue
        off, length = float(np.linalg.norm(bent - product)), float(np.linalg.norm(product))
        if off > far * (length + float(np.linalg.norm(bent))) + noise * norm:
            why = f"a product of the Hessian is off by {off:.3g} of {length:.3g}"
            continue
        return
    raise ValueError(
        f"the derivatives of the loss are not those of its values ({why}): look for stop_gradient, "
        "custom derivatives or integers on the way; check=False takes them as they are"
    )


def refuse_no_likelihood(jax: ModuleType, losses: Losses, theta: Array, batch: Tree) -> None:
    r"""Refuse a loss whose Fisher matrix is not known to be its Gauss-Newton matrix.

    It is where the loss is :math:`A(o) - T(y) \cdot o + c(y)`, the negative log-likelihood of a
    natural exponential family (squared errors, softmax cross-entropy, logistic and Poisson losses):
    then its curvature in the outputs does not depend on the targets, which is tried with others.

    Parameters
    ----------
    jax : module
        JAX.
    losses : tuple of callable
        Model and criterion.
    theta : array, shape (p,)
        Parameters.
    batch : (inputs, targets)
        The first batch.

    Raises
    ------
    ValueError
        If it depends on them, or there are no other targets to try.
    """
    tree = jax.tree_util
    outputs = losses[0](theta, batch)
    generator = np.random.default_rng(1)
    along = tree.tree_map(
        lambda o: jax.numpy.asarray(generator.standard_normal(o.shape), dtype=o.dtype), outputs
    )

    def curved(targets: Tree) -> Tree:
        slopes = jax.grad(lambda o: losses[1](o, (batch[0], targets)))
        bent = tree.tree_leaves(jax.jvp(slopes, (outputs,), (along,))[1])
        return np.concatenate([np.ravel(np.asarray(one, float)) for one in bent])

    def others(a: Tree) -> list[Tree]:
        array = np.asarray(a)
        found = [np.roll(array, 1, axis=0) if array.ndim else array]
        if array.dtype.kind in "iu":
            return [*found, array.max() - array + array.min()]
        return [*found, 1.0 - array]

    here, tried = curved(batch[1]), False
    for which in range(2):
        targets = tree.tree_map(lambda a, k=which: others(a)[k], batch[1])
        pairs = zip(tree.tree_leaves(targets), tree.tree_leaves(batch[1]), strict=True)
        if all(np.array_equal(one, np.asarray(other)) for one, other in pairs):
            continue
        tried = True
        there = curved(targets)
        if np.linalg.norm(there - here) > 1e-4 * np.linalg.norm(here):
            raise ValueError(
                "the curvature of the loss in the outputs depends on the targets, so that it is no "
                "log-likelihood whose Fisher matrix is known; take part='gauss_newton' or "
                "'empirical_fisher'"
            )
    if not tried:
        raise ValueError(
            "all targets of the first batch are the same, so that it cannot be found out whether "
            "the loss is a log-likelihood; if it is, part='gauss_newton' is its Fisher matrix"
        )

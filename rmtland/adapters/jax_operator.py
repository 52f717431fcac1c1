r"""Hessians, Gauss-Newton and Fisher matrices of JAX losses, as operators of SciPy.

The parameters are any pytree of arrays. With batches b of m_b samples and losses L_b

.. math::

    L(\theta) = \frac{\sum_b m_b L_b(\theta)}{\sum_b m_b} \quad\text{(mean)}, \qquad
    L(\theta) = \sum_b L_b(\theta) \quad\text{(sum)};

products are forward over reverse, compiled once for each shape of batch. Parts:

- "total": the Hessian H;
- "gauss_newton": H0 = J^T Lambda J (GGN);
- "residual": H1 = H - H0, by its own products;
- "fisher": the Fisher information matrix, which is H0 for negative log-likelihoods of natural
  exponential families; whether the loss is one is tried;
- "empirical_fisher": (1/N) sum of g g^T over the gradients of the losses of the samples; without
  1/N for a sum.

Synonyms: HVP in JAX, flax, equinox, haiku.

    from rmtland.adapters import from_jax
    operator = from_jax(loss, params, (x, y), model=apply, part="gauss_newton")

References
----------
.. [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994)
       147-160.
.. [2] N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent,
       Neural Computation 14 (2002) 1723-1738.
.. [3] F. Kunstner, L. Balles and P. Hennig, Limitations of the empirical Fisher approximation for
       natural gradient descent, NeurIPS 2019.

Examples
--------
>>> from_jax.__name__
'from_jax'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import ModuleType

import numpy as np
from scipy.sparse.linalg import LinearOperator

from rmtland.adapters.jax_checks import (
    batches_of,
    found_reduction,
    refuse_bad_loss,
    refuse_hidden_derivatives,
    refuse_no_likelihood,
    refuse_no_pairs,
    samples_of,
)
from rmtland.adapters.jax_parameters import chosen_leaves
from rmtland.adapters.optional import optional
from rmtland.adapters.torch_parameters import Block
from rmtland.arguments import choice, count
from rmtland.typing import Array, Tree

__all__ = ["JaxOperator", "from_jax"]

_PARTS = ("total", "gauss_newton", "residual", "fisher", "empirical_fisher")


class JaxOperator(LinearOperator):  # type: ignore[misc]
    """A symmetric matrix of a JAX loss by its products; made by `from_jax`.

    Parameters
    ----------
    losses : tuple of callable
        Flat parameters, batch -> outputs; outputs, batch -> loss. The first may be the identity.
    theta : array, shape (p,)
        The parameters chosen, flat.
    batches : list
        Pytrees of arrays.
    weights : sequence of float
        What the loss of each batch is multiplied by.
    blocks : tuple of Block
        Name, shape and place of each parameter in the flat vector.
    part : {"total", "gauss_newton", "residual", "fisher", "empirical_fisher"}
        Which matrix.
    double : bool
        Whether it is computed in float64.
    chunk : int
        Vectors multiplied at once.
    has_outputs : bool, optional
        Whether outputs and loss can be told apart, so that there are parts.
    reduction : {"mean", "sum"}, optional
        What the loss of a batch does over its samples; the empirical Fisher matrix needs it.
    """

    def __init__(
        self,
        losses: tuple[Callable[[Array, Tree], Tree], Callable[[Tree, Tree], Array]],
        theta: Array,
        batches: Sequence[Tree],
        weights: Sequence[float],
        blocks: tuple[Block, ...],
        *,
        part: str,
        double: bool,
        chunk: int,
        has_outputs: bool = True,
        reduction: str = "mean",
    ) -> None:
        import jax

        super().__init__(np.dtype(str(theta.dtype)), (theta.shape[0], theta.shape[0]))
        self.model, self.criterion = losses
        self.theta, self.batches, self.weights = theta, list(batches), list(weights)
        self.blocks, self.part, self.double, self.chunk = blocks, part, double, chunk
        self.has_outputs, self.reduction = has_outputs, reduction
        one = self._empirical if part == "empirical_fisher" else self._product
        self._one = jax.jit(one)
        self._several = jax.jit(jax.vmap(one, in_axes=(None, None, 0)))
        self._value = jax.jit(jax.value_and_grad(self._loss))

    def loss(self) -> float:
        """Return the loss of the data.

        Returns
        -------
        float
            The exact mean, or sum.
        """
        with _precision(self.double):
            return float(sum(w * float(self._value(self.theta, b)[0]) for b, w in self._weighted()))

    def gradient(self) -> Array:
        """Return the gradient of the loss.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `blocks`.
        """
        with _precision(self.double):
            found = sum(w * np.asarray(self._value(self.theta, b)[1]) for b, w in self._weighted())
        return np.asarray(found)

    def unflatten(self, vector: Array) -> dict[str, Array]:
        """Return the pieces of a flat vector by the names of their parameters.

        Parameters
        ----------
        vector : ndarray, shape (p,)
            A vector.

        Returns
        -------
        dict of str to ndarray
            Of the shapes of the parameters.

        Raises
        ------
        ValueError
            If the vector has not p entries.
        """
        if np.shape(vector) != (self.shape[0],):
            raise ValueError(f"expected {self.shape[0]} entries; got shape {np.shape(vector)}")
        return {b.name: vector[b.slice].reshape(b.shape) for b in self.blocks}

    def with_part(self, part: str) -> JaxOperator:
        """Return another part of the Hessian of the same loss, parameters and data.

        Parameters
        ----------
        part : {"total", "gauss_newton", "residual"}
            Which matrix; for the Fisher matrices `from_jax` looks at the loss first.

        Returns
        -------
        JaxOperator
            With the same batches and settings.

        Raises
        ------
        ValueError
            If outputs and loss cannot be told apart.
        """
        choice("part", part, _PARTS[:3])
        if part != "total" and not self.has_outputs:
            raise ValueError(f"part={part!r} needs from_jax(..., model=)")
        return JaxOperator(
            (self.model, self.criterion),
            self.theta,
            self.batches,
            self.weights,
            self.blocks,
            part=part,
            double=self.double,
            chunk=self.chunk,
            has_outputs=self.has_outputs,
            reduction=self.reduction,
        )

    def diagonal(self) -> Array:
        """Return the diagonal of the matrix, exactly.

        That of the empirical Fisher matrix costs one gradient of each sample, any other p products
        with unit vectors, `chunk` at a time.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `blocks`.
        """
        import jax

        result = np.zeros(self.shape[0], dtype=self.dtype)
        if self.part == "empirical_fisher":
            with _precision(self.double):
                squares = jax.jit(
                    lambda theta, batch: (
                        jax.vmap(jax.grad(self._sample_loss), (None, 0))(theta, batch) ** 2
                    ).sum(0)
                )
                for batch, weight in self._weighted():
                    number = samples_of(jax, batch) if self.reduction == "mean" else 1
                    result += weight / number * np.asarray(squares(self.theta, batch))
            return result
        for start in range(0, self.shape[0], self.chunk):
            columns = np.arange(start, min(start + self.chunk, self.shape[0]))
            unit = np.zeros((self.shape[0], len(columns)), dtype=self.dtype)
            unit[columns, columns - start] = 1.0
            result[columns] = self.matmat(unit)[columns, columns - start]
        return result

    def output_count(self) -> int | None:
        """Return how many numbers the model gives for the data, m n_out.

        Returns
        -------
        int or None
            None where outputs and loss cannot be told apart.
        """
        import jax

        if not self.has_outputs:
            return None
        with _precision(self.double):
            shapes = [jax.eval_shape(self.model, self.theta, batch) for batch in self.batches]
        return int(sum(leaf.size for leaf in jax.tree_util.tree_leaves(shapes)))

    def __repr__(self) -> str:
        return (
            f"JaxOperator(part={self.part!r}, size={self.shape[0]}, "
            f"parameters={len(self.blocks)}, dtype={self.dtype})"
        )

    def _weighted(self) -> Iterator[tuple[Tree, float]]:
        return zip(self.batches, self.weights, strict=True)

    def _loss(self, theta: Array, batch: Tree) -> Array:
        return self.criterion(self.model(theta, batch), batch)

    def _product(self, theta: Array, batch: Tree, v: Array) -> Array:
        import jax

        def model(t: Array) -> Tree:
            return self.model(t, batch)

        product: Array
        slopes = jax.grad(lambda o: self.criterion(o, batch))
        if self.part in ("gauss_newton", "fisher"):
            outputs, moved = jax.jvp(model, (theta,), (v,))
            bent = jax.jvp(slopes, (outputs,), (moved,))[1]
            (product,) = jax.vjp(model, theta)[1](bent)
        elif self.part == "residual":
            fixed = jax.lax.stop_gradient(slopes(model(theta)))
            along = jax.grad(lambda t: _inner(fixed, model(t)))
            _, product = jax.jvp(along, (theta,), (v,))
        else:
            _, product = jax.jvp(jax.grad(lambda t: self._loss(t, batch)), (theta,), (v,))
        return product

    def _sample_loss(self, theta: Array, sample: Tree) -> Array:
        """Return the loss of one sample, whose arrays have lost their first axis."""
        import jax

        return self._loss(theta, jax.tree_util.tree_map(lambda a: a[None], sample))

    def _empirical(self, theta: Array, batch: Tree, v: Array) -> Array:
        """Multiply by the sum, or the mean, of g g^T over the samples of a batch."""
        import jax

        def each(t: Array) -> Array:
            losses: Array = jax.vmap(self._sample_loss, (None, 0))(t, batch)
            return losses

        losses, moved = jax.jvp(each, (theta,), (v,))
        (product,) = jax.vjp(each, theta)[1](moved)
        number = losses.shape[0] if self.reduction == "mean" else 1
        result: Array = product / number
        return result

    def _matmat(self, vectors: Array) -> Array:
        if np.iscomplexobj(vectors):
            return self._matmat(np.real(vectors)) + 1j * self._matmat(np.imag(vectors))
        given = np.ascontiguousarray(np.asarray(vectors, dtype=self.dtype).T)
        result = np.zeros(given.shape, dtype=self.dtype)
        with _precision(self.double):
            for batch, weight in self._weighted():
                for start in range(0, len(given), self.chunk):
                    some = given[start : start + self.chunk]
                    if len(some) == 1:
                        found = np.asarray(self._one(self.theta, batch, some[0]))[None]
                    else:
                        found = np.asarray(self._several(self.theta, batch, some))
                    result[start : start + len(some)] += weight * found
        if not np.isfinite(result).all() and np.isfinite(given).all():
            bad = int(result.size - np.count_nonzero(np.isfinite(result)))
            raise ValueError(
                f"{bad} of {result.size} entries of the product are NaN or infinite; look for a "
                "function with infinite second derivatives, or use dtype='float64'"
            )
        return result.T

    def _matvec(self, vector: Array) -> Array:
        return self._matmat(np.reshape(vector, (-1, 1))).reshape(np.shape(vector))

    def _adjoint(self) -> JaxOperator:
        return self

    def _transpose(self) -> JaxOperator:
        return self


def from_jax(
    loss: Callable[..., Tree],
    params: Tree,
    data: Tree,
    *,
    model: Callable[[Tree, Tree], Tree] | None = None,
    part: str = "total",
    parameters: str | Sequence[str] | None = None,
    reduction: str | None = None,
    dtype: str | None = None,
    chunk: int = 8,
    check: bool = True,
) -> JaxOperator:
    """Return the Hessian of a JAX loss, or a part of it, as an operator.

    Parameters
    ----------
    loss : callable
        Parameters, batch -> real number; with `model`, outputs, targets -> real number.
    params : pytree of arrays
        The parameters; they are kept as they are.
    data : pytree of arrays, or list of them
        One batch such as (x, y), or a list of batches; the first axis counts samples.
    model : callable, optional
        Parameters, inputs -> outputs, for batches (inputs, targets). "gauss_newton", "residual"
        and "fisher" need it.
    part : {"total", "gauss_newton", "residual", "fisher", "empirical_fisher"}, optional
        Which matrix.
    parameters : str or sequence of str, optional
        Patterns for names such as "['dense']['kernel']" (`jax.tree_util.keystr`): "*kernel*", or
        a piece of the path such as "dense".
    reduction : {"mean", "sum"}, optional
        What the loss does over samples; found out by trial on each batch where there are several,
        and for the empirical Fisher matrix.
    dtype : {"float32", "float64"}, optional
        Precision of the computation; that of the parameters by default.
    chunk : int, optional
        Vectors multiplied at once (`vmap`).
    check : bool, optional
        Compare gradient and a product with differences, on the first samples: `stop_gradient` and
        the like make a Hessian zero, or that of another function, without a word.

    Returns
    -------
    JaxOperator
        A symmetric SciPy LinearOperator with `loss`, `gradient` and `diagonal`.

    Raises
    ------
    ImportError
        If JAX is not installed; the message gives the command.
    TypeError
        If the parameters are not real floating-point arrays, or the data an iterator.
    ValueError
        If there are no data or parameters, a pattern fits nothing, the loss is not one finite
        number, its derivatives are not those of its values, it is no log-likelihood (for "fisher"),
        or the reduction cannot be found out.
    """
    jax = optional("jax", extra="jax")
    choice("part", part, _PARTS)
    chunk = count("chunk", chunk)
    if part not in ("total", "empirical_fisher") and model is None:
        raise ValueError(f"part={part!r} needs model=, so that outputs and loss can be told apart")
    if dtype is not None:
        choice("dtype", dtype, ("float32", "float64"))
    batches = batches_of(data)
    if model is not None:
        refuse_no_pairs(batches)
    sizes = [samples_of(jax, batch) for batch in batches]
    if not batches or not sum(sizes):
        raise ValueError("the data hold no samples")
    named, treedef = jax.tree_util.tree_flatten_with_path(params)
    names = [jax.tree_util.keystr(path) for path, _ in named]
    leaves = [leaf for _, leaf in named]
    kept = chosen_leaves(names, leaves, parameters)
    for i in kept:  # plain numbers are of the precision of the arrays beside them
        if not hasattr(leaves[i], "dtype"):
            wide = any(str(getattr(leaves[k], "dtype", "")) == "float64" for k in kept)
            leaves[i] = np.float64(leaves[i]) if wide else np.float32(leaves[i])
    double = dtype == "float64" or (
        dtype is None and all(str(leaves[i].dtype) == "float64" for i in kept)
    )
    blocks, start = [], 0
    for i in kept:
        blocks.append(Block(names[i], tuple(np.shape(leaves[i])), start))
        start = blocks[-1].stop

    def tree(theta: Array) -> Tree:
        whole = list(leaves)
        for block, i in zip(blocks, kept, strict=True):
            whole[i] = theta[block.slice].reshape(block.shape)
        return jax.tree_util.tree_unflatten(treedef, whole)

    if model is None:
        losses = (lambda theta, batch: (tree(theta),), lambda out, batch: loss(out[0], batch))
    else:
        losses = (
            lambda theta, batch: model(tree(theta), batch[0]),
            lambda out, batch: loss(out, batch[1]),
        )
    with _precision(double):
        wanted = dtype or ("float64" if double else "float32")
        theta = jax.numpy.concatenate([jax.numpy.ravel(leaves[i]) for i in kept]).astype(wanted)
        if dtype is not None:
            leaves = [_cast(jax, leaf, wanted) for leaf in leaves]
            batches = [jax.tree_util.tree_map(lambda a: _cast(jax, a, wanted), b) for b in batches]
        refuse_bad_loss(losses, theta, batches[0])
        if reduction is None and (len(batches) > 1 or part == "empirical_fisher"):
            with _precision(True):
                reduction = found_reduction(jax, losses, theta, batches)
        if part == "fisher":
            refuse_no_likelihood(jax, losses, theta, batches[0])
    reduction = choice("reduction", reduction or "sum", ("mean", "sum"))
    if check:
        with _precision(True):
            refuse_hidden_derivatives(
                jax,
                losses,
                jax.numpy.asarray(theta, dtype="float64"),
                jax.tree_util.tree_map(lambda a: _cast(jax, a, "float64"), batches[0]),
            )
    total = float(sum(sizes))
    weights = [size / total if reduction == "mean" else 1.0 for size in sizes]
    return JaxOperator(
        losses,
        theta,
        batches,
        weights,
        tuple(blocks),
        part=part,
        double=double,
        chunk=chunk,
        has_outputs=model is not None,
        reduction=reduction,
    )


@contextmanager
def _precision(double: bool) -> Iterator[None]:
    """Keep float64 what it is, and float32 products from TF32 unless the caller wants them so."""
    jax = optional("jax", extra="jax")
    home = jax if hasattr(jax, "enable_x64") else optional("jax.experimental", extra="jax")
    digits = jax.config.jax_default_matmul_precision or "highest"
    with home.enable_x64(True) if double else nullcontext(), jax.default_matmul_precision(digits):
        yield


def _cast(jax: ModuleType, array: Array, dtype: str) -> Array:
    if not hasattr(array, "dtype") and not isinstance(array, float | int):
        return array  # a function or a name among the parameters
    array = jax.numpy.asarray(array)
    return array.astype(dtype) if jax.numpy.issubdtype(array.dtype, np.floating) else array


def _inner(a: Tree, b: Tree) -> Array:
    import jax

    products = jax.tree_util.tree_map(lambda u, v: (u * v).sum(), a, b)
    return sum(jax.tree_util.tree_leaves(products))

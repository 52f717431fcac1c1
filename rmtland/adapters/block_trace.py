r"""Traces of matrices over blocks of parameters: no noise from what couples two blocks.

With random signs :math:`\omega_b` on one block b, zero elsewhere,

.. math::

    \operatorname{tr} A = \sum_b E\, \omega_b^T A \omega_b , \qquad
    \operatorname{var} \omega_b^T A \omega_b \le 2 \Bigl( \|A_{bb}\|_F^2
        - \frac{(\operatorname{tr} A_{bb})^2}{n_b} \Bigr)
        \le \frac{2 n_b}{n_b - 2} E \Bigl( |(A \omega_b)_b|^2
        - \frac{(\omega_b^T A \omega_b)^2}{n_b} \Bigr)

with :math:`n_b > 2` parameters, against :math:`2 \|A\|_F^2` of Hutchinson's estimator, for as many
products as there are blocks (of 2 parameters the first bound without its second term is taken). For
the residual part of a Hessian, most of which stands between layers, that is the better bargain.
Synonyms: block Hutchinson, probing, layer-wise trace.

>>> import numpy as np
>>> from types import SimpleNamespace
>>> class Coupled:
...     shape, dtype = (6, 6), np.dtype(float)
...     blocks = SimpleNamespace(slice=slice(0, 3)), SimpleNamespace(slice=slice(3, 6))
...     def __matmul__(self, v):
...         return np.kron([[0.0, 9.0], [9.0, 0.0]], np.eye(3)) @ v + v
>>> trace_by_blocks(Coupled(), probes=1, rng=0)
ScalarEstimate(value=6.0, standard_error=0.0, products=2, method='blocks')
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rmtland.adapters.torch_parameters import Block
from rmtland.arguments import count
from rmtland.estimate.trace import ScalarEstimate
from rmtland.streams import random_generator
from rmtland.typing import NumpyArray, Rng

__all__ = ["trace_by_blocks"]


class BlockOperator(Protocol):
    """A symmetric matrix whose parameters come in blocks, as those of `from_torch` do."""

    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> np.dtype[np.generic]: ...
    @property
    def blocks(self) -> Sequence[Block]: ...
    def __matmul__(self, vector: NumpyArray, /) -> NumpyArray: ...


def trace_by_blocks(operator: BlockOperator, *, probes: int = 4, rng: Rng = None) -> ScalarEstimate:
    """Estimate a trace by random signs on one block of parameters at a time.

    Parameters
    ----------
    operator : object with ``@``, ``shape``, ``dtype`` and ``blocks``
        A symmetric matrix; each block has a ``slice``.
    probes : int, optional
        Random signs for each block.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    ScalarEstimate
        The standard error is the bound above, by the products themselves: it is not the scatter of
        few numbers.

    Raises
    ------
    ValueError
        If a product is not finite.
    """
    probes = count("probes", probes)
    generator = random_generator(rng)
    forms, deviations = [], []
    for block in operator.blocks:
        size = block.slice.stop - block.slice.start
        for _ in range(probes if size else 0):
            vector = np.zeros(operator.shape[0], dtype=operator.dtype)
            vector[block.slice] = generator.choice([-1.0, 1.0], size=size)
            image = np.asarray(operator @ vector, dtype=float)[block.slice]
            forms.append(float(vector[block.slice] @ image))
            scale = float(np.abs(image).max()) or 1.0  # squares may leave double precision
            if not math.isfinite(scale):
                raise ValueError("a product of the matrix is not finite")
            image = image / scale
            variance = _variance_bound(float(image @ image), forms[-1] / scale, size)
            deviations.append(scale * math.sqrt(variance))
    error = math.hypot(*deviations) / probes
    return ScalarEstimate(math.fsum(forms) / probes, error, len(forms), "blocks")


def _variance_bound(square: float, form: float, size: int) -> float:
    """Return what is in expectation at least the variance of a form."""
    if size == 1:
        return 0.0
    if size == 2:
        return 2.0 * square
    return 2.0 * max(0.0, square - form**2 / size) * size / (size - 2)

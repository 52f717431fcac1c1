"""Products of a PyTorch loss beside other ways to them: differences of gradients, symmetry.

>>> [check.__name__ for check in (distance_to_differences, asymmetry)]
['distance_to_differences', 'asymmetry']
"""

from __future__ import annotations

import math

from rmtland.adapters.torch_batches import Batch
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.adapters.torch_products import ROUTES, DifferenceProducts
from rmtland.typing import Array, Tree

__all__ = ["asymmetry", "distance_to_differences"]


def distance_to_differences(
    function: LossFunction,
    batch: Batch,
    part: str,
    route: str,
    vector: Array,
    *,
    nearby: bool = False,
) -> float:
    """Return how far a product is from a difference of gradients, relative to its size.

    A function of one's own whose backward pass has no derivative can drop out of the graph without
    a word (`once_differentiable` does, where its inputs are not reached another way), and then
    products are those of another matrix. The differences are taken in double precision, over steps
    so short that few kinks of ReLU lie between.

    Parameters
    ----------
    function : LossFunction
        The loss.
    batch : Batch
        Some samples.
    part : str
        Which matrix.
    route : str
        Of the product.
    vector : tensor, shape (p,)
        What is multiplied.
    nearby : bool, optional
        Whether to compare at parameters beside those of the model: these may lie on a kink, as
        those of a ReLU do where a bias is zero and its inputs are black pixels.

    Returns
    -------
    float
        Relative distance, less what single precision or rounding explains.
    """
    import torch

    for given in (torch.float64, None):
        double = function.with_blocks(function.blocks, dtype=given)
        if nearby:
            double = _Nearby(double)
        dtype = double.dtype
        cast = double.batch(batch)
        pieces = [vector[b.slice].reshape(b.shape).to(dtype) for b in function.blocks]
        try:
            exact = _flat(ROUTES[route](double, cast, part)(pieces))
            least = math.inf
            for step, allowed, always in _STEPS[dtype == torch.float64]:
                differences = DifferenceProducts(double, cast, part, step=step)
                far, rounding = _distance(exact, differences, pieces)
                if always or rounding <= allowed:
                    least = min(least, far - allowed)
                if least <= 0.0:
                    break
        except (RuntimeError, TypeError):  # a module that makes tensors of one precision only
            if given is None:
                raise
            continue
        return max(0.0, least)
    return 0.0


_STEPS = {
    True: ((1e-8, 1e-3, True), (1e-10, 1e-3, False), (1e-11, 1e-3, False), (1e-4, 0.03, True)),
    False: ((1e-3, 0.3, True),),
}
"""Relative steps, distances that are rounding, curvature or kinks, and whether the step says
something where rounding explains more than that: in double precision or not.

Networks with millions of ReLUs have a kink within the first step (a ResNet-20 and 32 images of 28 x
28: 1e-9 is too long, 1e-10 is not); the last one is for modules that compute a part in single
precision.
"""


class _Nearby(LossFunction):
    """A loss function whose values are beside those of the model, by a thousandth of their size."""

    def __init__(self, function: LossFunction) -> None:
        super().__init__(
            function.model,
            function.rule,
            function.blocks,
            dtype=function.given_dtype,
            move_data=function.move_data,
        )
        self.modes = function.modes

    def values(self) -> tuple[Array, ...]:
        """Return the shifted values, the same ones each time."""
        import torch

        there = super().values()
        squares = sum(float((value.double() ** 2).sum()) for value in there)
        shift = 1e-3 * (math.sqrt(squares / max(self.size, 1)) or 1.0)
        generator = torch.Generator().manual_seed(20261127)
        return tuple(
            value
            + shift
            * torch.randn(value.shape, generator=generator, dtype=torch.float64, device="cpu").to(
                device=value.device, dtype=value.dtype
            )
            for value in there
        )


def asymmetry(one: Tree, its_product: Tree, other: Tree, other_product: Tree) -> float:
    """Return the difference of v.Hu and u.Hv over the sizes of the products.

    Parameters
    ----------
    one, its_product, other, other_product : sequence of tensor
        u, H u, v and H v, one tensor a block.

    Returns
    -------
    float
        About 1e-16 for a symmetric matrix in double precision.
    """
    u, hu, v, hv = (_flat(pieces) for pieces in (one, its_product, other, other_product))
    size = float(hu.norm() + hv.norm())
    return abs(float(v @ hu - u @ hv)) / size if size else 0.0


def _flat(pieces: Tree) -> Array:
    import torch

    return torch.cat([piece.reshape(-1).double() for piece in pieces])


def _distance(exact: Array, differences: DifferenceProducts, pieces: Tree) -> tuple[float, float]:
    """Return the relative distance of a product to differences, less their rounding, and that."""
    near = _flat(differences(pieces))
    size = max(float(exact.norm()), float(near.norm()))
    norm = float(_flat(pieces).norm())
    rounding = 2 * differences.rounding * norm
    gap = float((exact - near).norm()) - rounding
    return (gap / size, rounding / size) if size else (0.0, 0.0)

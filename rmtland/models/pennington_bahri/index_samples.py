"""The index of sampled model Hessians: the task of an index sweep.

>>> drawn = sampled_index("WishartPlusWigner", 0.5, 0.3, n=200, seed=1)
>>> round(drawn["law_index"], 3), abs(drawn["index"] - drawn["law_index"]) < 0.03
(0.205, True)
"""

from __future__ import annotations

from rmtland.arguments import choice
from rmtland.models.pennington_bahri.hessian_model import HessianModel
from rmtland.models.pennington_bahri.wishart_plus_relu_block import WishartPlusReluBlock
from rmtland.models.pennington_bahri.wishart_plus_wigner import WishartPlusWigner
from rmtland.streams import Rng

__all__ = ["sampled_index"]

_MODELS: dict[str, type[HessianModel]] = {
    model.__name__: model for model in (WishartPlusWigner, WishartPlusReluBlock)
}


def sampled_index(
    model: str, phi: float, epsilon: float, sigma: float = 1.0, *, n: int, seed: Rng = None
) -> dict[str, float]:
    """Draw one model Hessian and compare its index with that of the law.

    Parameters
    ----------
    model : str
        "WishartPlusWigner" or "WishartPlusReluBlock".
    phi, epsilon, sigma : float
        Parameters of the model.
    n : int
        Size of the matrix.
    seed : anything `numpy.random.default_rng` takes
        Seed.

    Returns
    -------
    dict of str to float
        `index` (fraction of negative eigenvalues), `smallest` and `largest` eigenvalue of the
        matrix, and `law_index`.
    """
    chosen = _MODELS[choice("model", model, tuple(_MODELS))](phi, epsilon, sigma)
    spectrum = chosen.sample(n, rng=seed)
    return {
        "index": spectrum.index(),
        "smallest": float(spectrum.nodes.min()),
        "largest": float(spectrum.nodes.max()),
        "law_index": chosen.index(),
    }

"""Places where arrays live that are not the default one, for tests of what runs on a device.

`putting("strict")` gives a function that puts arrays on array-api-strict's second device, which
refuses implicit conversion; "torch" makes PyTorch tensors on the CPU while the default device holds
no numbers; "cupy" needs a card.
"""

from contextlib import contextmanager

import numpy as np
import pytest

PLACES = ["strict", "torch", pytest.param("cupy", marks=pytest.mark.gpu)]


def put_strict(array):
    xp = pytest.importorskip("array_api_strict")
    return xp.asarray(np.asarray(array), device=xp.Device("device1"))


def cupy_with_a_card():
    """Return CuPy, or skip the test where there is no card."""
    cupy = pytest.importorskip("cupy")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"no CUDA device: {error}")
    return cupy


@contextmanager
def putting(place):
    """Give a function that puts arrays somewhere else than on the default device."""
    if place == "strict":
        pytest.importorskip("array_api_strict")
        yield put_strict
        return
    if place == "cupy":
        yield cupy_with_a_card().asarray
        return
    torch = pytest.importorskip("torch")
    before = torch.get_default_device()
    torch.set_default_device("meta")
    try:
        yield lambda array: torch.tensor(np.asarray(array), device="cpu")
    finally:
        torch.set_default_device(before)

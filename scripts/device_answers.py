"""What the tests marked `gpu` leave out, for `check_device.py`: the same answers as NumPy.

One case for each code path that looks at its arrays: errors of traces, diagonals, frobenius norms
and functions of a matrix, atoms of the index, extremal eigenpairs with copies, loss points of small
networks, steps made for a spectrum and the monitor. Without a card array-api-strict stands for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from device_timing import has_card, peer

from rmtland.adapters import CurvatureMonitor
from rmtland.arrays import to_numpy
from rmtland.estimate import (
    diagonal,
    effective_dimension,
    extremal_eigenpairs,
    frobenius_norm,
    log_determinant,
    mass_below,
    negative_fraction,
    spectral_density,
    symmetric_operator,
    trace,
)
from rmtland.networks import MLP, train
from rmtland.optimizer import Nesterov, SpectralSteps

SIZE = 80


def put(array: Any) -> Any:
    """Return an array on the card, or on what stands for it."""
    if has_card():
        return peer("cupy").asarray(array)
    strict = peer("array_api_strict")
    return strict.asarray(np.asarray(array), device=strict.Device("device1"))


def matrix(kind: str) -> Any:
    """Return a symmetric matrix: without structure, positive, half of it 0, or with copies."""
    rng = np.random.default_rng(5)
    values = np.linspace(-1.0, 2.0, SIZE)
    if kind == "positive":
        values = np.linspace(0.1, 3.0, SIZE)
    elif kind == "zeros":
        values[: SIZE // 2] = 0.0
        values[: SIZE // 8] = -1.0
    elif kind == "copies":
        values[-3:] = 4.0
        values[:2] = -3.0
    elif kind == "one value":
        values[:] = 1.0
    q = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    a = q * values @ q.T
    return (a + a.T) / 2


def numbers(result: Any) -> list[float]:
    """Return all numbers of a result, in order."""
    if isinstance(result, np.ndarray):
        return [float(one) for one in result.ravel()]
    if hasattr(result, "__dataclass_fields__"):
        result = [getattr(result, name) for name in result.__dataclass_fields__]
    if isinstance(result, list | tuple):
        return [number for one in result for number in numbers(one)]
    return [float(result)] if isinstance(result, int | float | np.number) else []


def compared(kind: str, calls: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Compare estimates of one matrix, here and there, number by number."""
    here, there = matrix(kind), put(matrix(kind))
    worst = {}
    for name, call in calls.items():
        one, two = (numbers(call(symmetric_operator(each))) for each in (here, there))
        if len(one) != len(two):
            return {"ok": False, "call": name, "numbers": [len(one), len(two)]}
        a, b = np.array(one), np.array(two)
        same = (a == b) | (np.isnan(a) & np.isnan(b))  # bounds may be infinite
        with np.errstate(invalid="ignore"):
            gaps = np.where(same, 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(a)))
        worst[name] = float(gaps.max()) if np.isfinite(gaps).all() else np.inf
    return {"ok": max(worst.values()) < 1e-7, "differences": worst}


def traces() -> dict[str, Any]:
    """Return values, errors and products of traces with few and with all products."""
    return compared(
        "wide",
        {
            f"{method}, {products}": lambda h, method=method, products=products: trace(  # type: ignore[misc]
                h, method=method, products=products, rng=0
            )
            for method in ("auto", "hutchinson", "hutch++", "xtrace")
            for products in (4, 30, SIZE)
        },
    )


def one_value() -> dict[str, Any]:
    """Return estimates of a multiple of the identity, whose errors are rounding."""
    return compared(
        "one value",
        {
            "trace": lambda h: trace(h, products=12, method="hutchinson", rng=0),
            "diagonal": lambda h: diagonal(h, products=12, rng=0),
            "norm": lambda h: frobenius_norm(h, rng=0),
        },
    )


def diagonals() -> dict[str, Any]:
    return compared(
        "wide",
        {
            "few": lambda h: diagonal(h, products=20, rng=0),
            "all": lambda h: diagonal(h, products=SIZE, rng=0),
            "norm": lambda h: frobenius_norm(h, products=20, rng=0),
        },
    )


def functions() -> dict[str, Any]:
    return compared(
        "positive",
        {
            "log": lambda h: log_determinant(h, probes=4, steps=15, rng=0),
            "log, bound": lambda h: log_determinant(h, lower=0.05, probes=4, steps=15, rng=0),
            "dimension": lambda h: effective_dimension(h, 0.3, probes=4, steps=15, rng=0),
        },
    )


def atoms() -> dict[str, Any]:
    """Return the index with half of the eigenvalues at 0, told and not told."""
    options: dict[str, Any] = {"probes": 4, "steps": 12, "rng": 0, "method": "lanczos"}

    def known(h: Any) -> Any:
        found = negative_fraction(h, nullity=SIZE // 2 - SIZE // 8, **options)
        return found.value, found.interval, found.rigorous

    def unknown(h: Any) -> Any:
        found = negative_fraction(h, **options)
        return found.value, found.interval, found.rigorous

    def at_one(h: Any) -> Any:
        found = mass_below(h, -1.0, **options)
        return found.value, found.rigorous

    return compared("zeros", {"nullity": known, "without": unknown, "at an atom": at_one})


def ends() -> dict[str, Any]:
    """Return copies of eigenvalues at both ends; vectors are those of NumPy."""
    result = compared(
        "copies",
        {
            "both": lambda h: extremal_eigenpairs(h, 4, rng=0).values,
            "largest": lambda h: extremal_eigenpairs(h, 3, which="largest", rng=0).values,
        },
    )
    pairs = extremal_eigenpairs(symmetric_operator(put(matrix("copies"))), 3, rng=0)
    residual = float(np.abs(matrix("copies") @ pairs.vectors - pairs.vectors * pairs.values).max())
    result["ok"] = result["ok"] and residual < 1e-8 and isinstance(pairs.vectors, np.ndarray)
    return result | {"residual": residual}


def deflated() -> dict[str, Any]:
    def moments(h: Any) -> Any:
        found = spectral_density(h, probes=3, steps=12, deflate=3, rng=0)
        return [(found.weights * found.nodes**k).sum() for k in range(4)]

    return compared("copies", {"moments": moments})


def small_points() -> dict[str, Any]:
    """Loss, gradient, product and Hessian of small networks of each loss, float64 and float32."""
    rng = np.random.default_rng(0)
    worst = {}
    for loss in ("mse", "cross_entropy", "logistic"):
        for dtype in (np.float64, np.float32):
            net = MLP((4, 6, 3), loss=loss, bias=loss != "mse")
            x = rng.standard_normal((20, 4)).astype(dtype)
            y = {
                "mse": rng.standard_normal((20, 3)).astype(dtype),
                "cross_entropy": np.arange(20) % 3,
                "logistic": (rng.standard_normal((20, 3)) > 0).astype(dtype),
            }[loss]
            theta = net.init(rng=1).astype(dtype)
            v = rng.standard_normal(theta.size).astype(dtype)
            here = net.at(theta, x, y)
            there = net.at(put(theta), put(x), put(y))
            tolerance = 1e-12 if dtype is np.float64 else 2e-5
            for name, one, two in (
                ("loss", here.loss, float(there.loss)),
                ("gradient", here.gradient, to_numpy(there.gradient)),
                ("product", here.hvp(v), to_numpy(there.hvp(put(v)))),
                ("Hessian", here.hessian("total"), to_numpy(there.hessian("total"))),
            ):
                gap = float(np.max(np.abs(np.asarray(one) - np.asarray(two))))
                worst[f"{loss}, {np.dtype(dtype).name}, {name}"] = gap / tolerance
    return {"ok": max(worst.values()) < 1, "worst": max(worst, key=lambda name: worst[name])}


def training() -> dict[str, Any]:
    """Train by steps made for a spectrum, watched by a monitor, here and there."""
    rng = np.random.default_rng(2)
    net = MLP((4, 6, 3))
    theta, x, y = net.init(rng=1), rng.standard_normal((20, 4)), rng.standard_normal((20, 3))
    losses, sharpness = [], []
    for move in (np.asarray, put):
        monitor = CurvatureMonitor(every=10, share=None, rng=0)
        result = train(
            net,
            move(theta),
            move(x),
            move(y),
            method=SpectralSteps(Nesterov(1.0), every=10),
            max_steps=40,
            callback=monitor.watch,
        )
        losses.append(float(net.at(to_numpy(result.theta), x, y).loss))
        sharpness.append([record.sharpness for record in monitor.history])
    worst = max(
        abs(losses[0] - losses[1]),
        float(np.abs(np.subtract(*sharpness)).max()),
    )
    return {"ok": worst < 1e-8, "difference": worst, "records": len(sharpness[0])}


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "traces": traces,
    "a multiple of the identity": one_value,
    "diagonals and norms": diagonals,
    "functions of a matrix": functions,
    "index at atoms": atoms,
    "extremal eigenpairs with copies": ends,
    "a density without outliers": deflated,
    "loss points of small networks": small_points,
    "training by spectral steps, monitor": training,
}

"""Estimates on a card, for `check_device.py`: the same answers as NumPy, and times beside it.

The network is tanh, p = 131072 from widths (256, 256, 256). Lanczos takes 10 probes with
80 steps each; peers multiply by the same matrix, JAX compiled, and run Lanczos in torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from device_timing import Skipped, has_card, peer, synchronize, timed

from rmtland.estimate import krylov_quadratures, negative_fraction, symmetric_operator, trace
from rmtland.estimate.density import quadrature_spectrum
from rmtland.estimate.device_basis import inner_products, removed
from rmtland.networks import MLP

PROBES, STEPS = 10, 80


def put(array: Any) -> Any:
    """Return an array on the card, or on what stands for it."""
    if has_card():
        return peer("cupy").asarray(array)
    strict = peer("array_api_strict")
    return strict.asarray(np.asarray(array), device=strict.Device("device1"))


def random_matrix(n: int, dtype: Any = np.float64) -> Any:
    a = np.random.default_rng(0).standard_normal((n, n)).astype(dtype)
    a += a.T.copy()
    a /= np.sqrt(2 * n)
    return a


def network(n: int, m: int) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    net = MLP((n, n, n), activation="tanh", loss="mse")
    return net, net.init(rng=1), rng.standard_normal((m, n)), rng.standard_normal((m, n))


def same_answers(*, small: bool = False) -> dict[str, Any]:
    """Quadratures, traces and indices of the card against those of NumPy for the same probes."""
    n = 40 if small else 400
    matrix = random_matrix(n)
    here, there = symmetric_operator(matrix), symmetric_operator(put(matrix))
    worst = {}
    one = quadrature_spectrum(krylov_quadratures(here, probes=4, steps=20, rng=0), here, EMPTY)
    two = quadrature_spectrum(krylov_quadratures(there, probes=4, steps=20, rng=0), there, EMPTY)
    worst["nodes"] = float(np.abs(one.nodes - two.nodes).max())
    worst["weights"] = float(np.abs(one.weights - two.weights).max())
    for method in ("hutchinson", "hutch++", "xtrace"):
        pair = [trace(h, products=20, method=method, rng=0).value for h in (here, there)]
        worst[method] = abs(pair[0] - pair[1]) / np.sqrt(n)
    pair = [
        negative_fraction(h, probes=4, steps=20, rng=0, method="lanczos").value
        for h in (here, there)
    ]
    worst["index"] = abs(pair[0] - pair[1])
    return {"ok": max(worst.values()) < 1e-9, "differences": worst}


EMPTY: Any = np.empty(0)


def network_lanczos(*, small: bool = False) -> dict[str, Any]:
    """Lanczos of a network's Hessian on the card; one product and its share of the time."""
    n, m = (6, 20) if small else (256, 1024)
    probes, steps = (2, 5) if small else (PROBES, STEPS)
    net, theta, x, y = network(n, m)
    point = net.at(put(theta), put(x), put(y))
    operator = symmetric_operator(point.operator())
    place, starts = operator.place, np.random.default_rng(0).standard_normal((theta.size, probes))
    block = place.xp.matrix_transpose(place.put(np.ascontiguousarray(starts.T)))  # as Lanczos does
    lanczos = timed(
        lambda: krylov_quadratures(operator, probes=probes, steps=steps, rng=0, progress=False),
        seconds=8,
        runs=2,
    )
    product = timed(lambda: operator.multiply(block))
    basis = place.zeros((steps, probes, theta.size), np.float64) + 1e-3
    rows, every = place.put(np.ascontiguousarray(starts.T)), place.put(np.ones(probes)) > 0.0
    inner = timed(lambda: inner_products(basis, rows, every, place))
    h = inner_products(basis, rows, every, place)
    taken = timed(lambda: removed(rows, basis, h, every, place))
    return {
        "p": theta.size,
        "inner products with the whole basis": inner,
        "removal of the whole basis": taken,
        "device": str(place.device),
        "lanczos": lanczos,
        "product": product,
        "over products": lanczos["s"] / (steps * product["s"]),
    }


network_lanczos.limit = 45.0  # type: ignore[attr-defined]


def network_lanczos_cpu(*, small: bool = False) -> dict[str, Any]:
    """Return the same of the CPU, with a quarter of the steps."""
    n, m = (6, 20) if small else (256, 1024)
    probes, steps = (2, 4) if small else (PROBES, STEPS // 4)
    net, theta, x, y = network(n, m)
    operator = symmetric_operator(net.at(theta, x, y).operator())
    synchronize()
    found = timed(
        lambda: krylov_quadratures(operator, probes=probes, steps=steps, rng=0, progress=False),
        seconds=0,
        runs=1,
    )
    return {"p": theta.size, "steps": steps, "lanczos": found, "80 steps": found["s"] * 80 / steps}


network_lanczos_cpu.limit = 40.0  # type: ignore[attr-defined]


def network_product_jax(*, small: bool = False) -> dict[str, Any]:
    """Return the time of ten products by JAX, compiled, on the same device."""
    jax = peer("jax")
    jnp = jax.numpy
    n, m = (6, 20) if small else (256, 1024)
    _, theta, x, y = network(n, m)
    v = np.random.default_rng(3).standard_normal((theta.size, PROBES))
    x, y, theta, v = (jnp.asarray(array) for array in (x, y, theta, v))

    def loss(t: Any) -> Any:
        hidden = jnp.tanh(x @ t[: n * n].reshape(n, n).T)
        return ((hidden @ t[n * n :].reshape(n, n).T - y) ** 2).sum() / 2 / m

    def one(u: Any) -> Any:
        return jax.jvp(jax.grad(loss), (theta,), (u,))[1]

    product = jax.jit(lambda block: jax.vmap(one, 1, 1)(block))
    return {"platform": jax.devices()[0].platform, "product": timed(lambda: product(v))}


def dense_lanczos(*, small: bool = False) -> dict[str, Any]:
    """Lanczos of a dense matrix on the card, and the trace."""
    n = 60 if small else 16384
    probes, steps = (2, 5) if small else (PROBES, STEPS)
    if has_card():
        cupy = peer("cupy")
        matrix = cupy.random.default_rng(0).standard_normal((n, n))
        matrix = (matrix + matrix.T) / np.sqrt(2 * n)
    else:
        matrix = put(random_matrix(n))
    operator = symmetric_operator(matrix)
    block = operator.place.put(np.random.default_rng(0).standard_normal((n, probes)))
    lanczos = timed(
        lambda: krylov_quadratures(operator, probes=probes, steps=steps, rng=0, progress=False),
        seconds=6,
        runs=3,
    )
    product = timed(lambda: operator.multiply(block))
    xtrace = timed(lambda: trace(operator, products=100, method="xtrace", rng=0), runs=3)
    return {
        "n": n,
        "lanczos": lanczos,
        "product": product,
        "xtrace": xtrace,
        "over products": lanczos["s"] / (steps * product["s"]),
    }


def dense_lanczos_torch(*, small: bool = False) -> dict[str, Any]:
    """Lanczos as written by hand in torch, full reorthogonalisation, one vector after another."""
    torch = peer("torch")
    n, steps = (60, 5) if small else (16384, STEPS)
    device = "cuda" if has_card() else "cpu"
    a = torch.randn(n, n, dtype=torch.float64, device=device)
    a = (a + a.T) / (2 * n) ** 0.5

    def lanczos() -> Any:
        basis = torch.zeros(steps + 1, n, dtype=torch.float64, device=device)
        q = torch.randn(n, dtype=torch.float64, device=device)
        basis[0] = q / q.norm()
        alphas = []
        for j in range(steps):
            u = a @ basis[j]
            alphas.append(u @ basis[j])
            for _ in range(2):
                u = u - basis[: j + 1].T @ (basis[: j + 1] @ u)
            basis[j + 1] = u / u.norm()
        return torch.stack(alphas).cpu()

    one = timed(lanczos, runs=3)
    return {"n": n, "one probe": one, "ten probes": one["s"] * PROBES}


def dense_lanczos_cpu(*, small: bool = False) -> dict[str, Any]:
    """Return the time of the CPU, with an eighth of the steps and half of the size."""
    if not has_card() and not small:
        raise Skipped("no card to compare with")
    n, probes, steps = (60, 2, 5) if small else (8192, PROBES, STEPS // 8)
    operator = symmetric_operator(random_matrix(n), check=False)
    found = timed(
        lambda: krylov_quadratures(operator, probes=probes, steps=steps, rng=0, progress=False),
        seconds=0,
        runs=1,
    )
    return {"n": n, "steps": steps, "lanczos": found}


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "same answers as NumPy": same_answers,
    "Lanczos of a network, p = 131072, 10 x 80": network_lanczos,
    "ten products of that network, JAX": network_product_jax,
    "Lanczos of a dense matrix, n = 16384, 10 x 80": dense_lanczos,
    "Lanczos of that matrix by hand, torch": dense_lanczos_torch,
    "Lanczos of a dense matrix, CPU": dense_lanczos_cpu,
    "Lanczos of the network, CPU": network_lanczos_cpu,
}

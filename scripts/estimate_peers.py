"""Other packages' spectra of Hessians, beside ours: index with their own errors, and time.

The network is a square tanh MLP without biases, with half the mean squared error, at its
initialisation and trained; every package makes its own products of it, and draws its own probes.
Peers: PyHessian, hessian-eigenthings, curvlinops, matfree; those that are not installed are named.
(Landscaper 1.3.1 asks for NumPy below 2, so that it is not installed beside the others.)

    python scripts/estimate_peers.py --jobs errors
    python scripts/estimate_peers.py --jobs time --full

Fewer --steps leave out most of the others' reorthogonalisation, which grows with their square.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from rmtland.estimate import (
    extremal_eigenpairs,
    krylov_quadratures,
    negative_fraction,
    symmetric_operator,
)
from rmtland.networks import MLP, train

JOBS = ("errors", "time")
Runs = Callable[[int, int, int], list[float]]
"""Probes, steps, seed -> mass below 0 that each probe sees."""


def network(n: int, *, energy: float | None) -> Any:
    """Return a point of a square tanh network, trained to an energy where one is given."""
    generator = np.random.default_rng(3)
    net = MLP((n, n, n))
    x, y = generator.standard_normal((2, 4 * n, n))
    theta = net.init(rng=1)
    if energy is not None:
        theta = train(net, theta, x, y, energy=energy, max_steps=2000).theta
    return net.at(theta, x, y)


def torch_parts(point: Any) -> tuple[Any, Any, Any]:
    """Return the same network, loss and data in PyTorch, double precision."""
    import torch

    first, second = (np.asarray(block) for block in point.net.unflatten(point.theta))
    layers = [torch.nn.Linear(w.shape[1], w.shape[0], bias=False) for w in (first, second)]
    model = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1]).double()
    with torch.no_grad():
        for layer, weights in zip(layers, (first, second), strict=True):
            layer.weight.copy_(torch.tensor(weights))

    def loss(output: Any, target: Any) -> Any:
        return 0.5 * ((output - target) ** 2).sum(dim=1).mean()

    return model, loss, (torch.tensor(point.data.x), torch.tensor(point.data.y))


def below(nodes: Any, weights: Any) -> float:
    """Return the mass of nodes below 0."""
    nodes, weights = np.asarray(nodes), np.asarray(weights)
    return float(weights[np.isfinite(nodes) & (nodes < 0)].sum())


def pyhessian(point: Any) -> Runs:
    import torch
    from pyhessian import hessian

    model, loss, data = torch_parts(point)
    tool = hessian(model, loss, data=data, cuda=False)

    def runs(probes: int, steps: int, seed: int) -> list[float]:
        torch.manual_seed(seed)
        nodes, weights = tool.density(iter=steps, n_v=probes)
        return [below(n, w) for n, w in zip(nodes, weights, strict=True)]

    return runs


def eigenthings(point: Any) -> Runs:
    import hessian_eigenthings as things

    model, loss, data = torch_parts(point)
    operator = things.HessianOperator(
        model, [data], lambda net, batch: loss(net(batch[0]), batch[1])
    )

    def runs(probes: int, steps: int, seed: int) -> list[float]:
        found = things.spectral_density(
            operator, num_runs=probes, lanczos_steps=steps, seed=1000 * seed
        )
        pairs = zip(found.raw_eigenvalues, found.raw_weights, strict=True)
        return [below(n.detach().numpy(), w.detach().numpy()) for n, w in pairs]

    return runs


def curvlinops(point: Any) -> Runs:
    import torch
    from curvlinops import HessianLinearOperator, lanczos_approximate_spectrum

    class HalfSquares(torch.nn.MSELoss):
        """Half the mean over samples of the sum of squares, as a loss that curvlinops takes."""

        def forward(self, output: Any, target: Any) -> Any:
            return 0.5 * super().forward(output, target) * output.shape[1]

    model, _, data = torch_parts(point)
    operator = HessianLinearOperator(
        model, HalfSquares(), list(model.parameters()), [data], check_deterministic=False
    )

    ends = extremal_eigenpairs(point.operator(), 1, rng=0).values
    boundaries = (float(ends[0]), float(ends[-1]))

    def runs(probes: int, steps: int, seed: int) -> list[float]:
        torch.manual_seed(seed)
        found = []
        for _ in range(probes):
            grid, density = lanczos_approximate_spectrum(
                operator, steps, num_points=4096, boundaries=boundaries
            )
            grid, density = grid.numpy(), density.numpy()
            found.append(float(density[grid < 0].sum() / density.sum()))
        return found

    return runs


def matfree(point: Any) -> Runs:
    import jax
    from matfree import decomp, funm

    jax.config.update("jax_enable_x64", True)
    first, second = (np.asarray(block) for block in point.net.unflatten(point.theta))
    x, y = np.asarray(point.data.x), np.asarray(point.data.y)

    def loss(theta: Any) -> Any:
        hidden = jax.numpy.tanh(x @ theta[: first.size].reshape(first.shape).T)
        off = hidden @ theta[first.size :].reshape(second.shape).T - y
        return 0.5 * (off**2).sum(axis=1).mean()

    theta = jax.numpy.asarray(np.concatenate([first.ravel(), second.ravel()]))

    def product(v: Any) -> Any:
        return jax.jvp(jax.grad(loss), (theta,), (v,))[1]

    made: dict[int, Any] = {}

    def runs(probes: int, steps: int, seed: int) -> list[float]:
        if steps not in made:
            count = funm.dense_funm_sym_eigh(lambda value: jax.numpy.where(value < 0, 1.0, 0.0))
            form = funm.monte_carlo_funm_sym(count, decomp.tridiag_sym(steps))
            made[steps] = jax.jit(lambda v: form(product, v))
        generator = np.random.default_rng(seed)
        return [
            float(made[steps](jax.numpy.asarray(v))) / theta.size
            for v in generator.choice([-1.0, 1.0], size=(probes, theta.size))
        ]

    return runs


PEERS: dict[str, tuple[str, Callable[[Any], Runs]]] = {
    "PyHessian": ("pyhessian", pyhessian),
    "hessian-eigenthings": ("hessian_eigenthings", eigenthings),
    "curvlinops": ("curvlinops", curvlinops),
    "matfree": ("matfree", matfree),
}


def running(point: Any) -> dict[str, Runs]:
    """Return the peers that run here, and name those that do not."""
    found = {}
    for name, (module, make) in PEERS.items():
        if find_spec(module) is None or (name != "matfree" and find_spec("torch") is None):
            print(f"  {name}: not installed")
            continue
        try:
            runs = make(point)
            runs(2, 4, 0)
            found[name] = runs
        except Exception as error:  # of another package
            why = (str(error).splitlines() or [type(error).__name__])[0]
            print(f"  {name}: does not run with what is installed: {why}")
    return found


def errors(full: bool) -> None:
    """Print by how many of their own standard errors indices are off, over some seeds."""
    n, seeds = (48, 10) if full else (20, 3)
    for when, energy in (("at initialisation", None), ("trained", 0.3)):
        point = network(n, energy=energy)
        values = np.linalg.eigvalsh(point.hessian("total"))
        truth = float((values < 0).mean())
        print(f"tanh network n = {n}, {when}: p = {values.size}, index {truth:.4f}; 10 x 80")
        for name, runs in running(point).items():
            off, stated = [], []
            for seed in range(seeds):
                found = np.array(runs(10, 80, seed))
                stated.append(found.std(ddof=1) / len(found) ** 0.5)
                off.append(abs(found.mean() - truth))
            share = np.array(off) / np.array(stated)
            print(
                f"  {name:20s} off by {np.mean(off):.4f}, stated {np.mean(stated):.4f}: "
                f"{np.median(share):.1f} of its standard errors (most {share.max():.1f})",
                flush=True,
            )
        ours = [
            negative_fraction(point.operator(), rng=seed, method="lanczos") for seed in range(seeds)
        ]
        covered = sum(one.interval[0] <= truth <= one.interval[1] for one in ours)
        print(
            f"  {'rmtland':20s} off by {np.mean([abs(one.value - truth) for one in ours]):.4f}, "
            f"interval {np.mean([one.width for one in ours]):.4f} wide, covers {covered} of {seeds}"
        )


def timing(full: bool, steps: int) -> None:
    """Print CPU and wall time of Lanczos for each package, in one process."""
    n = 256 if full else 24
    probes, some = 10, 1 if full else 2
    point = network(n, energy=None)
    size = point.net.parameter_count
    print(f"tanh network n = {n}, p = {size}, m = {4 * n}: {probes} probes x {steps} steps")
    operator = symmetric_operator(point.operator())
    operator.matmat(np.ones((size, probes)))

    def ours() -> None:
        krylov_quadratures(operator, probes=probes, steps=steps, rng=0, progress=False)

    times = {"rmtland": taken(ours)}
    print_times("rmtland", times["rmtland"], "")
    for name, runs in running(point).items():
        if name == "matfree":
            runs(1, steps, 0)  # compiled
        wall, cpu = taken(lambda runs=runs: runs(some, steps, 1))
        times[name] = (wall * probes / some, cpu * probes / some)
        print_times(name, times[name], f" (scaled from {some} of {probes} probes)")
    if len(times) > 1:
        best = [min(t[k] for name, t in times.items() if name != "rmtland") for k in (0, 1)]
        print(
            f"  rmtland over the best peer: {times['rmtland'][0] / best[0]:.2f}, "
            f"CPU {times['rmtland'][1] / best[1]:.2f}"
        )


def print_times(name: str, times: tuple[float, float], scaled: str) -> None:
    """Print wall and CPU seconds of a package."""
    print(f"  {name:20s} {times[0]:7.1f} s, CPU {times[1]:7.1f} s{scaled}", flush=True)


def taken(action: Callable[[], Any]) -> tuple[float, float]:
    """Return wall and CPU seconds of an action."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--full", action="store_true", help="the sizes of the documentation")
    parser.add_argument("--steps", type=int, default=80, help="of the timed runs")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # of the other packages
    for job in options.jobs:
        if job == "errors":
            errors(options.full)
        else:
            timing(options.full, options.steps)


if __name__ == "__main__":
    main()

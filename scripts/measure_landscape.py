#!/usr/bin/env python3
"""Numbers of the pages on the landscape that no command prints: limits of sizes, and exceptions.

    python scripts/measure_landscape.py                     all jobs, five minutes
    python scripts/measure_landscape.py --jobs condition
    python scripts/measure_landscape.py --quick

Job "condition": condition number of the tangent kernel of a tanh network on Gaussian data, for
sizes (64 inputs, 1024 units, 200 samples) times k, beside the one of its limit law; and on samples
scaled to one length. Job "valleys": barriers found between trained ReLU networks against the width,
beside the exponent -1/n of the theorem for n inputs. Job "quadratic": the same for the quadratic
activation with more than 2 N units for N samples, and with points brought to zero loss all along
the path by Gauss-Newton steps. Job "ranks": rank of the Jacobian of ReLU networks that fit 40
digits. Job "targets": largest deviation of the loss of a tanh network from its linearisation until
it has fallen tenfold, for one output and several targets, beside how far the parameters moved.
"""

import argparse
import sys

import numpy as np

from rmtland.landscape.level_sets import theorem_cases, valley_heights
from rmtland.landscape.linearisation import compare_descent, fit_exponent
from rmtland.landscape.manifold import interpolate, polish
from rmtland.models import NeuralTangentKernel
from rmtland.networks import MLP, digits, train
from rmtland.solution import ConvergenceError


def condition(quick):
    shape = (64, 1024, 200)
    low, high = NeuralTangentKernel(*shape[:1], shape[1:2], shape[2], activation="tanh").law.hull
    print(f"condition: law of 64 inputs, 1024 units, 200 samples: {high / low:.1f}")
    for k in (0.25, 0.5) if quick else (0.5, 1.0, 2.0, 4.0):
        n, width, m = (int(k * size) for size in shape)
        net = MLP((n, width, 1), "tanh", parametrisation="ntk")
        found = []
        for seed in range(2 if quick else 4 if k > 2 else 8):
            x = np.random.default_rng(seed).standard_normal((m, n))
            sphere = x * np.sqrt(n) / np.linalg.norm(x, axis=1, keepdims=True)
            theta = net.init(rng=seed)
            values = [
                np.linalg.eigvalsh(net.at(theta, rows, np.zeros((m, 1))).ntk())
                for rows in (x, sphere)
            ]
            found.append([v[-1] / v[0] for v in values])
        mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / len(found) ** 0.5
        print(
            f"  {n:4} inputs, {m:4} samples: {mean[0]:.1f} +- {error[0]:.1f}; samples of one "
            f"length {mean[1]:.1f} +- {error[1]:.1f}",
            flush=True,
        )


def valleys(quick):
    case = theorem_cases()[1]
    widths, pairs = ((4, 8), 3) if quick else ((8, 16, 32, 64, 128), 24)
    found = valley_heights(
        case,
        pairs=pairs,
        widths=widths,
        curve_steps=30 if quick else 300,
        string_steps=5 if quick else 60,
        rng=0,
    )
    print(f"valleys: ReLU, {case.inputs} inputs, {case.samples} samples, {pairs} pairs")
    for one in found:
        print(
            f"  width {one.width:3}: barrier median {np.median(one.barriers):.2g}, largest "
            f"{one.barriers.max():.2g}; of the straight path {np.median(one.straight):.2g}"
        )
    rows = np.array([np.maximum(one.barriers, 1e-6) for one in found])
    print(
        f"  exponent of the barrier in the width {fit_exponent(widths, rows)!r} (95 %); theorem: "
        f"at most a multiple of width^(-1/{case.inputs})"
    )


def quadratic(quick):
    case = theorem_cases()[2]
    widths, pairs = ((2, 12), 2) if quick else ((2, 4, 8, 12, 16), 24)
    found = valley_heights(
        case,
        pairs=pairs,
        widths=widths,
        curve_steps=30 if quick else 300,
        string_steps=5 if quick else 60,
        rng=0,
    )
    print(f"quadratic: {case.inputs} inputs, N = {case.samples} samples, {pairs} pairs")
    for one in found:
        print(
            f"  width {one.width:3}: largest loss of an end {one.ends.max():.1g}, barrier median "
            f"{np.median(one.barriers):.1g}, largest {one.barriers.max():.1g}"
        )
    width, worst, jump = case.threshold + 1, 0.0, 0.0
    for seed in range(2 if quick else 24):
        losses, jumps = zero_path(case, width, seed, 50 if quick else 200)
        worst, jump = max(worst, losses), max(jump, jumps)
    print(
        f"  width {width}: loss at most {worst:.0e} on all paths at zero loss; neighbours at most "
        f"{jump:.1g} of the distance of the ends apart"
    )


def zero_path(case, width, seed, points):
    """Return the largest loss and gap of a path of points that are each brought to zero loss."""
    generator = np.random.default_rng(seed)
    net, x, y = case.problem(width, generator)
    first, second = (
        polish(net.at(train(net, net.init(rng=generator), x, y, energy=1e-10).theta, x, y)).theta
        for _ in range(2)
    )
    apart, here, path = float(np.linalg.norm(second - first)), first, [first]
    for t in np.linspace(0.0, 1.0, points + 1)[1:]:
        # steps towards the second end, each corrected: the manifold need not be straight
        step = (second - here) / max(1.0, (1.0 - t) * points + 1.0)
        try:
            here = polish(net.at(here + step, x, y)).theta
        except ConvergenceError:
            return np.inf, np.inf
        path.append(here)
    path.append(second)
    losses = [net.at(theta, x, y).loss for theta in path]
    gaps = np.linalg.norm(np.diff(path, axis=0), axis=1) / apart
    return max(losses), float(gaps.max())


def ranks(quick):
    data = digits(40, size=4, whiten=True, target="one-hot", rng=0)
    for bias in (False, True):
        net = MLP((16, 30, 10), "relu", bias)
        found = [
            interpolate(net, net.init(rng=seed), data.x, data.y, max_steps=1500, throw=False)
            for seed in range(1 if quick else 18)
        ]
        print(
            f"ranks: ReLU 16-30-10 {'with' if bias else 'without'} biases, 40 digits: "
            + ", ".join(
                f"{one.rank} of {one.equations} (residual {one.residual:.0e}, gap {one.gap:.0e})"
                for one in found
            ),
            flush=True,
        )


def targets(quick):
    data = digits(200, target="one-hot", rng=0)
    label = data.y.argmax(axis=1)
    columns = {
        "is it a 0": data.y[:, 0],
        "odd or even (1, -1)": np.where(label % 2, 1.0, -1.0),
        "digit/4.5 - 1": label / 4.5 - 1.0,
    }
    widths, seeds = ((64,), 1) if quick else ((1024, 4096), 3)
    print("targets: 200 digits, one output, tanh, NTK parametrisation, until the loss is a tenth")
    for name, y in columns.items():
        for width in widths:
            net = MLP((64, width, 1), "tanh", parametrisation="ntk")
            runs = [
                compare_descent(net, net.init(rng=seed), data.x, y[:, None])
                for seed in range(seeds)
            ]
            off = ", ".join(f"{run.deviation:.2g}" for run in runs)
            moved = np.mean([run.distance for run in runs])
            print(f"  {name}, width {width}: {off}; moved by {moved:.2g}", flush=True)


JOBS = {
    "condition": condition,
    "valleys": valleys,
    "quadratic": quadratic,
    "ranks": ranks,
    "targets": targets,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, few pairs")
    parser.add_argument("--jobs", nargs="+", choices=tuple(JOBS), default=tuple(JOBS))
    arguments = parser.parse_args()
    for job in arguments.jobs:
        JOBS[job](arguments.quick)


if __name__ == "__main__":
    sys.exit(main())

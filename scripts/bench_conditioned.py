#!/usr/bin/env python3
"""Time and memory of the laws of conditioned Hessians.

    python scripts/bench_conditioned.py                   the equation at p = 512, 70 points
    python scripts/bench_conditioned.py --width 32 --tolerance 0.02                 p = 2048
    python scripts/bench_conditioned.py --width 32 --tolerance 0.02 --piece 1/4     points 1 to 18
    python scripts/bench_conditioned.py --job lanczos     draws of a network with p = 131072

The equation is solved for a tanh network n-n-n that was trained for 60 steps, at heights of .05
standard deviations, and compared with four draws. The tolerance is that of the matrix; G is some
hundred times as exact. A piece is every point of a part of the axis. Prints one JSON object.
"""

import argparse
import json
import resource
import time

import numpy as np

from rmtland.models import ConditionedHessian
from rmtland.models.conditioned import ConditionedDyson
from rmtland.networks import MLP, gaussian, train


def trained(width, samples, steps):
    data, net = gaussian(samples, width, rng=1), MLP((width, width, width))
    found = train(net, net.init(rng=2), data.x, data.y, max_steps=steps)
    return net.at(found.theta, data.x, data.y)


def equation(point, points, tolerance, piece):
    """Return what the equation takes at the points of a piece, and how far it is from draws."""
    model = ConditionedHessian(point, draws=4)
    dyson = ConditionedDyson.of_hessian(model)
    told = dyson.cost(points)
    center, width = model.mean(), model.var() ** 0.5
    x = center + width * np.linspace(-1.0, 3.0, points)
    drawn = model.smoothed_pdf(x, eta=0.05 * width)
    here = np.array_split(np.arange(points), piece[1])[piece[0] - 1]
    z = x[here] + 0.05j * width
    start, cpu = time.perf_counter(), time.process_time()
    found = dyson.solve(z, tolerance=tolerance)
    row = {
        "parameters": model.parameter_count,
        "points": here.size,
        "tolerance": tolerance,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "seconds_told": told.seconds,
        "bytes_told": told.bytes,
        "steps": int(found.steps.sum()),
    }
    law = -found.value.imag / np.pi
    row["density_off"] = float(np.abs(law - drawn[here]).max() / drawn.max())
    return row


def lanczos(point, steps, runs):
    """Return what draws take that only multiply."""
    start, cpu = time.perf_counter(), time.process_time()
    model = ConditionedHessian(point, projection="iterative")
    known, share = time.perf_counter() - start, model.free_share
    projection = model.conditioned.projection
    projected = projection.steps
    spectrum = model.lanczos(None, steps, rng=0, runs=runs)
    return {
        "parameters": model.parameter_count,
        "residuals": point.residuals.size,
        "free_share": share,
        "free_share_error": model.free_share_error,
        "leak": projection.leak,
        "steps_to_condition": projected,
        "steps_a_draw": (projection.steps - projected) / runs,
        "seconds_to_condition": known,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "draws": runs,
        "lanczos_steps": steps,
        "index": float((spectrum.weights * (spectrum.nodes < 0)).sum(axis=-1).mean()),
    }


def piece_of(text):
    """Return (1, 4) for 1/4."""
    number, of = (int(one) for one in text.split("/"))
    if not 1 <= number <= of:
        raise ValueError(text)
    return number, of


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--job", choices=("equation", "lanczos"), default="equation")
    parser.add_argument("--width", type=int, help="n; 16, or 256 for draws")
    parser.add_argument("--samples", type=int, help="m; 4 n")
    parser.add_argument("--points", type=int, default=70, help="where the equation is solved")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="of the equation")
    parser.add_argument("--piece", type=piece_of, default=(1, 1), help="of the points, as in 1/4")
    parser.add_argument("--draws", type=int, default=4, help="of Lanczos")
    parser.add_argument("--steps", type=int, default=60, help="of Lanczos")
    parser.add_argument("--training", type=int, default=60, help="steps of L-BFGS")
    arguments = parser.parse_args()
    for name in ("width", "samples", "points", "draws", "steps"):
        number = getattr(arguments, name)
        if number is not None and number < 1:
            parser.error(f"--{name} must be at least 1; got {number}")
    width = arguments.width or (16 if arguments.job == "equation" else 256)
    point = trained(width, arguments.samples or 4 * width, arguments.training)
    if arguments.job == "equation":
        row = equation(point, arguments.points, arguments.tolerance, arguments.piece)
    else:
        row = lanczos(point, arguments.steps, arguments.draws)
    row["energy"] = float(point.energy)
    row["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()

"""Time the audit of networks with p = 512 and 1024 parameters, and print the load of the machine.

For every size: wall-clock and processor seconds of `audit_hessian` with its defaults, what
`expected_cost` said beforehand, and the Kolmogorov distance of level 5. The network is n-n-n at
initialisation on m = 4n Gaussian samples, with p = 2 n^2.

    python scripts/bench_audit.py
    python scripts/bench_audit.py --widths 16 --activations relu
"""

import argparse
import os
import time

import numpy as np

from rmtland.audit import Level, audit_hessian, expected_cost
from rmtland.networks import MLP, LossPoint


def network(width: int, activation: str) -> LossPoint:
    """Return a network of three equal widths, whose residuals are independent Gaussians."""
    rng = np.random.default_rng(0)
    net = MLP((width, width, width), activation=activation)
    x, theta = rng.normal(size=(4 * width, width)), net.init(rng=1)
    return net.at(theta, x, net.predict(theta, x) - rng.normal(size=x.shape))


def main() -> None:
    """Run the audits and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 23])
    parser.add_argument("--activations", nargs="+", default=["relu", "tanh"])
    parser.add_argument("--draws", type=int, default=8, help="Hessians drawn anew")
    parser.add_argument("--points", type=int, default=40, help="of the tables of Dyson laws")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores; load of the last minute before each run")
    print("    p  activation  load  said/s  wall/s   cpu/s  level 5")
    for width in arguments.widths:
        for activation in arguments.activations:
            point = network(width, activation)
            load, said = os.getloadavg()[0], expected_cost(point).seconds
            start, used = time.perf_counter(), time.process_time()
            audit = audit_hessian(point, draws=arguments.draws, points=arguments.points, rng=0)
            wall, used = time.perf_counter() - start, time.process_time() - used
            distance = audit[Level.DYSON].kolmogorov
            print(
                f"{2 * width**2:5d}  {activation:10s} {load:5.1f} {said:7.1f} {wall:7.1f} "
                f"{used:7.1f}  {distance:7.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

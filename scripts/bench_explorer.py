"""How long a move of a slider of the explorer takes: CPU milliseconds over all places.

Every law of the explorer, with the scales printed and those of a network, is computed at places of
every slider, the others at their defaults and then at random: each place once and for the first
time, as in a page that was just opened. `--full` takes all 1001 places of a slider. A place whose
curves are refused is counted, with its sentence.

    python scripts/bench_explorer.py --full
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

from rmtland.explorer import FAMILIES, SLIDERS, ExplorerState, curves, prepare_curves
from rmtland.explorer.state import TRACES
from rmtland.networks.activation import ACTIVATIONS

MOVED = ("phi", "energy", "sigma")
STEPS = 1000
LIMIT = 100.0


def place(name: str, share: float) -> float:
    """Return the value of a slider at a share of its way."""
    _, low, high = SLIDERS[name]
    return float(low * (high / low) ** share)


def states(law: str, traces: str, step: int, random: int, seed: int) -> list[ExplorerState]:
    """Return places along every slider, and random ones."""
    found = [
        ExplorerState(law=law, traces=traces, **{name: place(name, at / STEPS)})
        for name in MOVED
        for at in range(0, STEPS + 1, step)
    ]
    rng = np.random.default_rng(seed)
    for _ in range(random):
        values = {name: place(name, rng.integers(0, STEPS + 1) / STEPS) for name in MOVED}
        activation = str(rng.choice(list(ACTIVATIONS)))
        found.append(ExplorerState(law=law, traces=traces, activation=activation, **values))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--step", type=int, default=20, help="every how many places of a slider")
    parser.add_argument("--random", type=int, default=50, help="random places of each law")
    parser.add_argument("--full", action="store_true", help="all places, and 500 random ones")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    step, random = (1, 500) if options.full else (options.step, options.random)
    start = time.process_time()
    prepare_curves()  # as the page does when it is opened
    print(f"prepared in {time.process_time() - start:.1f} CPU s")
    print(f"{'law':18}{'traces':12}{'places':>7}{'median':>9}{'99 %':>9}{'largest':>9}{'> 100':>7}")
    everything, refused = [], Counter()
    for law in FAMILIES:
        for traces in TRACES:
            took = []
            for state in states(law, traces, step, random, options.seed):
                start = time.process_time()
                found = curves(state)
                took.append(1e3 * (time.process_time() - start))
                if found.density.reason:
                    refused[f"{law}: {found.density.reason[:60]}"] += 1
            everything += took
            print(
                f"{law:18}{traces:12}{len(took):7}{np.median(took):9.1f}"
                f"{np.quantile(took, 0.99):9.1f}{max(took):9.1f}{sum(t > LIMIT for t in took):7}"
            )
    late = sum(took > LIMIT for took in everything)
    for sentence, number in refused.items():
        print(f"refused {number}: {sentence}")
    print(
        f"all: {len(everything)} moves, median {np.median(everything):.1f} ms, 99.9 % "
        f"{np.quantile(everything, 0.999):.1f} ms, {late} above {LIMIT:g} ms"
    )


if __name__ == "__main__":
    main()

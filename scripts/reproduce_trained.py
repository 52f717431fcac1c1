#!/usr/bin/env python3
"""The figure `rmtland reproduce trained` from a script: trained networks, conditioned residuals.

Twelve networks (activations, shapes, losses, data, biases, weight decay) that nothing was chosen
for are trained by L-BFGS; at five energies on the way the measured spectrum is compared with levels
7 (residuals conditioned on the gradient) and 8 (on gradient and inputs) of the audit. A level is
within chance where its Kolmogorov distance is at most 1.5 times the mean distance of a single draw
to the others, plus .01.

    python scripts/reproduce_trained.py               five minutes
    python scripts/reproduce_trained.py --quick       two small networks, ten seconds
    python scripts/reproduce_trained.py --full        three runs of each network
    python scripts/reproduce_trained.py --fresh       twelve other networks
    python scripts/reproduce_trained.py --unusual     twelve of other kinds

Writes trained.csv, trained.json and trained.png; an interrupted run resumes. The results of the
twelve were seen before the rules for softmax and minima were made. Twelve others were written down
after that and before any of them was trained: --fresh compares those, and writes fresh.csv and so
on. --unusual does the same of twelve kinds that are in neither: where the levels fail.
"""

import argparse
from pathlib import Path

from rmtland.cli.output import Output
from rmtland.cli.reproduce import reproduce_figure
from rmtland.reproduction import TrainedNetworks
from rmtland.reproduction.trained_cases import FRESH, UNUSUAL


class FreshNetworks(TrainedNetworks):
    """The same of other networks."""

    name = "fresh"


class UnusualNetworks(TrainedNetworks):
    """The same of other kinds of networks."""

    name = "unusual"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="two small networks, four draws")
    size.add_argument("--full", action="store_true", help="three runs of each network")
    others = parser.add_mutually_exclusive_group()
    others.add_argument("--fresh", action="store_true", help="twelve networks to confirm by")
    others.add_argument("--unusual", action="store_true", help="twelve networks of other kinds")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder")
    arguments = parser.parse_args()
    chosen = "quick" if arguments.quick else "full" if arguments.full else "default"
    figure = TrainedNetworks.of_size(chosen)
    if arguments.fresh or arguments.unusual:
        cases = tuple(FRESH if arguments.fresh else UNUSUAL)
        other = {} if arguments.quick else {"networks": cases, "shown": cases[0]}
        figure = (FreshNetworks if arguments.fresh else UnusualNetworks).of_size(chosen, **other)
    content = reproduce_figure(figure, Output(arguments.out), workers=arguments.workers)
    good = content.number("points within chance", level="level 7 or 8")
    index = content.number("points with an index within 0.02")
    print(f"level 7 or 8 within chance at {good:g} of {content.number('points'):g} points")
    print(f"index within .02 at {index:g} of them")


if __name__ == "__main__":
    main()

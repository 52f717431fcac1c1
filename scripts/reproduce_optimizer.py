#!/usr/bin/env python3
"""The figure `rmtland reproduce optimizer` from a script: whether the spectrum helps training.

Methods that measure the curvature and have nothing to tune run beside gradient descent, momentum
and Adam, tuned with equal budgets on data sets of their own, L-BFGS and conjugate gradients: on
random quadratics, linear and logistic regression on real data, linearised networks, fully connected
networks and a convolutional PyTorch network on handwritten digits (left out without PyTorch).
Counted are passes over the data and CPU seconds to a target, held-out errors, and what wrong
labels, gradients of batches, moved parameters and misjudged curvature or rates cost.

    python scripts/reproduce_optimizer.py             some minutes
    python scripts/reproduce_optimizer.py --quick     four small problems, half a minute
    python scripts/reproduce_optimizer.py --full      ten data sets, a thousand passes

Writes optimizer.csv, optimizer.json and optimizer.png, and prints a table; an interrupted run
resumes.
"""

import argparse
import math
from pathlib import Path

from rmtland.cli.output import Output
from rmtland.cli.reproduce import reproduce_figure
from rmtland.reproduction import OptimizerStudy
from rmtland.reproduction.optimizer_problems import PROBLEMS


def table(figure, content):
    """Print passes to the target, with those of tuning, and held-out errors."""

    def number(name, **of):
        try:
            value = content.number(name, **of)
        except KeyError:
            return "-"
        return "-" if math.isnan(value) else "not" if math.isinf(value) else f"{value:.3g}"

    for problem in figure.problems:
        print(f"\n{problem}: passes (half interval), of tuning, CPU s, held-out error, moved")
        for method in figure.methods:
            of = {"problem": problem, "method": method}
            print(
                f"  {method:<25} {number('passes to the target', **of):>6} "
                f"({number('passes to the target', **of, part='half interval')}) "
                f"{number('passes of tuning', **of):>6} {number('seconds to the target', **of):>8} "
                f"{number('held-out error at the end', **of):>7} "
                f"{number('held-out error, parameters moved', **of):>7}"
            )
        print(
            f"  gain of measured curvature over tuning: {number('gain in passes', problem=problem)}"
            f" times in passes, {number('gain with tuning', problem=problem)} with tuning, "
            f"{number('gain in held-out error', problem=problem)} in held-out error"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="four small problems")
    size.add_argument("--full", action="store_true", help="ten data sets, a thousand passes")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, help="these only")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder")
    arguments = parser.parse_args()
    chosen = "quick" if arguments.quick else "full" if arguments.full else "default"
    only = {"problems": tuple(arguments.problems)} if arguments.problems else {}
    figure = OptimizerStudy.of_size(chosen, **only)
    content = reproduce_figure(figure, Output(arguments.out), workers=arguments.workers)
    table(figure, content)


if __name__ == "__main__":
    main()

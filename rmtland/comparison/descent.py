r"""The descent of a fit over the parameters of its family.

Least squares of what `rmtland.comparison.fit_points` compares, over logarithms of the parameters
that are positive.

Examples
--------
>>> import numpy as np
>>> from rmtland import MarchenkoPastur, Spectrum
>>> from rmtland.comparison.fit_points import FitPoints
>>> spectrum = Spectrum(MarchenkoPastur(0.5).ppf((np.arange(40) + 0.5) / 40))
>>> family = Family.of(MarchenkoPastur)
>>> descent = Descent(family, family.boxes(spectrum, None, np.random.default_rng(0)))
>>> start = descent.position({"aspect_ratio": 0.2, "scale": 2.0})
>>> end, cost = descent.run(FitPoints.of(spectrum, 2), start)
>>> {name: round(value, 2) for name, value in descent.values(end).items()}
{'aspect_ratio': 0.5, 'scale': 1.0}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from rmtland.comparison.families import Box, Family
from rmtland.comparison.fit_points import Points
from rmtland.laws.first_check import unchecked
from rmtland.typing import Logical, Real

__all__ = ["Descent"]


@dataclass(frozen=True)
class Descent:
    """Least squares over the coordinates of the free parameters: logarithms of positive ones."""

    family: Family[Any]
    boxes: dict[str, Box]

    def values(self, position: Real) -> dict[str, float]:
        """Return parameters at a position."""
        return {
            name: min(max(box.outer(float(u)), box.low), box.high)
            for (name, box), u in zip(self.boxes.items(), position, strict=True)
        }

    def position(self, values: Mapping[str, float]) -> Real:
        """Return the position of parameters, within the bounds."""
        return np.array(
            [
                box.inner(min(max(float(values[name]), box.low), box.high))
                for name, box in self.boxes.items()
            ]
        )

    def defect(self, points: Points, position: Real, *, checked: bool = False) -> Real:
        """Return F - F_n of the member at a position, as a rule without a check of its law.

        A descent passes thousands of members; what it ends at is checked (`run`).
        """
        law = self.family.law(self.values(position))
        if law is None or checked:
            return points.defect(law)
        with unchecked(law):
            return points.defect(law)

    def steps(self, position: Real) -> Real:
        """Return steps of difference quotients: of logarithms, or relative to value and width."""
        return np.array(
            [
                1e-6
                if box.positive
                else max(1e-6 * box.size(u, 1e-4, 1e4), 64 * np.spacing(abs(u)))
                for box, u in zip(self.boxes.values(), position, strict=True)
            ]
        )

    def jacobian(
        self, points: Points, position: Real, *, here: Real | None = None, checked: bool = False
    ) -> Real:
        """Difference quotients towards whichever side the family exists on.

        Where the defect at the position is known, it is given as `here`.
        """
        if here is None:
            here = self.defect(points, position, checked=checked)
        columns = []
        for i, step in enumerate(self.steps(position)):
            column = np.zeros(here.shape)
            for h in (step, -step):
                there = position.copy()
                there[i] += h
                values = self.defect(points, there, checked=checked)
                if values.max() < points.nowhere:
                    column = (values - here) / h
                    break
            columns.append(column)
        return np.stack(columns, axis=1)

    def run(self, points: Points, start: Real, *, steps: int = 200) -> tuple[Real, float]:
        """Return where the descent ends, and half the sum of squares there.

        Where that member is refused as a law, the descent is repeated with a check at every step;
        one that is refused even so counts as one that does not exist.
        """
        end, _ = self.glance(points, start, steps=steps)
        return self.settle(points, start, end, steps=steps)

    def settle(
        self, points: Points, start: Real, end: Real, *, steps: int = 200
    ) -> tuple[Real, float]:
        """Return what `run` does, of a descent that ended at a member without a check of it."""
        here = self.defect(points, end, checked=True)
        if here.min() >= points.nowhere:
            end, _ = self.glance(points, start, steps=steps, checked=True)
            here = self.defect(points, end, checked=True)
        return end, float(here @ here) / 2

    def glance(
        self, points: Points, start: Real, *, steps: int, checked: bool = False
    ) -> tuple[Real, float]:
        """Return where least squares end, a member whose law is as a rule not checked, and cost."""
        low, high = self.ends()
        room = 1e-9 * np.maximum(high - low, 1e-300)
        scale = np.array(
            [
                1.0 if box.positive else box.size(u, 1e-3, 1e3)
                for box, u in zip(self.boxes.values(), start, strict=True)
            ]
        )
        last = np.empty(0), np.empty(0)

        def defect(u: Real) -> Real:
            nonlocal last
            last = u.copy(), self.defect(points, u, checked=checked)
            return last[1]

        def jacobian(u: Real) -> Real:
            here = last[1] if np.array_equal(u, last[0]) else None
            return self.jacobian(points, u, here=here, checked=checked)

        result = least_squares(
            defect,
            np.clip(start, low + room, high - room),
            jac=jacobian,
            bounds=(low, high),
            method="trf",
            x_scale=scale,
            max_nfev=steps,
        )
        return np.asarray(result.x), float(result.fun @ result.fun) / 2

    def ends(self) -> tuple[Real, Real]:
        """Return the positions of the bounds."""
        low = np.array([box.inner(box.low) for box in self.boxes.values()])
        high = np.array([box.inner(box.high) for box in self.boxes.values()])
        return low, high

    def at_bounds(self, position: Real) -> tuple[str, ...]:
        """Names of the parameters that have come to a bound."""
        low, high = self.ends()
        near = 1e-3 * (high - low)
        ended = (position <= low + near) | (position >= high - near)
        return tuple(name for name, end in zip(self.boxes, ended, strict=True) if end)

    def loose(self, points: Points, position: Real) -> Logical:
        """Whether a parameter is part of a direction that moves F by no more than rounding.

        Directions are those of changes by a tenth, or by a hundredth of the width of the spectrum.
        """
        width = float(points.x[-1] - points.x[0]) or 1.0
        units = np.array([0.1 if box.positive else 0.01 * width for box in self.boxes.values()])
        columns = []
        here = self.defect(points, position)
        for i, unit in enumerate(units):
            moved = []
            for sign in (1.0, -1.0):
                there = position.copy()
                there[i] += sign * unit
                values = self.defect(points, there)
                if values.max() < points.nowhere:
                    moved.append(sign * (values - here))
            columns.append(np.mean(moved, axis=0) if moved else np.zeros(here.shape))
        matrix = np.stack(columns, axis=1) / np.sqrt(here.size)
        _, sizes, directions = np.linalg.svd(matrix, full_matrices=True)
        sizes = np.concatenate([sizes, np.zeros(len(directions) - len(sizes))])
        null = directions[sizes <= 1e-6]
        return np.asarray((np.abs(null) > 0.1).any(axis=0))

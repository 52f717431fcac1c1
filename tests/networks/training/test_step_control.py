"""The safeguard of designed methods, by its numbers alone."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from rmtland.networks.training.step_control import StepControl


def schedule(steps=(1.0, 2.0, 3.0, 4.0), momentum=0.5, ahead=0.25, largest=None):
    def coefficients(size):
        step = np.resize(np.array(steps), size)
        return step, np.full(size, momentum), np.full(size, ahead)

    return SimpleNamespace(coefficients=coefficients, largest_curvature=largest)


def test_coefficients_follow_the_schedule_and_restart():
    control = StepControl(schedule(), restart=3)
    state = control.start()
    found = []
    for _ in range(7):
        found.append(control.coefficients(state))
        control.advance(state)
    first = [(1.0, 0.0, 0.0, 0.25), (2.0, 0.5, 0.25, 0.25), (3.0, 0.5, 0.25, 0.0)]
    assert found == [*first, *first, first[0]]
    endless = StepControl(schedule())
    state = endless.start() | {"t": 1001}
    assert endless.coefficients(state) == (2.0, 0.5, 0.25, 0.25)


def test_a_rise_above_the_last_start_goes_back_and_at_last_descends():
    control = StepControl(schedule(largest=2.0), strikes=2)
    state = control.start()
    assert control.judge(10.0, state) == "best"
    control.advance(state)
    assert control.judge(12.0, state) == "back"
    assert control.coefficients(state)[0] == 0.5
    for loss, verdict in ((4.0, "best"), (9.0, "on"), (10.5, "back")):
        control.advance(state)
        assert control.judge(loss, state) == verdict
    assert state["fallen"] == 1
    assert control.coefficients(state) == (0.5 * 0.25, 0.0, 0.0, 0.0)  # 1/largest, halved twice
    control.advance(state)
    assert control.judge(4.1, state) == "back"  # gradient descent must go down
    control.advance(state)
    assert control.judge(math.nan, state) == "back"
    assert state["best_loss"] == 4.0
    assert state["shrink"] == 1 / 16


def test_a_restarted_cycle_is_judged_by_its_own_start():
    """The rise of a later cycle counts from where that cycle began."""
    control = StepControl(schedule(), restart=2)
    state = control.start()
    control.judge(8.0, state)
    for loss, verdict in ((6.0, "best"), (2.0, "best"), (3.0, "back")):
        control.advance(state)
        assert control.judge(loss, state) == verdict


def test_restart_where_the_loss_rises():
    control = StepControl(schedule(), restart="loss")
    state = control.start()
    control.judge(8.0, state)
    for loss, verdict in ((5.0, "best"), (4.0, "best"), (4.5, "restart"), (4.2, "on")):
        control.advance(state)
        assert control.judge(loss, state) == verdict
    assert state["t"] == 1


def test_steps_follow_the_curvature_within_caps():
    control = StepControl(schedule(largest=2.0), growth=1.5, most=2.0)
    state = control.start()
    scales = []
    for curvature in (4.0, 1e-9, 1e-9, 1e-9, 8.0, -1.0, math.nan, math.inf):
        control.measured(curvature, state)
        scales.append(state["scale"])
    assert scales == [0.5, 0.75, 1.0, 1.0, 0.25, 0.25, 0.25, 0.25]
    state |= {"fallen": 1, "strikes": 3, "shrink": 0.125}
    control.measured(8.0, state)
    assert (state["fallen"], state["strikes"], state["shrink"]) == (0, 0, 0.1875)


def test_wrong_arguments():
    with pytest.raises(TypeError, match="must have coefficients"):
        StepControl("gd")
    with pytest.raises(ValueError, match="restart must be"):
        StepControl(schedule(), restart="often")
    for wrong in ({"restart": 0}, {"growth": 0.5}, {"most": 0.1}, {"strikes": 0}, {"largest": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            StepControl(schedule(), **wrong)
    with pytest.raises(ValueError, match="give largest="):
        _ = StepControl(schedule()).design
    control = StepControl(schedule())
    with pytest.raises(ValueError, match="at the start must be finite"):
        control.judge(math.inf, control.start())

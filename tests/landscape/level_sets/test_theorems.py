"""The theorems of the lecture as experiments: what small searches find."""

from dataclasses import replace

import numpy as np
import pytest

from rmtland.landscape.level_sets import theorem_cases, valley_heights


def test_a_search_reports_what_it_found():
    case = theorem_cases()[0]
    (found,) = valley_heights(case, pairs=2, widths=(2,), curve_steps=30, string_steps=3, rng=0)
    assert found.width == 2
    assert found.ends.shape == (2, 2)
    assert (found.barriers <= found.straight + 1e-12).all()
    assert (found.barriers >= 0.0).all()


@pytest.mark.slow
def test_wide_networks_have_one_valley():
    linear, _, quadratic = theorem_cases()
    for case in (linear, quadratic):
        (found,) = valley_heights(
            case, pairs=2, widths=(case.widths[-1],), curve_steps=400, string_steps=60, rng=0
        )
        assert case.widths[-1] >= case.threshold
        assert np.ptp(found.ends, axis=1).max() < 1e-3  # the same data, the same least loss
        assert found.straight.min() > 0.01
        assert found.barriers.max() < 0.05 * found.straight.max()


def test_an_interrupted_pair_is_none(monkeypatch):
    """Training and curves keep Ctrl-C for themselves: the next width was begun all the same."""
    import rmtland.landscape.level_sets.theorems as module

    case, calls = theorem_cases()[0], []
    trained = module.train

    def cut_short(*arguments, **options):
        calls.append(1)
        if len(calls) < 3:
            return trained(*arguments, **options)

        def stop(steps, point):
            raise KeyboardInterrupt

        return trained(*arguments, **options, callback=stop)

    monkeypatch.setattr(module, "train", cut_short)
    options = {"pairs": 1, "curve_steps": 2, "string_steps": 1, "widths": (1, 2, 3), "rng": 0}
    found = valley_heights(case, **options)
    assert [one.width for one in found] == [1]
    assert len(calls) == 3
    monkeypatch.setattr(module, "train", trained)

    def shortened(surface, path, **options):
        path.is_whole = False
        return path

    monkeypatch.setattr(module, "trained_curve", shortened)
    with pytest.raises(KeyboardInterrupt):
        valley_heights(case, **options)
    monkeypatch.undo()
    relaxed = module.relaxed_path
    monkeypatch.setattr(
        module, "relaxed_path", lambda *a, **o: replace(relaxed(*a, **o), is_whole=False)
    )
    with pytest.raises(KeyboardInterrupt):
        valley_heights(case, **options)

"""Shares sum to the misfit, whatever the distances."""

import json

import pytest
from hypothesis import given, strategies as st

from rmtland.audit.levels import Family
from rmtland.audit.shares import Assumption, Share, dyson_shares, wigner_shares

distance = st.floats(0.0, 1.0)


@given(*[distance] * 6)
def test_shares_of_wigner_telescope(d0, d1, d3, other, d4, turned):
    shares = wigner_shares(d0, d1, d3, other, d4, turned)
    assert list(shares) == ["scale", "Wishart", "Wigner", "freeness", "chance"]
    assert sum(value for value, _, _ in shares.values()) == pytest.approx(d0, abs=1e-12)
    assert all(low <= value <= high for value, low, high in shares.values())


@given(*[distance] * 5)
def test_shares_of_dyson_telescope(d5, second, residuals, redrawn, sampling):
    shares = dyson_shares(d5, second, residuals, redrawn, sampling)
    assert sum(value for value, _, _ in shares.values()) == pytest.approx(d5, abs=1e-12)
    assert all(low <= value <= high for value, low, high in shares.values())


def test_an_assumption_that_costs_nothing_has_no_share():
    # H1 measured or Wigner: the same; H0 makes the difference
    shares = wigner_shares(0.5, 0.4, 0.1, 0.4, 0.1, 0.02)
    assert shares["Wigner"] == (0.0, 0.0, 0.0)
    assert shares["Wishart"][0] == pytest.approx(0.3)
    assert shares["freeness"][0] == pytest.approx(0.08)
    # residuals as measured: as far as the measured Hessian from itself; W2: no help
    shares = dyson_shares(0.2, 0.2, 0.01, 0.01, 0.01)
    assert shares["iid weights"][0] == pytest.approx(0.0, abs=1e-15)
    assert shares["Gaussian residuals"][0] == pytest.approx(0.19)


def test_orders_that_cancel_say_so():
    # giving up either alone helps by .1; giving up the second after it does as much harm
    (value, low, high), *_ = dyson_shares(0.1, 0.0, 0.0, 0.1, 0.1).values()
    assert (value, low, high) == (0.0, -0.1, 0.1)
    share = Share(Family.DYSON, Assumption.WEIGHTS, value, low, high, 0.01)
    assert share.cancels
    assert not Share(Family.DYSON, Assumption.WEIGHTS, value, low, high, 0.2).cancels  # noise
    assert not Share(Family.DYSON, Assumption.WEIGHTS, 0.05, -0.001, 0.1, None).cancels


def test_the_error_of_the_law_is_no_chance():
    shares = dyson_shares(0.2, 0.2, 0.2, 0.2, 0.03)
    assert shares[Assumption.CHANCE].value == pytest.approx(0.03)
    assert shares[Assumption.LAW].value == pytest.approx(0.17)


def test_dict():
    share = Share(Family.DYSON, Assumption.WEIGHTS, 0.1, 0.0, 0.2, None)
    assert json.loads(json.dumps(share.as_dict())) == {
        "law": "matrix Dyson",
        "assumption": "iid weights",
        "value": 0.1,
        "low": 0.0,
        "high": 0.2,
        "error": None,
        "cancels": False,
    }

"""Shares sum to the misfit, whatever the distances."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtland.audit.shares import Share, dyson_shares, wigner_shares

distance = st.floats(0.0, 1.0)


@given(*[distance] * 6)
def test_shares_of_wigner_telescope(d0, d1, d3, other, d4, turned):
    shares = wigner_shares(d0, d1, d3, other, d4, turned)
    assert list(shares) == ["scale", "Wishart", "Wigner", "freeness", "chance"]
    assert sum(value for value, _, _ in shares.values()) == pytest.approx(d0, abs=1e-12)
    assert all(low <= value <= high for value, low, high in shares.values())


@given(*[distance] * 4)
def test_shares_of_dyson_telescope(d5, second, residuals, chance):
    shares = dyson_shares(d5, second, residuals, chance)
    assert sum(value for value, _, _ in shares.values()) == pytest.approx(d5, abs=1e-12)
    assert all(low <= value <= high for value, low, high in shares.values())


def test_an_assumption_that_costs_nothing_has_no_share():
    # H1 measured or Wigner: the same; H0 makes the difference
    shares = wigner_shares(0.5, 0.4, 0.1, 0.4, 0.1, 0.02)
    assert shares["Wigner"] == (0.0, 0.0, 0.0)
    assert shares["Wishart"][0] == pytest.approx(0.3)
    assert shares["freeness"][0] == pytest.approx(0.08)
    # residuals as measured: as far as the measured Hessian from itself; W2: no help
    shares = dyson_shares(0.2, 0.2, 0.01, 0.01)
    assert shares["iid weights"][0] == pytest.approx(0.0, abs=1e-15)
    assert shares["Gaussian residuals"][0] == pytest.approx(0.19)


def test_dict():
    share = Share("matrix Dyson", "iid weights", 0.1, 0.0, 0.2, None)
    assert json.loads(json.dumps(share.as_dict())) == {
        "law": "matrix Dyson", "assumption": "iid weights", "value": 0.1, "low": 0.0,
        "high": 0.2, "error": None,
    }  # fmt: skip

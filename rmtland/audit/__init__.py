"""The audit: every level of theory compared with a network's Hessian, and which assumption fails.

`audit_hessian` takes a point of a network, `audit_operators` anything that multiplies (PyTorch and
JAX models through `rmtland.adapters`), `audit_spectra` measured spectra; each gives a
`HessianAudit`: distances level by level, shares of the misfit by assumption, tests of residuals and
weights, and a verdict. `rmtland.audit.drawing` draws it.
"""

from rmtland.audit.cost import Cost, check_audit, expected_cost, memory_needed
from rmtland.audit.diagnostics import Diagnostics, diagnose
from rmtland.audit.findings import HessianAudit
from rmtland.audit.hessian_audit import audit_hessian
from rmtland.audit.level_result import LevelResult, Standing
from rmtland.audit.levels import Family, Level
from rmtland.audit.operator_audit import audit_operators
from rmtland.audit.redraws import Redraws
from rmtland.audit.second_moments import ResidualCovariance, residual_covariance
from rmtland.audit.shares import Assumption, Share
from rmtland.audit.spectra_audit import audit_spectra

__all__ = [
    "Assumption",
    "Cost",
    "Diagnostics",
    "Family",
    "HessianAudit",
    "Level",
    "LevelResult",
    "Redraws",
    "ResidualCovariance",
    "Share",
    "Standing",
    "audit_hessian",
    "audit_operators",
    "audit_spectra",
    "check_audit",
    "diagnose",
    "expected_cost",
    "memory_needed",
    "residual_covariance",
]

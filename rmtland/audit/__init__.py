"""The audit: every level of theory held against a network's Hessian, and which assumption fails.

`audit_hessian` takes a point of a network and gives a `HessianAudit`: distances level by level,
shares of the misfit by assumption, tests of residuals and weights, and a sentence.
`rmtland.audit.drawing` draws it.
"""

from rmtland.audit.auditing import audit_hessian, memory_needed
from rmtland.audit.diagnostics import Diagnostics, diagnose
from rmtland.audit.hessian_audit import HessianAudit, Level
from rmtland.audit.redraws import Redraws
from rmtland.audit.shares import Share

__all__ = [
    "Diagnostics",
    "HessianAudit",
    "Level",
    "Redraws",
    "Share",
    "audit_hessian",
    "diagnose",
    "memory_needed",
]

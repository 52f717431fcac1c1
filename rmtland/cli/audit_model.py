"""`rmtland audit MODULE:FUNCTION`: the audit of anybody's model, from its products."""

from __future__ import annotations

from collections.abc import Mapping

from rmtland.cli.audit_tables import print_audit
from rmtland.cli.measure import operator_of
from rmtland.cli.output import Output, Stopped
from rmtland.cli.user_function import function_of
from rmtland.typing import Record

__all__ = ["audit_model"]

_OWN = ("total", "gauss_newton", "residual", "phi", "energy", "piecewise_linear", "nullity", "size")


def audit_model(
    output: Output, target: str, *, parameters: str | None, double: bool, settings: Record
) -> None:
    """Audit what a function of the user's returns; print, draw and write it."""
    from rmtland.audit import audit_operators
    from rmtland.audit.drawing import audit_figure
    from rmtland.cli.audit_bar import audit_bar

    patterns = None if parameters is None else [p.strip() for p in parameters.split(",")]
    made = function_of(target)()
    given = _arguments(made, patterns=patterns, double=double)
    with audit_bar() as show:
        result = audit_operators(**given, **settings, progress=show)
    title = f"{target}, {result.provenance['parameters']} parameters"
    print_audit(output, result, title, str(result.provenance["source"]))
    output.figure(audit_figure(result, title), "audit", dpi=100)
    stage = {"stage": "as it is", "target": target, **result.as_dict()}
    output.numbers({"format": "rmtland audit 1", "stages": [stage]})
    if result.interrupted:
        raise Stopped("interrupted; what was done is printed and written")


def _arguments(made: object, *, patterns: list[str] | None, double: bool) -> Record:
    """Return the operators and ratios of what a user's function returned."""
    if not isinstance(made, Mapping):
        return {"total": operator_of(made, part="total", parameters=patterns, double=double)}
    if patterns is not None or double:
        raise ValueError("--parameters and --double are for models; the function returned none")
    unknown = [str(name) for name in made if name not in _OWN]
    if unknown or "total" not in made:
        raise ValueError(
            f"a mapping must hold 'total' and may hold {', '.join(_OWN[1:])}; got "
            f"{', '.join(map(str, made)) or 'nothing'}"
        )
    return dict(made)

"""What `check_device.py` found: which rows a run makes, and the file that holds them.

A run of some rows goes into the file of an earlier one: rows of the same name are replaced, the
others stay, and `anew` tells what was run when, where and with which versions.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import threading
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

SHOWN = (
    "numpy",
    "scipy",
    "numba",
    "cupy-cuda13x",
    "cupy-cuda12x",
    "torch",
    "jax",
    "array-api-compat",
    "array-api-strict",
)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in SHOWN:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Selection:
    """What of the check is run: everything, or what the words name.

    Parameters
    ----------
    words : tuple of str
        Groups, "group:piece of a case's name", or paths of tests.
    known : tuple of str
        The groups.

    Raises
    ------
    ValueError
        If a word names no group and no file of tests.
    """

    words: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in self.words:
            if word.partition(":")[0] not in self.known and not word.startswith("tests/"):
                raise ValueError(
                    f"{word} names nothing: give a group ({', '.join(self.known)}), "
                    "group:piece of a case's name, or a path that begins with tests/"
                )

    @property
    def tests(self) -> list[str]:
        """Paths of tests."""
        return [word for word in self.words if word.startswith("tests/")]

    @property
    def title(self) -> str:
        """Of the row of the tests."""
        return f"marked gpu: {' '.join(self.tests)}" if self.tests else "marked gpu"

    @property
    def groups(self) -> list[str]:
        """The groups that are run; empty for all."""
        heads = ["tests" if w.startswith("tests/") else w.partition(":")[0] for w in self.words]
        return [name for name in self.known if name in heads]

    def pieces(self, group: str) -> list[str]:
        """Return what names of cases must hold one of; empty for all cases."""
        if group in self.words:
            return []
        return [word.partition(":")[2] for word in self.words if word.startswith(f"{group}:")]


class Report:
    """The results so far, in a file after every case.

    Parameters
    ----------
    out : Path, optional
        The JSON.
    budget : float
        Seconds.
    small : bool
        Whether sizes are tiny.
    selection : Selection, optional
        What is run; where it names something, the other rows of the file stay.

    Raises
    ------
    ValueError
        If there are rows to keep, of tiny sizes where these are not, or the other way round.
    """

    def __init__(
        self,
        out: Path | None,
        budget: float,
        small: bool,
        selection: Selection | None = None,
    ) -> None:
        self.out, self.small, self.begin = out, small, time.time()
        self.selection = selection or Selection()
        self.lock = threading.Lock()
        self.content: dict[str, Any] = {
            "date": str(datetime.date.today()),
            "card": {},
            "processor": f"{platform.machine()}, {os.cpu_count()} cores",
            "versions": versions(),
            "small": small,
            "budget": budget,
            "wall_s": 0.0,
            "results": {},
            "failed": [],
        }
        if self.selection.words and out is not None and out.exists():
            self._keep(json.loads(out.read_text("utf-8")))

    def _keep(self, before: dict[str, Any]) -> None:
        """Go on with the rows of an earlier run, and say what was run anew."""
        if before["small"] != self.small:
            raise ValueError(f"{self.out} holds rows of other sizes (--small); name another file")
        own = {key: self.content[key] for key in ("date", "processor", "versions", "budget")}
        self.content = before
        self.content.setdefault("anew", []).append(
            own | {"only": list(self.selection.words), "card": "", "wall_s": 0.0}
        )

    def card(self, found: dict[str, Any]) -> None:
        """Keep what is known of the card."""
        with self.lock:
            if self.content.get("anew"):
                self.content["anew"][-1]["card"] = found.get("name", "")
            else:
                self.content["card"] = self.content["card"] or found

    def add(self, group: str, name: str, result: dict[str, Any]) -> None:
        """Keep a result, print it and write all results."""
        with self.lock:
            self.content["results"].setdefault(group, {})[name] = result
            failed = [one for one in self.content["failed"] if one != [group, name]]
            bad = "error" in result or result.get("ok") is False
            self.content["failed"] = [*failed, [group, name]] if bad else failed
            run = self.content["anew"][-1] if self.content.get("anew") else self.content
            run["wall_s"] = round(time.time() - self.begin, 1)
            print(f"[{run['wall_s']:6.1f} s] {group}: {name}: {short(result)}", flush=True)
            self.write()

    def write(self) -> None:
        """Write the results so far."""
        if self.out is None:
            return
        self.out.parent.mkdir(parents=True, exist_ok=True)
        partial = self.out.with_suffix(".part")
        partial.write_text(json.dumps(self.content, indent=1, default=str) + "\n", "utf-8")
        partial.replace(self.out)

    def table(self) -> str:
        """Return numbers of cases, and what failed."""
        lines = []
        for group, results in self.content["results"].items():
            bad = sum([group, name] in self.content["failed"] for name in results)
            skipped = sum("skipped" in one and "tests" not in one for one in results.values())
            lines.append(
                f"{group:<14} {len(results) - bad - skipped:>4} right {bad:>4} failed "
                f"{skipped:>4} skipped"
            )
        for group, name in self.content["failed"]:
            result = self.content["results"][group][name]
            lines.append(f"FAILED {group}: {name}: {short(result)}")
            for test, text in list(result.get("failed", {}).items() if group == "tests" else ())[
                :12
            ]:
                lines.append(f"  {test}: {text.splitlines()[0][:160]}")
        return "\n".join(lines)


def short(result: dict[str, Any]) -> str:
    """Return a result on one line."""
    for name in ("error", "skipped"):
        if isinstance(result.get(name), str):
            at = f" ({result['at'][:120]})" if result.get("at") else ""
            return f"{name}: {result[name][:160]}{at}"
    kept = {
        key: value
        for key, value in result.items()
        if key not in ("tail", "failed") or (key == "failed" and isinstance(value, list) and value)
    }
    return json.dumps(kept, default=str)[:200]

"""Check rmtland on a CUDA device: tests, distributions, benchmarks; one JSON and a short table.

    python scripts/check_device.py --out figures/device.json      # at most 300 s on one card
    python scripts/check_device.py --small                        # tiny sizes; runs without a card
    python scripts/check_device.py --out figures/device.json --only adapters "networks:product" \
        tests/estimate/test_estimates_on_devices.py  # these rows anew, the others stay

Three parts: the tests marked `gpu`; every family of random matrices drawn on the CPU and on the
card (`device_distributions.py`); benchmarks beside peers on the same card in the same run
(`device_networks.py`, `device_samplers.py`, `device_estimates.py`, `device_models.py`,
`device_adapters.py`; `device_answers.py` has no peers: it compares with NumPy). Each group of cases
has a process of its own, which is started again after a crash or a case that takes too
long; the JSON is written after every case. What failed is printed last. Without a card the parts
that need one are skipped, and the code between runs on a simulated device.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import traceback
import xml.etree.ElementTree as ElementTree
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from device_report import Report, Selection

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent
CHECKS = ("distributions",)
BENCHMARKS = {
    "networks": 0.6,
    "samplers": 0.4,
    "estimates": 0.5,
    "answers": 0.3,
    "adapters": 0.7,
    "models": 1.0,
}  # share of the time left; the last one asked for gets all
GROUPS = (*CHECKS, *BENCHMARKS)
LIMIT = 30.0  # seconds of a case that names no other
GRACE = 10.0  # seconds after its limit until a case that does not stop is killed
RESULT = "check-device-result "


# What the machine has -----------------------------------------------------------------------------


def is_installed(requirement: str) -> bool:
    """Return whether a package is there, whatever its version."""
    name = requirement.split(";")[0].split("[")[0]
    for mark in "<>=!~ ":
        name = name.split(mark)[0]
    try:
        version(name.strip())
    except PackageNotFoundError:
        return False
    return True


def missing_packages() -> tuple[list[str], list[str]]:
    """Return the packages that rmtland needs and that its tests need, where missing."""
    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        needed, tests = project["dependencies"], project["optional-dependencies"]["test"]
    except OSError:
        needed = [line for line in requires("rmtland") or [] if "extra" not in line]
        tests = ["hypothesis", "pytest"]
    return (
        [one for one in needed if not is_installed(one)],
        [one for one in tests if not is_installed(one)],
    )


# A process that runs the cases of one group ---------------------------------------------------


def work(
    group: str, folder: str, *, small: bool, skip: list[str], only: list[str], until: float
) -> None:
    """Run the cases of a group and print one line each; see `Group`."""
    sys.path[:0] = [folder, str(SCRIPTS)]
    module = importlib.import_module(f"device_{group}")
    from device_timing import Skipped, card, release

    say({"card": card(), "names": list(module.CASES)})
    small = small or not card()
    for name, function in module.CASES.items():
        if name in skip or not (not only or any(piece in name for piece in only)):
            continue
        left = until - time.time()
        own = getattr(module, "LIMITS", {}).get(name, getattr(function, "limit", LIMIT))
        limit = min(float(own), left)
        if left < 3:
            say({"name": name, "result": {"skipped": "out of time"}})
            continue
        say({"name": name, "limit": limit})
        begin = time.perf_counter()
        signal.signal(signal.SIGALRM, out_of_time)
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            takes = inspect.signature(function).parameters
            result = function(small=small) if "small" in takes else function()
        except Skipped as reason:
            result = {"skipped": str(reason)}
        except BaseException as error:
            result = {"error": f"{type(error).__name__}: {error}"[:600], "at": place(error)}
            if isinstance(error, TimeoutError) and limit < float(own):
                result = {"skipped": "out of time"}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        result["wall_s"] = round(time.perf_counter() - begin, 2)
        say({"name": name, "result": result})
        try:
            release()
        except Exception as error:  # the card is lost to this process: let it be started again
            sys.exit(f"the device failed: {error}")


def out_of_time(*_: Any) -> None:
    raise TimeoutError("the case's own time limit")


def place(error: BaseException) -> str:
    """Return the last lines of the project that an error came through."""
    frames = [
        one
        for one in traceback.extract_tb(error.__traceback__)
        if "check_device" not in one.filename
    ]
    own = [one for one in frames if str(ROOT) in one.filename] or frames
    return "; ".join(f"{Path(one.filename).name}:{one.lineno} {one.line}" for one in own[-2:])[:300]


def say(line: dict[str, Any]) -> None:
    print(RESULT + json.dumps(line, default=str), flush=True)


class Group:
    """The process of one group of cases, started again after a crash.

    Parameters
    ----------
    name : str
        Of the group.
    until : float
        Time (of `time.time`) at which no case runs any longer.
    report : Report
        Takes the results.
    folder : Path, optional
        Where the script of the group is.
    """

    def __init__(self, name: str, until: float, report: Report, *, folder: Path = SCRIPTS) -> None:
        self.name, self.until, self.report, self.folder = name, until, report, folder
        self.done: list[str] = []

    def run(self) -> None:
        """Run all cases, in as many processes as it takes."""
        for _ in range(6):  # a process that dies again and again is left
            if self.until - time.time() < 3 or self._once():
                return

    def _once(self) -> bool:
        """Run a process; return whether it came to its end."""
        before = len(self.done)
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", self.name]
        command += ["--folder", str(self.folder)]
        command += ["--until", str(self.until), "--skip", json.dumps(self.done)]
        command += ["--small"] * self.report.small
        command += ["--cases", json.dumps(self.report.selection.pieces(self.name))]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        lines: queue.Queue[str | None] = queue.Queue()
        errors: list[str] = []
        readers = [
            threading.Thread(target=read, args=(process.stdout, lines.put), daemon=True),
            threading.Thread(target=read, args=(process.stderr, errors.append), daemon=True),
        ]
        for reader in readers:
            reader.start()
        running, deadline = None, min(self.until, time.time() + 90) + GRACE
        while True:
            try:
                line = lines.get(timeout=max(0.05, deadline - time.time()))
            except queue.Empty:
                process.kill()
                reason = "killed: it did not stop at its time limit"
                break
            if line is None:
                reason = f"the process ended with code {process.wait()}"
                break
            if not line.startswith(RESULT):
                continue
            found = json.loads(line.removeprefix(RESULT))
            if "names" in found:
                self.report.card(found["card"])
                deadline = self.until + GRACE
            elif "limit" in found:
                running = found["name"]
                deadline = time.time() + found["limit"] + GRACE
            elif "result" in found:
                self._finish(found["name"], found["result"])
                running, deadline = None, self.until + GRACE
        process.wait()
        for reader, stream in zip(readers, (process.stdout, process.stderr), strict=True):
            reader.join(timeout=5)
            if stream is not None and not reader.is_alive():
                stream.close()
        if process.returncode == 0:
            return True
        text = "".join(one for one in errors if one)[-600:]
        self._finish(running or "start", {"error": reason, "stderr": text})
        return len(self.done) == before + 1 and running is None  # it cannot start

    def _finish(self, name: str, result: dict[str, Any]) -> None:
        self.done.append(name)
        self.report.add(self.name, name, result)


def read(stream: Any, put: Any) -> None:
    for line in stream:
        put(line)
    put(None)


def environment() -> dict[str, str]:
    """Return the environment of a process: the project first, JAX without preallocation."""
    paths = [str(ROOT), str(ROOT / "tests"), str(SCRIPTS), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "PYTHONUNBUFFERED": "1",
    }


# The tests marked gpu ---------------------------------------------------------------------------


def run_tests(report: Report, seconds: float) -> None:
    """Run the tests marked `gpu`, in the files that have such tests or in those asked for."""
    from device_timing import has_card

    files = report.selection.tests or [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if any(mark in path.read_text("utf-8") for mark in ("mark.gpu", "import PLACES"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-rs", "--tb=short"]
        command += ["-p", "no:cacheprovider", "-W", "default", f"--junitxml={table}", *files]
        begin = time.perf_counter()
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=seconds,
                env=environment(),
            )
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
            text = output.decode(errors="replace") if isinstance(output, bytes) else output
            result: dict[str, Any] = {
                "error": f"not done after {seconds:.0f} s",
                "tail": text[-3000:],
            }
        else:
            result = {"code": done.returncode, "tail": (done.stdout + done.stderr)[-3000:]}
            if table.exists():
                result |= counts(table)
            result["ok"] = passed(done.returncode, result, on_card=has_card())
        report.add(
            "tests",
            report.selection.title,
            result | {"wall_s": round(time.perf_counter() - begin, 1)},
        )


def passed(code: int, result: dict[str, Any], *, on_card: bool) -> bool:
    """Return whether pytest found no fault; on a card some tests have to run."""
    ran = result.get("tests", 0) - result.get("skipped", 0)
    return code == 0 and ran > 0 if on_card else code in (0, 5)


def counts(table: Path) -> dict[str, Any]:
    """Return numbers of tests, and what the first that failed said."""
    suite = next(ElementTree.parse(table).iter("testsuite"))
    found: dict[str, Any] = {
        name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")
    }
    failed = {}
    for case in suite.iter("testcase"):
        for child in case:
            if child.tag in ("failure", "error"):
                name = f"{case.get('classname')}::{case.get('name')}"
                failed[name] = f"{child.get('message')}\n{(child.text or '')[-700:]}"
    return found | {"failed": failed}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="JSON file, written after every case")
    parser.add_argument("--budget", type=float, default=300.0, help="seconds in all")
    parser.add_argument("--small", action="store_true", help="tiny sizes")
    parser.add_argument(
        "--parts", nargs="+", default=["tests", *GROUPS], choices=["tests", *GROUPS]
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="WHAT",
        help="groups, group:piece of a case's name, or tests/...; the other rows of --out stay",
    )
    parser.add_argument("--worker", choices=GROUPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--skip", default="[]", help=argparse.SUPPRESS)
    parser.add_argument("--cases", default="[]", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(
            options.worker,
            options.folder,
            small=options.small,
            skip=json.loads(options.skip),
            only=json.loads(options.cases),
            until=options.until,
        )
        return
    needed, tests = missing_packages()
    if needed:
        raise SystemExit(f"missing packages: {', '.join(needed)}; pip install them (pure Python)")
    if tests:
        print(f"missing packages of the tests: {', '.join(tests)}", flush=True)
    try:
        selection = Selection(tuple(options.only), ("tests", *GROUPS))
        report = Report(options.out, options.budget, options.small, selection)
    except ValueError as error:
        parser.error(str(error))
    parts = selection.groups or options.parts
    end = report.begin + options.budget
    checks: list[threading.Thread] = []
    until = end if not set(parts) & set(BENCHMARKS) else report.begin + 0.4 * options.budget
    if "tests" in parts:
        checks.append(threading.Thread(target=run_tests, args=(report, until - time.time())))
    for name in CHECKS:
        if name in parts:
            checks.append(threading.Thread(target=Group(name, until, report).run))
    for thread in checks:  # side by side: nothing is timed
        thread.start()
    for thread in checks:
        thread.join()
    chosen = [name for name in BENCHMARKS if name in parts]
    for name in chosen:
        share = 1.0 if name == chosen[-1] else BENCHMARKS[name]
        if not (SCRIPTS / f"device_{name}.py").exists():
            report.add(name, "all", {"skipped": "there is no such script"})
            continue
        Group(name, time.time() + share * (end - time.time()), report).run()
    report.write()
    print(report.table())


if __name__ == "__main__":
    main()

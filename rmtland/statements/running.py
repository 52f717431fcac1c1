"""Many statements run at a time, in processes, with progress.

>>> from rmtland.statements import ledger
>>> findings = verify(ledger(text="wishart"), examples=3)
>>> any(finding.changed for finding in findings)
False
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from types import FrameType

from rmtland.arguments import count
from rmtland.statements.ledger import find_statement, ledger
from rmtland.statements.statement import Statement
from rmtland.statements.verification import Finding, verify_statement

__all__ = ["verify"]


def verify(
    statements: Iterable[Statement] | None = None,
    *,
    examples: int = 20,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int, Finding], object] | None = None,
) -> list[Finding]:
    """Run statements and return what was found of each.

    Parameters
    ----------
    statements : iterable of Statement, optional
        All of the ledger by default.
    examples : int
        How many are drawn for each claim; fewer where they are dear, see `Claim.share`.
    seed : int
        Of the drawing: the findings do not depend on `workers`.
    workers : int
        Processes. Only statements of the ledger can be sent to others.
    progress : callable, optional
        Called with how many are done, how many there are, and the last finding.

    Returns
    -------
    list of Finding
        In the order of the statements.

    Raises
    ------
    ImportError
        If Hypothesis is not installed; the message gives the command.
    ValueError
        If a number is not positive, or a statement for another process is not of the ledger.
    TypeError
        If `examples`, `seed` or `workers` is no integer.
    """
    from rmtland.adapters.optional import optional

    optional("hypothesis", extra="statements")
    chosen = list(ledger() if statements is None else statements)
    count("examples", examples)
    count("seed", seed, min_value=0)
    many = min(count("workers", workers), max(1, len(chosen)))
    if many > 1:
        for one in chosen:
            if find_statement(one.id) is not one:
                raise ValueError(f"{one.id} was changed: only workers=1 can run it")
    findings: dict[str, Finding] = {}
    source = _serial(chosen, examples, seed) if many == 1 else _many(chosen, examples, seed, many)
    for finding in source:
        findings[finding.id] = finding
        if progress is not None:
            progress(len(findings), len(chosen), finding)
    return [findings[one.id] for one in chosen]


def _serial(chosen: Sequence[Statement], examples: int, seed: int) -> Iterator[Finding]:
    with _interrupts() as seen:
        for one in chosen:
            finding = verify_statement(one, examples=examples, seed=seed)
            if seen:  # by a training, say, that ends early and returns what it has
                raise KeyboardInterrupt
            yield finding


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Note each Ctrl-C in a list before what is done about it otherwise."""
    before = signal.getsignal(signal.SIGINT)
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield seen
        return

    def noted(number: int, frame: FrameType | None) -> object:
        seen.append(number)
        return before(number, frame)

    signal.signal(signal.SIGINT, noted)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def _many(chosen: Sequence[Statement], examples: int, seed: int, workers: int) -> Iterator[Finding]:
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start)
    dear_first = sorted(chosen, key=_share)
    try:
        futures = [pool.submit(_run, one.id, examples, seed) for one in dear_first]
        for future in as_completed(futures):
            yield future.result()
    except BaseException:  # Ctrl-C, also while the caller shows progress: nothing is waited for
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _share(statement: Statement) -> float:
    """Return the examples of a statement for one of another: the dear ones have few."""
    return min(one.share for one in (statement.holding, statement.failing) if one is not None)


def _start() -> None:
    """Leave Ctrl-C to the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(name: str, examples: int, seed: int) -> Finding:
    return verify_statement(find_statement(name), examples=examples, seed=seed)

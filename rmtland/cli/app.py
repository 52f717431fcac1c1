"""The command `rmtland`: its commands, and one clear line for every error.

Exit codes: 0 done, 1 some tasks of a sweep failed, training missed its energy or a verdict changed,
2 bad input (one line on stderr says what to do; above it, of an error in a function of the user's
own, the traceback from that function on), 130 interrupted.
"""

from __future__ import annotations

import codecs
import functools
import io
import sys
from collections.abc import Callable

import typer

from rmtland.cli.advise import advise
from rmtland.cli.audit import audit
from rmtland.cli.critical_points import critical_points
from rmtland.cli.curve import curve
from rmtland.cli.explore import explore
from rmtland.cli.interrupts import no_interrupt_lost
from rmtland.cli.landscape import landscape
from rmtland.cli.measure import measure
from rmtland.cli.output import Stopped
from rmtland.cli.overlay import overlay
from rmtland.cli.report import report
from rmtland.cli.reproduce import reproduce
from rmtland.cli.sample import sample
from rmtland.cli.shrink import shrink
from rmtland.cli.statements import statements
from rmtland.cli.sweep import sweep
from rmtland.cli.user_function import UserCodeError
from rmtland.cli.weights import weights
from rmtland.version import installed_version

__all__ = ["app", "main"]

_INTERRUPTED = "interrupted; no file was left half written"

app = typer.Typer(
    name="rmtland",
    help="Random-matrix theory for the loss surfaces of neural networks.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("overlay", short_help="Lay laws over the Hessian of a network that it trains.")(overlay)
app.command("measure", short_help="Measure the spectrum of the Hessian of your own model.")(measure)
app.command("audit", short_help="Name the assumption of theory that fails on a network.")(audit)
app.command("spectrum", short_help="Print edges, atoms, index and moments of a law.")(curve)
app.command("sample", short_help="Draw random matrices and compare them with their law.")(sample)
app.command("weights", short_help="Lay laws beside the weight matrices of your own model.")(weights)
app.command("shrink", short_help="Shrink the eigenvalues of a sample covariance matrix.")(shrink)
app.command("advise", short_help="Say which first-order method a spectrum asks for.")(advise)
app.command("report", short_help="Write earlier results as one page to send on.")(report)
app.command("reproduce", short_help="Compute figures of the literature anew.")(reproduce)
app.command("statements", short_help="Put statements of the sources to the test.")(statements)
app.command("explore", short_help="Move the parameters of laws in a browser.")(explore)
app.add_typer(sweep)
app.add_typer(critical_points)
app.add_typer(landscape)


@app.callback(invoke_without_command=True)
def rmtland(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    """Random-matrix theory for the loss surfaces of neural networks."""
    if version:
        typer.echo(f"rmtland {installed_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; errors of the user end in one line and exit code 2."""
    _write_in_any_encoding()
    try:
        with no_interrupt_lost():
            code = _parser()(standalone_mode=False)
    except KeyboardInterrupt:
        _fail(_INTERRUPTED, 130)
    except Stopped as stop:
        _fail(str(stop), 130)
    except UserCodeError as error:
        _tell(error.frames)
        _fail(str(error), 2)
    except (ValueError, TypeError, ArithmeticError, OSError, MemoryError, ImportError) as error:
        _fail(str(error) or type(error).__name__, 2)
    except Exception as error:
        # Usage errors of the parser carry their own message; anything else is a defect of ours.
        message = getattr(error, "format_message", None)
        if message is None:
            if type(error).__name__ == "Abort":
                _fail(_INTERRUPTED, 130)
            raise
        _fail(f"{message()} (see '{_command_asked()} --help')", 2)
    if code == 130:  # some versions of the parser turn an interrupt into this code
        _fail(_INTERRUPTED, 130)
    sys.exit(code if isinstance(code, int) else 0)


def _command_asked() -> str:
    """Return the command on the command line, such as `rmtland sweep index`, without the rest."""
    names: list[str] = ["rmtland"]
    here: object = _parser()
    for word in sys.argv[1:]:
        here = getattr(here, "commands", {}).get(word)
        if here is None:
            break
        names.append(word)
    return " ".join(names)


@functools.cache
def _parser() -> Callable[..., object]:
    """Return the parser of all commands, which is made once in a process."""
    return typer.main.get_command(app)


def _write_in_any_encoding() -> None:
    """Escape the characters that a terminal does not have: results are not lost to its encoding."""
    codecs.register_error("rmtland.cli", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="rmtland.cli")


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return bytes of file names as they are, and other characters as in a Python string."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    first, after = error.object[error.start], error.start + 1
    if "\udc80" <= first <= "\udcff" and "a".encode(error.encoding) == b"a":
        return bytes([ord(first) - 0xDC00]), after
    return first.encode("ascii", "backslashreplace").decode("ascii"), after


def _fail(message: str, code: int) -> None:
    # An interrupt that passed through code compiled from text, as that of a dataclass, would end
    # `python -m` by the signal, whatever the exit code: Python forgets it where more is compiled
    exec("")
    line = " ".join(message.split())
    _tell(f"rmtland: error: {line}\n")
    sys.exit(code)


def _tell(text: str) -> None:
    """Write on standard error; where it is closed `print` would write among the results."""
    if sys.stderr is not None:
        sys.stderr.write(text)

"""The function of the user's own that MODULE:FUNCTION names, and what it raises.

>>> str(UserCodeError("run.py:setup", KeyError("loss")))
"run.py:setup raised KeyError: 'loss'"
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = ["UserCodeError", "function_of", "user_code"]

_OURS = (__file__, importlib.__file__)


class UserCodeError(Exception):
    """What the user's own code raised, and where.

    Parameters
    ----------
    target : str
        MODULE:FUNCTION, as it was given.
    error : BaseException
        What was raised; its traceback is read from the first line of the user's own.

    Attributes
    ----------
    frames : str
        The traceback as Python prints it, without the lines that led to the user's code; empty
        where there is no such line.
    """

    def __init__(self, target: str, error: BaseException) -> None:
        frame = error.__traceback__
        while frame is not None and _is_ours(frame.tb_frame.f_code.co_filename):
            frame = frame.tb_next
        whole = traceback.TracebackException(type(error), error, frame)
        short = traceback.TracebackException(type(error), error, None)
        short.__notes__ = None  # they follow what was raised, and are among the frames
        *_, last = short.format_exception_only()
        what = " ".join(line.strip() for line in last.splitlines())
        place = ""
        if isinstance(error, SyntaxError) and error.filename:
            place = f" (line {error.lineno} of {Path(error.filename).name})"
        elif whole.stack:
            place = f" (line {whole.stack[-1].lineno} of {Path(whole.stack[-1].filename).name})"
        self.frames = "".join(whole.format()) if place else ""
        super().__init__(f"{target} raised {what}{place}")


def _is_ours(file: str) -> bool:
    return file in _OURS or file.startswith("<frozen importlib")


@contextmanager
def user_code(target: str, *folders: Path) -> Iterator[None]:
    """Run the user's code: modules of the folders are found first, what is raised is named."""
    sys.path[:0] = map(str, folders)
    try:
        yield
    except (Exception, SystemExit) as error:  # a script that ends Python ends nothing of ours
        raise UserCodeError(target, error) from error
    finally:
        for folder in map(str, folders):
            if folder in sys.path:
                sys.path.remove(folder)


def function_of(target: str) -> Callable[[], object]:
    """Return the function that MODULE:FUNCTION names, ready to be called without arguments.

    Modules of the working directory come first, then those beside the file. What the function
    raises becomes a `UserCodeError`.
    """
    module, _, name = target.partition(":")
    if not module or not name or (module[0] == "." and not module.endswith(".py")):
        raise ValueError(
            f"expected MODULE:FUNCTION such as train:setup or train.py:setup; got {target!r}"
        )
    folders = [Path.cwd()]
    if module.endswith(".py"):
        if not Path(module).is_file():
            raise ValueError(f"there is no file {module}")
        folders.append(Path(module).resolve().parent)
    with user_code(target, *folders):
        loaded = _module(module)
    if loaded is None:
        raise ValueError(f"there is no module {module!r} here or installed")
    function = getattr(loaded, name, None)
    if not callable(function):
        here = [key for key, value in vars(loaded).items() if callable(value) and key[0] != "_"]
        known = f"there are {', '.join(here[:12])}" if here else "there is none in it"
        raise ValueError(f"{module} has no function {name!r}; {known}")

    def call() -> object:
        with user_code(target, *folders):
            return function()

    return call


def _module(module: str) -> ModuleType | None:
    """Return the module, None where there is none of that name."""
    if not module.endswith(".py"):
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if f"{module}.".startswith(f"{error.name}."):
                return None
            raise
    path = Path(module)
    name = path.stem
    file = getattr(sys.modules.get(name), "__file__", None)
    is_it = file is not None and Path(file).resolve() == path.resolve()
    if name in sys.stdlib_module_names or (name in sys.modules and not is_it):
        name = f"{name}_of_file"  # `json.py` is not what others import as json
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded

"""What the commands share: the models by name, and files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rmtland.models import HessianModel

__all__ = ["MODELS", "model_class", "replaced"]

MODELS = {
    "wishart-wigner": "WishartPlusWigner",
    "wishart-relu": "WishartPlusReluBlock",
}


def model_class(name: str) -> type[HessianModel]:
    """Return the model of a name, or say which names there are."""
    from rmtland import models
    from rmtland.arrays import choice

    chosen: type[HessianModel] = getattr(models, MODELS[choice("model", name, tuple(MODELS))])
    return chosen


@contextmanager
def replaced(folder: Path, name: str) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a temporary file in `folder` that takes its name when the block ends without error."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give a folder to --out")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    descriptor, part = tempfile.mkstemp(dir=folder, prefix=name, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream, target
        os.chmod(part, 0o644)
        os.replace(part, target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise

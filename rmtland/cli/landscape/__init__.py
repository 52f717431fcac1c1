"""`rmtland landscape`: the geometry of a loss surface, one file for each command.

A command is a function of its own file, registered here; what it looks at (a network trained on
digits, or a model of one's own) comes from `rmtland.cli.landscape.subject`.
"""

from collections.abc import Callable

import typer

from rmtland.cli.landscape.connect import connect
from rmtland.cli.landscape.depth import depth
from rmtland.cli.landscape.levels import levels
from rmtland.cli.landscape.linearize import linearize
from rmtland.cli.landscape.manifold import manifold
from rmtland.cli.landscape.noise import noise
from rmtland.cli.landscape.pac_bayes import pac_bayes
from rmtland.cli.landscape.sharpness import sharpness
from rmtland.cli.landscape.slices import slice_plane

__all__ = ["landscape"]

landscape = typer.Typer(
    name="landscape",
    help="The geometry of a loss surface: sharpness, slices, level sets, paths between minima.",
    short_help="Measure and draw the geometry of a loss surface.",
    rich_markup_mode=None,
)


@landscape.callback(invoke_without_command=True)
def _landscape(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "sharpness": (sharpness, "How sharp the minimum is, with bounds."),
    "slice": (slice_plane, "Draw the loss in a plane, or on a line."),
    "connect": (connect, "Connect two minima and measure barriers."),
    "levels": (levels, "Count the components of level sets."),
    "linearize": (linearize, "Networks beside their linearisation."),
    "manifold": (manifold, "Walk along the minimisers at zero loss."),
    "noise": (noise, "What SGD does at a minimum, or a saddle."),
    "pac-bayes": (pac_bayes, "PAC-Bayes bounds beside held-out error."),
    "depth": (depth, "Condition numbers against depth, with their laws."),
}
for _name, (_command, _help) in _COMMANDS.items():
    landscape.command(_name, short_help=_help)(_command)

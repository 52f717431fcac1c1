"""`rmtland landscape`: the geometry of a loss surface, one file for each command.

A command is a function of its own file, registered here; what it looks at (a network trained on
digits, or a model of one's own) comes from `rmtland.cli.landscape.subject`.
"""

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


landscape.command("sharpness", short_help="How sharp the minimum is, with bounds.")(sharpness)
landscape.command("slice", short_help="Draw the loss in a plane.")(slice_plane)
landscape.command("connect", short_help="Connect two minima and measure barriers.")(connect)
landscape.command("levels", short_help="Count the components of level sets.")(levels)
landscape.command("linearize", short_help="Networks beside their linearisation.")(linearize)
landscape.command("manifold", short_help="Walk along the minimisers at zero loss.")(manifold)
landscape.command("noise", short_help="The stationary variance of SGD at a minimum.")(noise)
landscape.command("pac-bayes", short_help="PAC-Bayes bounds beside held-out error.")(pac_bayes)
landscape.command("depth", short_help="Condition numbers against depth, with their laws.")(depth)

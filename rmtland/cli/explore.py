"""`rmtland explore`: laws of the Hessian in a browser, at the touch of a slider."""

from __future__ import annotations

from typing import Annotated

import typer

from rmtland.cli.options import OUT, Json
from rmtland.cli.output import Output

__all__ = ["explore"]

_PORT = 8765


def explore(
    port: Annotated[int, typer.Option(help="Port; 0 takes one that is free.")] = _PORT,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    state: Annotated[
        str,
        typer.Option(help="What to show first, as in the address: 'law=semicircle&energy=0.1'."),
    ] = "",
    json_file: Json = None,
) -> None:
    """Open a page with sliders for laws of the Hessian, until Ctrl-C.

    Density, distribution function and index against energy follow the sliders; spectra of random
    matrices, of networks, or of a file that is dropped on the page are laid over. Listens on the
    loopback address only; the address of the page holds what it shows. With --json the address is
    written before the first request is answered.
    """
    import webbrowser

    from rich.console import Console

    from rmtland.explorer import ExplorerServer, ExplorerState

    output = Output(OUT, json=json_file, writes=False)
    query = ExplorerState.from_query(state.removeprefix("?")).query
    with ExplorerServer(port=port) as server:
        with Console(stderr=True).status("compiling the laws (about a minute the first time)"):
            server.prepare()
        address = f"{server.address}?{query}"
        output.line(f"the explorer is at {address}\nCtrl-C stops it")
        output.numbers({"address": address, "port": server.server_port})
        if browser and not webbrowser.open(address):
            output.line("no browser was found: open the address in one")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            output.line("stopped")

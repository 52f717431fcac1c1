"""Levels of theory against measured Hessians, up to the matrix Dyson equation; see --help."""

from rmtland.cli.reproduce import main

if __name__ == "__main__":
    main("dyson")

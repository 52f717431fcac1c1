"""Figure 4 of Pennington & Bahri (ICML 2017): H0 at initialisation; see --help."""

from rmtland.cli.reproduce import main

if __name__ == "__main__":
    main("fig4")

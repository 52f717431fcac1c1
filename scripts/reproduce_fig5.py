"""Figure 5 of Pennington & Bahri (ICML 2017): the gap of H0; see --help."""

from rmtland.cli.reproduce import main

if __name__ == "__main__":
    main("fig5")

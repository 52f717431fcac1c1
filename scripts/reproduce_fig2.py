"""Figure 2 of Pennington & Bahri (ICML 2017): freeness on a trained network; see --help."""

from rmtland.cli.reproduce import main

if __name__ == "__main__":
    main("fig2")

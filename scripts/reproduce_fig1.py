"""Figure 1 of Pennington & Bahri (ICML 2017): Wishart + Wigner densities; see --help."""

from rmtland.cli.reproduce import main

if __name__ == "__main__":
    main("fig1")

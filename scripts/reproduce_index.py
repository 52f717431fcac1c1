"""Index against energy with the law of small index, the lecture's figure; see --help."""

from rmtland.cli.reproduce import main

if __name__ == "__main__":
    main("index")

"""Print a command of the README, so that what runs it runs exactly what users are told.

Commands stand in fenced blocks that begin with a comment `# install and run` or
`# install and test`; the block is printed without the comment.

    python scripts/readme_command.py run
    python scripts/readme_command.py test
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def command(kind: str) -> str:
    """Return the command of the README for `kind`, "run" or "test"."""
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"```[a-z]*\n# install and {kind}\n(.+?)\n```", text, re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md has no block '# install and {kind}'")
    return found.group(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["run", "test"])
    print(command(parser.parse_args().kind))


if __name__ == "__main__":
    main()

"""Write the pages with the statements of the source documents and their verdicts.

python scripts/write_statements.py            # docs/statements.md and STATEMENTS.md
python scripts/write_statements.py --check    # exit code 1 if one of them is out of step
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rmtland.statements import ledger
from rmtland.statements.page import statements_page

ROOT = Path(__file__).parent.parent
PAGES = {"STATEMENTS.md": False, "docs/statements.md": True}
"""Whether a page is of the documentation."""


def out_of_step(root: Path = ROOT) -> list[str]:
    """Return the pages that are not those of the ledger."""
    return [
        name
        for name, site in PAGES.items()
        if not (root / name).is_file()
        or (root / name).read_text("utf-8") != statements_page(ledger(), site=site)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args().check:
        if wrong := out_of_step():
            raise SystemExit(f"out of step: {', '.join(wrong)}: run without --check")
        print(f"in step: {len(PAGES)} pages")
        return
    for name, site in PAGES.items():
        (ROOT / name).write_text(statements_page(ledger(), site=site), encoding="utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    main()

"""The reference page of the metrics, docs/metrics.md: `python -m streams.metrics.page` writes it anew."""

from pathlib import Path
from typing import Final

from streams.metrics import PARTS

PAGE: Final = Path(__file__).parents[2] / "docs" / "metrics.md"

#: What stands before the tables is written by hand.
_TABLES: Final = "\n## `vagt "


def page() -> str:
    """The page, with its tables as they shall be."""
    parts = [PAGE.read_text(encoding="utf-8").partition(_TABLES)[0]]
    for part, meters in PARTS.items():
        parts.append(f"{_TABLES}{part}`\n\n| metric | labels | what it is |\n| --- | --- | --- |\n")
        for one in meters:
            labels = ", ".join(f"`{label}`" for label in one.labels)
            parts.append(f"| `{one.name}` ({one.kind}) | {labels} | {one.help} |\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""What `make device` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text(result: Mapping[str, Any]) -> str:
    """The evidence in a few lines."""
    lines = []
    for row in result["models"]:
        kind = "8 bits" if row["quantised"] else "as trained"
        lines.append(f"{row['model']}: {row['megabytes']:.2f} MB, {row['milliseconds']:.1f} ms a picture here ({kind})")
        lines.append(f"  {row['why']}")
        lines += [f"  FAIL  {what}" for what in row["over"]]
    lines.append(
        "The device decides by itself."
        if result["decides"]
        else f"The device predicts; the decision needs the service: {result['why_not']}."
    )
    lines.append("artifacts/device/: served by `make serve`; a phone keeps it for when there is no network.")
    return "\n".join(lines)

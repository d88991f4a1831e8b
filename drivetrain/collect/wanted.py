"""What is to be fetched: results of an image search, or the lines of a list."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from drivetrain.collect.fetch import Fetcher, Refused
from drivetrain.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from drivetrain.spec.data import ImageSearch

API = "https://api.openverse.org/v1/images/"
"""Openverse, of the WordPress project: openly licensed images; `DRIVETRAIN_OPENVERSE` names another server that speaks
its API."""
PER_PAGE = 20
"""Results of one answer; the most that a client without a token may ask for."""
PAGES = 240
ANSWER = 5_000_000
"""Bytes of one answer of the API."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file to fetch.

    Attributes:
        url: Its address.
        group: What it was found for: class and search words, or the list.
        facts: What is known about it, to stand in `records.csv`: for a search `query` (the class), `words`, `licence`,
            `licence_url`, `creator`, `creator_url`, `title`, `attribution`, `landing_page`, `provider`; for a list the
            other columns of its line.
    """

    url: str
    group: str
    facts: Mapping[str, str] = field(default_factory=dict)


def api() -> str:
    """The address of the search."""
    return os.environ.get("DRIVETRAIN_OPENVERSE") or API


def searches(asked: ImageSearch) -> list[tuple[str, str]]:
    """Class and search words of each search."""
    return [(label, words) for label, every in (asked.queries or {}).items() for words in every]


def found(fetcher: Fetcher, asked: ImageSearch, label: str, words: str, skipped: dict[str, int]) -> Iterator[Wanted]:
    """Results of one search, page by page, as long as somebody takes them.

    Args:
        fetcher: Fetches the answers.
        asked: What the plan asks for.
        label: The class.
        words: What is searched for.
        skipped: Counts results that are left out, by reason.

    Raises:
        Refused: The server does not speak the API.
        Unavailable: It cannot be asked now.
    """
    accepted = [licence.lower() for licence in asked.licences or []]
    parameters: dict[str, str | int] = {
        "q": words, "license": ",".join(accepted), "page_size": PER_PAGE, "mature": "false"
    }  # fmt: skip
    token = os.environ.get("DRIVETRAIN_OPENVERSE_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    page = 1
    while page <= PAGES:
        answer = fetcher.get(api(), parameters=parameters | {"page": page}, headers=headers, most=ANSWER)
        results, last = _results(answer.body)
        for result in results:
            one, why = _wanted(result, label, words, accepted)
            if one is None:
                skipped[why] = skipped.get(why, 0) + 1
            else:
                yield one
        if not results or page >= last:
            return
        page += 1


def _results(body: bytes) -> tuple[list[Any], int]:
    try:
        said = json.loads(body)
        results, last = said["results"], int(said.get("page_count", PAGES))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused("does not answer as Openverse does") from error
    if not isinstance(results, list):
        raise Refused("does not answer as Openverse does")
    return results, last


def _wanted(result: object, label: str, words: str, accepted: list[str]) -> tuple[Wanted | None, str]:
    """A search result that may be used, or why it may not; whatever a server says is text, and no more."""
    if not isinstance(result, dict):
        return None, "not described"

    def said(name: str) -> str:
        value = result.get(name)
        return " ".join(str(value).split())[:1000] if isinstance(value, str | int) else ""

    licence = said("license").lower()
    if not licence:
        return None, "without a licence"
    if licence not in accepted:
        return None, f"under another licence ({licence[:20]})"
    if not said("url"):
        return None, "without an address"
    version, creator, title = said("license_version"), said("creator"), said("title")
    full = f"{licence} {version}".strip()
    credit = said("attribution") or f'"{title or "Untitled"}" by {creator or "an unknown creator"}, {full}.'
    facts = {
        "query": label,
        "words": words,
        "licence": full,
        "licence_url": said("license_url"),
        "creator": creator,
        "creator_url": said("creator_url"),
        "title": title,
        "attribution": credit,
        "landing_page": said("foreign_landing_url"),
        "provider": said("provider") or said("source"),
    }
    return Wanted(said("url"), f"{label}: {words}", facts), ""


def listed(path: Path, where: str) -> list[Wanted]:
    """The lines of a list: one address a line, or a CSV file with a column `url` and whatever else is known.

    Raises:
        DataError: The list is missing, empty, no text, or has no column `url`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"the list `{path.name}` is not there.", "Write it, or correct `file`.", where) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list `{path.name}` cannot be read ({error}).", "It must be UTF-8 text.", where) from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise DataError(f"the list `{path.name}` is empty.", "Write one address a line.", where)
    if path.suffix.lower() not in (".csv", ".tsv") and urlsplit(lines[0].strip()).scheme:
        return [Wanted(line.strip(), "list") for line in lines]
    rows = csv.DictReader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    names = [name for name in rows.fieldnames or [] if name]
    if "url" not in names:
        raise DataError(
            f"the list `{path.name}` has no column `url`.", "Write one address a line, or name the column `url`.", where
        )
    reserved = {"url", "file", "sha256", "fetched"}
    return [
        Wanted(
            str(row["url"] or "").strip(), "list", {n: str(row[n] or "").strip() for n in names if n not in reserved}
        )
        for row in rows
        if (row["url"] or "").strip()
    ]

"""Stage limited, as the person sees it who approves: a name, the token when it is asked for, and a button."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import browsing
import pytest
import served

pytestmark = pytest.mark.full
TOKEN = "a-token-of-the-test"


def asked(address: str, path: str, cases: list[dict[str, Any]] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    body = json.dumps({"cases": cases}).encode() if cases else None
    with urllib.request.urlopen(urllib.request.Request(address + path, body, headers)) as answer:
        return json.load(answer)


def test_a_person_shows_the_token_looks_and_approves_or_changes(tmp_path: Path) -> None:
    plan = served.staged(served.LOAN_PLAN, "limited", scope="home == 'own'")
    project = served.lender(tmp_path / "lender", plan)
    with served.running(project, "small_loans", DRIVETRAIN_TOKEN=TOKEN) as (address, _):
        loans = [{"amount": amount, "income": 3000.0, "home": "own"} for amount in (1000.0, 1001.0)]
        decisions = [made["decision"] for made in asked(address, "/decide", loans)["results"]]
        with browsing.opened(f"{address}/approvals", (900, 1000)) as browser:
            token = browsing.one(browser, "input[name=token]")
            assert not token.is_displayed()
            browsing.one(browser, "input[name=by]").send_keys("Ada")
            browsing.one(browser, "#who button").click()
            browsing.until(browser, lambda b: token.is_displayed())
            assert "Nothing can be shown" in browsing.text(browser, "#said")

            token.send_keys(TOKEN)
            browsing.one(browser, "#who button").click()
            browsing.until(browser, lambda b: len(browsing.every(b, "article")) == 2)
            assert "2 waiting" in browsing.text(browser, "#said")
            assert "home == 'own'" in browsing.text(browser, "#scope")
            first = browsing.text(browser, "article")
            assert "Recommended: yes" in first
            assert "EUR" in first  # what a setting is worth, with its unit
            assert "+00:00" not in first  # a time for people
            assert browsing.barriers(browser) == []

            browsing.one(browser, "article button").click()
            browsing.until(browser, lambda b: len(browsing.every(b, "article")) == 1)
            browsing.choose(browser, "article select", "no")
            browsing.one(browser, "article button").click()
            browsing.until(browser, lambda b: "Nothing waits" in browsing.text(b, "#said"))
            assert browsing.elsewhere(browser) == []
        standing = [asked(address, f"/decisions/{decision}") for decision in decisions]
    assert [(one["status"], one["setting"], one["by"]) for one in standing] == [
        ("act", "yes", "Ada"),
        ("act", "no", "Ada"),
    ]
    logged = "".join(path.read_text() for path in (project / "log").glob("*.jsonl"))
    assert TOKEN not in logged

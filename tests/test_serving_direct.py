"""Endpoints that are called directly answer as FastAPI's own way does, whatever is sent."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
import served
from starlette.testclient import TestClient
from test_serving_hostile import FORM, JSON, MAKERS, Request, picture

REQUESTS = 400


def usual(project: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The same service, with every request taken through FastAPI's dependencies."""
    client = served.client(project, monkeypatch)
    client.app.dependency_overrides[usual] = usual  # type: ignore[attr-defined]
    return client


def good(rng: random.Random) -> Request:
    """What can be answered: pictures as text or as a file."""
    content = picture(rng.choice(["PNG", "JPEG", "GIF", "BMP", "WEBP"]), level=rng.randrange(256))
    path = rng.choice(["/predict", "/decide"])
    if rng.random() < 0.5:
        case = {"image": base64.b64encode(content).decode()}
        return "POST", path, served.body(*[case] * rng.randint(1, 3)), JSON
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n'
    return "POST", path, part + content + b"\r\n--b--\r\n", FORM


def said(client: TestClient, request: Request) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body, without the names that each decision is given by chance."""
    method, path, body, headers = request
    answer = client.request(method, path, content=body, headers=headers)
    try:
        found = answer.json()
    except ValueError:
        return answer.status_code, dict(answer.headers), answer.text
    for result in found.get("results", []):
        assert len(result.pop("decision", "x" * 24)) == 24
    return answer.status_code, dict(answer.headers), found


def test_the_direct_way_answers_as_the_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = served.staged(served.LIGHT_PLAN, "limited")
    rng, statuses = random.Random(10), set()
    ours, usually = served.lamp(tmp_path / "a", plan), served.lamp(tmp_path / "b", plan)
    with served.client(ours, monkeypatch) as direct, usual(usually, monkeypatch) as ordinary:
        for number in range(REQUESTS):
            request = [*MAKERS, good, good][number % (len(MAKERS) + 2)](rng)
            first, second = said(direct, request), said(ordinary, request)
            assert first == second, (number, request[:2], request[2][:200])
            statuses.add(first[0])
    assert statuses >= {200, 400, 404, 405, 413, 415, 422}
    kinds = [json.loads(line)["kind"] for part in sorted((ours / "log").glob("*.jsonl")) for line in part.open()]
    assert kinds == [json.loads(line)["kind"] for part in (usually / "log").glob("*.jsonl") for line in part.open()]
    assert "decision" in kinds

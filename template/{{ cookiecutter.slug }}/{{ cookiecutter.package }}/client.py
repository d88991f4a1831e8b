"""Ask the service, as any other program would: `python -m PACKAGE.client CASE...`.

A case is a file (an image, a recording, a series, a text), or the number of a row of the case table. A token that the
service asks for stands in the environment variable DRIVETRAIN_TOKEN.
"""

import argparse
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from drivetrain import DrivetrainError, load_spec, run
from drivetrain.serving import case_of_file, case_of_number


def ask(url: str, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send cases to an endpoint and give its results, one per case."""
    body = json.dumps({"cases": cases}).encode()
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("DRIVETRAIN_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            results: list[dict[str, Any]] = json.load(answer)["results"]
            return results
    except urllib.error.HTTPError as error:
        reason = error.read().decode(errors="replace")
        raise DrivetrainError(f"the service refused ({error.code}): {reason}", where=url) from error
    except (OSError, ValueError) as error:
        said = getattr(error, "reason", error)
        raise DrivetrainError(f"nobody answers ({said}).", "Start the service: make serve.", url) from error


def show(case: str, answer: dict[str, Any], unit: str) -> None:
    """Print one answer for people."""
    print(f"{case}: {answer['setting']}")
    if answer["recommendation"] != answer["setting"]:
        print(f"  recommended     {answer['recommendation']}")
    if answer["value"] is not None:
        print(f"  expected value  {answer['value']:.4g} {unit}")
    for outcome, found in answer["predictions"].items():
        print(f"  {outcome:<15} {in_words(found)}")
    for reason in answer["reasons"]:
        print(f"  because         {reason}")
    print(f"  stage {answer['stage']}, decision {answer['decision']}, runs {', '.join(answer['runs'].values())}")


def in_words(found: dict[str, Any]) -> str:
    """What the models say of one outcome: its likeliest classes, or where the number lies nine times in ten."""
    if "mean" in found:
        return f"{found['mean']:.4g}, nine times in ten between {found['low']:.4g} and {found['high']:.4g}"
    likely = sorted(zip(found["probabilities"], found["classes"], strict=True), reverse=True)[:3]
    return ", ".join(f"{name} {share:.1%}" for share, name in likely)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask the service what to do with cases.")
    parser.add_argument("cases", nargs="*", default=["0"], help="a file, or the number of a row (default: row 0)")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is (default: %(default)s)")
    parser.add_argument("--request", action="store_true", help="print the request, and send nothing")
    options = parser.parse_args()

    plan = load_spec()
    cases = [case_of_number(plan, int(c)) if c.isdigit() else case_of_file(plan, Path(c)) for c in options.cases]
    if options.request:
        print(json.dumps({"cases": cases}))
        return
    unit = plan.objective.measure.unit if plan.objective and plan.objective.measure else ""
    for case, answer in zip(options.cases, ask(f"{options.url}/decide", cases), strict=True):
        show(case, answer, unit or "")


if __name__ == "__main__":
    run(main)

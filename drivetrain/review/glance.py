"""The review in a few sentences, for those who read no further: facts, and never a score."""

from __future__ import annotations

from collections.abc import Iterator

from drivetrain.review.gates import closed
from drivetrain.review.gather import Review
from drivetrain.review.words import interval, number


def glance(review: Review) -> list[tuple[str, str]]:
    """What stands first: a word or two, and a sentence. Plain text."""
    return [*_gate(review), *_next_due(review), *_worth(review)]


def _gate(review: Review) -> Iterator[tuple[str, str]]:
    lacking = closed(review.gates, review.stage)
    if not lacking:
        yield "Gate", f"The gate of stage {review.stage} is met: nothing is missing that can be checked here."
        return
    asked = sum(missing.kind == "checklist" for missing in lacking)
    number_of = f"{len(lacking)} things are missing" if len(lacking) > 1 else "one thing is missing"
    of_them = f", {'all' if asked == len(lacking) else asked} of them on the bias checklist" if asked else ""
    yield "Gate", f"The gate of stage {review.stage} is closed: {number_of}{of_them if len(lacking) > 1 else ''}."


def _next_due(review: Review) -> Iterator[tuple[str, str]]:
    dated = sorted((m for gate in review.gates for m in gate.missing if m.due), key=lambda m: m.due)
    if not dated:
        return
    late = [missing for missing in dated if missing.overdue]
    first = (late or dated)[0]
    more = f"; {len(late) - 1} more are overdue" if len(late) > 1 else ""
    since = f"overdue since {first.due}" if late else f"by {first.due}"
    yield ("Overdue" if late else "Next due"), f"{first.owner or 'nobody yet'}, {since}: {first.what}{more}"


def _worth(review: Review) -> Iterator[tuple[str, str]]:
    decide = review.decide
    best = next((row for row in decide.get("policies", ()) if row.get("name") == "optimized"), None)
    if best is None:
        run = ", ".join(record.step for record in review.records)
        yield (
            "Worth",
            f"Decisions were not compared yet; {f'measured so far: {run}' if run else 'all of it is planned'}.",
        )
        return
    gain = next(
        (
            row
            for row in decide.get("differences", ())
            if row.get("against") == "simple_rule" and row.get("name", "optimized") == "optimized"
        ),
        None,
    )
    unit = decide.get("unit") or ""
    sentence = f"{number(best.get('value'))} {unit} under the optimized policy ({best.get('label', 'not labelled')})"
    if gain:
        low = gain.get("low")
        shown = isinstance(low, int | float) and low > 0
        beats = "better than the simple rule by" if shown else "not shown to beat the simple rule: better by"
        sentence += f", {beats} {interval(gain)}"
    marks = [word for word, true in (("from sample data", review.synthetic), ("stale", review.stale)) if true]
    yield "Worth", f"{sentence}{f' [{chr(44).join(marks)}]' if marks else ''}."

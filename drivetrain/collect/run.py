"""Collecting: from what the plan asks for to files with their records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from drivetrain.collect import wanted
from drivetrain.collect.arrival import ending
from drivetrain.collect.fetch import PAUSE, Answer, Fetcher, Refused, Unavailable
from drivetrain.collect.journal import Journal
from drivetrain.collect.wanted import Wanted
from drivetrain.errors import DataError

if TYPE_CHECKING:
    from drivetrain.spec import Spec
    from drivetrain.spec.data import ImageSearch, Source

SEARCHING = 3.0
"""Seconds between two searches without a token: Openverse allows twenty a minute."""
TOGETHER = 8
"""Files that are fetched at one time, each server one by one."""
EVERY = 50
"""Files after which `records.csv` is brought up to date."""
IN_A_ROW = 200
"""Results in a row that are of no use, after which a search is given up."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Done:
    """What came of one source.

    Attributes:
        source: Its name.
        asked: Files that the plan asks for.
        kept: Files that are there now.
        fetched: Files that this run added.
        twice: Files that were the same as another one.
        refused: Reason -> number, of what never can be had.
        later: Reason -> number, of what could not be had now.
        short: Search -> number of its files that are there, where that is fewer than the plan asks for.
        records: Where licences and creators are written down.
        note: What a person has to do, for data that no program can fetch.
    """

    source: str
    asked: int = 0
    kept: int = 0
    fetched: int = 0
    twice: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)
    records: str = ""
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether all that the plan asks for is there."""
        return bool(self.note) or self.kept >= self.asked

    @property
    def summary(self) -> str:
        """A few lines for a person."""
        if self.note:
            return f"data.{self.source}: {self.note}"
        lines = [f"data.{self.source}: {self.kept:,} of {self.asked:,} files are there, {self.fetched:,} of them new."]
        if self.twice:
            lines.append(f"  {self.twice:,} were the same as another one, and were dropped.")
        for head, reasons in (("cannot be had", self.refused), ("could not be had now", self.later)):
            lines += [
                f"  {number:,} {head}: {why}" for why, number in sorted(reasons.items(), key=lambda e: -e[1])[:10]
            ]
        lines += [f"  only {number:,} for {words}" for words, number in list(self.short.items())[:10]]
        if self.short and not self.later:
            lines.append("  The search knows no more: search for other words too, or accept more licences.")
        if self.later:
            lines.append("  Run it again for those: what is there is not fetched twice.")
        if self.records:
            lines.append(f"  Licence, creator and attribution of each: {self.records}")
        return "\n".join(lines)


def collect(
    spec: Spec, name: str | None = None, *, pause: float | None = None, say: Say = lambda _: None
) -> list[Done]:
    """Fetch what the sources of a plan ask for.

    Args:
        spec: The plan.
        name: Only this source.
        pause: Seconds between two requests to one server; a polite half by default, and three between searches.
        say: Told what is going on.

    Returns:
        What came of each source.

    Raises:
        DataError: A list cannot be read, or the source has nothing to collect.
        EnvironmentFault: Files cannot be written.
    """
    spec.require("data")
    sources = [spec.source(name)] if name else [source for source in spec.data if source.collect is not None]
    if not sources or any(source.collect is None for source in sources):
        raise DataError(
            "has nothing to collect." if name else "no source of the plan is to be collected.",
            "Write `collect: {how: image-search, …}` or `{how: url-list, …}` in place of `location`.",
            f"data.{name}" if name else "data",
        )
    return [_source(spec, source, pause, say) for source in sources]


def _source(spec: Spec, source: Source, pause: float | None, say: Say) -> Done:
    asked: Any = source.collect
    if asked.how == "labelling":
        return Done(source.name, note=f"people label it ({asked.items or 'what is not said'}); nothing to fetch.")
    if asked.how == "experiment":
        return Done(source.name, note="an experiment brings it; nothing to fetch.")
    where = f"data.{source.name}.collect"
    base = spec.root / "data" / source.name
    if asked.how == "image-search":
        if not asked.queries or not asked.per_query:
            raise DataError("does not say what to search for, and how many.", "Give `queries` and `per_query`.", where)
        if not asked.licences:
            raise DataError(
                "does not say under which licences pictures may be used.",
                "Decide it first (`licences: [cc0, by]`); nothing is fetched before.",
                where,
            )
        return _searched(spec, source, asked, Journal(base, where), pause, say)
    if not asked.file:
        raise DataError("does not say where the list is.", "Give `file`.", where)
    lines = wanted.listed(spec.root / asked.file, where)
    return _listed(spec, source, lines, Journal(base, where), pause, say)


def _searched(spec: Spec, source: Source, asked: ImageSearch, journal: Journal, pause: float | None, say: Say) -> Done:
    every, per = wanted.searches(asked), asked.per_query or 0
    done = Done(source.name, asked=len(every) * per)
    fetcher = Fetcher([wanted.api()], pause=PAUSE if pause is None else pause)
    searcher = Fetcher([wanted.api()], pause=SEARCHING if pause is None else pause)
    try:
        for label, words in every:
            group = f"{label}: {words}"
            have = sum(1 for _, kept_for in journal.kept if kept_for == group)
            if have >= per:
                continue
            try:
                results = wanted.found(searcher, asked, label, words, done.refused)
                _fill(source, journal, fetcher, results, per - have, done, say)
            except (Refused, Unavailable) as error:
                reasons = done.later if isinstance(error, Unavailable) else done.refused
                why = f"search for `{words}`: {error}"
                reasons[why] = reasons.get(why, 0) + 1
    finally:
        _finish(spec, journal, done, fetcher, searcher)
        there = Counter(group for _, group in journal.kept)
        groups = [f"{label}: {words}" for label, words in every]
        done.short = {group: there[group] for group in groups if there[group] < per}
    return done


def _listed(
    spec: Spec, source: Source, lines: Sequence[Wanted], journal: Journal, pause: float | None, say: Say
) -> Done:
    once = {one.url: one for one in lines}
    done = Done(source.name, asked=len(once), twice=0)
    # The list is the user's own: it may name servers of the user's own network.
    fetcher = Fetcher(once, pause=PAUSE if pause is None else pause)
    try:
        for one in once.values():
            if (one.url, one.group) in journal.refused:
                _count(done.refused, journal.refused[one.url, one.group])
        _fill(source, journal, fetcher, iter(once.values()), len(once), done, say)
    finally:
        _finish(spec, journal, done, fetcher)
        # A copy of what is there already is there.
        done.asked -= done.twice
    return done


def _fill(
    source: Source, journal: Journal, fetcher: Fetcher, candidates: Iterator[Wanted], most: int, done: Done, say: Say
) -> None:
    """Fetch candidates until `most` more are kept; never more than that at once, so that none is fetched in vain."""
    left, useless = most, 0
    fresh = (c for c in candidates if (c.url, c.group) not in journal.kept and (c.url, c.group) not in journal.refused)
    with ThreadPoolExecutor(TOGETHER) as threads:
        try:
            while left > 0 and useless < IN_A_ROW:
                batch = list(islice(fresh, min(left, TOGETHER)))
                if not batch:
                    return
                for one, got in zip(batch, threads.map(lambda c: _get(source.kind, fetcher, c), batch), strict=True):
                    kept = _note(journal, one, got, done)
                    left, useless = left - kept, 0 if kept else useless + 1
                    if kept and done.fetched % EVERY == 0:
                        journal.publish()
                say(f"data.{source.name}: {done.fetched:,} new, {most - left:,} of {most:,} for {batch[0].group}")
        except BaseException:
            # Whoever stops it does not wait for what is still on its way.
            fetcher.stopped.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _get(kind: str, fetcher: Fetcher, one: Wanted) -> tuple[Answer, str] | Refused | Unavailable:
    try:
        answer = fetcher.get(one.url)
        return answer, ending(kind, answer)
    except (Refused, Unavailable) as error:
        return error


def _note(journal: Journal, one: Wanted, got: tuple[Answer, str] | Refused | Unavailable, done: Done) -> bool:
    """Keep what arrived; whether it is a new file."""
    if isinstance(got, Unavailable):
        _count(done.later, str(got))
        return False
    if isinstance(got, Refused):
        journal.refuse(one.url, one.group, str(got))
        _count(done.refused, str(got))
        return False
    answer, end = got
    if journal.keep(one.url, one.group, answer.body, end, one.facts.get("query", ""), one.facts) is None:
        journal.refuse(one.url, one.group, "is the same as another file")
        done.twice += 1
        return False
    done.fetched += 1
    return True


def _count(reasons: dict[str, int], why: str) -> None:
    reasons[why] = reasons.get(why, 0) + 1


def _finish(spec: Spec, journal: Journal, done: Done, *fetchers: Fetcher) -> None:
    from drivetrain.source import relative

    for fetcher in fetchers:
        fetcher.close()
    done.kept = len(journal.kept)
    if journal.kept:
        done.records = relative(journal.publish(), spec.root)

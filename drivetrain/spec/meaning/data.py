"""Do the data mean something: columns, outcomes, joins, splits, and what is still collected."""

import re
import warnings
from typing import Any

from drivetrain.spec.facts import Tree
from drivetrain.spec.kinds import CIRCLE, CLASH, MISSING, REFERENCE, TYPE
from drivetrain.spec.meaning.context import Context
from drivetrain.spec.names import MEDIA, an, filename_groups
from drivetrain.spec.reading import NAME, Path


def check_data(context: Context) -> None:
    """Sources; findings go to the context."""
    context.unique("data", context.parts("data"))
    for path, source in context.parts("data"):
        _location(context, path, source)
        _filename(context, path, source)
        for name, column in source.get("columns", {}).items():
            _column(context, (*path, "columns", name), column)
        for name, outcome in source.get("outcomes", {}).items():
            _outcome(context, (*path, "outcomes", name), source, outcome)
        _keys(context, path, source)
        _joins(context, path, source)
        _split(context, path, source)
        collected = source.get("collected", {})
        if "from" in collected and "to" in collected and collected["from"] > collected["to"]:
            context.add(CLASH, (*path, "collected"), "`from` lies after `to`.", "Exchange them.")
        _collect(context, path, source)
    _circles(context)
    _one_split(context)


_ONE_TABLE = re.compile(r"^[^*?\[]+\.(csv|tsv|parquet|pq)(\.gz)?$|^(sqlite|postgres(ql)?)://", re.IGNORECASE)


def _location(context: Context, path: Path, source: Tree) -> None:
    where = source.get("location")
    if not isinstance(where, str):
        return
    path = (*path, "location")
    if not where.isprintable():
        context.add(TYPE, path, "holds a character that no path has.", "Write it anew; quote it if it has a backslash.")
    elif source.get("kind") == "series" and _ONE_TABLE.search(where):
        context.add(
            CLASH,
            path,
            f"`{where}` is one table, and of a source of series each file is one case.",
            "Name the folder of the files, and keep what is known of each in a table that is joined: "
            "`join: [{data: …, on: {stem: …}}]`.",
        )


def _filename(context: Context, path: Path, source: Tree) -> None:
    pattern = source.get("filename")
    if pattern is None:
        return
    path = (*path, "filename")
    try:
        with warnings.catch_warnings():
            # What Python will read in another way some day, a plan must not hold today.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:
        context.add(
            TYPE, path, f"is no regular expression: {error}.", "In YAML, single quotes keep backslashes as they are."
        )
        return
    groups = filename_groups(pattern)
    if not groups:
        context.add(
            TYPE, path, "has no named group, so that no column comes of it.", "Write `(?P<depot>[a-z]+)`.", "warn"
        )
    for group in groups:
        if not re.fullmatch(NAME.strip("^$"), group):
            context.add(
                TYPE, path, f"the group `{group}` is no name for a column.", "Use small letters, digits and `_`."
            )


def _limits(context: Context, path: Path, part: Tree) -> None:
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and high is not None and low > high:
        context.add(CLASH, path, f"`minimum` {low:g} is above `maximum` {high:g}.", "Exchange them.")


def _values(context: Context, path: Path, part: Tree) -> None:
    seen: set[Any] = set()
    for at, value in context.items(part.get("values"), (*path, "values")):
        if value in seen:
            context.add(CLASH, at, f"`{value}` stands in the list twice.", "Keep one.")
        seen.add(value)


def _column(context: Context, path: Path, column: Tree) -> None:
    kind = column.get("type")
    _limits(context, path, column)
    _values(context, path, column)
    if "values" in column and kind is not None and kind != "category":
        context.add(
            CLASH, (*path, "values"), f"`values` belong to a category, and this is {an(kind)}.", "Drop one of them."
        )
    for key in ("minimum", "maximum"):
        if key in column and kind is not None and kind not in ("number", "integer", "time"):
            context.add(CLASH, (*path, key), f"`{key}` belongs to a number, and this is {an(kind)}.", "Drop it.")
    if "known_at" in column and context.name(column["known_at"], (*path, "known_at"), "column"):
        entry = context.names[column["known_at"]]
        if entry.type not in ("time", "any"):
            what = f"`{column['known_at']}` is {an(entry.type)}, and must be a time."
            context.add(TYPE, (*path, "known_at"), what, "Declare it as `time`.")


def _outcome(context: Context, path: Path, source: Tree, outcome: Tree) -> None:
    kind = outcome.get("type", "category" if "values" in outcome else None)
    _limits(context, path, outcome)
    _values(context, path, outcome)
    if kind is None and not context.said((*path, "type")) and not context.said((*path, "values")):
        context.add(
            MISSING,
            path,
            "neither `type` nor `values` says what it is.",
            "Write `type: binary`, or list its `values`.",
            "note",
        )
    if kind in ("binary", "number") and "values" in outcome:
        context.add(CLASH, (*path, "values"), f"a {kind} outcome has no `values`.", "Drop `values`, or drop `type`.")
    if kind in ("labels", "mask") and not context.said((*path, "values")):
        context.add(
            MISSING,
            path,
            f"`values` is missing (what the {kind} can be).",
            "Write it, such as `values: [road, car]`.",
            "note",
        )
    for key in ("minimum", "maximum", "bins", "unit"):
        if key in outcome and kind not in (None, "number") and (key != "unit"):
            context.add(CLASH, (*path, key), f"`{key}` belongs to a number, and this is {an(kind)}.", "Drop it.")
    bins = [edge for edge in outcome.get("bins", ()) if edge is not None]
    if "bins" in outcome and (len(bins) < 2 or bins != sorted(set(bins))):
        context.add(
            CLASH, (*path, "bins"), "edges of bins are at least two numbers that grow.", "Write `[0, 10, 100]`."
        )
    for field in ("affected_by", "shaped_by"):
        for at, lever in context.items(outcome.get(field), (*path, field)):
            context.refer(lever, context.names.of("lever"), "lever", at, "levers")
    context.formula(outcome.get("observed_when"), (*path, "observed_when"), "boolean")
    column = outcome.get("column")
    of_files = column in ("image", "audio", "path", "folder", "stem", "suffix")
    declared = column in source.get("columns", {})
    if of_files and not declared and source.get("kind") not in (None, *MEDIA):
        what = f"`{column}` is a column of files, and `{source.get('name')}` is of kind {source.get('kind')}."
        context.add(REFERENCE, (*path, "column"), what, "Name the column of the table.")
    if column == "query" and source.get("collect", {}).get("how") == "image-search":
        _queries(context, path, source, outcome)


def _queries(context: Context, path: Path, source: Tree, outcome: Tree) -> None:
    """The classes of searched images are those that are searched for."""
    searched = source["collect"].get("queries")
    values = [value for value in outcome.get("values", ()) if value is not None]
    if searched is None or not values:
        return
    for value in values:
        if value not in searched:
            what = f"nothing is searched for `{value}`."
            context.add(REFERENCE, (*path, "values"), what, "Add it under `collect.queries`.", "warn")
    for query in searched:
        if query not in values:
            what = f"`{query}` is searched for and is no value of the outcome."
            context.add(REFERENCE, (*path, "values"), what, "Add it to `values`.", "warn")


def _keys(context: Context, path: Path, source: Tree) -> None:
    """Columns with a part to play: entity, time, weight, groups."""
    wanted = {"entity": None, "time": ("time", "number"), "weight": ("number", "boolean")}
    for field, types in wanted.items():
        column = source.get("columns", {}).get(source.get(field), {}) if field in source else {}
        said = "number" if column.get("type") == "integer" else column.get("type")
        if types and said and said not in types:
            what = f"the column `{source[field]}` is of type {column['type']}, and must be of type {types[0]}."
            context.add(TYPE, (*path, field), what, f"Declare it as `{types[0]}`.")
    for at, name in context.items(source.get("groups"), (*path, "groups")):
        if context.names.get(name) is not None:
            context.name(name, at, "column", "outcome")
    if "ratings" in source and source.get("kind") not in (None, "ratings"):
        what = f"`ratings` belongs to `kind: ratings`, and this is {source['kind']}."
        context.add(CLASH, (*path, "ratings"), what, "Drop it, or change the kind.", "warn")


def _joins(context: Context, path: Path, source: Tree) -> None:
    sources = [str(part.get("name")) for part in context.facts.parts("data")]
    for at, join in context.items(source.get("join"), (*path, "join")):
        other = join.get("data")
        if other == source.get("name") and other is not None:
            context.add(REFERENCE, (*at, "data"), f"`{other}` is joined to itself.", "Name the other source.")
        elif other is not None:
            context.refer(other, sources, "source", (*at, "data"), "data")
        if "as_of" in join and not context.said((*path, "time")):
            what = f"`as_of` compares with the time of `{source.get('name')}`, which has none."
            context.add(REFERENCE, (*at, "as_of"), what, "Name its `time` column.")
        if "window" in join and not context.said((*at, "as_of")):
            context.add(
                REFERENCE, (*at, "window"), "`window` has no meaning without `as_of`.", "Name the time column there."
            )
        column = context.source(other).get("columns", {}).get(str(join.get("as_of")), {})
        if column.get("type") not in (None, "time", "number", "integer"):
            what = f"`{join['as_of']}` is of type {column['type']}, and must be a time."
            context.add(TYPE, (*at, "as_of"), what, "Declare it as `time`.")


def _split(context: Context, path: Path, source: Tree) -> None:
    split = source.get("split", {})
    at = (*path, "split")
    if "column" in split and context.said((*at, "by")):
        context.add(CLASH, at, "`by` and `column` stand here together.", "`column` says everything; drop `by`.")
    for by in ("entity", "time"):
        if split.get("by") == by and not context.said((*path, by)):
            what = f"splits by {by}, and the source names no `{by}` column."
            context.add(REFERENCE, (*at, "by"), what, f"Write `{by}: …`, or choose another split.")
    if split.get("validation", 0.2) + split.get("test", 0.2) >= 1:
        context.add(CLASH, at, "`validation` and `test` leave nothing to train on.", "Their sum is below 1.")


def _collect(context: Context, path: Path, source: Tree) -> None:
    collect = source.get("collect", {})
    if collect.get("how") != "experiment":
        return
    at = (*path, "collect")
    context.formula(collect.get("harm_limit"), (*at, "harm_limit"), "any", population=True)
    lever = collect.get("lever")
    if lever is not None and context.refer(lever, context.names.of("lever"), "lever", (*at, "lever"), "levers"):
        settings = context.names[lever].values
        for arm in collect.get("arms", {}):
            if settings is not None and arm not in settings:
                what = f"`{lever}` has no setting `{arm}`."
                context.add(REFERENCE, (*at, "arms", arm), what, "There are: " + ", ".join(sorted(settings)) + ".")
    arms = collect.get("arms", {})
    whole = len(arms) == len(context.document.tree_at((*at, "arms")) or {})
    if arms and whole and abs(sum(arms.values()) - 1) > 1e-6:
        context.add(CLASH, (*at, "arms"), f"the shares add up to {sum(arms.values()):g}.", "They must add up to 1.")


def _circles(context: Context) -> None:
    """Sources that join each other."""
    told: set[str] = set()
    for path, source in context.parts("data"):
        name = source.get("name")
        for at, join in context.items(source.get("join"), (*path, "join")):
            other = join.get("data")
            if other not in (None, name) and name in context.facts.joins(str(other)) and name not in told:
                told |= set(context.facts.joins(str(other)))
                what = f"`{name}` joins `{other}`, and `{other}` joins `{name}` in turn."
                context.add(
                    CIRCLE, (*at, "data"), what, "Join in one direction: rows take columns from the other source."
                )


def _one_split(context: Context) -> None:
    """Only the cases may have a split among the sources that joins tie to them."""
    tied = context.facts.tied()
    for path, source in context.parts("data"):
        name = source.get("name")
        if name in tied[1:] and "split" in source:
            what = (
                f"has a split of its own, and a join ties it to `{tied[0]}`, whose split it follows: rows would leak."
            )
            context.add(CLASH, (*path, "split"), what, f"Drop it; only `{tied[0]}` may have one.")

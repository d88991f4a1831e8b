"""Do the models mean something: what they predict, from what, and how expectations are taken."""

from drivetrain.errors import SpecError
from drivetrain.spec.facts import Tree, predicted
from drivetrain.spec.kinds import CIRCLE, CLASH, DOUBLE, LATE, MISSING, REFERENCE, TYPE
from drivetrain.spec.meaning.context import Context
from drivetrain.spec.names import an, names_module
from drivetrain.spec.reading import Path

_CLASSES = ("category", "boolean")
_PREDICTS: dict[str, tuple[str, ...]] = {
    "image-classification": _CLASSES,
    "image-multilabel": ("labels",),
    "image-regression": ("number",),
    "image-segmentation": ("mask",),
    "text-classification": _CLASSES,
    "table-classification": _CLASSES,
    "table-regression": ("number",),
    "ratings": ("number", "boolean"),
    "image-text-classification": _CLASSES,
    "audio-classification": _CLASSES,
    "series-classification": _CLASSES,
}
"""Task -> types of outcome that it predicts; a number with `bins` is predicted as classes, too."""
_FIELDS: dict[str, tuple[str, ...]] = {
    "layers": ("table-", "ratings"),
    "factors": ("ratings",),
    "image": ("image-", "audio-", "series-"),
    "augment": ("image-", "audio-", "series-"),
    "encode": ("audio-", "series-"),
    "architecture": ("image-", "text-", "audio-", "series-"),
}
"""Field -> beginnings of the tasks that know it."""
_BASELINES = ("majority", "linear", "item mean")


def check_models(context: Context) -> None:
    """Models, simulator and optimizer; findings go to the context."""
    context.unique("models", context.parts("models"))
    makers: dict[str, str] = {}
    for path, model in context.parts("models"):
        if not names_module(model.get("name", "")):
            what = f"`{model['name']}` cannot name the file of a learner: Python or Windows keeps it for itself."
            context.add(DOUBLE, (*path, "name"), what, "Choose another name.")
        _fields(context, path, model)
        _predicts(context, path, model, makers)
        _data(context, path, model)
        _inputs(context, path, model)
        context.formula(model.get("rows"), (*path, "rows"), "boolean")
        _informs(context, path, model)
    for circle in context.facts.circles():
        way = " → ".join(f"`{name}`" for name in circle)
        place = next(path for path, model in context.parts("models") if model.get("name") == circle[0])
        what = f"waits for its own outcome: {way}."
        context.add(CIRCLE, (*place, "inputs"), what, "Leave one of these outcomes out of the inputs.")
    _simulator(context)
    optimizer = context.tree.get("optimizer", {})
    for path, constraint in context.items(optimizer.get("constraints"), ("optimizer", "constraints")):
        context.constraint(path, constraint)
    context.unique("constraints", context.items(optimizer.get("constraints"), ("optimizer", "constraints")))
    context.formula(optimizer.get("catastrophe"), ("optimizer", "catastrophe"), "boolean", value=True)


def _fields(context: Context, path: Path, model: Tree) -> None:
    task = model.get("task")
    for field, tasks in _FIELDS.items():
        if field in model and task is not None and not task.startswith(tasks):
            kinds = ", ".join(f"`{kind}…`" if kind.endswith("-") else f"`{kind}`" for kind in tasks)
            what = f"a model of task `{task}` has no `{field}`: it has no effect."
            context.add(CLASH, (*path, field), what, f"Drop it; it belongs to {kinds}.", "warn")


def _predicts(context: Context, path: Path, model: Tree, makers: dict[str, str]) -> None:
    task = model.get("task")
    raw = context.document.tree_at((*path, "predicts"))
    for place, outcome in enumerate(predicted(model)):
        at: Path = (*path, "predicts", place) if isinstance(raw, list) else (*path, "predicts")
        if not context.refer(outcome, context.names.of("outcome"), "outcome", at, "data"):
            continue
        if outcome in makers:
            what = f"`{outcome}` is predicted by `{makers[outcome]}` already."
            context.add(DOUBLE, at, what, "Keep one of the two models; to compare them, use two plans.", "warn")
        makers.setdefault(outcome, str(model.get("name")))
        entry = context.names[outcome]
        types = _PREDICTS.get(str(task), ())
        binned = entry.type == "number" and "bins" in context.facts.outcomes.get(outcome, {}) and "category" in types
        if task is not None and entry.type not in (*types, "any") and not binned:
            fitting = [name for name, kinds in _PREDICTS.items() if entry.type in kinds]
            word = {"boolean": "binary"}.get(entry.type, entry.type)
            what = f"`{outcome}` is of type {word}, which `{task}` does not predict."
            context.add(TYPE, at, what, f"Tasks for it: {', '.join(f'`{name}`' for name in fitting)}.")


def _data(context: Context, path: Path, model: Tree) -> None:
    sources = [str(source.get("name")) for source in context.facts.parts("data")]
    if "data" in model and not context.refer(model["data"], sources, "source", (*path, "data"), "data"):
        return
    try:
        own = context.facts.model_data(model["name"])
    except (SpecError, KeyError):
        return
    for outcome in predicted(model):
        holder = context.facts.holders.get(outcome)
        if holder is not None and holder not in context.facts.joins(own):
            what = f"its rows are `{own}`, which neither has nor joins the outcome `{outcome}` (of `{holder}`)."
            context.add(
                REFERENCE,
                (*path, "data" if "data" in model else "predicts"),
                what,
                f"Take `data: {holder}`, or join it.",
            )
    _kind_of_data(context, path, model, own)


_NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "image": (("images", "images+text"), ("image", "path")),
    "audio": (("audio",), ("audio", "path")),
    "text": (("text", "images+text"), ("text", "path")),
    "ratings": (("ratings",), ()),
}
"""Beginning of a task -> kinds of data it learns from, or types of column in other data."""


def _kind_of_data(context: Context, path: Path, model: Tree, own: str) -> None:
    """A task needs data that it can learn from."""
    task = model.get("task", "")
    sources = [context.source(name) for name in context.facts.joins(own)]
    kinds = {source.get("kind") for source in sources}
    columns = {column.get("type") for source in sources for column in source.get("columns", {}).values()}
    for start, (fitting, types) in _NEEDS.items():
        if task.startswith(start) and None not in kinds and not kinds & set(fitting) and not columns & set(types):
            words = " or ".join(f"`{kind}`" for kind in fitting)
            what = f"`{task}` cannot learn from `{own}`: it is of kind {', '.join(sorted(map(str, kinds)))}."
            context.add(TYPE, (*path, "task"), what, f"Data of kind {words} are needed, or another task.")
    at = (*_place(context, own), "ratings")
    if task == "ratings" and "ratings" in kinds and not context.said(at):
        context.add(MISSING, at, f"`{own}` does not say who rated what.", "Write `ratings: {user: …, item: …}`.")


def _place(context: Context, source: str) -> Path:
    return next((path for path, part in context.parts("data") if part.get("name") == source), ("data",))


def _inputs(context: Context, path: Path, model: Tree) -> None:
    lever = model.get("arms")
    if lever is not None and context.refer(lever, context.names.of("lever"), "lever", (*path, "arms"), "levers"):
        # A lever that is still a question may be the one meant: it has no type yet.
        part = next((part for part in context.facts.parts("levers") if part.get("name") == lever), {})
        if part.get("type") not in (None, "options"):
            what = f"`{lever}` is a lever of type {part['type']}, and one model per setting needs `options`."
            context.add(TYPE, (*path, "arms"), what, "Leave `arms` out: the lever is then an input.")
    series = [str(source.get("name")) for source in context.facts.parts("data") if source.get("kind") == "series"]
    for at, name in context.items(model.get("inputs"), (*path, "inputs")):
        entry = context.names.get(name)
        if entry is None and name in series:
            continue
        if not context.name(name, at, "column", "lever", "term", "outcome"):
            continue
        if name in predicted(model):
            context.add(CLASH, at, f"`{name}` is what the model predicts.", "Leave it out of the inputs.")
        elif name == lever:
            what = f"`{name}` has a model for each setting, and cannot be an input as well."
            context.add(CLASH, at, what, "Drop `arms`, or drop the input.")
        for used, through in _closure(context, name) if name.isidentifier() else ():
            column = context.names.get(used)
            if column is None or not (column.logged or column.late or column.audit):
                continue
            why = (
                "records what was done (`role: logged`)"
                if column.logged
                else "is known only afterwards (`known: after`)"
            )
            if column.audit and not (column.logged or column.late):
                why = "is there to audit with (`use: audit`)"
            by = f" (through the term `{through}`)" if through else ""
            context.add(LATE, at, f"`{used}` {why} and cannot be an input{by}.", "Leave it out of the inputs.")
    if "inputs" in model and "name" in model:
        for name in model.get("monotone", {}):
            if name not in model["inputs"]:
                context.add(
                    REFERENCE, (*path, "monotone", name), f"`{name}` is no input of the model.", "Add it to `inputs`."
                )
    else:
        for name in model.get("monotone", {}):
            context.name(name, (*path, "monotone", name), "column", "lever", "term", "outcome")
    baseline = model.get("baseline")
    if baseline is not None and baseline not in _BASELINES and baseline not in context.names.of("column", "term"):
        what = f"`{baseline}` is neither `majority`, `linear` or `item mean`, nor a column."
        context.add(REFERENCE, (*path, "baseline"), what, "Write one of them.")


def _closure(context: Context, text: str) -> list[tuple[str, str]]:
    from drivetrain.spec.formula.tree import parse
    from drivetrain.spec.formula.types import walk_names

    return list(walk_names(parse(text), context.names, context.facts.term))


def _informs(context: Context, path: Path, model: Tree) -> None:
    """`informs` is a promise while there is no value; then it is derived, and what is still written must hold."""
    models = [str(part.get("name")) for part in context.facts.parts("models")]
    known = [*context.names.of("lever"), *models, "simulator"]
    open_ = "value" not in context.tree.get("objective", {})
    for at, name in context.items(model.get("informs"), (*path, "informs")):
        if not context.refer(name, known, "lever or model", at, "levers") or open_ or "name" not in model:
            continue
        informs = context.facts.informs(model["name"])
        through = {path_.split(".")[1] for path_ in informs if path_.startswith("models.")}
        simulator = {"simulator"} if any(entry.startswith(("objective.", "optimizer.")) for entry in informs) else set()
        if name not in {*context.facts.informed_levers(model["name"]), *through, *simulator}:
            what = f"by the formulas, the model does not inform `{name}`."
            context.add(CLASH, at, what, "`informs` is derived once `value` stands: drop it, or correct the value.")


def _reads(context: Context, text: str | None, name: str, at: Path) -> None:
    """What a scenario's formula may read: constants and columns change before anything is chosen or predicted."""
    kind = context.names[name].kind
    may = {
        "constant": (("constant",), "a constant is one number, the same in every case"),
        "column": (("constant", "column"), "a column changes before anything is chosen or predicted"),
    }.get(kind, (("constant", "column", "lever", "built-in"), "an outcome changes by itself"))
    for other, through in _closure(context, text) if text else ():
        entry = context.names.get(other)
        if entry is None or other == name or entry.kind in may[0]:
            continue
        by = f" (through the term `{through}`)" if through else ""
        what = f"`{other}` is {an(entry.kind)}{by} and cannot say what `{name}` becomes: {may[1]}."
        context.add(REFERENCE, at, what, f"Use {' and '.join(f'{word}s' for word in may[0][:2])} only.")


def _simulator(context: Context) -> None:
    scenarios = context.tree.get("simulator", {}).get("scenarios", ())
    root: Path = ("simulator", "scenarios")
    context.unique("scenarios", context.items(scenarios, root))
    for path, scenario in context.items(scenarios, root):
        for name, text in scenario.get("set", {}).items():
            at = (*path, "set", name)
            found = context.formula(text, at, "any")
            if not context.name(name, at, "column", "constant", "outcome"):
                continue
            entry = context.names[name]
            _reads(context, text, name, at)
            if entry.kind == "outcome" and entry.type not in ("number", "boolean", "any"):
                what = f"`{name}` is of type {entry.type}: only a number or a binary outcome can be set."
                context.add(TYPE, at, what, "Change a column or a constant that it depends on.")
            elif "any" not in (entry.type, found.type) and (entry.type == "category") != (found.type == "category"):
                context.add(TYPE, at, f"`{name}` is {an(entry.type)}, and would become {an(found.type)}.", "")
    weights = [scenario["weight"] for scenario in scenarios if scenario and "weight" in scenario]
    if sum(weights) > 1 + 1e-9:
        context.add(
            CLASH,
            root,
            f"the weights add up to {sum(weights):g}.",
            "They are shares: at most 1, the rest is the base case.",
        )

"""What follows from a plan about its names, settings, sources and models.

Everything is computed from the plain tree, so that a plan can be judged before its typed parts are built.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FormulaError, MissingPartError, SpecError
from drivetrain.spec.formula.algebra import substitute
from drivetrain.spec.formula.tree import Formula, parse
from drivetrain.spec.names import MEDIA, Names, join_columns, joined
from drivetrain.spec.reading import Document

if TYPE_CHECKING:
    from drivetrain.spec.levers import Lever

Tree = Mapping[str, Any]


class Facts:
    """Facts that follow from one plan; each is computed when it is asked for.

    Args:
        document: A plan whose structure was checked.
    """

    def __init__(self, document: Document) -> None:
        self.document, self.tree = document, document.clean

    def part(self, section: str, name: str) -> Tree:
        """The part of this name in a list of the plan.

        Raises:
            SpecError: There is none.
        """
        for part in self.parts(section):
            if part.get("name") == name:
                return part
        from drivetrain.spec.lookup import hint

        names = [str(part.get("name")) for part in self.parts(section)]
        raise SpecError(f"`{section}` has no `{name}`.", hint(name, names, section.rstrip("s")))

    def parts(self, section: str) -> list[Tree]:
        """The parts of a list of the plan that can be read."""
        return [part for part in self.tree.get(section, ()) if part]

    @cached_property
    def names(self) -> Names:
        """Every name of the plan and what it stands for."""
        settings: dict[str, frozenset[str] | None] = {}
        for lever in self.parts("levers"):
            if lever.get("type") == "options" and "name" in lever:
                known = self._settings_known(lever)
                settings[lever["name"]] = frozenset(self._costs(lever)) if known else None
        return Names(self.document.tree, self.tree, settings)

    def settings(self, lever: "str | Lever") -> list[str]:
        """Settings of an options lever: the declared ones, then further classes of `options_from`."""
        return list(self.costs(lever))

    def costs(self, lever: "str | Lever") -> dict[str, float]:
        """Cost of each setting of an options lever, in the order of `settings`; empty for other levers."""
        return self._costs(self.part("levers", lever if isinstance(lever, str) else lever.name))

    def _costs(self, lever: Tree) -> dict[str, float]:
        if lever.get("type") != "options":
            return {}
        options = lever.get("options", {})
        if isinstance(options, list):
            options = {name: {} for name in options if name is not None}
        costs = {name: float(option.get("cost", 0.0)) for name, option in options.items()}
        source = lever.get("options_from", {})
        for value in self.outcomes.get(source.get("outcome"), {}).get("values") or ():
            if value is not None:
                costs.setdefault(value, float(source.get("cost", 0.0)))
        return costs

    def _settings_known(self, lever: Tree) -> bool:
        """Whether all settings of an options lever can be told."""
        options = lever.get("options", {})
        if None in (options if isinstance(options, list) else ()) or (
            "options" not in lever and "options_from" not in lever
        ):
            return False
        if "options_from" not in lever:
            return True
        return bool(self.outcomes.get(lever["options_from"].get("outcome"), {}).get("values"))

    @cached_property
    def outcomes(self) -> dict[str | None, Tree]:
        """Outcome -> its part, whichever source holds it."""
        return {name: outcome for source in self.parts("data") for name, outcome in source.get("outcomes", {}).items()}

    @cached_property
    def holders(self) -> dict[str, str]:
        """Outcome -> the source that holds it."""
        return {
            name: source["name"]
            for source in self.parts("data")
            if "name" in source
            for name in source.get("outcomes", {})
        }

    @cached_property
    def cases(self) -> str | None:
        """The source whose rows are the cases; None when the plan does not say."""
        stated = self.tree.get("decision", {}).get("cases")
        if stated:
            return str(stated)
        names = [source["name"] for source in self.parts("data") if "name" in source]
        return names[0] if len(names) == 1 else None

    def tied(self) -> list[str]:
        """Sources that follow the split of the cases: tied to them by joins, in either direction; the cases first."""
        groups = joined(self.tree)
        if self.cases not in groups:
            return []
        return [self.cases, *(name for name, at in groups.items() if at == groups[self.cases] and name != self.cases)]

    def joins(self, source: str) -> list[str]:
        """A source and those that its joins bring in, directly or through another."""
        found, queue = [], [source]
        by_name = {part.get("name"): part for part in self.parts("data")}
        while queue:
            name = queue.pop(0)
            if name in by_name and name not in found:
                found.append(name)
                queue.extend(join["data"] for join in by_name[name].get("join", ()) if join and "data" in join)
        return found

    def model_data(self, name: str) -> str:
        """Source of a model's rows: the case table if it or its join holds the outcome, else that source."""
        model = self.part("models", name)
        if "data" in model:
            return str(model["data"])
        outcome = next(iter(predicted(model)), None)
        if outcome not in self.holders:
            raise SpecError(f"`models.{name}` predicts an outcome that no source has.", "Define it under `outcomes`.")
        own = self.holders[outcome]
        return self.cases if self.cases is not None and own in self.joins(self.cases) else own

    def model_inputs(self, name: str) -> list[str]:
        """What a model sees: as written, or the default of its task and then the levers that move its outcome."""
        model = self.part("models", name)
        if "inputs" in model:
            return [entry for entry in model["inputs"] if entry is not None]
        levers = [
            lever
            for outcome in predicted(model)
            for lever in self.outcomes.get(outcome, {}).get("affected_by") or ()
            if lever is not None and lever != model.get("arms")
        ]
        return list(dict.fromkeys([*self._default_inputs(model.get("task", ""), self.model_data(name)), *levers]))

    def _default_inputs(self, task: str, source_name: str) -> list[str]:
        sources = [self.part("data", name) for name in self.joins(source_name)]
        columns = {name: column for source in reversed(sources) for name, column in source.get("columns", {}).items()}
        columns = {name: columns[name] for source in sources for name in source.get("columns", {})}
        usable = {
            name: column
            for name, column in columns.items()
            if (column.get("role", "feature"), column.get("known", "before"), column.get("use", "both"))
            == ("feature", "before", "both")
        }
        texts = [name for name, column in usable.items() if column.get("type") == "text"]
        kinds = {source.get("kind") for source in sources}
        if task == "ratings":
            ratings = sources[0].get("ratings", {}) if sources else {}
            return [ratings[key] for key in ("user", "item") if key in ratings]
        if task.startswith(("image", "audio")):
            medium = task[:5]
            media = [name for name, column in usable.items() if column.get("type") == medium]
            in_files = any(MEDIA.get(str(kind)) == medium for kind in kinds)
            found = media if media and not in_files else [medium]
            return [*found, *(texts or ["text"])] if task.startswith("image-text") else found
        if task.startswith("text"):
            return texts or ["text"]
        if task.startswith("series"):
            return [str(source.get("name")) for source in sources if source.get("kind") == "series"]
        barred: set[Any] = {
            outcome.get("column") for source in sources for outcome in source.get("outcomes", {}).values()
        }
        for source in sources:
            split = source.get("split", {})
            barred |= {
                source.get("entity"),
                source.get("time"),
                source.get("weight"),
                split.get("by"),
                split.get("column"),
            }
            barred |= {name for side in join_columns(source) for name in side}
        types = ("id", "time", "path", "text", "image", "audio")
        return [name for name, column in usable.items() if column.get("type") not in types and name not in barred]

    def model_order(self) -> list[str]:
        """Names of the models, each after those whose outcomes it takes as inputs."""
        return ordered(self._feeding)[0]

    def circles(self) -> list[list[str]]:
        """Models that wait for each other's outcomes."""
        return ordered(self._feeding)[1]

    @cached_property
    def _feeding(self) -> dict[str, list[str]]:
        return {model["name"]: self.feeders(model["name"]) for model in self.parts("models") if "name" in model}

    def feeders(self, name: str) -> list[str]:
        """Models whose outcomes this model takes as inputs."""
        makers = self.makers
        try:
            inputs = self.model_inputs(name)
        except SpecError:
            return []
        return [makers[entry] for entry in inputs if entry in makers and makers[entry] != name]

    @cached_property
    def makers(self) -> dict[str, str]:
        """Outcome -> the first model that predicts it."""
        found: dict[str, str] = {}
        for model in self.parts("models"):
            for outcome in predicted(model):
                if "name" in model:
                    found.setdefault(outcome, model["name"])
        return found

    def expand(self, formula: str) -> Formula:
        """A formula with its terms written out, constants left as names.

        Args:
            formula: Its text, or `value` for the objective's value.

        Raises:
            FormulaError: It does not parse, or terms refer to each other in a circle.
            MissingPartError: `value` was asked for and is absent or unknown.
        """
        terms: dict[str, str] = dict(self.tree.get("objective", {}).get("terms", {}))
        value = self.tree.get("objective", {}).get("value")
        if value is not None:
            terms["value"] = value
        elif formula == "value":
            raise MissingPartError("is not in the plan yet.", "Say what happens in one case.", "objective.value")
        return substitute(parse(formula), terms)

    def term(self, name: str) -> Formula | None:
        """The formula of a term; None when there is none that can be read."""
        text = self.tree.get("objective", {}).get("terms", {}).get(name)
        try:
            return parse(text) if isinstance(text, str) else None
        except FormulaError:
            return None


def architecture(task: str) -> str | None:
    """The architecture that a model of `task` has unless the plan names one; None where layers or factors say it."""
    if task.startswith("text"):
        return "AWD_LSTM"
    if task.startswith(("image", "audio", "series")):
        return "resnet18"
    return None


def predicted(model: Tree) -> list[str]:
    """Outcomes that a model predicts."""
    said = model.get("predicts", ())
    return [said] if isinstance(said, str) else [name for name in said if name is not None]


def ordered(before: Mapping[str, list[str]]) -> tuple[list[str], list[list[str]]]:
    """Names after those before them, in the given order otherwise; and the circles that were met.

    Args:
        before: Name -> names that must come first; those that are no key themselves are passed over.
    """
    order: dict[str, None] = {}
    circles: list[list[str]] = []
    for start in before:
        way: list[tuple[str, list[str]]] = [(start, list(before[start]))]
        while way:
            name, rest = way[-1]
            if name in order or not rest:
                order.setdefault(name)
                way.pop()
                continue
            other = rest.pop(0)
            above = [step for step, _ in way]
            if other in above:
                circles.append([*above[above.index(other) :], other])
            elif other in before and other not in order:
                way.append((other, list(before[other])))
    return list(order), circles

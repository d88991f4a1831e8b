"""What follows from a plan: what a formula uses, what a model is for, what a lever moves, what a log can score."""

from functools import cached_property, partial
from math import prod
from typing import Literal, NamedTuple

from drivetrain.errors import FormulaError, MissingPartError
from drivetrain.spec.facts import Facts, predicted
from drivetrain.spec.formula.algebra import exact_with_means
from drivetrain.spec.formula.tree import Formula, parse
from drivetrain.spec.formula.types import walk_names

MOST_COMBINATIONS = 4096
"""Products of classes up to this are enumerated."""
READS: dict[str, tuple[tuple[str, ...], str]] = {
    "table": (("number", "category", "time"), "numbers, categories and times"),
    "ratings": ((), "the user and the item"),
    "image-text": (("image", "text"), "one image, and text"),
    "image": (("image",), "one image"),
    "text": (("text",), "text"),
    "audio": (("audio",), "one sound"),
    "series": (("series",), "one series"),
}
"""Beginning of a task -> kinds of input that it reads, of media one each, and what that is in words."""
_INPUT_KINDS = {
    "number": "number",
    "integer": "number",
    "boolean": "category",
    "category": "category",
    "id": "category",
    "time": "time",
    "text": "text",
    "path": "category",
    "image": "image",
    "audio": "audio",
}


class Uses(NamedTuple):
    """Names in a formula, terms written out, in the order of the plan."""

    constants: tuple[str, ...]
    levers: tuple[str, ...]
    columns: tuple[str, ...]
    outcomes: tuple[str, ...]


class Reached(NamedTuple):
    """How a lever reaches the objective.

    Attributes:
        in_value: It stands in `value` or what follows it over time.
        through: Outcomes of the value that it affects.
    """

    in_value: bool
    through: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.in_value or bool(self.through)


class Expectation(NamedTuple):
    """How the expectation of a formula is taken.

    Attributes:
        how: `enumerate` all combinations of classes, put in `means`, or `draws`.
        combinations: Number of combinations; None when an outcome is no class.
        why: In words.
    """

    how: Literal["enumerate", "means", "draws"]
    combinations: int | None
    why: str


class Derived(Facts):
    """What follows from one plan; each fact is computed when it is asked for."""

    def uses(self, formula: str) -> Uses:
        """What a formula uses, terms followed; `value` stands for the objective's value."""
        if formula not in self._uses:
            self._uses[formula] = self._used(formula)
        return self._uses[formula]

    @cached_property
    def _uses(self) -> dict[str, Uses]:
        return {}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names.table)}

    def _used(self, formula: str) -> Uses:
        try:
            parsed = parse(formula)
        except FormulaError:
            return Uses((), (), (), ())
        found = {name for name, _ in walk_names(parsed, self.names, self.term)}
        value = self.tree.get("objective", {}).get("value")
        if "value" in found and value is not None:
            found |= {name for name, _ in walk_names(parse(value), self.names, self.term)}
        for cost in self._cost_formulas(formula):
            found |= {name for name, _ in walk_names(cost, self.names, self.term)}
        places = self._places
        known = sorted((name for name in found if name in places), key=places.__getitem__)
        kinds = ("constant", "lever", "column", "outcome")
        return Uses(*(tuple(name for name in known if self.names.table[name].kind == kind) for kind in kinds))

    def _cost_formulas(self, formula: str) -> list[Formula]:
        """The formulas behind `cost(lever)`, wherever a formula or its terms take it."""
        try:
            taken = self.expand(formula).costs
            texts = (lever.get("cost") for lever in self.parts("levers") if lever.get("name") in taken)
            return [parse(text) for text in texts if isinstance(text, str)]
        except (FormulaError, MissingPartError):
            return []

    def value_formulas(self) -> dict[str, str]:
        """Path -> formula of everything that makes up the value, over time included."""
        objective = self.tree.get("objective", {})
        over_time = objective.get("over_time", {})
        found = {"objective.value": objective.get("value"), "objective.over_time.continues": over_time.get("continues")}
        found |= {f"objective.over_time.next.{name}": text for name, text in over_time.get("next", {}).items()}
        return {path: text for path, text in found.items() if text is not None}

    def constraint_formulas(self) -> dict[str, str]:
        """Path -> measure of every constraint, guardrails first."""
        groups = {
            "objective.guardrails": self.tree.get("objective", {}).get("guardrails", ()),
            "optimizer.constraints": self.tree.get("optimizer", {}).get("constraints", ()),
        }
        return {
            f"{path}.{entry.get('name', place)}": entry["measure"]
            for path, entries in groups.items()
            for place, entry in enumerate(entries)
            if entry and "measure" in entry
        }

    def limit_formulas(self) -> dict[str, str]:
        """Path -> formula of every limit of a lever."""
        return {
            f"levers.{lever.get('name')}.limits[{place}]": text
            for lever in self.parts("levers")
            for place, text in enumerate(lever.get("limits", ()))
            if text is not None
        }

    def used_outcomes(self) -> tuple[str, ...]:
        """Outcomes that value, constraints or limits use, in the order of the plan."""
        formulas = [
            *self.value_formulas().values(),
            *self.constraint_formulas().values(),
            *self.limit_formulas().values(),
        ]
        used = {name for text in formulas for name in self.uses(text).outcomes}
        return tuple(name for name in self.names.of("outcome") if name in used)

    def _outcome_inputs(self, model: str) -> list[str]:
        entries = [name for name in self.model_inputs(model) if name in self.names]
        found: list[str] = []
        for name in entries:
            kind = self.names[name].kind
            found += [name] if kind == "outcome" else list(self.uses(name).outcomes) if kind == "term" else []
        return found

    def input_kind(self, model: str, name: str) -> str:
        """What an input of a model is: `number`, `category`, `time`, `text`, `image`, `audio` or `series`."""
        for lever in self.parts("levers"):
            if lever.get("name") == name:
                return "category" if lever.get("type") == "options" else "number"
        for source in map(partial(self.part, "data"), self.joins(self.model_data(model))):
            if name in source.get("columns", {}):
                return _INPUT_KINDS.get(source["columns"][name].get("type", ""), "category")
            if name == source.get("name") and source.get("kind") == "series":
                return "series"
        if name in self.outcomes:
            return "number" if self.names[name].type == "number" else "category"
        if name in self.tree.get("objective", {}).get("terms", {}):
            return "number"
        return name if name in ("image", "audio", "series", "text") else "category"

    def unread(self, model: str) -> dict[str, str]:
        """Inputs of a model that its task does not read, and the kind of each: a network of images sees no price."""
        part = self.part("models", model)
        kinds = {name: self.input_kind(model, name) for name in self.model_inputs(model)}
        if part.get("task") == "ratings":
            pair = self.part("data", self.model_data(model)).get("ratings", {})
            return {name: kind for name, kind in kinds.items() if name not in pair.values()} if pair else {}
        takes, _ = reads(part.get("task", ""))
        media = [name for name, kind in kinds.items() if kind in ("image", "audio", "series")]
        return {name: kind for name, kind in kinds.items() if kind not in takes or name in media[1:]}

    def informs(self, model: str) -> list[str]:
        """What a model is for: paths of the formulas that use what it predicts, and models that take it as input."""
        made = set(predicted(self.part("models", model)))
        formulas = self.value_formulas() | self.constraint_formulas() | self.limit_formulas()
        found = [path for path, text in formulas.items() if made & set(self.uses(text).outcomes)]
        for other in self.parts("models"):
            if other.get("name") not in (None, model) and made & set(self._outcome_inputs(other["name"])):
                found.append(f"models.{other['name']}")
        return found

    def informed_levers(self, model: str) -> list[str]:
        """Levers whose choice depends on a model: all that reach the objective, if it informs that."""
        paths = self.informs(model)
        own = {path.split(".")[1] for path in paths if path.startswith("levers.")}
        if any(path.startswith(("objective.", "optimizer.")) for path in paths):
            own |= {name for name in self.names.of("lever") if self.reach(name)}
        for other in (path.split(".")[1] for path in paths if path.startswith("models.")):
            own |= set(self.informed_levers(other)) if other != model else set()
        return [name for name in self.names.of("lever") if name in own]

    def upstream(self, outcome: str) -> tuple[str, ...]:
        """Levers that move an outcome: those it is affected by, and those its model sees, maybe through another."""
        found: set[str] = set()
        queue, seen = [outcome], set()
        while queue:
            name = queue.pop()
            if name in seen:
                continue
            seen.add(name)
            found |= {lever for lever in self.outcomes.get(name, {}).get("affected_by") or () if lever}
            if name in self.makers:
                model = self.makers[name]
                arms = self.part("models", model).get("arms")
                found |= {arms} if arms else set()
                for entry in self.model_inputs(model):
                    used = self.uses(entry) if entry in self.names else None
                    found |= set(used.levers) if used else set()
                    queue += list(used.outcomes) if used else []
        return tuple(name for name in self.names.of("lever") if name in found)

    def reach(self, lever: str) -> Reached:
        """How a lever reaches the objective; false when it does not."""
        uses = [self.uses(text) for text in self.value_formulas().values()]
        in_value = any(lever in used.levers for used in uses)
        used = {name for entry in uses for name in entry.outcomes}
        through = [name for name in self.names.of("outcome") if name in used]
        return Reached(
            in_value,
            tuple(name for name in through if lever in (self.outcomes.get(name, {}).get("affected_by") or ())),
        )

    def expectation(self, formula: str = "value") -> Expectation:
        """How the expectation of a case formula is taken, in one period.

        Raises:
            FormulaError: It does not parse, or its terms go in a circle.
        """
        expanded = self.expand(formula)
        used = self.uses(formula).outcomes
        counts = [self._classes(name) for name in used]
        known = [count for count in counts if count is not None]
        combinations = prod(known) if len(known) == len(counts) else None
        if combinations is not None and combinations <= MOST_COMBINATIONS:
            return Expectation("enumerate", combinations, f"{combinations} combinations of classes")
        chained = {name for made in used if made in self.makers for name in self._outcome_inputs(self.makers[made])}
        if exact_with_means(expanded, used, chained):
            return Expectation(
                "means", combinations, "of degree one at most in each outcome, and none is another's input"
            )
        why = (
            "an outcome is no class" if combinations is None else f"{combinations} combinations of classes are too many"
        )
        return Expectation("draws", combinations, f"{why}, and means would not be exact")

    def _classes(self, outcome: str) -> int | None:
        """Number of values of an outcome; None when it is a number or a mask."""
        entry = self.names[outcome]
        if entry.type == "boolean":
            return 2
        if entry.type in ("category", "any") and entry.values:
            return len(entry.values)
        return 2 ** len(entry.values) if entry.type == "labels" and entry.values else None


def reads(task: str) -> tuple[tuple[str, ...], str]:
    """The kinds of input that a task reads, and what that is in words."""
    return next((entry for start, entry in READS.items() if task.startswith(start)), ((), "nothing"))

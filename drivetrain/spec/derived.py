"""What follows from a plan, as plain data for the other rooms."""

from typing import TYPE_CHECKING

from drivetrain.spec.levers import Lever, OptionsLever

if TYPE_CHECKING:
    from drivetrain.spec.formula import Formula
    from drivetrain.spec.plan import Spec

MEDIA = {
    "images": ("image",),
    "audio": ("audio",),
    "images+text": ("image",),
    "text": (),
    "table": (),
    "ratings": (),
    "series": (),
}


class Derived:
    """Facts that follow from one plan; each is computed when it is asked for."""

    def __init__(self, spec: "Spec") -> None:
        self.spec = spec

    def settings(self, lever: "str | Lever") -> list[str]:
        """Settings of an options lever: the declared ones, then further classes of `options_from`."""
        return list(self.costs(lever))

    def costs(self, lever: "str | Lever") -> dict[str, float]:
        """Cost of each setting of an options lever, in the order of `settings`."""
        lever = self.spec.lever(lever) if isinstance(lever, str) else lever
        if not isinstance(lever, OptionsLever):
            return {}
        costs = {name: option.cost for name, option in lever.options.items()}
        source = lever.options_from
        if source and source.outcome:
            outcome = next((s.outcomes[source.outcome] for s in self.spec.data if source.outcome in s.outcomes), None)
            for value in (outcome.values if outcome else None) or []:
                costs.setdefault(value, source.cost)
        return costs

    def expand(self, formula: str) -> "Formula":
        """A formula with its terms written out, constants left as names.

        Args:
            formula: Its text, or `value` for the objective's value.

        Raises:
            FormulaError: It does not parse, or terms refer to each other in a circle.
            MissingPartError: `value` was asked for and is absent or unknown.
        """
        from drivetrain.spec.formula import parse, substitute

        objective = self.spec.objective
        terms: dict[str, str] = dict(objective.terms) if objective else {}
        if formula == "value" or (objective and objective.value is not None):
            terms["value"] = self.spec.require("objective.value") if formula == "value" else objective.value  # type: ignore[union-attr,assignment]
        return substitute(parse(formula), terms)

    def model_data(self, name: str) -> str:
        """Source of a model's rows: the case table if it or its join holds the outcome, else that source."""
        model = self.spec.model(name)
        if model.data:
            return model.data
        own = self.spec.outcome_source((model.predicts or [""])[0])
        try:
            cases = self.spec.case_source
        except Exception:
            return own.name
        if own.name == cases.name or any(join.data == own.name for join in cases.join):
            return cases.name
        return own.name

    def model_inputs(self, name: str) -> list[str]:
        """What a model sees: as written, or the default of its task and then the levers that move its outcome."""
        model = self.spec.model(name)
        if model.inputs is not None:
            return model.inputs
        source = self.spec.source(self.model_data(name))
        levers = [
            lever
            for outcome in model.predicts or []
            for lever in self.spec.outcome(outcome).affected_by or []
            if lever != model.arms
        ]
        return list(dict.fromkeys([*self._default_inputs(model.task, source.name), *levers]))

    def _default_inputs(self, task: str, source_name: str) -> list[str]:
        source = self.spec.source(source_name)
        joined = [self.spec.source(join.data) for join in source.join if join.data]
        texts = [name for name, column in source.columns.items() if column.type == "text" and column.known == "before"]
        if task == "ratings":
            return [name for name in (source.ratings.user, source.ratings.item) if name] if source.ratings else []
        if task.startswith("image-text"):
            return ["image", *texts]
        if task.startswith("image"):
            return ["image"]
        if task.startswith("audio"):
            return ["audio"]
        if task.startswith("text"):
            return texts or ["text"]
        barred = {source.entity, source.time, source.weight, source.split.by, source.split.column}
        barred |= {
            column for join in source.join for column in ([join.on] if isinstance(join.on, str) else join.on or {})
        }
        outcomes = {outcome.column for s in [source, *joined] for outcome in s.outcomes.values()}
        columns = {name: column for s in [source, *joined] for name, column in s.columns.items()}
        return [
            name
            for name, column in columns.items()
            if column.role == "feature"
            and column.known == "before"
            and column.use == "both"
            and column.type not in ("id", "time", "path", "text")
            and name not in barred | outcomes
        ]

    def model_order(self) -> list[str]:
        """Names of the models, each after those whose outcomes it takes as inputs."""
        maker = {outcome: model.name for model in self.spec.models for outcome in model.predicts or []}
        order: list[str] = []

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in order or name in above:
                return
            for entry in self.spec.model(name).inputs or []:
                if entry in maker and maker[entry] != name:
                    visit(maker[entry], (*above, name))
            order.append(name)

        for model in self.spec.models:
            visit(model.name, ())
        return order

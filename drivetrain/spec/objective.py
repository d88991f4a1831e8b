"""The first part of a plan: what is wanted, in which unit, within which limits, and for whom it has consequences."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from drivetrain.spec.part import Agg, Dur, Expr, Name, Number, Part, Says, Text, doc, exactly_one

Line = Annotated[
    str,
    StringConstraints(pattern=r"^[^\S\r\n]*\S[^\r\n]*$", max_length=100),
    Says("one line of at most 100 characters"),
]

Slug = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64),
    Says("small letters and digits with single `-` between, a letter first, at most 64 characters"),
]


class Project(Part):
    """What the project is called and whose it is."""

    name: Line = doc("Name of the project: one line of at most 100 characters.", "Mail sorting")
    summary: Text | None = doc("One sentence for a list of projects.", "Route letters by district", default=None)
    owners: list[Text] = doc("People or teams who answer for the project.", ["sorting-team"], default=[])
    slug: Slug | None = doc("Name of the project's folder; made from `name` when absent.", "mail-sorting", default=None)


NEAR = 0.05
"""A figure that differs by no more than this share of itself is the same figure, rounded."""


class Measure(Part):
    """The one figure that says whether the project succeeds."""

    name: Text = doc("What is measured.", "handling cost")
    unit: Text | None = doc("Unit of the figure, per case.", "EUR/letter")
    direction: Literal["minimize", "maximize"] | None = doc("Which way is better.", "minimize")
    current: Number | None = doc("What it is today; `check` compares it with the data.", 0.30, default=None)
    target: Number | None = doc("What it should become.", 0.12, default=None)
    minimum_useful: Number | None = doc("Below this gain the project is not worth its cost.", 0.25, default=None)
    formula: Agg | None = doc(
        "How cases make up the figure; when absent, `mean(value)` to maximize and `-mean(value)` to minimize.",
        "-mean(value)",
        default=None,
    )

    def agrees(self, found: float, low: float, high: float) -> bool:
        """Whether a figure of today's policy, with its interval, is what the plan says it is, rounding allowed for."""
        if self.current is None or low <= self.current <= high:
            return True
        allowance = NEAR * abs(self.current)
        if self.target is not None and self.target != self.current:
            allowance = min(allowance, abs(self.target - self.current) / 4)
        return abs(found - self.current) <= allowance


class Constant(Part):
    """A number that the value refers to by name."""

    short = "value"

    value: Number | None = doc("The number.", 4.0)
    low: Number | None = doc("Lowest plausible number, for the sensitivity plot.", 2.5, default=None)
    high: Number | None = doc("Highest plausible number, for the sensitivity plot.", 6.0, default=None)
    unit: Text | None = doc("Unit of the number.", "EUR/letter", default=None)
    source: Text | None = doc("Where the number comes from.", "redelivery costing 2025", default=None)


class OverTime(Part):
    """How one period's value adds up over the horizon."""

    periods: Annotated[int, Field(ge=1, le=10_000)] | None = doc("Number of periods.", 5, unit="periods")
    every: Dur | None = doc("Length of a period.", "1 year")
    discount: Annotated[float, Field(gt=-1)] = doc("Discount per period.", 0.04, unit="share per period", default=0.0)
    continues: Expr = doc("Probability that the case lasts into the next period, in [0, 1].", "accept", default="1")
    next: dict[Name, Expr] = doc(
        "What columns and levers are in the next period, from what they are in this one.",
        {"tenure": "tenure + 1"},
        default={},
    )


class Constraint(Part):
    """A limit on a population figure: exactly one of `at_most` and `at_least`."""

    model_config = exactly_one("at_most", "at_least")

    name: Text = doc("What is limited.", "misrouted share")
    measure: Agg | None = doc("The figure, a population formula.", "mean(misrouted)")
    at_most: Number | None = doc("Upper limit.", 0.01, default=None)
    at_least: Number | None = doc("Lower limit.", 0.18, default=None)
    by: list[Name] = doc("Must hold in each group of a column, or for each setting of a lever.", ["depot"], default=[])
    hard: bool = doc("Whether a policy that breaks it is refused.", True, default=True)

    @model_validator(mode="after")
    def _one_limit(self) -> "Constraint":
        limits = [key for key in ("at_most", "at_least") if getattr(self, key) is not None or key in self.unknown]
        if len(limits) != 1:
            raise ValueError("needs exactly one of `at_most` and `at_least`")
        return self


class Proxy(Part):
    """A figure that is measured in place of what is meant."""

    name: Text = doc("What is measured instead.", "label from a search word")
    measure: Agg | None = doc("The figure, a population formula.", "mean(clicked)", default=None)
    link: Text | None = doc("Why it moves with what is meant.", "clicks led to 8 of 10 sales in 2025")


class Affected(Part):
    """People for whom the decisions have consequences."""

    who: Text | None = doc("Who they are.", "recipients")
    how: Text = doc("What happens to them.", "late mail")
    recourse: Text | None = doc("What they can do about it.", "redelivery within a day", default=None)


class Objective(Part):
    """What is wanted, before any lever, data or model."""

    statement: Text | None = doc(
        "The aim in one or two sentences, in the words of those who want it.", "Route letters …"
    )
    measure: Measure | None = doc("The one figure that says whether the project succeeds.", default=None)
    horizon: Dur | None = doc("How long after the decision its consequences count.", "30 days", default=None)
    constants: dict[Name, Constant] = doc("Numbers that the formulas refer to.", {"wrong_bin": 4.0}, default={})
    terms: dict[Name, Expr] = doc("Named formulas; no cycles.", {"misrouted": "bin != digit"}, default={})
    value: Expr | None = doc(
        "Value of one case in one period; more is better. Describes what happens, never a gain.",
        "-cost(bin) - wrong_bin * misrouted",
        default=None,
    )
    over_time: OverTime | None = doc("How value adds up over several periods.", default=None)
    guardrails: list[Constraint] = doc(
        "Limits that must hold: obeyed by the optimizer, audited and monitored.",
        [{"name": "misrouted share", "measure": "mean(misrouted)", "at_most": 0.01}],
        default=[],
    )
    proxies: list[Proxy] = doc("Figures measured in place of what is meant.", default=[])
    affected: list[Affected] = doc("Who feels the decisions.", default=[])
    if_it_works_really_well: Text | None = doc(
        "What the world looks like if it works really, really well.", "Manual desks close.", default=None
    )


class Batch(Part):
    """Cases that are decided together."""

    every: Dur | None = doc("How often a batch is decided.", "1 day")
    cases: Annotated[int, Field(ge=1)] | None = doc("Cases in a batch; scales `sum(…)`.", 40000, unit="cases")


class Decision(Part):
    """What is decided, by whom, when, and for how many cases at a time."""

    unit: Text | None = doc("What one decision is about; the source's unit when absent.", "letter", default=None)
    cases: Name | None = doc(
        "The source whose rows are the cases; the only source when absent.", "letters", default=None
    )
    who: Text | None = doc("Who or what acts.", "sorting line", default=None)
    when: Text | None = doc("When it is decided.", "each letter", default=None)
    mode: Literal["automate", "assist"] = doc("Whether a person stands in between.", "automate", default="assist")
    batch: Batch | None = doc("Cases decided together.", {"every": "1 day", "cases": 40000}, default=None)

"""The second part: what can be changed, within which limits, at what cost, and how it was changed so far."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from drivetrain.spec.part import Expr, Name, Number, Part, Says, Text, doc

Setting = Annotated[str, StringConstraints(pattern=r"\S"), Says("the name of a setting")]


class FormulaPolicy(Part):
    """A policy that computes the setting, or for a ranking the score."""

    formula: Expr | None = doc(
        "The setting of each case; an outcome's name means its prediction.", "where(age > 9, 'a', 'b')"
    )


class ColumnPolicy(Part):
    """A policy that reads the setting from a column."""

    column: Name | None = doc("Column that holds the setting.", "first_queue")


class MostLikely(Part):
    """A policy that acts on the likeliest class, or the mean, as if it were certain."""

    most_likely: Name | None = doc("The outcome whose likeliest class is the setting.", "digit")


class Confident(Part):
    """`most_likely` where the model is confident enough, a fixed setting elsewhere."""

    confident: Name | None = doc("The outcome whose likeliest class is the setting where it is sure enough.", "digit")
    at_least: Annotated[float, Field(ge=0, le=1)] | None = doc(
        "Probability from which the likeliest class is sure enough.", 0.5, unit="probability"
    )
    otherwise: Setting | float | None = doc(
        "The setting where no class is sure enough, written `else`.", "manual", alias="else"
    )


Policy = FormulaPolicy | ColumnPolicy | MostLikely | Confident | str | float


class Policies(Part):
    """Policies that every report compares with the optimized one."""

    do_nothing: Policy | None = doc("What happens when nobody acts.", "manual", default=None)
    today: Policy | None = doc("What is done today.", {"column": "first_queue"}, default=None)
    simple_rule: Policy | None = doc(
        "A rule that one could write in an afternoon.", {"most_likely": "digit"}, default=None
    )
    fallback: Policy | None = doc("What is done out of domain; `do_nothing` when absent.", "manual", default=None)


class History(Part):
    """How the lever was set in the data."""

    kind: Literal["randomised", "rule", "human", "constant", "never"] = doc("How settings came about.", "randomised")
    data: Name | None = doc("Source that logged the settings.", "customers", default=None)
    column: Name | None = doc("Column of the setting that was used.", "offered", default=None)
    propensity: Name | Number | None = doc(
        "Probability of the setting that was used (a range: density per unit of the lever): a column or a number.",
        "p_offered",
        default=None,
    )
    rows: Expr = doc("Rows in which the lever was set this way.", "test_cell", default="True")


class Option(Part):
    """One setting of an options lever."""

    cost: Number = doc("Cost of choosing it, in the value's unit.", 0.3, default=0.0)
    means: Text | None = doc("What choosing it does.", "a clerk reads the address", default=None)


class OptionsFrom(Part):
    """One setting per class of an outcome."""

    outcome: Name | None = doc("The outcome whose classes are settings.", "digit")
    cost: Number = doc("Cost of choosing one of them, in the value's unit.", 0.02, default=0.0)


_LISTED = "a list of settings, or settings with their cost and meaning"


def _options(value: Any) -> Any:
    """A list of settings as a mapping, so that code meets one form."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value) and len(set(value)) == len(value):
        return {item: {} for item in value}
    return value


class _Lever(Part):
    name: Name = doc("Name of the lever, as formulas use it.", "bin")
    type: str = doc("What kind of setting it has.", "options")
    owner: Text | None = doc("Who may pull it.", "line manager", default=None)
    reversible: bool | None = doc("Whether a wrong setting can be taken back.", True, default=None)
    unit: Text | None = doc("Unit of the setting.", "EUR/year", default=None)
    limits: list[Expr] = doc(
        "What may be chosen: truth values per case and setting, all of which must hold.",
        ["(offer == 'nothing') | phone_consent"],
        default=[],
    )
    policies: Policies = doc("Policies to compare with.", default=Policies)
    history: History | None = doc("How the lever was set in the data.", {"kind": "never"}, default=None)


class OptionsLever(_Lever):
    """A choice among named settings."""

    brief = frozenset({"options"})
    first = ("name", "type", "options", "options_from")

    type: Literal["options"] = doc("A choice among named settings.", "options")
    options: Annotated[dict[Setting, Option], BeforeValidator(_options), Says(_LISTED, **{"x-listed": True})] = doc(
        "The settings, a list of names or names with their cost and meaning.", ["on", "off"], default={}
    )
    options_from: OptionsFrom | None = doc(
        "Further settings: one per class of an outcome.", {"outcome": "digit"}, default=None
    )


class _Numeric(_Lever):
    first = ("name", "type", "minimum", "maximum", "step", "cost")

    minimum: Number | None = doc("Lowest setting.", 180)
    maximum: Number | None = doc("Highest setting.", 2400)
    step: Annotated[float, Field(gt=0)] | Literal["none"] = doc(
        "Distance of the settings from each other, or `none` for any number in between.", 1, default=1.0
    )
    cost: Expr = doc("Cost of a setting, a case formula.", "0.1 * price", default="0")


class IntegerLever(_Numeric):
    """A whole number."""

    type: Literal["integer"] = doc("A whole number.", "integer")


class RangeLever(_Numeric):
    """A number within limits."""

    type: Literal["range"] = doc("A number within limits.", "range")


class RankingLever(_Lever):
    """An order of items, or of the cases themselves."""

    first = ("name", "type", "of", "slots", "attention")

    type: Literal["ranking"] = doc("An order of items, or of the cases themselves.", "ranking")
    of: Name | None = doc("`cases`, or the source whose rows are ranked.", "books")
    slots: Annotated[int, Field(ge=1)] | None = doc("Number of places; all items when absent.", 5, default=None)
    attention: list[Annotated[float, Field(ge=0)]] | None = doc(
        "Weight of each place; all 1 when absent.", [1.0, 0.8, 0.65], default=None
    )


Lever = OptionsLever | IntegerLever | RangeLever | RankingLever


class Uncontrollable(Part):
    """Something that moves the outcome and that nobody here can set."""

    name: Text = doc("What it is.", "rival prices")
    column: Name | None = doc("Column that records it.", "rival_price", default=None)

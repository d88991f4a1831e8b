"""The third part: what the data are, where they lie or how they are collected, and what may be done with them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivetrain.spec.part import Agg, Day, Dur, Expr, Name, Number, Part, Text, doc, exactly_one

ColumnType = Literal["number", "integer", "boolean", "category", "id", "time", "text", "path", "image", "audio"]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Column(Part):
    """A column that formulas, models and audits may use."""

    short = "type"

    type: ColumnType = doc("What its values are.", "number")
    unit: Text | None = doc("Unit of its values.", "EUR/year", default=None)
    values: list[Text] | None = doc("The values that a category can take.", ["north", "south"], default=None)
    minimum: Number | None = doc("Lowest possible value.", 0, default=None)
    maximum: Number | None = doc("Highest possible value.", 120, default=None)
    known: Literal["before", "after"] = doc("Whether it is known before the decision.", "before", default="before")
    known_at: Name | None = doc("Time column: when its value became known.", "entered_at", default=None)
    sensitive: bool = doc("Whether it needs protection (health, origin, age …).", True, default=False)
    use: Literal["both", "audit"] = doc("`audit`: never a model's input.", "audit", default="both")
    role: Literal["feature", "logged"] = doc(
        "`logged`: a record of what was done, never an input.", "logged", default="feature"
    )


class Outcome(Part):
    """What is found out later, and what models predict."""

    column: Name | None = doc("Column of the source that holds it.", "folder")
    type: Literal["binary", "number", "labels", "mask", "category"] = doc(
        "What it is; `category` when `values` are given.", "binary", default="category"
    )
    values: list[Text] | None = doc("Its classes or labels.", ["black", "grizzly", "none"], default=None)
    unit: Text | None = doc("Unit of a number.", "EUR/year", default=None)
    minimum: Number | None = doc("Lowest possible number.", 0, default=None)
    maximum: Number | None = doc("Highest possible number.", 100000, default=None)
    delay: Dur = doc("How long after the decision it is known.", "30 days", default="0 days")
    affected_by: list[Name] | None = doc("Levers that change it; `[]` claims that none does.", ["price"])
    shaped_by: list[Name] = doc("Levers whose past settings formed the label itself.", ["queue"], default=[])
    observed_when: Expr = doc("Rows in which it was observed.", "accept", default="True")
    event: Name | None = doc("Column that says whether it ended (false: censored).", "ended", default=None)
    bins: list[Number] | None = doc("Edges that turn a number into ordered classes.", [0, 10, 100], default=None)
    noise: Text | None = doc("What makes the label wrong, and how often.", "tired annotators", default=None)


class Ratings(Part):
    """Who rated what."""

    user: Name | None = doc("Column of the user.", "user")
    item: Name | None = doc("Column of the item.", "isbn")


class Join(Part):
    """Columns that another source adds to each row."""

    data: Name | None = doc("The other source.", "books")
    on: Name | dict[Name, Name] | None = doc("Column in both, or column here: column there.", "isbn")
    how: Literal["left", "inner"] = doc("Whether rows without a match stay.", "left", default="left")
    as_of: Name | None = doc("Time column there: take only rows before this row's time.", "recorded_at", default=None)
    window: Dur | None = doc("How far back `as_of` looks.", "90 days", default=None)


class Split(Part):
    """Which rows train, which validate, and which are kept for the test."""

    by: Name | None = doc(
        "`random`, `entity`, `time` or a column whose values stay together; "
        "when absent `entity` if one is named, else `random`.",
        "entity",
        default=None,
    )
    validation: Fraction = doc("Share of the rows to validate on.", 0.2, unit="share", default=0.2)
    test: Fraction = doc("Share of the rows that only the last judgement sees.", 0.2, unit="share", default=0.2)
    hold_out: dict[Name, list[str | float | bool]] = doc(
        "Values of a column whose rows are held out whole.", {"depot": ["north"]}, default={}
    )
    seed: int = doc("Seed of the draw.", 42, default=42)
    column: Name | None = doc("Column that says train, validation or test itself.", "part", default=None)

    @model_validator(mode="after")
    def _leaves_rows(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError("`validation` and `test` leave nothing to train on")
        return self


class Rights(Part):
    """What may be done with the data."""

    licence: Text | None = doc("Licence of the data.", "CC BY 4.0")
    personal: bool | None = doc("Whether they are about people.", False)
    consent: Text | None = doc("On which ground people's data are used.", "contract", default=None)
    retention: Dur | None = doc("When they must be deleted.", "2 years", default=None)


class Collected(Part):
    """How the data came about."""

    how: Text = doc("By which instrument or process.", "scanner at depot 3")
    from_: Day | None = doc("First day, written `from`.", "2025-01-01", default=None, alias="from")
    to: Day | None = doc("Last day.", "2025-06-30", default=None)


class Needs(Part):
    """How much data the plan needs."""

    rows: Positive | None = doc("Rows in all.", 20000, unit="rows", default=None)
    per_class: Positive | None = doc("Rows of each class.", 100, unit="rows", default=None)
    per_setting: Positive | None = doc("Rows of each setting of a lever.", 2000, unit="rows", default=None)
    per_group: Positive | None = doc("Rows of each group.", 100, unit="rows", default=None)
    events: Positive | None = doc("Rows in which the rarer outcome happened.", 500, unit="rows", default=None)
    max_age: Dur | None = doc("How old the newest row may be.", "90 days", default=None)


class Annotate(Part):
    """What people add to collected files."""

    columns: list[Name] | None = doc("Columns to fill in.", ["skin_tone"], default=None)
    by: Text | None = doc("Who annotates.", "two dermatologists", default=None)
    scale: Text | None = doc("On which scale.", "Monk 10", default=None)


class ImageSearch(Part):
    """Images found by search words."""

    how: Literal["image-search"] = doc("Images found by search words.", "image-search")
    queries: dict[Text, list[Text]] | None = doc("Search words for each class.", {"healthy": ["skin", "arm"]})
    per_query: Positive | None = doc("Images for each search word.", 300, unit="images")
    licences: list[Text] | None = doc("Licences that are accepted.", ["cc0", "by"])
    annotate: Annotate | None = doc("What people add.", default=None)


class Labelling(Part):
    """Labels that people give."""

    how: Literal["labelling"] = doc("Labels that people give.", "labelling")
    items: Text | None = doc("What is labelled.", "data/unlabelled/*.jpg")
    labellers: Positive | None = doc("People per item.", 3, unit="people")
    guideline: Text | None = doc("Where the rules of labelling stand.", "docs/labelling.md", default=None)
    agreement: Share | None = doc("Agreement to reach between labellers.", 0.8, unit="share", default=None)


class UrlList(Part):
    """Files behind a list of addresses."""

    how: Literal["url-list"] = doc("Files behind a list of addresses.", "url-list")
    file: Text | None = doc("The list: one address a line, or a CSV file with a column `url`.", "urls.csv")


class Experiment(Part):
    """Settings of a lever given by lot, to learn what the lever does."""

    how: Literal["experiment"] = doc("Settings of a lever given by lot.", "experiment")
    lever: Name | None = doc("The lever.", "offer")
    unit: Text | None = doc("What is drawn by lot: a customer, a store, a day.", "customer")
    arms: dict[Text, Share] | None = doc("Share of each setting.", {"nothing": 0.5, "call": 0.5})
    size: Positive | None = doc("Units in the experiment.", 20000, unit="units")
    stop: Text | None = doc("When it ends.", "after 90 days")
    harm_limit: Agg | None = doc("Population formula that stops the experiment when true.", "mean(complained) > 0.05")
    at_harm: Text | None = doc("What is done then.", "everybody gets nothing", default=None)


Collect = Annotated[ImageSearch | Labelling | UrlList | Experiment, Field(discriminator="how")]


class Source(Part):
    """One source of data; every source is a table."""

    model_config = exactly_one("location", "collect")

    name: Name = doc("Name of the source.", "letters")
    kind: Literal["images", "audio", "text", "table", "ratings", "images+text", "series"] = doc(
        "What it holds.", "images"
    )
    unit: Text | None = doc("What one row or file is.", "one letter", default=None)
    location: Text | None = doc("Path, glob or address, relative to this file.", "data/letters", default=None)
    collect: Collect | None = doc("How data that are not there yet are collected.", default=None)
    filename: Text | None = doc(
        "Regular expression searched in the path below `location`; its named groups become columns.",
        r"(?P<depot>[a-z]+)-\d+\.png",
        default=None,
    )
    columns: dict[Name, Column] = doc("Columns that are used.", {"age": "number"}, default={})
    outcomes: dict[Name, Outcome] = doc("What is found out later.", default={})
    ratings: Ratings | None = doc("Who rated what (`kind: ratings`).", {"user": "user", "item": "isbn"}, default=None)
    entity: Name | None = doc(
        "Column of what rows belong to (a customer); stays on one side of the split.", "customer_id", default=None
    )
    time: Name | None = doc("Column of the time of the decision.", "quoted_at", default=None)
    weight: Name | None = doc("Column of the rows' weights; all 1 when absent.", "inverse_sampling", default=None)
    groups: list[Name] = doc("Columns to audit by.", ["depot"], default=[])
    join: list[Join] = doc("Sources that add columns.", default=[])
    split: Split = doc("Which rows train, validate and test.", default=Split)
    rights: Rights | None = doc("What may be done with the data.", default=None)
    collected: Collected | None = doc("How the data came about.", default=None)
    owner: Text | None = doc("Who answers for the data.", "CRM team", default=None)
    refresh: Dur | None = doc("How often new data come.", "1 week", default=None)
    needs: Needs = doc("How much data the plan needs.", default=Needs)

    @model_validator(mode="after")
    def _place(self) -> "Source":
        given = [key for key in ("location", "collect") if getattr(self, key) is not None or key in self.unknown]
        if len(given) != 1:
            raise ValueError("needs exactly one of `location` and `collect`")
        return self

"""Ways to break a coherent plan, as plain data: for each rule, changes that break it and as little else as can be.

A mutation takes a random source and a plan, changes the plan, and says whether it could. What it needs and the plan
lacks (a lever that moves an outcome, a guardrail) makes it inapplicable, which is no failure of the rule.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Plan = dict[str, Any]
Mutation = Callable[[random.Random, Plan], bool]
MUTATIONS: dict[str, list[Mutation]] = {}


def breaks(rule: str) -> Callable[[Mutation], Mutation]:
    """Register a mutation as one that breaks this rule."""

    def register(mutation: Mutation) -> Mutation:
        MUTATIONS.setdefault(rule, []).append(mutation)
        return mutation

    return register


def drops(rule: str, *path: str) -> None:
    """Register the removal of what stands at a path; `*` is any item."""

    def mutation(r: random.Random, plan: Plan) -> bool:
        here: Any = plan
        for step in path[:-1]:
            if step == "*":
                here = r.choice(here) if here else None
            else:
                here = here.get(step) if isinstance(here, dict) else None
            if here is None:
                return False
        return isinstance(here, dict) and here.pop(path[-1], None) is not None

    breaks(rule)(mutation)


def cases(plan: Plan) -> Plan:
    """The source of the cases."""
    name = plan.get("decision", {}).get("cases")
    return next(source for source in plan["data"] if name in (None, source["name"]))


def personal(plan: Plan) -> bool:
    return bool(cases(plan).get("rights", {}).get("personal"))


def moved(plan: Plan) -> list[tuple[Plan, str, Plan]]:
    """Source, name and part of each outcome that a lever moves."""
    return [
        (source, name, outcome)
        for source in plan["data"]
        for name, outcome in source.get("outcomes", {}).items()
        if outcome.get("affected_by")
    ]


def history(plan: Plan) -> Plan | None:
    """The history of a lever that moves an outcome."""
    names = {lever for _, _, outcome in moved(plan) for lever in outcome["affected_by"]}
    return next((lever["history"] for lever in plan["levers"] if lever["name"] in names), None)


def add_outcome(plan: Plan, r: random.Random) -> str:
    """An outcome that no model predicts."""
    name = f"extra_{r.choice(['harm', 'delay', 'waste'])}"
    cases(plan).setdefault("outcomes", {})[name] = {"column": f"{name}_seen", "type": "binary", "affected_by": []}
    return name


def add_lever(plan: Plan, **fields: Any) -> None:
    plan["levers"].append({"owner": "somebody", **fields})


# ---- objective -------------------------------------------------------------------------------------------------------


@breaks("DT101")
def _speaks_of_a_model(r: random.Random, plan: Plan) -> bool:
    starts = ("Predict well: ", "Train a model: ", "With machine learning, ", "Raise the accuracy. ", "Use AI. ")
    plan["objective"]["statement"] = r.choice(starts) + plan["objective"]["statement"]
    return True


@breaks("DT101")
def _judges_a_model(r: random.Random, plan: Plan) -> bool:
    plan["objective"]["measure"]["name"] = r.choice(["accuracy", "AUC of the model", "F1", "recall", "error rate"])
    return True


drops("DT102", "objective", "measure")


@breaks("DT103")
def _turns_round(r: random.Random, plan: Plan) -> bool:
    measure = plan["objective"]["measure"]
    if r.random() < 0.5:
        measure["direction"] = {"minimize": "maximize", "maximize": "minimize"}[measure["direction"]]
    else:
        measure["current"], measure["target"] = measure["target"], measure["current"]
    return True


drops("DT104", "objective", "measure", "current")


@breaks("DT105")
def _asks_the_impossible(r: random.Random, plan: Plan) -> bool:
    used = plan["project"]["slug"] in (
        "mail-sorting",
        "clinic-triage",
        "bear-warning",
        "skin-screening",
        "product-listing",
    )
    plan["objective"]["measure"]["target"] = -r.uniform(0.01, 100)  # less than nothing
    return used


@breaks("DT106")
def _forgets_a_cost(r: random.Random, plan: Plan) -> bool:
    value = plan["objective"]["value"]
    for lever in plan["levers"]:
        if f"cost({lever['name']})" in value:
            plan["objective"]["value"] = value.replace(f"cost({lever['name']})", "0")
            return True
        if lever["type"] == "options":
            options = lever["options"]
            names = options if isinstance(options, list) else list(options)
            dear = r.choice(names)
            lever["options"] = {name: {"cost": r.uniform(0.1, 9) if name == dear else 0} for name in names}
            return True
        if lever["type"] in ("range", "integer"):
            lever["cost"] = f"{r.uniform(0.1, 2):.2f} * {lever['name']}"
            return True
    return False


@breaks("DT107")
def _guards_what_nobody_foresees(r: random.Random, plan: Plan) -> bool:
    name = add_outcome(plan, r)
    measure = r.choice([f"mean({name})", f"mean({name} * 2)", f"1 - mean({name})"])
    plan["objective"].setdefault("guardrails", []).append({"name": "extra", "measure": measure, "at_most": 0.1})
    return True


@breaks("DT108")
def _links_nothing(r: random.Random, plan: Plan) -> bool:
    link = r.choice(
        ["n/a", "none", "obvious", "-", "?", "same", {"unknown": "Does it?", "owner": "me", "due": "2027-01-01"}]
    )
    plan["objective"]["proxies"] = [{"name": "clicks", "link": link}]
    return True


@breaks("DT108")
def _takes_the_search_word_for_the_truth(r: random.Random, plan: Plan) -> bool:
    source = cases(plan)
    if source.get("collect", {}).get("how") != "image-search":
        return False
    source["outcomes"]["condition"]["column"] = "query"
    del plan["objective"]["proxies"]
    return True


drops("DT109", "objective", "affected")


@breaks("DT109")
def _names_nobody(r: random.Random, plan: Plan) -> bool:
    plan["objective"]["affected"] = []
    return personal(plan)


drops("DT110", "objective", "affected", "*", "recourse")


@breaks("DT110")
def _offers_nothing(r: random.Random, plan: Plan) -> bool:
    r.choice(plan["objective"]["affected"])["recourse"] = r.choice(["none", "n/a", "-", "no"])
    return True


drops("DT111", "objective", "if_it_works_really_well")


@breaks("DT112")
def _counts_other_periods(r: random.Random, plan: Plan) -> bool:
    over = plan["objective"].get("over_time")
    if over is None:
        return False
    if r.random() < 0.5:
        over["periods"] = r.choice([1, 2, 3, 4, 6, 8, 60])
    else:
        over["every"] = r.choice(["1 month", "2 years", "1 week"])
    return True


drops("DT113", "objective", "guardrails")


@breaks("DT114")
def _sees_no_end(r: random.Random, plan: Plan) -> bool:
    return plan["objective"].pop("horizon", None) is not None and "over_time" not in plan["objective"]


@breaks("DT115")
def _writes_a_wish(r: random.Random, plan: Plan) -> bool:
    objective = plan["objective"]
    name = r.choice(["uplift", "expected_gain", "effect_of_call", "saved"])
    objective.setdefault("constants", {})[name] = {"value": r.uniform(0.1, 9)}
    objective["value"] += f" + {name}"
    return True


@breaks("DT115")
def _writes_a_share(r: random.Random, plan: Plan) -> bool:
    numbers = [
        name for s in plan["data"] for name, o in s.get("outcomes", {}).items() if o.get("type") in ("binary", "number")
    ]
    options = [lever for lever in plan["levers"] if lever["type"] == "options"]
    if not numbers or not options:
        return False
    lever = r.choice(options)
    setting = r.choice(list(lever["options"]))
    share = f"(1 - {r.uniform(0.1, 0.9):.2f} * ({lever['name']} == '{setting}'))"
    plan["objective"]["value"] += f" - {r.choice(numbers)} * {share}"
    return True


# ---- levers ----------------------------------------------------------------------------------------------------------


@breaks("DT201")
def _pulls_nothing(r: random.Random, plan: Plan) -> bool:
    if r.random() < 0.5:
        add_lever(plan, name="idle", type="options", options=["a", "b"])
    else:
        add_lever(plan, name="idle", type="integer", minimum=0, maximum=r.randint(1, 9))
    return True


drops("DT202", "levers", "*", "owner")


@breaks("DT203")
def _leaves_no_choice(r: random.Random, plan: Plan) -> bool:
    number = r.randint(0, 9)
    if r.random() < 0.5:
        add_lever(plan, name="only", type="options", options=["this"])
    else:
        add_lever(plan, name="only", type="range", minimum=number, maximum=number)
    return True


@breaks("DT204")
def _cannot_after_all(r: random.Random, plan: Plan) -> bool:
    lever = r.choice(plan["levers"])
    entry = {"name": r.choice([lever["name"], lever["name"].title(), f"{lever['name']}s".replace("_", " ")])}
    if "column" in lever.get("history", {}) and r.random() < 0.3:
        entry = {"name": "something else", "column": lever["history"]["column"]}
    plan.setdefault("uncontrollable", []).append(entry)
    return True


@breaks("DT205")
def _never_moved(r: random.Random, plan: Plan) -> bool:
    past = history(plan)
    if past is None:
        source = cases(plan)
        lever = plan["levers"][0]
        if lever["history"]["kind"] not in ("constant", "never"):
            return False
        next(iter(source["outcomes"].values()))["affected_by"] = [lever["name"]]
        return True
    past["kind"] = r.choice(["constant", "never"])
    return True


@breaks("DT205")
def _does_not_say_how_it_was_set(r: random.Random, plan: Plan) -> bool:
    names = {lever for _, _, outcome in moved(plan) for lever in outcome["affected_by"]}
    for lever in plan["levers"]:
        if lever["name"] in names:
            del lever["history"]
            return True
    return False


@breaks("DT206")
def _people_chose(r: random.Random, plan: Plan) -> bool:
    past = history(plan)
    if past is None:
        return False
    past["kind"] = r.choice(["human", "rule"])
    return True


@breaks("DT207")
def _plans_beyond_what_was_seen(r: random.Random, plan: Plan) -> bool:
    for lever in plan["levers"]:
        name = lever.get("history", {}).get("column")
        column = next((s["columns"][name] for s in plan["data"] if name in s.get("columns", {})), None)
        if not isinstance(column, dict):
            continue
        if lever["type"] == "range":
            key, sign = r.choice([("minimum", 1), ("maximum", -1)])
            column[key] = lever[key] + sign * r.uniform(1, 400)
            return True
        if "values" in column and len(column["values"]) > 1:
            column["values"].remove(r.choice(column["values"]))
            return True
    return False


drops("DT208", "levers", "*", "policies", "today")
drops("DT209", "levers", "*", "policies", "simple_rule")
drops("DT209", "levers", "*", "policies", "do_nothing")


@breaks("DT210")
def _cannot_be_undone(r: random.Random, plan: Plan) -> bool:
    r.choice(plan["levers"])["reversible"] = False
    plan["decision"]["mode"] = "automate"
    plan["deployment"]["guards"].pop("confirm", None)
    return True


@breaks("DT211")
def _has_nothing_to_fall_back_on(r: random.Random, plan: Plan) -> bool:
    policies = r.choice(plan["levers"])["policies"]
    policies.pop("fallback", None)
    policies.pop("do_nothing", None)
    return True


@breaks("DT212")
def _turns_a_knob_of_the_model(r: random.Random, plan: Plan) -> bool:
    name = r.choice(
        ["threshold", "cutoff", "confidence", "learning_rate", "risk_score", "architecture", "min_threshold"]
    )
    add_lever(plan, name=name, type="options", options=["low", "high"])
    return True


@breaks("DT213")
def _never_and_yet_today(r: random.Random, plan: Plan) -> bool:
    for lever in plan["levers"]:
        if isinstance(lever["policies"].get("today"), dict) and "column" in lever["policies"]["today"]:
            lever["history"]["kind"] = r.choice(["never", "constant"])
            return True
    return False


@breaks("DT214")
def _queues_without_a_length(r: random.Random, plan: Plan) -> bool:
    plan["decision"].pop("batch", None)
    add_lever(plan, name="turn", type="ranking", of="cases")
    return True


@breaks("DT215")
def _ranks_two_things_at_once(r: random.Random, plan: Plan) -> bool:
    plan["decision"]["batch"] = {"every": "1 day", "cases": r.randrange(10, 300)}
    for number in range(sum(lever["type"] == "ranking" for lever in plan["levers"]), 2):
        add_lever(plan, name=f"turn_{number}", type="ranking", of="cases")
    return True


@breaks("DT215")
def _sets_a_lever_anew_for_each_item(r: random.Random, plan: Plan) -> bool:
    order = next((lever for lever in plan["levers"] if lever["type"] == "ranking" and lever["of"] != "cases"), None)
    if order is None:
        return False
    items = next(source for source in plan["data"] if source["name"] == order["of"])
    numbers = [
        name
        for name, column in items["columns"].items()
        if (column if isinstance(column, str) else column["type"]) in ("number", "integer")
    ]
    if not numbers or any(lever["name"] == "parcel" for lever in plan["levers"]):
        return False
    add_lever(plan, name="parcel", type="options", options=["small", "large"])
    rule = {"formula": f"where({r.choice(numbers)} > {r.randrange(1, 9)}, 'large', 'small')"}
    plan["levers"][-1]["policies"] = {"do_nothing": "small", "today": rule, "simple_rule": "small"}
    return True


@breaks("DT216")
def _pays_for_the_parcel_once_for_each_book(r: random.Random, plan: Plan) -> bool:
    if not any(lever["type"] == "ranking" and lever["of"] != "cases" for lever in plan["levers"]):
        return False
    if any(lever["name"] == "parcel" for lever in plan["levers"]):
        return False
    add_lever(plan, name="parcel", type="options", options=["small", "large"])
    plan["objective"]["value"] += r.choice([" - cost(parcel)", " - where(parcel == 'large', 2, 1)"])
    return True


# ---- data ------------------------------------------------------------------------------------------------------------


@breaks("DT301")
def _sees_the_future(r: random.Random, plan: Plan) -> bool:
    tables = [model for model in plan["models"] if model["task"].startswith("table")]
    if not tables:
        return False
    model = r.choice(tables)
    if r.random() < 0.5:
        name = add_outcome(plan, r)
    else:
        name = r.choice(["final_state", "exit_code", "closed_by", "result", "after_care", "cancel_label"])
        cases(plan).setdefault("columns", {})[name] = {"type": "category", "values": ["a", "b"]}
    model["inputs"] = [name, *(entry for entry in model.get("inputs", []) if entry != name)]
    if len(model["inputs"]) == 1 and not model.get("arms"):
        model["inputs"] += [
            lever for _, o, part in moved(plan) if o == model["predicts"] for lever in part["affected_by"]
        ]
    return True


@breaks("DT302")
def _joins_the_future(r: random.Random, plan: Plan) -> bool:
    source = cases(plan)
    if "time" not in source:
        return False
    extra = {
        "name": "extra_log",
        "kind": "table",
        "unit": "one line",
        "location": "data/extra.csv",
        "time": "logged_at",
        "columns": {"person": "id", "lines": "number"},
        "rights": {"licence": "own", "personal": False},
    }
    plan["data"].append(extra)
    source.setdefault("join", []).append({"data": "extra_log", "on": "person", "how": r.choice(["left", "inner"])})
    return True


@breaks("DT303")
def _claims_too_much(r: random.Random, plan: Plan) -> bool:
    there = moved(plan)
    if there:
        r.choice(there)[2]["affected_by"] = []
        used = {"churned", "complained", "accept", "renew", "buy"}
        return any(name in used and not outcome["affected_by"] for _, name, outcome in there)
    outcome = next(iter(cases(plan)["outcomes"].values()))
    outcome["delay"] = r.choice(["1 day", "30 days", "1 year"])
    return True


@breaks("DT304")
def _feeds_on_itself(r: random.Random, plan: Plan) -> bool:
    plan["deployment"].pop("exploration", None)
    plan["maintenance"].pop("feedback_loop", None)
    if not moved(plan):
        next(iter(cases(plan)["outcomes"].values()))["shaped_by"] = [plan["levers"][0]["name"]]
    return True


@breaks("DT305")
def _has_no_ground(r: random.Random, plan: Plan) -> bool:
    people = [source for source in plan["data"] if source.get("rights", {}).get("personal")]
    if people and r.random() < 0.5:
        del r.choice(people)["rights"]["consent"]
        return True
    source = cases(plan)
    source.setdefault("columns", {})["origin"] = {"type": "category", "sensitive": True, "use": "audit"}
    if r.random() < 0.5:
        del source["rights"]
    else:
        source["rights"]["personal"] = False
    return True


@breaks("DT306")
def _looks_at_nobody(r: random.Random, plan: Plan) -> bool:
    source = cases(plan)
    if source.get("collect", {}).get("how") != "image-search":
        if source["kind"] != "images":
            return False
        source.pop("location")
        values = next(iter(source["outcomes"].values()))["values"]
        source["collect"] = {
            "how": "image-search",
            "queries": {value: [value] for value in values},
            "per_query": 9,
            "licences": ["cc0"],
        }
        return True
    what = r.choice(["annotate", "groups", "needs"])
    if what == "annotate":
        source["collect"]["annotate"] = {"columns": [], "by": "nobody"}
    elif what == "groups":
        source["groups"] = []
    else:
        del source["needs"]["per_group"]
    return True


@breaks("DT307")
def _decides_on_something_else(r: random.Random, plan: Plan) -> bool:
    plan["decision"]["unit"] = r.choice(["galaxy", "warehouse shelf", "school class", "parliament"])
    return True


@breaks("DT308")
def _knows_too_late(r: random.Random, plan: Plan) -> bool:
    used = {
        "bear",
        "species",
        "buy",
        "churned",
        "complained",
        "malignant",
        "accept",
        "renew",
        "claims",
        "digit",
        "kind",
        "condition",
        "team",
    }
    names = [(s, name) for s in plan["data"] for name in s.get("outcomes", {}) if name in used]
    source, name = r.choice(names)
    source["outcomes"][name]["delay"] = r.choice(["11 years", "500 weeks"])
    return True


@breaks("DT309")
def _looks_at_no_group(r: random.Random, plan: Plan) -> bool:
    source = cases(plan)
    if r.random() < 0.5 and personal(plan):
        source["groups"] = []
        for limit in plan["objective"].get("guardrails", []):
            limit.pop("by", None)
        return True
    source.setdefault("columns", {})["faith"] = {"type": "category", "sensitive": True, "use": "audit"}
    return True


@breaks("DT310")
def _splits_families(r: random.Random, plan: Plan) -> bool:
    source = cases(plan)
    source.setdefault("entity", "household")
    split = source.setdefault("split", {})
    split["by"] = "random"
    return True


@breaks("DT311")
def _keeps_what_nobody_needs(r: random.Random, plan: Plan) -> bool:
    kind = r.choice(["table", "images", "text"])
    rights = {"licence": "own", "personal": False}
    plan["data"].append({"name": "attic", "kind": kind, "unit": "one thing", "location": "data/attic", "rights": rights,
                         "columns": {"box": "category"}})  # fmt: skip
    plan["decision"]["cases"] = plan["decision"].get("cases") or plan["data"][0]["name"]
    return True


@breaks("DT312")
def _never_counts(r: random.Random, plan: Plan) -> bool:
    holding = [source for source in plan["data"] if "needs" in source]
    del r.choice(holding)["needs"]
    return True


@breaks("DT313")
def _has_one_class(r: random.Random, plan: Plan) -> bool:
    outcome = {"column": "mood_seen", "values": [r.choice(["good", "bad"])], "affected_by": []}
    cases(plan).setdefault("outcomes", {})["mood"] = outcome
    return True


@breaks("DT314")
def _keeps_no_test(r: random.Random, plan: Plan) -> bool:
    split = cases(plan).setdefault("split", {})
    split.pop("hold_out", None)
    split["test"] = 0
    return "column" not in split


@breaks("DT315")
def _asks_nobody(r: random.Random, plan: Plan) -> bool:
    plain = [
        s
        for s in plan["data"]
        if not any(isinstance(c, dict) and c.get("sensitive") for c in s.get("columns", {}).values())
    ]
    if not plain:
        return False
    del r.choice(plain)["rights"]
    return True


@breaks("DT316")
def _comes_from_nowhere(r: random.Random, plan: Plan) -> bool:
    return "location" in cases(plan) and cases(plan).pop("collected", None) is not None


# ---- models ----------------------------------------------------------------------------------------------------------


@breaks("DT401")
def _informs_nobody(r: random.Random, plan: Plan) -> bool:
    source = cases(plan)
    task, extra = {
        "images": ("image-classification", {}),
        "audio": ("audio-classification", {}),
        "text": ("text-classification", {}),
        "images+text": ("image-text-classification", {}),
        "table": ("table-classification", {}),
    }[source["kind"]]
    if source["kind"] == "text":
        extra = {"inputs": ["body"]}
    name = add_outcome(plan, r)
    plan["models"].append({"name": "onlooker", "task": task, "predicts": name, **extra})
    return True


@breaks("DT402")
def _foresees_too_little(r: random.Random, plan: Plan) -> bool:
    name = add_outcome(plan, r)
    plan["objective"]["value"] = f"{plan['objective']['value']} - {r.randint(1, 5)} * {name}"
    return True


@breaks("DT403")
def _knows_already(r: random.Random, plan: Plan) -> bool:
    lever = plan["levers"][0]
    if lever["type"] != "options":
        return False
    options = list(lever["options"])
    plan["objective"]["value"] = f"where({lever['name']} == '{r.choice(options)}', {r.randint(1, 9)}, 0)"
    plan["objective"]["guardrails"] = []
    plan["objective"].pop("terms", None)
    plan.pop("optimizer", None)
    return True


@breaks("DT404")
def _is_blind_to_the_lever(r: random.Random, plan: Plan) -> bool:
    there = {name: outcome["affected_by"] for _, name, outcome in moved(plan)}
    models = [model for model in plan["models"] if model["predicts"] in there]
    if not models:
        return False
    model = r.choice(models)
    model.pop("arms", None)
    model.pop("monotone", None)
    inputs = model.get("inputs", ["tenure"])
    model["inputs"] = [name for name in inputs if name not in there[model["predicts"]]]
    return True


@breaks("DT404")
def _lets_a_picture_tell_what_a_lever_does(r: random.Random, plan: Plan) -> bool:
    media = [model for model in plan["models"] if model["task"].startswith(("image", "audio", "text"))]
    if not media:
        return False
    model = r.choice(media)
    for source in plan["data"]:
        if model["predicts"] in source.get("outcomes", {}):
            lever = r.choice(plan["levers"])["name"]
            source["outcomes"][model["predicts"]]["affected_by"] = [lever]
            if "inputs" in model and r.random() < 0.5:
                model["inputs"].append(lever)
            return True
    return False


@breaks("DT405")
def _foretells_fates(r: random.Random, plan: Plan) -> bool:
    if any(model["task"].startswith(("table", "ratings", "audio")) for model in plan["models"]):
        return False
    aims = (
        "Crime falls.",
        "Fewer prisoners reoffend.",
        "We hire good employees.",
        "We see who is trustworthy.",
        "Dropouts are found early.",
        "We know share prices a day before.",
        "A chat bot answers patients.",
    )
    plan["objective"]["statement"] = r.choice(aims)
    return True


@breaks("DT406")
def _treats_people_differently(r: random.Random, plan: Plan) -> bool:
    tables = [model for model in plan["models"] if model["task"].startswith("table")]
    if not tables:
        return False
    name = r.choice(["faith", "origin", "health"])
    cases(plan).setdefault("columns", {})[name] = {"type": "category", "sensitive": True}
    for model in tables:
        if "inputs" in model:
            model["inputs"].append(name)
    return "columns" in cases(plan) and (plan["project"]["slug"] != "book-recommender")


@breaks("DT407")
def _learns_from_all(r: random.Random, plan: Plan) -> bool:
    there = {name for _, name, _ in moved(plan)}
    models = [model for model in plan["models"] if model["predicts"] in there and "rows" in model]
    if not models:
        return False
    del r.choice(models)["rows"]
    return True


@breaks("DT408")
def _shows_a_table_model_a_photograph(r: random.Random, plan: Plan) -> bool:
    models = [model for model in plan["models"] if model["task"].startswith("table") and "inputs" in model]
    if not models or "columns" not in cases(plan):
        return False
    cases(plan)["columns"]["face"] = {"type": r.choice(["image", "audio", "text"])}
    r.choice(models)["inputs"].append("face")
    return True


@breaks("DT408")
def _shows_a_network_of_media_a_number(r: random.Random, plan: Plan) -> bool:
    models = [model for model in plan["models"] if model["task"].startswith(("image", "audio", "text"))]
    if not models:
        return False
    cases(plan).setdefault("columns", {})["worth"] = {"type": r.choice(["number", "category"])}
    model = r.choice(models)
    medium = ["text"] if model["task"].startswith("text") else [model["task"][:5]]
    model["inputs"] = [*model.get("inputs", medium), "worth"]
    return True


def _time_left(plan: Plan, outcome: dict[str, Any], **model: Any) -> bool:
    """Add a number that was not seen to its end in every row, and a model of it."""
    if "columns" not in cases(plan):
        return False
    cases(plan)["columns"]["wear"] = "number"
    cases(plan).setdefault("outcomes", {})["time_left"] = {
        "column": "days", "type": "number", "event": "over", "affected_by": [], **outcome
    }  # fmt: skip
    plan["models"].append({"name": "clock", "predicts": "time_left", "inputs": ["wear"], **model})
    return True


@breaks("DT409")
def _learns_what_is_under_way_as_a_mean(r: random.Random, plan: Plan) -> bool:
    return _time_left(plan, {}, task="table-regression")


@breaks("DT409")
def _learns_what_is_under_way_as_a_class(r: random.Random, plan: Plan) -> bool:
    return _time_left(plan, {"bins": [0, r.randint(1, 50), 100]}, task="table-classification")


# ---- the choice ------------------------------------------------------------------------------------------------------


@breaks("DT501")
def _caps_what_nobody_foresees(r: random.Random, plan: Plan) -> bool:
    name = add_outcome(plan, r)
    limit = {"name": "extra desk", "measure": f"mean({name})", "at_most": r.uniform(0.01, 0.5)}
    plan.setdefault("optimizer", {}).setdefault("constraints", []).append(limit)
    return True


@breaks("DT502")
def _limits_what_no_lever_moves(r: random.Random, plan: Plan) -> bool:
    cases(plan).setdefault("columns", {})["years"] = {"type": "number", "use": "audit"}
    measure = r.choice(["mean(years)", "mean(years > 9)", "quantile(years, 0.9)"])
    plan["objective"].setdefault("guardrails", []).append({"name": "age", "measure": measure, "at_most": 40})
    return True


@breaks("DT503")
def _counts_without_a_batch(r: random.Random, plan: Plan) -> bool:
    plan["decision"].pop("batch", None)
    lever = plan["levers"][0]
    measure = (
        f"sum({lever['name']} == '{next(iter(lever['options']))}')"
        if lever["type"] == "options"
        else f"sum({lever['name']})"
    )
    plan.setdefault("optimizer", {}).setdefault("constraints", []).append(
        {"name": "desk", "measure": measure, "at_most": 9}
    )
    return True


@breaks("DT504")
def _goes_where_nobody_was(r: random.Random, plan: Plan) -> bool:
    plan.setdefault("optimizer", {})["extrapolate"] = True
    return True


@breaks("DT505")
def _imagines_what_does_not_matter(r: random.Random, plan: Plan) -> bool:
    cases(plan).setdefault("columns", {})["moon"] = {"type": "number", "use": "audit"}
    scenario = {"name": "full moon", "set": {"moon": f"moon * {r.uniform(1.1, 3):.2f}"}}
    plan.setdefault("simulator", {}).setdefault("scenarios", []).append(scenario)
    return True


@breaks("DT506")
def _wants_more_than_it_allows(r: random.Random, plan: Plan) -> bool:
    lever = plan["levers"][0]
    if lever["type"] == "ranking":
        return False
    measure = (
        f"mean({lever['name']} == '{next(iter(lever['options']))}')"
        if lever["type"] == "options"
        else f"mean({lever['name']})"
    )
    most = r.uniform(0.01, 0.4)
    limits = [
        {"name": "enough", "measure": measure, "at_least": most + r.uniform(0.01, 0.5)},
        {"name": "not too many", "measure": measure, "at_most": most},
    ]
    plan["objective"].setdefault("guardrails", []).append(limits.pop(r.randrange(2)))
    plan.setdefault("optimizer", {}).setdefault("constraints", []).extend(limits)
    return True


@breaks("DT507")
def _ranks_by_the_worst(r: random.Random, plan: Plan) -> bool:
    if plan["levers"][0]["type"] != "ranking":
        return False
    plan.setdefault("optimizer", {})["risk"] = {"cvar": round(r.uniform(0.01, 0.5), 2)}
    return True


# ---- deployment ------------------------------------------------------------------------------------------------------


@breaks("DT601")
def _leaps(r: random.Random, plan: Plan) -> bool:
    plan["stage"] = "wide"
    what = r.choice(["scope", "failure_modes", "maintenance"])
    (plan if what == "maintenance" else plan["deployment"]).pop(what)
    return True


drops("DT602", "deployment", "scope")


@breaks("DT602")
def _begins_everywhere(r: random.Random, plan: Plan) -> bool:
    scopes = [
        "all customers",
        "everywhere",
        "everyone",
        "100 % of cases",
        "whole country",
        "Any case",
        "worldwide",
        "unlimited",
    ]
    plan["deployment"]["scope"] = r.choice(scopes)
    return True


@breaks("DT603")
def _tells_a_secret(r: random.Random, plan: Plan) -> bool:
    def word(length: int) -> str:
        return "".join(r.choice("abcdefghjkmnpqrstuvwxyzABCDEFGH23456789") for _ in range(length)) + "7x"

    secret = r.choice([
        f"postgres://app:{word(8)}@db.example/cases", f"https://user:{word(10)}@data.example/x.csv",
        "AKIA" + "".join(r.choice("ABCDEFGHJKLMNPQRSTUVWXYZ234567") for _ in range(16)), f"password={word(9)}",
        f"token: {word(20)}", f"api_key={word(24)}", "ghp_" + word(36), f"https://data.example/x?sig={word(30)}",
        "sk-" + word(40), f"secret = '{word(12)}'",
    ])  # fmt: skip
    where = r.choice(["summary", "how", "owner", "scope", "statement"])
    if where == "summary":
        plan["project"]["summary"] = f"Reads {secret}"
    elif where == "how":
        cases(plan)["collected"]["how"] = f"by {secret}"
    elif where == "owner":
        r.choice(plan["levers"])["owner"] = secret
    elif where == "scope":
        plan["deployment"]["scope"] = f"one site, {secret}"
    else:
        plan["objective"]["statement"] += f" {secret}"
    return True


drops("DT604", "deployment", "failure_modes")
drops("DT605", "maintenance")


@breaks("DT606")
def _runs_on_anything(r: random.Random, plan: Plan) -> bool:
    device = {"kind": "device", "runtime": "onnxruntime"} | r.choice([{}, {"max_mb": 20}, {"max_ms": 100}])
    plan["deployment"]["serve"] = ["api", device]
    return True


@breaks("DT607")
def _gambles(r: random.Random, plan: Plan) -> bool:
    plan["deployment"]["exploration"] = {"share": r.uniform(0.01, 0.5)}
    r.choice(plan["levers"])["reversible"] = False
    return True


@breaks("DT608")
def _decides_about_people_alone(r: random.Random, plan: Plan) -> bool:
    plan["decision"]["mode"] = "automate"
    plan["deployment"]["guards"].pop("confirm", None)
    if not personal(plan):
        cases(plan)["rights"] |= {"personal": True, "consent": "contract"}
    return True

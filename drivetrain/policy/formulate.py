"""From a plan to the problem that it poses: what is worth what, what may be chosen, what is asked of the choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.errors import PolicyError
from drivetrain.policy import outcomes
from drivetrain.policy.constraints import rules
from drivetrain.policy.parts import parted
from drivetrain.policy.problem import Array, Horizon, Problem, Ranking, Shock
from drivetrain.policy.settings import costs, joint, values
from drivetrain.spec import Spec
from drivetrain.spec.formula import BATCH, Formula, parse, substitute
from drivetrain.spec.levers import Policies, RankingLever

SEARCHED = 41
"""A numeric lever with more settings than this is searched."""


def problem(spec: Spec) -> Problem:
    """The decision that `spec` describes.

    Raises:
        MissingPartError: The plan does not say yet what the decision is worth, or what can be changed.
        PolicyError: Something in it cannot be decided: an unknown constant, a lever without settings.
    """
    spec.require("objective.value", "levers", "data", "models")
    objective = spec.objective
    assert objective is not None
    settings, labels = joint({lever.name: values(spec, lever) for lever in spec.levers})
    value = outcomes.formula(spec, "value")
    policies = _policies({lever.name: lever.policies for lever in spec.levers})
    looking = [getattr(rule, "formula", None) for rules in policies.values() for rule in rules.values()]
    reported = _reported(spec)
    looking.append(spec.optimizer.catastrophe if spec.optimizer else None)
    parts = outcomes.parts(spec, looking, reported)
    used = tuple(outcomes.used(spec, parts, reported))
    found_rules = tuple(rules(spec))
    constants = {n: float(c.value) for n, c in objective.constants.items() if c.value is not None}
    for name in sorted(value.names - constants.keys()):
        if name in objective.constants or f"constants.{name}" in objective.unknown:
            raise PolicyError(
                "is not known yet, and the value depends on it.",
                "Give it a number: a first guess with `low` and `high` shows what it changes.",
                where=f"objective.constants.{name}",
            )
    measure = objective.measure
    decision = spec.decision
    batch = decision.batch.cases if decision and decision.batch and decision.batch.cases else None
    constants[BATCH] = float(batch or 1)
    simulator = spec.simulator
    return Problem(
        levers=tuple(lever.name for lever in spec.levers),
        settings=settings,
        labels=tuple(labels),
        costs={lever.name: costs(spec, lever) for lever in spec.levers},
        value=value,
        constants=constants,
        outcomes=used,
        classes={name: outcomes.classes(spec, name, parts) for name in used},
        binary=frozenset(name for name in {*used, *parts} if outcomes.binary(spec, name, parts)),
        affected={name: outcomes.affected(spec, name, parts) for name in used},
        censored=frozenset(name for name in used if name not in parts and spec.outcome(name).event),
        allowed=tuple(outcomes.formula(spec, limit) for lever in spec.levers for limit in lever.limits),
        constraints=found_rules,
        policies=policies,
        sign=-1 if measure and measure.direction == "minimize" else 1,
        unit=(measure.unit if measure and measure.unit else "value/case"),
        measure=(measure.name if measure else "value"),
        draws=simulator.draws if simulator else 256,
        seed=simulator.seed if simulator else 42,
        feeders=_feeders(spec),
        terms=_terms(spec),
        horizon=_horizon(spec),
        scenarios=tuple(_shocks(spec)),
        tail=_tail(spec),
        catastrophe=_catastrophe(spec),
        ranges={
            name: (float(constant.low), float(constant.high))
            for name, constant in objective.constants.items()
            if constant.low is not None and constant.high is not None
        },
        searched=_searched(spec, settings),
        ranking=_ranking(spec),
        foretold=_foretold(spec),
        parts=parts,
        reported=reported,
    )


def _ranking(spec: Spec) -> Ranking | None:
    """The lever that puts things into an order.

    Raises:
        PolicyError: There is another one, or it is joined with what a ranking cannot be optimised for.
    """
    found = [lever for lever in spec.levers if isinstance(lever, RankingLever)]
    if not found:
        return None
    lever = found[0]
    if len(found) > 1:
        raise PolicyError(
            f"{', '.join(one.name for one in found)} are several orders, which are not decided together.",
            "Keep one ranking, and give the other a plan of its own.",
            where=f"levers.{found[1].name}",
        )
    if _tail(spec) is not None:
        raise PolicyError(
            "the worst results of a ranking are not optimised.", "Write `risk: expected`.", where="optimizer.risk"
        )
    if lever.of is None or lever.of == "cases":
        return Ranking(lever.name, None, "", lever.slots, ())
    source = spec.source(lever.of)
    keys = [
        there
        for other in spec.data
        for join in other.join
        if join.data == lever.of and join.on
        for there in ([join.on] if isinstance(join.on, str) else join.on.values())
    ]
    key = source.entity or next(iter(keys), "")
    attention = tuple(map(float, lever.attention or ()))
    return Ranking(lever.name, lever.of, key, lever.slots or (len(attention) or None), attention)


def _foretold(spec: Spec) -> frozenset[str]:
    """Outcomes that reach another model only as a guess, because its rows do not hold them."""
    homes = {name: source.name for source in spec.data for name in source.outcomes}
    return frozenset(
        name
        for model in spec.models
        if model.predicts
        for name in spec.derived.model_inputs(model.name)
        if name in homes and homes[name] not in spec.derived.joins(spec.derived.model_data(model.name))
    )


def _feeders(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Outcome -> the outcomes that its model takes as inputs."""
    made = {outcome for model in spec.models for outcome in model.predicts or ()}
    found = {}
    for model in spec.models:
        read = tuple(name for name in spec.derived.model_inputs(model.name) if name in made)
        for outcome in model.predicts or ():
            if read:
                found[outcome] = read
    return found


def _reported(spec: Spec) -> Formula | None:
    """`measure.formula` with its terms written out; `value` stays a name, for it may span several periods."""
    objective = spec.objective
    text = objective.measure.formula if objective and objective.measure else None
    if objective is None or not text:
        return None
    return parted(substitute(parse(text), {name: term for name, term in objective.terms.items() if term}))


def _terms(spec: Spec) -> dict[str, Formula]:
    """The terms that models read, written out."""
    terms = spec.objective.terms if spec.objective else {}
    read = {name for model in spec.models if model.predicts for name in spec.derived.model_inputs(model.name)}
    return {name: outcomes.formula(spec, text) for name, text in terms.items() if text and name in read}


def _horizon(spec: Spec) -> Horizon | None:
    over_time = spec.objective.over_time if spec.objective else None
    if over_time is None or over_time.periods is None:
        return None
    following = {name: outcomes.formula(spec, text) for name, text in over_time.next.items()}
    return Horizon(over_time.periods, over_time.discount, outcomes.formula(spec, over_time.continues), following)


def _shocks(spec: Spec) -> list[Shock]:
    """The scenarios that say what they change.

    Raises:
        PolicyError: They change what cannot be changed, or weigh more than everything.
    """
    constants = spec.objective.constants if spec.objective else {}
    foretold = {name for source in spec.data for name in source.outcomes}
    columns = {name for source in spec.data for name in source.columns}
    found = []
    for scenario in spec.simulator.scenarios if spec.simulator else ():
        where = f"simulator.scenarios.{scenario.name}"
        for name in scenario.set or {}:
            kind = spec.outcome(name).type if name in foretold else None
            if kind not in (None, "number", "binary"):
                raise PolicyError(
                    f"sets the outcome `{name}`, which is neither a number nor binary.",
                    "Set a column that it depends on.",
                    where=where,
                )
            if name not in foretold | columns | set(constants):
                raise PolicyError(
                    f"sets `{name}`, which is no column, constant or outcome.", "Look at its spelling.", where=where
                )
        set_ = {name: outcomes.formula(spec, text) for name, text in (scenario.set or {}).items() if text}
        if set_:
            found.append(Shock(scenario.name, set_, scenario.weight or 0.0))
    if sum(shock.weight for shock in found) > 1 + 1e-9:
        raise PolicyError(
            "the weights of the scenarios are more than 1 together.", "They are shares.", where="simulator.scenarios"
        )
    return found


def _tail(spec: Spec) -> float | None:
    risk = spec.optimizer.risk if spec.optimizer else "expected"
    share = None if isinstance(risk, str) else risk.cvar
    return None if share is None or share >= 1 else float(share)


def _catastrophe(spec: Spec) -> Formula | None:
    text = spec.optimizer.catastrophe if spec.optimizer else None
    return outcomes.formula(spec, text) if text else None


def _searched(spec: Spec, settings: Mapping[str, Array]) -> str | None:
    """The only numeric lever, when it has too many settings to try them all; beside a ranking all are tried."""
    if any(isinstance(lever, RankingLever) for lever in spec.levers):
        return None
    numeric = [lever.name for lever in spec.levers if lever.type in ("integer", "range")]
    if len(numeric) != 1 or len(set(settings[numeric[0]].tolist())) <= SEARCHED:
        return None
    return numeric[0]


def _policies(single: Mapping[str, Policies]) -> dict[str, dict[str, Any]]:
    """Reference policies that every lever states; `fallback` is `do_nothing` where it is absent."""
    found = {}
    for name in ("do_nothing", "today", "simple_rule", "fallback"):
        rules = {lever: getattr(policies, name) for lever, policies in single.items()}
        if name == "fallback":
            rules = {lever: rule if rule is not None else single[lever].do_nothing for lever, rule in rules.items()}
        if all(rule is not None for rule in rules.values()):
            found[name] = rules
    return found

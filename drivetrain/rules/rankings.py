"""DT2xx: an order of things, and the levers beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from drivetrain.rules.rule import Fault, Rule, is_open, limits, told
from drivetrain.spec.formula import Formula, parse, ratio

if TYPE_CHECKING:
    from drivetrain.spec import Lever, Spec

POLICIES = ("do_nothing", "today", "simple_rule", "fallback")


class RankingGoesWithLevers(Rule):
    """Beside an order stand levers that are set once for each case, and no second order.

    Joint settings are a product: for every case the best order is found under each setting of the other levers, and
    the best of these is taken. Two orders have no such list, and a policy that reads the items would give one case
    several settings.
    """

    id, needs = "DT215", ("levers",)
    advice = "Keep one ranking a plan, and write the other levers' policies with columns of the cases."
    question = "Which of the two is decided first, and can the other take it as given?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """Two rankings, or a policy of another lever that depends on the item."""
        orders = [lever for lever in spec.levers if lever.type == "ranking"]
        if len(orders) > 1:
            names = [lever.name for lever in orders]
            what = f"{told(names)} are several orders, which are not decided together."
            yield Fault(("levers", names[1]), what, affected=names)
            return
        for order in orders:
            of_items = _of_items(spec, order)
            for lever in spec.levers if of_items else ():
                if lever is order or is_open(lever, "policies"):
                    continue
                for name in POLICIES:
                    if read := sorted(_read(getattr(lever.policies, name)) & of_items):
                        what = (
                            f"reads {told(read)}, which differs between the items of a case, and `{lever.name}` is set "
                            "once for each case."
                        )
                        yield Fault(("levers", lever.name, "policies", name), what)


class ItemsCountOnce(Rule):
    """What does not depend on the item is counted once for every item: value is summed over them.

    With 200 books on offer `- cost(delivery)` is subtracted 200 times for each visit, shown or not.
    """

    id, level, needs = "DT216", "warn", ("objective.value", "levers", "data")
    advice = "Divide it by the number of items, or multiply it by what depends on the item (`cost(delivery) * buy`)."
    question = "Is this paid for each item, or once for the whole case?"

    def faults(self, spec: Spec) -> Iterator[Fault]:
        """A part of value or of a limit with another lever and without anything of the items."""
        for order in spec.levers:
            if order.type != "ranking" or not (of_items := _of_items(spec, order)):
                continue
            others = {lever.name for lever in spec.levers if lever is not order}

            def loose(formula: Formula, others: set[str] = others, items: set[str] = of_items) -> bool:
                names = formula.names | formula.costs
                # Shared out among the items it counts once.
                shared = isinstance(formula.node, ast.BinOp) and isinstance(formula.node.op, ast.Div)
                return bool(names & others) and not names & items and not shared

            for part in _addends(spec.derived.expand("value")):
                if loose(part):
                    what = f"`{part}` does not depend on the item, and is counted once for each row of `{order.of}`."
                    yield Fault(("objective", "value"), what)
            for section, field, limit in limits(spec):
                form = ratio(spec.derived.expand(limit.measure)) if limit.measure else None
                if form is not None and not form.den.names and loose(form.num):
                    what = f"`{limit.measure}` counts a case once for each row of `{order.of}`."
                    yield Fault((section, field, limit.name, "measure"), what)


def _of_items(spec: Spec, order: Lever) -> set[str]:
    """Names that differ between the items of a case: their columns, the place, and outcomes that depend on these."""
    of = getattr(order, "of", None)
    if of in (None, "cases") or of not in {source.name for source in spec.data}:
        return set()
    case = spec.case_source
    here = {case.name, *spec.derived.joins(case.name)}
    own = {name for source in spec.data if source.name in here for name in source.columns}
    found = {order.name, *(name for name in spec.source(of).columns if name not in own)}
    homes = {name: source.name for source in spec.data for name in source.outcomes}
    for _ in spec.models:
        for model in spec.models:
            if any(homes.get(name) not in here for name in model.predicts or ()) or (
                set(spec.derived.model_inputs(model.name)) & found
            ):
                found |= set(model.predicts or ())
    return found


def _read(policy: Any) -> set[str]:
    """The names that a policy reads."""
    if getattr(policy, "formula", None):
        return set(parse(policy.formula).names)
    named = (getattr(policy, key, None) for key in ("column", "most_likely", "confident"))
    return {name for name in named if name}


def _addends(formula: Formula) -> Iterator[Formula]:
    """The parts of a sum or difference."""
    waiting = [ast.parse(str(formula), mode="eval").body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            waiting += [node.right, node.left]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            waiting.append(node.operand)
        else:
            yield parse(ast.unparse(node))


RULES: tuple[type[Rule], ...] = (RankingGoesWithLevers, ItemsCountOnce)

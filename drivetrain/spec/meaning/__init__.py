"""Whether a plan means something: checks across fields, one module a part, in the order of the approach."""

from drivetrain.spec.kinds import DOUBLE, ORDER
from drivetrain.spec.meaning.context import Context
from drivetrain.spec.meaning.data import check_data
from drivetrain.spec.meaning.deployment import check_deployment
from drivetrain.spec.meaning.levers import check_levers
from drivetrain.spec.meaning.models import check_models
from drivetrain.spec.meaning.objective import check_objective
from drivetrain.spec.reading import Document

_NEEDED = ("objective", "levers", "data", "models", "deployment", "maintenance")
_BEFORE = {
    "decision": "objective",
    "levers": "objective",
    "uncontrollable": "levers",
    "data": "levers",
    "models": "data",
    "simulator": "models",
    "optimizer": "models",
    "deployment": "models",
    "maintenance": "deployment",
}
"""Part -> the last part before it that must stand."""


def check_meaning(document: Document) -> None:
    """Check a document whose structure was checked; what is wrong goes to its findings."""
    context = Context(document)
    _order(context)
    for double in context.names.doubles:
        context.add(DOUBLE, double.path, double.what, double.advice)
    check_objective(context)
    check_levers(context)
    check_data(context)
    check_models(context)
    check_deployment(context)


def _order(context: Context) -> None:
    """A draft may stop after any part; a part without those before it cannot be judged."""
    for part, before in _BEFORE.items():
        if not context.said((part,)):
            continue
        needed = _NEEDED[: _NEEDED.index(before) + 1]
        missing = [name for name in needed if not context.said((name,))]
        if missing:
            names = " and ".join(f"`{name}`" for name in missing)
            what = f"comes before {names} {'is' if len(missing) == 1 else 'are'} there."
            context.add(ORDER, (part,), what, f"Parts build on each other: write {names} first, unknowns included.")

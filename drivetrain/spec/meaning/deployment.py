"""Does the deployment mean something."""

from drivetrain.spec.kinds import CLASH, DOUBLE
from drivetrain.spec.meaning.context import Context
from drivetrain.spec.reading import Path

_DEVICE = ("runtime", "max_mb", "max_ms", "offline", "sync")


def check_deployment(context: Context) -> None:
    """Deployment and maintenance; findings go to the context."""
    deployment = context.tree.get("deployment", {})
    root: Path = ("deployment",)
    seen: set[str] = set()
    for path, serve in context.items(deployment.get("serve"), (*root, "serve")):
        kind = serve.get("kind")
        if kind in seen:
            context.add(DOUBLE, path, f"`{kind}` stands here twice.", "Keep one.")
        seen.add(kind)
        for field in _DEVICE:
            if field in serve and kind not in (None, "device"):
                context.add(
                    CLASH, (*path, field), f"`{field}` belongs to `device`, and this is `{kind}`.", "Drop it.", "warn"
                )
    exploration = deployment.get("exploration", {})
    for at, lever in context.items(exploration.get("levers"), (*root, "exploration", "levers")):
        context.refer(lever, context.names.of("lever"), "lever", at, "levers")

"""The last parts: how decisions reach people, what guards them, and who keeps it going."""

from typing import Annotated, Literal

from pydantic import Field

from drivetrain.spec.part import Dur, Name, Part, Text, doc

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Serve(Part):
    """One way to serve decisions."""

    short = "kind"

    kind: Literal["api", "voila", "gradio", "web", "batch", "device", "ray", "kubernetes"] = doc(
        "What is generated.", "api"
    )
    runtime: Text | None = doc("Runtime on the device.", "onnxruntime-web", default=None)
    max_mb: Positive | None = doc("Largest model on the device.", 20, unit="MB", default=None)
    max_ms: Positive | None = doc("Longest time per case on the device.", 200, unit="ms", default=None)
    offline: bool | None = doc("Whether it must work without a network.", True, default=None)
    sync: Dur | None = doc("How often it sends feedback.", "1 day", default=None)


class Exploration(Part):
    """Decisions made by lot, so that the next data can be learned from."""

    share: Share | None = doc("Share of the decisions.", 0.05, unit="share")
    levers: list[Name] | None = doc("Levers that are drawn; all when absent.", ["price"], default=None)


class OutOfDomain(Part):
    """When a case is too unlike the training data."""

    score: Literal["energy", "mahalanobis"] = doc("How unlike is measured.", "energy", default="energy")
    false_alarms: Annotated[float, Field(gt=0, lt=1)] = doc(
        "Share of ordinary cases that may be turned away.", 0.02, unit="share", default=0.01
    )


class Guards(Part):
    """What stands before a decision."""

    out_of_domain: OutOfDomain = doc("When a case goes to the fallback.", default=OutOfDomain)
    confirm: Text | None = doc("What a person confirms.", "every refusal", default=None)


class Monitoring(Part):
    """What is watched while decisions are made."""

    action_rate_change: Annotated[float, Field(gt=1)] = doc(
        "Alarm when a setting becomes so many times more or less frequent.", 1.5, unit="factor", default=2.0
    )
    oldest_model: Dur | None = doc("Alarm when the model is older.", "1 year", default=None)
    window: Dur | None = doc("Span that is compared.", "7 days", default=None)


class FailureMode(Part):
    """Something that can go wrong, and where one would see it."""

    failure: Text | None = doc("What goes wrong.", "the scanner's lamp fades")
    report: Text | None = doc("What shows it.", "share of letters out of domain")


class Deployment(Part):
    """How decisions reach people."""

    serve: list[Serve] | None = doc(
        "What is generated: `api`, `voila`, `gradio`, `web`, `batch`, `device`, `ray`, `kubernetes`.", ["api"]
    )
    scope: Text | None = doc("Where it is used first.", "5 % of web quotes", default=None)
    exploration: Exploration | None = doc("Decisions made by lot.", {"share": 0.05}, default=None)
    guards: Guards = doc("What stands before a decision.", default=Guards)
    monitoring: Monitoring = doc("What is watched.", default=Monitoring)
    failure_modes: list[FailureMode] = doc("What can go wrong and which report shows it.", default=[])


class Maintenance(Part):
    """Who keeps it going."""

    owner: Text | None = doc("Who answers for it.", "pricing")
    retrain_when: list[Text] | None = doc("When models are trained again.", ["drift", "6 months"])
    feedback_loop: Text | None = doc("How data stay worth learning from.", "the test cell stays random", default=None)

"""What a monitor may ask of the service, in Prometheus' text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "drivetrain_requests", "Requests by endpoint and status.", ["endpoint", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "drivetrain_request_seconds",
            "Time from the first byte to the last, in seconds.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.decisions = Counter(
            "drivetrain_decisions",
            "Decisions by what was answered.",
            ["setting", "status"],
            registry=self._registry,
        )
        self.outside = Counter(
            "drivetrain_out_of_domain", "Cases unlike those the models learned from.", registry=self._registry
        )
        self.feedback = Counter("drivetrain_feedback", "Outcomes that came back.", registry=self._registry)
        self.refused = Counter("drivetrain_refused", "Requests refused under overload.", registry=self._registry)
        self.explored = Counter("drivetrain_explored", "Decisions drawn by lot.", registry=self._registry)
        self.alarms = Counter("drivetrain_alarms", "Action rates that left their range.", registry=self._registry)
        self.faults = Counter("drivetrain_faults", "Changes that could not be taken up.", registry=self._registry)
        self.waiting = Gauge("drivetrain_waiting", "Decisions that wait for a person.", registry=self._registry)
        self.model = Gauge(
            "drivetrain_model", "1 for each model that serves.", ["model", "run", "stage"], registry=self._registry
        )

    def text(self) -> bytes:
        """All figures, in Prometheus' text format."""
        return generate_latest(self._registry)

"""The decision as a web service. The endpoints are yours: rename them, add to them, take one away.

What stands behind them (checking requests, asking the models, the guard, the policy, the log) stays in `drivetrain`.
Start it with `make serve`; see docs/rollout.md before anybody acts on its answers.
"""

from typing import Any

from drivetrain import run
from drivetrain.serving import Cases, Decisions, Predictions, Receipts, Service
from fastapi import Response

service = Service()
app = service.app


@app.post("/predict")
async def predict(cases: Cases) -> Predictions:
    """What the models expect: classes and probabilities of each case."""
    return await service.predict(cases)


@app.post("/decide")
async def decide(cases: Cases) -> Decisions:
    """What to do with each case: a setting and its expected value, or `defer` with a recommendation."""
    return await service.decide(cases)


@app.post("/feedback")
async def feedback(cases: Cases) -> Receipts:
    """What happened after a decision: its name and the outcome, once it is known."""
    return await service.feedback(cases)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process is alive."""
    return service.health()


@app.get("/readyz")
async def readyz() -> dict[str, Any]:
    """Whether the models are loaded, and from which runs they come."""
    return service.readiness()


@app.get("/metrics")
async def metrics() -> Response:
    """Figures for Prometheus."""
    return service.figures()


def main() -> None:
    service.main()


if __name__ == "__main__":
    run(main)

"""The decision as a web service. The endpoints are yours: rename them, add to them, take one away.

What stands behind them (checking requests, asking the models, the guard, the policy, the stages, the log) stays in
`drivetrain`. Start it with `make serve`; docs/rollout.md says who may act on its answers at which stage.
"""

from typing import Any

from drivetrain import run
from drivetrain.serving import Cases, Decisions, Predictions, Receipts, Service, Standing
from fastapi import Response
from fastapi.responses import PlainTextResponse

service = Service()
app = service.app


@app.post("/predict", response_model=Predictions)
async def predict(cases: Cases) -> Response:
    """What the models expect: classes and probabilities of each case."""
    return await service.predict(cases)


@app.post("/decide", response_model=Decisions)
async def decide(cases: Cases) -> Response:
    """What to do with each case: a setting and its expected value, or `defer` with a recommendation."""
    return await service.decide(cases)


@app.post("/feedback", response_model=Receipts)
async def feedback(cases: Cases) -> Response:
    """What happened after a decision: its name and the outcome, once it is known."""
    return await service.feedback(cases)


# Stage limited: every action waits for a person, who approves it on the page or takes another setting.


@app.get("/approvals", include_in_schema=False)
async def approvals() -> Response:
    """The page on which people approve."""
    return service.page("approvals.html")


@app.get("/approvals.js", include_in_schema=False)
async def approvals_script() -> Response:
    """The script of that page."""
    return service.page("approvals.js")


@app.get("/approvals/waiting")
async def waiting() -> dict[str, Any]:
    """Decisions that wait for a person, the oldest first."""
    return service.waiting()


@app.get("/approvals/{decision}/{column}", include_in_schema=False)
async def file(decision: str, column: str) -> Response:
    """A picture or a recording that came with a waiting decision."""
    return service.file(decision, column)


@app.post("/approvals", response_model=Receipts)
async def approve(cases: Cases) -> Response:
    """What a person chose: the decision, the setting, and by whom."""
    return await service.approve(cases)


@app.get("/decisions/{decision}")
async def standing(decision: str) -> Standing:
    """Whether a decision still waits, and what came of it."""
    return service.standing(decision)


# The page for phones, if the plan names it (`serve: [web]`): the files in web/ are yours as well.

service.show("web")
# What runs on the phone itself (`serve: [device]`), as `make device` wrote it.
service.show("artifacts/device/runtime")
service.show("artifacts/device", closed=True)


# For those who run it.


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process is alive."""
    return service.health()


@app.get("/readyz")
async def readyz() -> dict[str, Any]:
    """Whether the models are loaded, and from which runs they come."""
    return service.readiness()


@app.get("/metrics", response_class=PlainTextResponse)
async def metrics() -> Response:
    """Figures for Prometheus."""
    return service.figures()


def main() -> None:
    service.main()


if __name__ == "__main__":
    run(main)

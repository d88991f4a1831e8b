"""The web service on Ray Serve: as many replicas as the load needs.

`make replicas` starts it here; on a cluster, `serve deploy` takes the same name. Each replica is the application of
serve.py, loads and verifies the artifacts for itself, and writes its own segment of the log.
"""

from fastapi import FastAPI
from ray import serve


def endpoints() -> FastAPI:
    """The application; imported by the replica, since models and open files do not travel."""
    from .serve import app

    return app


@serve.ingress(endpoints)
class Replica:
    """One process with the models loaded."""


app = serve.deployment(
    max_ongoing_requests=64,
    autoscaling_config={"min_replicas": 1, "max_replicas": 8, "target_ongoing_requests": 16},
)(Replica).bind()

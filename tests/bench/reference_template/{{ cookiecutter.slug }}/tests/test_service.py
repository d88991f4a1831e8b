"""The service answers a real request, on sample data. Add your own tests beside this file."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PACKAGE, PLAN, Step, run_in

pytestmark = pytest.mark.skipif(not (PLAN.models and PLAN.levers), reason="the plan has no levers and models yet")


@pytest.fixture(scope="module")
def address(project: Path, until: Step) -> Iterator[str]:
    """Where the service listens, on a port that was free."""
    until("decide")
    command = [sys.executable, "-m", f"{PACKAGE}.serve", "--port", "0"]
    service = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert service.stdout
    assert service.stderr
    said = service.stdout.readline()
    if "http://" not in said:
        service.kill()
        pytest.fail(f"the service did not start: {said}{service.stderr.read()}")
    yield said.partition(" at ")[2].partition(". ")[0]
    service.terminate()
    service.wait(timeout=30)


def test_the_service_chooses_a_setting_and_says_what_it_is_worth(project: Path, address: str) -> None:
    done = run_in(project, f"{PACKAGE}.client", "--url", address)
    assert done.returncode == 0, done.stderr
    assert "expected value" in done.stdout or "recommended" in done.stdout

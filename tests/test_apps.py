"""What `deployment.serve` names: the page for phones, containers, manifests; each tried with the real thing."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import browsing
import pytest
import served
import yaml

from drivetrain import load_spec, project

pytestmark = pytest.mark.full
WEB = Path(__file__).parent.parent / "template/{{ cookiecutter.slug }}/web"


def with_pages(folder: Path) -> Path:
    shutil.copytree(WEB, folder / "web")
    return folder


def test_a_photo_is_decided_on_the_phone_page_and_what_came_of_it_is_told(tmp_path: Path) -> None:
    lamp = with_pages(served.lamp(tmp_path / "p"))
    photo = tmp_path / "dark.png"
    photo.write_bytes(served.png(20))
    with served.running(lamp, "night_lamp") as (address, _), browsing.opened(f"{address}/") as browser:
        files = browsing.until(browser, lambda b: browsing.every(b, "#fields input[type=file]"))
        assert [bool(file.get_attribute("capture")) for file in files] == [True, False], "the camera, or a file"
        files[1].send_keys(str(photo))
        browsing.one(browser, "#send").send_keys("\n")
        browsing.until(browser, lambda b: browsing.one(b, "#answer").is_displayed())
        assert browsing.text(browser, "#decision") == "Decision: on"
        assert "sky: dark" in browsing.text(browser, ".share")
        assert browsing.one(browser, "#picture").is_displayed()
        assert browser.switch_to.active_element.get_attribute("id") == "decision", (
            "a screen reader goes on at the answer"
        )
        browsing.choose(browser, "[name=sky]", "dark")
        browsing.one(browser, "#tell button").click()
        browsing.until(browser, lambda b: "recorded" in browsing.text(b, "#told"))
        assert not browsing.errors(browser)
        assert not browsing.barriers(browser)
    told = [json.loads(line) for path in (lamp / "log").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert any("dark" in json.dumps(entry) for entry in told)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("notes.png", b"no picture at all", "image"), ("cut.png", served.png(20)[:40], "image")],
)
def test_a_wrong_file_is_explained_on_the_page(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    lamp = with_pages(served.lamp(tmp_path / "p"))
    (tmp_path / name).write_bytes(content)
    with served.running(lamp, "night_lamp") as (address, _), browsing.opened(f"{address}/") as browser:
        files = browsing.until(browser, lambda b: browsing.every(b, "#fields input[type=file]"))
        files[1].send_keys(str(tmp_path / name))
        browsing.one(browser, "#send").click()
        browsing.until(browser, lambda b: browsing.text(b, "#said") not in ("", "Asking …"))
        assert says in browsing.text(browser, "#said").lower()
        assert not browsing.one(browser, "#answer").is_displayed()


def test_a_table_is_typed_in_with_known_values_and_units(tmp_path: Path) -> None:
    lender = with_pages(served.lender(tmp_path / "p"))
    with served.running(lender, "small_loans") as (address, _), browsing.opened(f"{address}/", dark=True) as browser:
        browsing.until(browser, lambda b: browsing.every(b, "[name=income]"))
        browsing.one(browser, "[name=amount]").send_keys("1000")
        browsing.one(browser, "[name=income]").send_keys("3000")
        browsing.one(browser, "[name=home]").send_keys("own")
        known = browsing.every(browser, "#known-home option")
        assert [option.get_attribute("value") for option in known] == ["rent", "own"]
        assert "EUR" in browsing.text(browser, "#fields")
        browsing.one(browser, "#send").click()
        browsing.until(browser, lambda b: browsing.one(b, "#answer").is_displayed())
        assert "repaid" in browsing.text(browser, "#expected")
        assert not browsing.barriers(browser)


def test_a_service_with_a_token_asks_for_it_on_the_page(tmp_path: Path) -> None:
    lender = with_pages(served.lender(tmp_path / "p"))
    token = {"DRIVETRAIN_TOKEN": "sesame"}
    with served.running(lender, "small_loans", **token) as (address, _), browsing.opened(f"{address}/") as browser:
        browsing.until(browser, lambda b: browsing.one(b, "[name=token]").is_displayed())
        browsing.one(browser, "[name=token]").send_keys("sesame")
        browsing.one(browser, "#send").click()
        browsing.until(browser, lambda b: browsing.every(b, "[name=income]"))


def test_only_what_the_plan_names_is_there_and_manifests_are_what_their_schemas_say(tmp_path: Path) -> None:
    import kubernetes_validate

    plan = served.LOAN_PLAN.replace("serve: [api]", "serve: [kubernetes]")
    (tmp_path / "drivetrain.yaml").write_text(plan)
    made = project.new(load_spec(tmp_path / "drivetrain.yaml"), tmp_path / "out").path
    there = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    assert "deploy/Dockerfile" in there
    assert not {name for name in there if name.startswith(("web/", "deploy/space", ".binder")) or "compose" in name}
    manifests = sorted((made / "deploy/kubernetes").glob("*.yaml"))
    assert [path.name for path in manifests] == ["autoscaler.yaml", "deployment.yaml", "service.yaml"]
    for path in manifests:
        kubernetes_validate.validate(yaml.safe_load(path.read_text()), "1.31", strict=True)


KSERVE = """
import json, sys, types

sys.path.insert(0, sys.argv[1])
# The models alone: the package itself would import a server, which is not installed.
alone = types.ModuleType("kserve")
alone.__path__ = [sys.argv[1] + "/kserve"]
sys.modules["kserve"] = alone

import kserve.models
import kubernetes.client
from kubernetes.client import ApiClient

for name in dir(kserve.models):
    if name.startswith("V1"):
        setattr(kubernetes.client.models, name, getattr(kserve.models, name))
client = ApiClient()
read = client.deserialize(types.SimpleNamespace(data=sys.stdin.read()), "V1beta1InferenceService")
print(json.dumps(client.sanitize_for_serialization(read)))
"""


def test_the_manifest_for_kserve_holds_what_its_published_models_know_and_nothing_else(tmp_path: Path) -> None:
    """Fields that KServe or Kubernetes do not know, or of another type, would not come back from their models."""
    import kubernetes_validate

    plan = served.LOAN_PLAN.replace("serve: [api]", "serve: [kubernetes]")
    (tmp_path / "drivetrain.yaml").write_text(plan)
    made = project.new(load_spec(tmp_path / "drivetrain.yaml"), tmp_path / "out").path
    manifest = yaml.safe_load((made / "deploy/kubernetes/kserve/inferenceservice.yaml").read_text())
    install = [sys.executable, "-m", "pip", "install", "-q", "--target", tmp_path / "models"]
    subprocess.run([*install, "kubernetes==34.1.0"], check=True, env=_alone())
    subprocess.run([*install, "--no-deps", "kserve==0.21.0"], check=True, env=_alone())

    def known(sent: dict[str, Any]) -> Any:
        command = [sys.executable, "-c", KSERVE, tmp_path / "models"]
        return json.loads(
            subprocess.run(command, input=json.dumps(sent), text=True, capture_output=True, check=True).stdout
        )

    assert known(manifest) == manifest
    wrong = json.loads(json.dumps(manifest))
    wrong["spec"]["predictor"]["scaleMetrics"] = "concurrency"
    assert known(wrong) == manifest, "the check finds what KServe does not know"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": manifest["metadata"], "spec": {}}
    pod["spec"] = {name: manifest["spec"]["predictor"][name] for name in ("containers", "volumes")}
    kubernetes_validate.validate(pod, "1.31", strict=True)
    # What the comment at the head of service.yaml tells to type is there.
    for folder in re.findall(r"kubectl apply -f (\S+/)", (made / "deploy/kubernetes/service.yaml").read_text()):
        assert list((made / folder).glob("*.yaml"))


def image_of(made: Path, app: Path) -> None:
    """What `COPY . .` puts into an image: everything but what `.dockerignore` names."""
    lines = (made / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    def left_out(folder: str, names: list[str]) -> list[str]:
        found = []
        for name in names:
            path, out = (Path(folder) / name).relative_to(made), False
            for rule in rules:
                if path.match(rule.lstrip("!").removeprefix("**/")) and (
                    len(path.parts) == rule.count("/") + 1 or "**" in rule
                ):
                    out = not rule.startswith("!")
            found += [name] if out else []
        return found

    shutil.copytree(made, app, ignore=left_out)


def test_the_dockerfiles_steps_make_a_service_without_torch_that_writes_nowhere_but_its_log(
    tmp_path: Path, record_property: Any
) -> None:
    """No Docker daemon is at hand: its steps in an environment and a folder of their own, where nobody may write."""
    plan = tmp_path / "drivetrain.yaml"
    plan.write_text(served.LIGHT_PLAN.replace("serve: [api, voila]", "serve: [api]"))
    made = project.new(load_spec(plan), tmp_path / "out", vendor=True).path
    trained = served.lamp(tmp_path / "trained", plan.read_text())
    for folder in ("artifacts", "evidence"):
        shutil.copytree(trained / folder, made / folder, dirs_exist_ok=True)
    (made / "evidence" / "decisions.parquet").write_bytes(b"single cases")
    (made / "data" / "photos").mkdir(parents=True)
    app = tmp_path / "image" / "app"
    app.parent.mkdir()
    image_of(made, app)
    assert not (app / "data").exists()
    assert sorted(path.name for path in (app / "evidence").iterdir()) == ["decide.json", "train.json"]
    steps = dict(
        line.split(" ", 1)
        for line in (made / "deploy/Dockerfile").read_text().splitlines()
        if line[:4] in ("RUN ", "CMD ")
    )
    [install] = [line for line in (made / "deploy/Dockerfile").read_text().splitlines() if "pip install" in line]
    python = tmp_path / "image/venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
    subprocess.run(
        [python, *shlex.split(install.removeprefix("RUN python "))],
        cwd=app,
        env=_alone(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert subprocess.run([python, "-c", "import torch"], capture_output=True, env=_alone()).returncode == 1
    size = sum(
        path.stat().st_size for path in (tmp_path / "image").rglob("*") if path.is_file() and not path.is_symlink()
    )
    record_property("figure", f"{size / 1e6:.0f} MB on top of the base image")
    assert size < 400e6
    (app / "log").mkdir()
    for path in [app, *app.rglob("*")]:
        if path != app / "log":
            path.chmod(0o555 if path.is_dir() else 0o444)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = json.loads(steps["CMD"].replace('"0.0.0.0"', '"127.0.0.1"').replace('"8000"', f'"{port}"'))
    # root would write everywhere, but for this capability
    bound = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.getuid() == 0 else []
    process = subprocess.Popen([*bound, python, *command[1:]], cwd=app, env=_alone(), stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
                break
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.2)
        answer = _asked(f"http://127.0.0.1:{port}", {"image": base64.b64encode(served.png(20)).decode()})
        assert answer["setting"] == "on"
    finally:
        process.kill()
        process.communicate()
        for path in [app, *app.rglob("*")]:
            path.chmod(0o755)
    assert list((app / "log").glob("*.jsonl"))


def _alone() -> dict[str, str]:
    """An environment from which nothing of this checkout is imported."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


RUN = """
import ray
from ray import serve

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
import small_loans.replicas as ours

serve.start(http_options={"port": PORT})
serve.run(ours.app)
print("ready", flush=True)
input()
"""


def test_two_replicas_on_ray_answer_as_the_service_does(tmp_path: Path) -> None:
    lender = served.lender(tmp_path / "p")
    served.with_package(lender, "small_loans")
    replicas = (served.SERVE.parent / "replicas.py").read_text(encoding="utf-8")
    two = replicas.replace('"min_replicas": 1, "max_replicas": 8', '"min_replicas": 2, "max_replicas": 2')
    assert two != replicas
    (lender / "small_loans" / "replicas.py").write_text(two, encoding="utf-8")
    cases = [{"amount": 100.0 * n, "income": 50.0 * n, "home": ("own", "rent")[n % 2]} for n in range(2, 30)]
    with served.running(lender, "small_loans") as (address, _):
        expected = [_asked(address, case) for case in cases]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.replace("PORT", str(port))], cwd=lender, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join([str(lender), *sys.path])},
        start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert "ready\n" in process.stdout, "Ray Serve did not start"
        found = [_asked(f"http://127.0.0.1:{port}", case) for case in cases]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", "stop", "--force"], capture_output=True, check=False
        )
    for mine, theirs in zip(found, expected, strict=True):
        assert mine["setting"] == theirs["setting"]
        assert mine["value"] == pytest.approx(theirs["value"])
        assert mine["predictions"] == theirs["predictions"]
    segments = {path.name.split("-")[1] for path in (lender / "log").glob("*.jsonl")}
    assert len(segments) >= 3, "the service and two replicas wrote a segment of the log each"


def _asked(address: str, case: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(f"{address}/decide", served.body(case), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        result: dict[str, Any] = json.load(answer)["results"][0]
        return result

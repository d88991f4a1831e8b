"""Text of a plan is data: whatever it says, it stays inside the project, is never evaluated, and breaks no file."""

from __future__ import annotations

import json
import random
import re
import shutil
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from drivetrain import project
from drivetrain.errors import DrivetrainError
from drivetrain.text import code, line, markdown, quoted

FRAGMENTS = [
    "{{ 7919*7907 }}",
    "{{7919*7907}}",
    "{% for i in range(3) %}kw{% endfor %}",
    "{%- raw -%}",
    "{# gone #}",
    "{{ cookiecutter.slug }}",
    "{{ ''.__class__.__mro__ }}",
    '"',
    "'",
    '"""',
    "\\",
    "\n",
    "\n\n# heading\n\n",
    "\r\n",
    "\t",
    "`",
    "``` sh",
    "$(touch zqzqzq)",
    "`touch zqzqzq`",
    "${HOME}",
    "$$",
    "../",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows",
    "</script><script>alert(1)</script>",
    "<!-- ",
    " -->",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "[link](javascript:alert(1))",
    "![image](http://example.org/x.png)",
    "http://example.org/zq",
    "www.example.org",
    "@somebody",
    "#12",
    "**bold**",
    "_it_",
    "~~gone~~",
    "| a | b |",
    "---",
    "- item",
    "1. item",
    "> quote",
    ": ",
    " #",
    "%YAML",
    "!!python/object/apply:os.system",
    "&anchor",
    "*alias",
    "= ",
    "]]",
    "[tool.x]",
    "\u202eevil\u202c",
    "\u2066\u2069",
    "\u200f",
    "\u200b",
    "\ufeff",
    "\u2028",
    "\x85",
    "\x07",
    "\x7f",
    "\x1b[31m",
    "👩‍💻",
    "日本語",
    "é",
    "\U0010ffff",
    "x" * 10_000,
    "con",
    "__proto__",
    "-rf",
    "--help",
    "\nRUN touch zqzqzq",
    "\n\ttouch zqzqzq",
    "${{ secrets.TOKEN }}",
]
EVALUATED = ["62615533", "kwkwkw"]  # 7919 * 7907, and what a loop of three would leave
# The comment on top of a document, and the folds around the quiz, whose questions are the same for every plan.
OWN_HTML = re.compile(r"<!-- Written from.*|<details><summary>\d+\. [\w ,'-]+\?</summary>\n?|</details>\n?", re.DOTALL)
PARSERS = {
    ".json": json.loads,
    ".ipynb": json.loads,
    ".yaml": lambda text: YAML(typ="safe").load(text),
    ".yml": lambda text: YAML(typ="safe").load(text),
    ".py": lambda text: compile(text, "<a file of the project>", "exec"),
}
RELATIVE = ("drivetrain.yaml", "docs/", "../", "Makefile", "bias_checklist.md", "datasheet.md", "rollout.md")


def hostile(draw: random.Random) -> str:
    text = "".join(draw.choice(FRAGMENTS) for _ in range(draw.randint(1, 4)))
    return text if text.strip() else f"{text}x"


def hostile_plan(draw: random.Random) -> dict[str, Any]:
    """A plan whose every free text is hostile; now and then also what is not free, so that reading must refuse it."""

    def text() -> Any:
        if draw.random() < 0.05:
            return {"unknown": hostile(draw), "owner": hostile(draw), "due": "2027-01-01"}
        return hostile(draw)

    def name(usual: str) -> str:
        return hostile(draw) if draw.random() < 0.01 else usual

    classes = [hostile(draw), f"b{hostile(draw)}"] if draw.random() < 0.5 else ["black", "none"]
    return {
        "drivetrain": 1,
        "project": {
            "name": hostile(draw) if draw.random() < 0.3 else f"Bears {line(hostile(draw))[:80]}",
            "summary": text(),
            "owners": [hostile(draw), hostile(draw)],
        }
        | ({} if draw.random() < 0.05 else {"slug": name("bear-warning")}),
        "objective": {
            "statement": text(),
            "measure": {"name": hostile(draw), "unit": hostile(draw), "direction": "maximize", "current": 1},
            "value": "0" if draw.random() < 0.9 else hostile(draw),
            "guardrails": [{"name": hostile(draw), "measure": "mean(alarm == 'on')", "at_most": 0.5}],
            "affected": [{"who": text(), "how": hostile(draw), "recourse": text()}],
            "if_it_works_really_well": text(),
        },
        "levers": [
            {"name": name("alarm"), "type": "options", "options": {"on": {"means": hostile(draw)}, hostile(draw): {}}}
            | {"owner": text()}
        ],
        "uncontrollable": [{"name": hostile(draw)}],
        "data": [
            {
                "name": name("photos"),
                "kind": "images",
                "unit": text(),
                "location": hostile(draw) if draw.random() < 0.2 else "data/photos",
                "outcomes": {"bear": {"column": "folder", "values": classes, "affected_by": []}},
                "rights": {"licence": text(), "personal": False, "consent": text()},
                "collected": {"how": hostile(draw)},
                "owner": text(),
            }
        ],
        "models": [{"name": name("spotter"), "task": "image-classification", "predicts": "bear"}]
        + (
            [{"name": "second", "task": name("image-classification"), "predicts": "bear"}]
            if draw.random() < 0.2
            else []
        ),
        "deployment": {"serve": ["api", "voila"], "scope": hostile(draw)},
        "maintenance": {"owner": hostile(draw), "retrain_when": [hostile(draw)]},
    }


def survives(folder: Path, seed: int) -> bool:
    """Generate from a hostile plan; whether there is a project (the rest was refused, with nothing written)."""
    draw = random.Random(seed)
    plan = hostile_plan(draw)
    sandbox = folder / f"plan-{seed}"
    (sandbox / "out").mkdir(parents=True)
    path = sandbox / "drivetrain.yaml"
    path.write_text(yaml.dump(plan, Dumper=yaml.CSafeDumper, allow_unicode=True), encoding="utf-8")
    try:
        made = project.new(path, sandbox / "out")
    except DrivetrainError:
        assert not list((sandbox / "out").iterdir()), seed
        assert sorted(entry.name for entry in sandbox.iterdir()) == ["drivetrain.yaml", "out"], seed
        shutil.rmtree(sandbox)
        return False
    assert sorted(entry.name for entry in sandbox.iterdir()) == ["drivetrain.yaml", "out"], seed
    assert [entry.name for entry in (sandbox / "out").iterdir()] == [made.path.name], seed
    assert made.path.resolve().parent == (sandbox / "out").resolve()
    found = [entry for entry in made.path.rglob("*") if not entry.is_dir()]
    assert {entry.relative_to(made.path).as_posix() for entry in found} == set(made.files), seed
    assert (made.path / "drivetrain.yaml").read_bytes() == path.read_bytes()
    for entry in found:
        assert not entry.is_symlink()
        _check(entry, plan, seed)
    shutil.rmtree(sandbox)
    return True


def _check(path: Path, plan: dict[str, Any], seed: int) -> None:
    where = f"{path.name} of plan {seed}"
    text = path.read_bytes().decode("utf-8")
    if path.name in {"drivetrain.yaml", "record.json"}:
        json.loads(text) if path.suffix == ".json" else None
        return
    for evaluated in EVALUATED:
        assert evaluated not in text, where
    if path.name != "checklist.yaml":  # it is the team's, and is never rendered
        assert "{{" not in text.replace("${{", ""), where
    if path.suffix == ".toml":
        assert tomllib.loads(text)["project"]["description"] == line(_known(plan["project"]["summary"], plan)), where
    elif path.suffix in PARSERS:
        _parses(path.suffix, text)
    elif path.suffix == ".md":
        _check_markdown(text, where)
    elif path.name in {"Makefile", "Dockerfile", ".gitignore", ".dockerignore"}:
        assert "touch zq" not in text, where  # the slug may hold its letters, and nothing else of a name
        assert text.isascii(), where


@lru_cache(maxsize=1000)  # most files are the same for every plan
def _parses(suffix: str, text: str) -> bool:
    PARSERS[suffix](text)
    return True


def _known(summary: Any, plan: dict[str, Any]) -> str:
    return plan["project"]["name"] if isinstance(summary, dict) or not str(summary).strip() else summary


def _check_markdown(text: str, where: str) -> None:
    """A reader sees text, and the links and headings of the template alone."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    for token in tokens:
        assert token.type != "html_block" or OWN_HTML.fullmatch(token.content), f"{where}: {token.content}"
        for child in token.children or []:
            assert child.type not in {"html_inline", "image", "s_open"}, f"{where}: {child.content or child.type}"
            if child.type == "link_open":
                assert str(child.attrs["href"]).startswith(RELATIVE) or "/learners/" in str(child.attrs["href"]), where
    fences = [token for token in tokens if token.type == "fence"]
    assert all(token.info in ("sh", "bash", "mermaid") for token in fences), where
    # In a picture every text is a label, and every other character than a harmless one is a code.
    for label in (m for token in fences if token.info == "mermaid" for m in re.findall(r'"(.*)"', token.content)):
        assert re.fullmatch(r"(?:[\w \u00b7.,:?+/%€=-]|#\d+;)*", label), f"{where}: {label}"
    assert not any(token.type == "code_block" for token in tokens), where


@pytest.mark.parametrize("batch", range(4))
def test_hostile_plans_break_nothing(tmp_path, batch):
    made = sum(survives(tmp_path, seed) for seed in range(batch * 12, batch * 12 + 12))
    assert made >= 8  # most of them are projects after all: the texts are hostile, not the plans


@pytest.mark.fuzz
@pytest.mark.parametrize("batch", range(50))
def test_five_thousand_hostile_plans_break_nothing(tmp_path, batch):
    made = sum(survives(tmp_path, seed) for seed in range(1000 + batch * 100, 1000 + batch * 100 + 100))
    assert made >= 60


@pytest.mark.parametrize(
    "text", [*FRAGMENTS, *(f"a{fragment}b" for fragment in FRAGMENTS), "2. x", "+1", "=", "a\\", "``x`"]
)
def test_what_a_reader_sees_is_the_text(text):
    """Rendered by a Markdown library, the escaped text reads as the text: in a paragraph, an item and a heading."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    seen = line(text)
    for before in ("", "- ", "# ", "word "):
        for made in (markdown(text), code(text)):
            [inline] = [token for token in reader.parse(f"{before}{made}") if token.type == "inline"] or [None]
            shown = "".join(child.content for child in inline.children) if inline else ""
            assert shown.strip() == f"{before.strip('- #')} {seen}".strip() or (not seen and not shown), made
    assert tomllib.loads(f'x = "{quoted(text)}"')["x"] == seen
    assert json.loads(f'"{quoted(text)}"') == seen
    assert YAML(typ="safe").load(f'x: "{quoted(text)}"')["x"] == seen

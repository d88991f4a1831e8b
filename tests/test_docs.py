"""What the README and the documents say is what happens."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drivetrain.spec import load_text

ROOT = Path(__file__).resolve().parents[1]
MADE = ROOT / "docs" / "reference" / "made"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if MADE not in page.parents),
]


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every code block in this language."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += [
            (str(page.relative_to(ROOT)), block)
            for block in re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        ]
    return found


def commands() -> list[tuple[str, str]]:
    return [
        (page, line.removeprefix("$ ").split("#")[0].strip())
        for page, block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def test_the_readme_shows_both_commands_in_its_first_screen() -> None:
    first_screen = (ROOT / "README.md").read_text().splitlines()[:20]
    assert any("make demo" in line for line in first_screen)
    assert any("make test" in line for line in first_screen)


def test_the_tour_of_the_readme_prints_what_it_shows() -> None:
    """As every block of the pages below docs/ is run; commands that install or run for minutes stand above the tour."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    tour = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Three uses")[2].partition("\n## The CPU")[0]
    shell: dict[str, Any] = {}
    pages.begin(shell)
    try:
        found = [
            pages.console(SimpleNamespace(parsed=block, namespace=shell))
            for block in re.findall(r"^```console\n(.*?)^```", tour, flags=re.MULTILINE | re.DOTALL)
        ]
    finally:
        pages.end(shell)
    assert found == [None, None, None]


@pytest.mark.parametrize(("page", "text"), [b for b in blocks("yaml") if b[1].startswith("drivetrain:")])
def test_every_plan_that_a_page_shows_can_be_read(page: str, text: str) -> None:
    assert load_text(text).project.name, page


@pytest.mark.parametrize(("page", "command"), [c for c in commands() if c[1].startswith("drivetrain ")])
def test_every_command_that_a_page_shows_exists(page: str, command: str) -> None:
    name = command.split()[1]
    done = subprocess.run(
        [sys.executable, "-m", "drivetrain", name, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{page}: {command}: {done.stderr}"
    for option in re.findall(r"--[a-z-]+", command):
        assert option in done.stdout, f"{page}: {name} has no {option}"


@pytest.mark.parametrize(("page", "command"), [c for c in commands() if c[1].startswith("make ")])
def test_every_make_target_that_a_page_shows_exists(page: str, command: str) -> None:
    ours, projects = ROOT / "Makefile", ROOT / "template" / "{{ cookiecutter.slug }}" / "Makefile"
    makefile = ours.read_text() + projects.read_text()
    for target in re.split(r" [>&|]", command)[0].split()[1:]:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"{page}: make {target}"


def test_every_code_block_is_in_a_language_that_a_test_runs() -> None:
    """`docs/conftest.py` runs them; a block without a language, or in another one, would be read by nobody.

    The two in braces are Sphinx's, which fails on what it cannot read.
    """
    run = {"console", "python", "text", "yaml", "toml", "json", "{toctree}", "{eval-rst}"}
    unread = []
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert len(fences) % 2 == 0, f"{page}: a code block does not end"
        unread += [f"{page.relative_to(ROOT)}: {language!r}" for language in fences[::2] if language not in run]
    assert not unread, "\n".join(unread)


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            made = "reference/made/" in target  # when the site is built; test_site.py follows these
            if not re.match(r"[a-z]+:", target) and not made and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)

"""Every code block of every page is run: a page is a session in a folder of its own.

- `console`: each line behind `$ ` is typed into one shell after another, which keep folder and environment; what
  follows it must be what it prints, where `…` stands for anything and a number for any number. A command that ends
  with another code than 0 says so: `# exit 1`.
- `python`: a program of its own; `text` after it is what it prints.
- `yaml`, `toml`, `json`: must be readable; a first line `# name.yaml` writes the file, and so does one of `python`;
  `# name.yaml, continued` adds to it.

A page that trains or serves says `<!-- full -->` and belongs to the rest of `make test-all`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

FILE = re.compile(r"# ([\w./-]+\.\w+)(, continued)?(?: .*)?\n")
NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?:e-?\d+)?")
SHELL = """
cd "$(cat "$STATE/folder")" || exit 1
[ -f "$STATE/environment" ] && . "$STATE/environment"
{ %s
}
code=$?
pwd > "$STATE/folder"
export -p > "$STATE/environment"
exit $code
"""


def begin(page: dict[str, Any]) -> None:
    """A page begins in an empty folder, with the environment of the tests."""
    page["temporary"] = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    base = Path(page["temporary"].name)
    page["folder"], page["state"] = base / "work", base / "state"
    for folder in (page["folder"], page["state"]):
        folder.mkdir()
    (page["state"] / "folder").write_text(str(page["folder"]))
    page["groups"], page["printed"] = [], ""


def end(page: dict[str, Any]) -> None:
    """What a page started ends with it."""
    for group in page["groups"]:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue
    page["temporary"].cleanup()


def here(page: dict[str, Any]) -> Path:
    """The folder that the page's last command left."""
    return Path((page["state"] / "folder").read_text().strip())


def run(page: dict[str, Any], command: list[str]) -> tuple[int, str]:
    """Exit code and output; a file takes the output, since what runs on in the background would hold a pipe open."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "120",
        "STATE": str(page["state"]),
    }
    with (page["state"] / "output").open("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=here(page), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        page["groups"].append(process.pid)
        code = process.wait(timeout=1200)
        output.seek(0)
        return code, output.read()


def flat(text: str) -> str:
    """Text without what differs from run to run: numbers, rules drawn as wide as a terminal, white space."""
    return " ".join(NUMBER.sub("N", re.sub(r"[─━-]{3,}", "-", text)).split())


def same(shown: str, printed: str) -> bool:
    """Whether what a page shows is what was printed, with `…` for anything."""
    pattern = ".*".join(re.escape(flat(part)) for part in shown.split("…"))
    return re.search(pattern, flat(printed), flags=re.DOTALL) is not None


def console(example: Example) -> str | None:
    """Commands, and what each prints."""
    for part in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        ends = next((n for n, line in enumerate(lines) if not line.endswith("\\")), len(lines) - 1)
        command, shown = "\n".join(lines[: ends + 1]), "\n".join(lines[ends + 1 :])
        code, printed = run(example.namespace, ["bash", "-c", SHELL % command])
        example.namespace["printed"] = printed
        fails = re.search(r"# exit (\d+)", command)
        if code != int(fails[1] if fails else 0):
            return f"`{command}` ended with {code}:\n{printed}"
        if shown.strip() and not same(shown, printed):
            return f"`{command}` printed\n{printed}\nand not\n{shown}"
    return None


def python(example: Example) -> str | None:
    """A program, or a file of the project."""
    if write(example):
        compile(example.parsed, example.path, "exec")
        return None
    code, example.namespace["printed"] = run(example.namespace, [sys.executable, "-c", example.parsed])
    return f"the program ended with {code}:\n{example.namespace['printed']}" if code else None


def text(example: Example) -> str | None:
    """What the block before printed."""
    printed = example.namespace["printed"]
    return None if same(example.parsed, printed) else f"printed was\n{printed}"


def write(example: Example) -> bool:
    """A block whose first line names a file is that file."""
    named = FILE.match(example.parsed)
    if named:
        path = here(example.namespace) / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if named[2] else "w", encoding="utf-8") as file:
            file.write(example.parsed[named.end() :] if named[2] else example.parsed)
    return named is not None


def data(example: Example) -> None:
    """Something that can be read, and may be a file."""
    {"yaml": yaml.safe_load, "toml": tomllib.loads, "json": json.loads}[example.region.lexemes["arguments"]](
        textwrap.dedent(FILE.sub("", example.parsed, count=1))
    )
    write(example)


pytest_collect_file = Sybil(
    parsers=[
        CodeBlockParser("console", console),
        CodeBlockParser("python", python),
        CodeBlockParser("text", text),
        *(CodeBlockParser(language, data) for language in ("yaml", "toml", "json")),
    ],
    patterns=["*.md"],
    excludes=["reference/made/*.md", "made/*.md"],  # written by `make docs`, from what other tests hold
    setup=begin,
    teardown=end,
).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Blocks of a page that says `<!-- full -->` are for `make test-all`."""
    for item in items:
        if item.path.suffix == ".md" and "<!-- full -->" in item.path.read_text(encoding="utf-8"):
            item.add_marker(pytest.mark.full)

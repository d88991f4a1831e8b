"""The site: these pages, and what is made from the code when it is built.

`make docs` builds it. Rules, findings, questions, tasks, words and commands are read from where the package keeps them,
so that no page says something else than the program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import fastapi  # noqa: F401  (autodoc imports with TYPE_CHECKING on, which its pydantic models do not survive)
from sphinx.application import Sphinx

import drivetrain
from drivetrain.explain import Explanation, explain, topics

HERE = Path(__file__).parent
MADE = HERE / "reference" / "made"
TITLES = {
    "rule": ("Rules", "What a coherent plan obeys. `drivetrain validate` judges by these, each from its stage on."),
    "finding": ("Findings", "What the steps say about data, training, decisions, audits, checklist and environment."),
    "question": ("Questions", "The bank of the bias checklist. A plan gets those that something in it sets off."),
    "task": ("Tasks", "What models may do, and how far deep learning can be relied on for it."),
    "stage": ("Stages", "Each has a gate, and a gate names what is missing."),
    "word": ("Words", "The approach's and fastai's."),
}

project = "drivetrain"
author = copyright = "The drivetrain maintainers"
version = release = drivetrain.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
highlight_language = "none"
html_theme = "furo"
html_title = "drivetrain"
html_static_path = ["static"]
html_js_files = ["reach.js"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
suppress_warnings = ["myst.header"]
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_exclude = ".linenos, .go"
# Docstrings write `names` as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "params_style")]
exclude_patterns = ["_build"]


def setup(app: Sphinx) -> None:
    """Pages made from the code are written before Sphinx looks for pages."""
    app.connect("config-inited", lambda *_: make())


def make() -> None:
    """Write the pages; one that is as it was keeps its time, so that it is not built again."""
    MADE.mkdir(exist_ok=True)
    pages = {f"{kind}s": "\n\n".join(page(kind)) for kind in TITLES} | {"commands": "\n\n".join(commands())}
    for name, text in pages.items():
        path = MADE / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text + "\n":
            path.write_text(text + "\n", encoding="utf-8")


def page(kind: str) -> Iterator[str]:
    """A page of everything of one kind that can be explained."""
    title, says = TITLES[kind]
    yield f"# {title}"
    yield f"{says} `drivetrain explain` says the same of any of them, in a terminal."
    if kind == "task":
        yield from entry(explain("capabilities")[0])
    for name in topics()[kind]:
        if re.fullmatch(r"DS\d+", name):
            continue  # faults of structure: the plan language's own page has them as a table
        yield from entry(next(found for found in explain(name) if found.kind == kind))


def entry(found: Explanation) -> Iterator[str]:
    """One topic as a section."""
    yield f"## {found.name}"
    yield shown(found.text)
    if found.more:
        yield "\n".join(f"- *{about}*: {shown(text)}" for about, text in found.more)


def shown(text: str) -> str:
    """Text of the program as Markdown that shows it as it is: what is not code holds no markup."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<>*_\[\]{}|$])", r"\\\1", part) for part in parts)


def commands() -> Iterator[str]:
    """The command line, as `--help` says it."""
    from drivetrain.cli import main

    yield "# Commands"
    yield "Results go to stdout, progress to stderr."
    yield "Exit code 0: done, nothing failed. 1: something that must not pass. 2: wrong use, or an unreadable plan."
    group = click.Context(main)
    for name in main.list_commands(group):
        command = main.get_command(group, name)
        assert command is not None
        context = click.Context(command, info_name=f"drivetrain {name}", max_content_width=96)
        yield f"## drivetrain {name}"
        yield f"```text\n{command.get_help(context)}\n```"

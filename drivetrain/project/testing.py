"""A pytest fixture for teams that fork the template.

In their `conftest.py`: `pytest_plugins = ["drivetrain.project.testing"]`. Then::

    def test_our_template(generated_project):
        made = generated_project("plans/ours.yaml", template="template")
        assert "HOUSE.md" in made.files
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drivetrain.project.generate import Generated, new

Generate = Callable[..., Generated]


@pytest.fixture
def generated_project(tmp_path: Path) -> Generate:
    """Generates a project in a folder of the test's own: `generated_project(plan, template=…)`.

    Without a plan it takes `example`, the name of one of the gallery's; without a template, drivetrain's own.
    """

    def generate(
        plan: str | Path | None = None, *, example: str = "mail-sorting", template: str | Path | None = None
    ) -> Generated:
        from drivetrain.examples import path

        number = sum(1 for _ in tmp_path.glob("generated-*"))
        into = tmp_path / f"generated-{number}"
        return new(plan or path(example), into, template=Path(template).absolute() if template else None)

    return generate

"""The apps that people try a model with, asked by their own code: the notebook behind Voilà, and the Gradio app.

Their pages in a browser are driven in `test_apps_voila.py` and `test_apps_gradio.py`; what all kinds of data have in
common is asked here, without one.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from served import SERVE

NOTEBOOK = SERVE.parent.parent / "notebooks" / "app.ipynb"
MEDIA = ("image", "audio", "series")


def notebook(case: dict[str, Any]) -> list[str]:
    """What the notebook of the project in the current folder shows for a case, line by line."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {"display": lambda shown: None}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace("from IPython.display import display", ""), names)
    for name, widget in names["inputs"].items():
        value = case.get(name)
        if names["engine"].fields[name].type in MEDIA:
            content = base64.b64decode(value)
            told = {"name": "sent", "type": "", "size": len(content), "content": memoryview(content)}
            widget.value = ({**told, "last_modified": datetime.now()},)
        else:
            widget.value = typed(value)
    names["button"].click()
    shown = [names["verdict"].value]
    for line in names["details"].children:
        shown.append(" ".join(part.value for part in getattr(line, "children", (line,)) if isinstance(part.value, str)))
    return shown


def gradio(case: dict[str, Any], folder: Path) -> list[str]:
    """What the Gradio app of the project in the current folder says of a case; files are written below a folder."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    found = importlib.util.spec_from_file_location("generated_app", SERVE.with_name("app.py"))
    assert found is not None
    assert found.loader is not None
    app = importlib.util.module_from_spec(found)
    found.loader.exec_module(app)
    values = []
    for field in app.fields():
        app.widget(field)
        value = case.get(field.name)
        if field.type in MEDIA:
            path = folder / f"sent-{field.name}"
            path.write_bytes(base64.b64decode(value))
            values.append(str(path))
        else:
            values.append(typed(value))
    said, _, reasons = app.decide(*values)
    return [said, *reasons.splitlines()]


def typed(value: Any) -> str:
    """What a person types into a field."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

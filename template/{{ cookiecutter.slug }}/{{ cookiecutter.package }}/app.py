"""The decision as a Gradio app: `make gradio` shows it here, deploy/space/ says how to host it.

The answer comes from the same models and the same policy as the service's.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from drivetrain import DrivetrainError, load_spec, run
from drivetrain.serving import Engine, Field, of_form


@cache
def engine() -> Engine:
    """The models and the policy; a file whose hash is not the recorded one is not loaded."""
    return Engine.open(load_spec())


def fields() -> list[Field]:
    """What the models and the policy read of a case."""
    return [field for field in engine().fields.values() if field.used]


def as_sent(payload: Any) -> str | None:
    """The file as it was sent: Gradio would open it, and say no more than "Error" of one that it cannot."""
    return payload.path if payload else None


def widget(field: Field) -> gr.components.Component:
    """What a person fills in; what is left empty is "not known"."""
    label = f"{field.name} ({field.unit})" if field.unit else field.name
    made: Any = None
    if field.type == "image":
        # What stands in the place for the picture is what a screen reader says of it.
        said = "Drop an image file here to upload"
        made = gr.Image(label=label, placeholder=said, sources=["upload", "webcam", "clipboard"])
    if field.type == "audio":
        made = gr.Audio(label=label)
    if made:
        made.preprocess = as_sent
        return made
    if field.type == "series":
        return gr.File(label=label, file_types=[".csv"])
    if field.values or field.type == "boolean":
        return gr.Dropdown(choices=["", *(field.values or ("true", "false"))], label=label, value="")
    return gr.Textbox(label=label, lines=4 if field.type == "text" else 1)


def read(values: tuple[Any, ...]) -> dict[str, Any]:
    """One case, as a form sends it."""
    texts: dict[str, str] = {}
    file = None
    for field, value in zip(fields(), values, strict=True):
        if not field.is_media:
            texts[field.name] = value or ""
        elif value:
            file = (field.name, Path(value).read_bytes())
    return of_form(engine().fields, texts, file)


def likeliest(predictions: Mapping[str, Any]) -> tuple[gr.Label, list[str]]:
    """The classes of the first outcome that has some, as bars, and what is said of the other outcomes."""
    bars, others = gr.Label(visible=False), []
    named = [outcome for outcome, found in predictions.items() if "probabilities" in found]
    for outcome, found in predictions.items():
        if "mean" in found:
            range_ = f"{found['low']:.4g} to {found['high']:.4g}"
            others.append(f"{outcome}: {found['mean']:.4g}, nine times in ten {range_}")
        elif outcome == named[0]:
            shares = dict(zip(found["classes"], found["probabilities"], strict=True))
            bars = gr.Label(shares, label=f"What the model expects: {outcome}", num_top_classes=5, visible=True)
        else:
            others.append(f"{outcome}: {found['most_likely']} ({max(found['probabilities']):.1%})")
    return bars, others


def decide(*values: Any) -> tuple[str, gr.Label, str]:
    """The decision in words, what the models expect, and why."""
    try:
        [answer] = engine().decide([read(values)])
    except DrivetrainError as error:
        return f"This cannot be decided: {error.message}", gr.Label(visible=False), ""
    person = answer["setting"] == "defer"
    said = f"Ask a person. Recommended: {answer['recommendation']}" if person else f"Decision: {answer['setting']}"
    if answer["value"] is not None:
        objective = engine().spec.objective
        unit = objective.measure.unit if objective and objective.measure else ""
        said += f". Expected value: {answer['value']:.4g} {unit}"
    bars, others = likeliest(answer["predictions"])
    return said, bars, "\n".join([*others, *answer["reasons"]])


def main() -> None:
    about = engine().spec.project
    # Darker than Gradio's own: grey on white and white on orange are hard to read.
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate").set(
        button_primary_background_fill="*primary_700",
        button_primary_text_color="white",
        body_text_color_subdued="*neutral_700",
        body_text_color_subdued_dark="*neutral_300",
    )
    app = gr.Interface(
        decide,
        inputs=[widget(field) for field in fields()],
        outputs=[
            gr.Textbox(label="Decision"),
            gr.Label(label="What the model expects", visible=False),
            gr.Textbox(label="Because"),
        ],
        title=about.name,
        description=about.summary,
        flagging_mode="never",
        analytics_enabled=False,
    )
    app.launch(theme=theme, footer_links=[])


if __name__ == "__main__":
    run(main)

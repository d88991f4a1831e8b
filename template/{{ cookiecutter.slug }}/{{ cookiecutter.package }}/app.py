"""The decision as a Gradio app: `make app` shows it here, deploy/space/ says how to host it.

The answer comes from the same models and the same policy as the service's.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from drivetrain import DrivetrainError, load_spec
from drivetrain.serving import Engine, Field, of_form

plan = load_spec()
engine = Engine.open(plan)
fields = {name: field for name, field in engine.fields.items() if field.used}
unit = plan.objective.measure.unit if plan.objective and plan.objective.measure else ""


class Picture(gr.Image):
    """The file as it was sent: Gradio would open it, and say no more than "Error" of one that is no picture."""

    is_template = True  # in the browser it is Gradio's own

    def preprocess(self, payload: Any) -> Any:
        return payload.path if payload else None


def widget(field: Field) -> gr.components.Component:
    """What a person fills in; what is left empty is "not known"."""
    label = f"{field.name} ({field.unit})" if field.unit else field.name
    if field.type == "image":
        return Picture(label=label, type="filepath", sources=["upload", "webcam", "clipboard"])
    if field.type == "audio":
        return gr.Audio(label=label, type="filepath")
    if field.values or field.type == "boolean":
        return gr.Dropdown(choices=["", *(field.values or ("true", "false"))], label=label, value="")
    return gr.Textbox(label=label, lines=4 if field.type == "text" else 1)


def read(values: tuple[Any, ...]) -> dict[str, Any]:
    """One case, as a form sends it."""
    texts: dict[str, str] = {}
    file = None
    for field, value in zip(fields.values(), values, strict=True):
        if not field.is_media:
            texts[field.name] = value or ""
        elif value:
            file = (field.name, Path(value).read_bytes())
    return of_form(engine.fields, texts, file)


def decide(*values: Any) -> tuple[str, dict[str, float] | None, str]:
    """The decision in words, the likeliest classes of the first outcome, and why."""
    try:
        [answer] = engine.decide([read(values)])
    except DrivetrainError as error:
        return f"This cannot be decided: {error.message}", None, ""
    person = answer["setting"] == "defer"
    said = f"Ask a person. Recommended: {answer['recommendation']}" if person else f"Decision: {answer['setting']}"
    if answer["value"] is not None:
        said += f". Expected value: {answer['value']:.4g} {unit}"
    likely, numbers = None, []
    predictions: dict[str, Any] = {**answer["predictions"]}
    for outcome, found in predictions.items():
        if "probabilities" in found:
            likely = likely or dict(zip(found["classes"], found["probabilities"], strict=True))
        elif "mean" in found:
            numbers.append(
                f"{outcome}: {found['mean']:.4g}, nine times in ten {found['low']:.4g} to {found['high']:.4g}"
            )
    return said, likely, "\n".join([*numbers, *answer["reasons"]])


app = gr.Interface(
    decide,
    inputs=[widget(field) for field in fields.values()],
    outputs=[gr.Textbox(label="Decision"), gr.Label(label="What the model expects"), gr.Textbox(label="Because")],
    title=plan.project.name,
    description=plan.project.summary,
    flagging_mode="never",
    analytics_enabled=False,
)

# Darker than Gradio's own: grey on white and white on orange are hard to read.
theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate").set(
    button_primary_background_fill="*primary_700",
    button_primary_text_color="white",
    body_text_color_subdued="*neutral_700",
    body_text_color_subdued_dark="*neutral_300",
)

if __name__ == "__main__":
    app.launch(theme=theme, footer_links=[])

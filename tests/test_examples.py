"""The gallery: complete plans that a stranger can start from."""

import pytest

from drivetrain import examples
from drivetrain.errors import SpecError
from drivetrain.spec import load_spec

NAMES = examples.names()


def test_the_gallery_lists_each_example_with_what_it_is_about():
    gallery = {example.name: example for example in examples.gallery()}
    assert gallery["mail-sorting"].tasks == ("image-classification",)
    assert gallery["clinic-triage"].tasks == ("table-classification",)
    tasks = {task for example in gallery.values() for task in example.tasks}
    assert {"ratings", "text-classification", "image-text-classification", "audio-classification"} <= tasks
    assert all(example.summary for example in gallery.values())


@pytest.mark.parametrize("name", NAMES)
def test_an_examples_slug_is_its_name_and_nothing_in_it_is_left_open_by_chance(name):
    spec = load_spec(examples.path(name))
    assert spec.slug == name
    spec.require("objective.value", "objective.measure", "levers", "data")
    assert all(who.recourse for who in spec.objective.affected)
    assert spec.objective.if_it_works_really_well
    assert all(source.rights for source in spec.data)


@pytest.mark.parametrize("name", NAMES)
def test_examples_need_no_network(name):
    assert not any(model.training.pretrained for model in load_spec(examples.path(name)).models)


def test_an_unknown_example_names_the_nearest():
    with pytest.raises(SpecError, match=r"Did you mean `mail-sorting`\?"):
        examples.path("mail-sort")
    with pytest.raises(SpecError, match="There are: "):
        examples.path("../../etc/passwd")

"""Merging loses no line that a person wrote, and agrees with git where git is sure."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.project.merge import marked, merge

LINES = st.lists(
    st.sampled_from([f"{letter}\n" for letter in "abcdef"]) | st.text("xyz", max_size=3).map("{}\n".format)
)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "result"),
    [
        ("a\nb\nc\n", "a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n"),
        ("a\nb\nc\n", "a\nB\nc\n", "a\nb\nc\n", "a\nB\nc\n"),
        ("a\nb\nc\n", "mine\na\nb\nc\n", "a\nb\nc\nnew\n", "mine\na\nb\nc\nnew\n"),
        ("a\nb\nc\n", "a\nc\n", "a\nb\nc\nd\n", "a\nc\nd\n"),
        ("a\nb\nc\n", "a\nsame\nc\n", "a\nsame\nc\n", "a\nsame\nc\n"),
        ("", "mine\n", "", "mine\n"),
        ("a\nb", "a\nb", "a\nb\nc\n", "a\nb\nc\n"),
        ("a\nb\n", "a\r\nmine\r\nb\r\n", "new\na\nb\n", "new\r\na\r\nmine\r\nb\r\n"),
        ("a\x0cb\nc\n", "a\x0cb\nC\n", "x\na\x0cb\nc\n", "x\na\x0cb\nC\n"),
    ],
)
def test_changes_in_different_places_are_both_kept(base, ours, theirs, result):
    merged = merge(base, ours, theirs)
    assert (merged.text, merged.conflicts) == (result, 0)
    assert not marked(merged.text)


def test_changes_in_the_same_place_are_marked():
    merged = merge("a\nb\nc\n", "a\nmine\nc", "a\nnew\nc\n")
    assert merged.conflicts == 1
    assert merged.text == "a\n<<<<<<< yours\nmine\nc\n=======\nnew\nc\n>>>>>>> drivetrain\n"
    assert marked(merged.text)


@pytest.mark.parametrize("end", ["<<<<<<< yours", ">>>>>>> drivetrain"])
def test_one_end_of_a_conflict_alone_is_not_decided_either(end):
    assert end in merge("a\nb\n", "a\nmine\n", "a\ntheirs\n").text.split("\n")
    assert marked(f"a\n{end}\nmine\n")
    assert not marked(f"a\n{end} and more\n=======\n")


def test_what_both_sides_say_at_the_edges_of_a_conflict_stands_outside_of_it():
    merged = merge("a\n", "x\nmine\ny\n", "x\nnew\ny\n")
    assert merged.text == "x\n<<<<<<< yours\nmine\n=======\nnew\n>>>>>>> drivetrain\ny\n"


@given(LINES, LINES, LINES)
def test_no_line_that_somebody_wrote_is_lost(base, ours, theirs):
    """A line is written by a side as often as that side has it more than the base."""
    result = merge("".join(base), "".join(ours), "".join(theirs)).text.splitlines(keepends=True)
    for side in (ours, theirs):
        for line in set(side):
            if side.count(line) > base.count(line):
                assert line in result
    for line in set(ours) - set(base):
        assert result.count(line) >= ours.count(line)


@given(LINES, LINES)
def test_a_side_that_changed_nothing_yields_to_the_other(base, changed):
    base, changed = "".join(base), "".join(changed)
    assert merge(base, base, changed).text == changed
    assert merge(base, changed, base).text == changed
    assert merge(base, changed, changed).text == changed
    assert not merge(base, changed, changed).conflicts


@settings(max_examples=60, deadline=None)
@given(LINES, st.data())
def test_git_agrees_where_it_sees_no_conflict_and_nothing_moved(tmp_path_factory, base, data):
    """Edits that keep three lines of distance cannot be matched in two ways; there git's result is the only one."""
    base = [f"{place} {line}" for place, line in enumerate(base * 2)]
    sides: list[list[str]] = [base.copy(), base.copy()]
    for place in range(0, len(base) - 1, 8):
        side = data.draw(st.sampled_from(sides))
        side[side.index(base[place])] = data.draw(st.sampled_from(["", "new\n", f"{base[place]}more\n"]))
    texts = ["".join(lines) for lines in (sides[0], base, sides[1])]
    folder = tmp_path_factory.mktemp("merge")
    for name, text in zip(("ours", "base", "theirs"), texts, strict=True):
        (folder / name).write_text(text)
    git = subprocess.run(
        ["git", "merge-file", "-p", "ours", "base", "theirs"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert git.returncode == 0
    merged = merge(texts[1], texts[0], texts[2])
    assert merged.text == git.stdout
    assert not merged.conflicts

"""What YAML does to a plan is noticed, and said in one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivetrain.errors import SpecError
from drivetrain.findings import Finding
from drivetrain.spec import check_text, load_spec, load_text
from drivetrain.spec.reading import LARGEST, read, scalar

HEAD = "drivetrain: 1\nproject: {name: x}\n"
START = HEAD + "objective:\n  statement: s\n"


def findings(text: str) -> list[Finding]:
    try:
        return check_text(text).findings
    except SpecError as error:
        return list(error.findings)


def lines(text: str) -> list[str]:
    return [str(finding) for finding in findings(text)]


def only(text: str) -> Finding:
    found = findings(text)
    assert len(found) == 1, lines(text)
    return found[0]


@pytest.mark.parametrize(
    ("value", "line", "says"),
    [
        ("  value: {a: b", 5, "`{` is not closed"),
        ("  value: [a", 5, "`[` is not closed"),
        ("  value: 'a", 5, "quotation mark that is opened is not closed"),
        ("  value: *x * 2", 5, "`*x` is an alias"),
        ("  value: *x", 5, "`*x` is an alias"),
        ("  value: - x", 5, "a `-` with a blank after it"),
        ('  value: "a" & b', 5, "anchor or an alias"),
        ('  value: "a" * b', 5, "anchor or an alias"),
        ('  value: "a" == b', 5, "quote a whole formula"),
        ("  statement2: Aim: do it", 5, "a colon with a blank after it"),
        ("  value: @x", 5, "`@` cannot begin a value"),
        ("  value: `x`", 5, "cannot begin a value"),
        ("  value: %x", 5, "`%` cannot begin a value"),
        ("\tvalue: x", 5, "a tab stands in the indentation"),
        ("   value: x", 5, "indentation"),
        ('  value: "\\d"', 5, "backslash"),
        ("---\na: 1", 5, "a second document begins"),
        ("  value: a\x07", 5, "control character U+0007"),
        ("  value: ? x", 5, "`?` cannot stand here"),
    ],
)
def test_what_is_no_yaml_is_one_line_with_its_number(value: str, line: int, says: str) -> None:
    finding = only(START + value + "\n")
    assert says in str(finding).replace("**", "*")
    assert finding.where == f"drivetrain.yaml:{line}"
    assert finding.id == "DS121"
    assert "\n" not in str(finding)
    assert finding.advice


def test_a_formula_that_yaml_cuts_at_its_comma_is_recognised_and_put_together() -> None:
    policies = "policies: {today: {formula: where(b > 1, min(b, 2) > 1, c)}}"
    levers = f"levers: [{{name: a, type: options, options: [x, y], {policies}}}]"
    found = [finding for finding in findings(START + levers) if finding.id == "DS325"]
    assert len(found) == 1
    assert '`"where(b > 1, min(b, 2) > 1, c)"`, with quotes' in found[0].advice
    numbers = START + "  guardrails: [{name: g, measure: mean(where(period == 0, 1, 100.5)), at_most: 1}]\n"
    assert any('`"mean(where(period == 0, 1, 100.5))"`, with quotes' in line for line in lines(numbers))
    assert not [line for line in lines(numbers) if "no text" in line or "takes 3" in line], "1 is a number, no key"
    text = START + "  guardrails: [{name: g, measure: mean(a, b), at_most: 1}]\n  terms: {t: where(a, b, c), u: 1}\n"
    assert sum(finding.id == "DS225" for finding in findings(text)) == 2
    assert not [line for line in lines(text) if "no field" in line], "the rest of the formula is no field"


def test_a_list_cut_at_a_formulas_comma_is_recognised() -> None:
    text = START + "levers: [{name: a, type: options, options: [x, y], limits: [where(b, c, d), e > 1]}]"
    found = [finding for finding in findings(text) if finding.id == "DS325"]
    assert len(found) == 1
    assert "levers[0].limits[0]" in found[0].where


def test_text_with_parentheses_that_is_not_cut_is_left_alone() -> None:
    spec = load_text(HEAD + 'objective: {statement: "a (b, c"}')
    assert spec.require("objective.statement") == "a (b, c"


@pytest.mark.parametrize("comment", ["3", "2 * margin", "cost(bin)"])
def test_a_formula_that_loses_its_tail_to_a_comment_is_noticed(comment: str) -> None:
    finding = next(f for f in findings(START + f"  value: x * 2 # {comment}\n") if f.id == "DS209")
    assert finding.level == "warn"
    assert comment in finding.what


@pytest.mark.parametrize("comment", ["of ONE period", "buys now, renews later", "what happens; the gain is elsewhere"])
def test_an_ordinary_comment_is_left_alone(comment: str) -> None:
    assert not [f for f in findings(START + f"  value: x * 2     # {comment}\n") if f.id == "DS209"]


def test_a_formula_that_ends_where_a_comment_begins_is_told_so() -> None:
    finding = next(f for f in findings(START + "  value: x * # 3\n") if f.id == "DS210")
    assert "`#` is a comment in YAML" in finding.advice


def test_the_number_0_is_not_the_class_0() -> None:
    outcomes = "{y: {column: y, values: [0, 1], affected_by: []}}"
    data = f"levers: []\ndata: [{{name: d, kind: table, location: x, outcomes: {outcomes}}}]"
    found = findings(START + data)
    assert [f.where.split(": ")[1] for f in found] == ["data[0].outcomes.y.values[0]", "data[0].outcomes.y.values[1]"]
    assert all('Quote it, `"' in f.advice for f in found)
    options = findings(START + "levers: [{name: a, type: options, options: {0: {cost: 1}, '1': {}}}]")
    assert [f.id for f in options] == ["DS324"]
    assert '`"0": …`' in options[0].advice
    with_text = "levers: [{name: a, type: options, options: [on, off, yes, 'true']}]"
    assert findings(START + with_text) == []


def test_doubled_keys_name_both_lines() -> None:
    finding = only(START + "  statement: t\n")
    assert finding.id == "DS222"
    assert finding.where == "drivetrain.yaml:5: objective.statement"
    assert "first in line 4" in finding.what


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [ls]", "!!str 0", "!x y", "!!binary aGk="])
def test_tags_are_refused(tag: str) -> None:
    assert any(f.id == "DS223" for f in findings(START + f"  horizon: {tag}\n"))


def test_bombs_of_aliases_are_refused_and_plain_aliases_work() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    assert "aliases written out" in str(only(HEAD + bomb))
    assert "before it" in str(only(HEAD + "a: &a [*a]"))
    spec = load_text(START + "  constants: {a: &a {value: 1, unit: EUR}, b: *a}\n")
    assert spec.require("objective").constants["b"].value == 1


@pytest.mark.parametrize("deep", ["[" * 3000, "{a: " * 3000, "- " * 3000, "? " * 3000])
def test_deep_nesting_ends_in_one_line(deep: str) -> None:
    assert "levels deep" in str(only(f"{HEAD}objective: {deep}")) or "cannot stand here" in str(
        only(f"{HEAD}objective: {deep}")
    )


def test_formulas_that_nest_deeply_or_are_long_end_in_one_line() -> None:
    for formula in ("-" * 3000 + "x", "(" * 3000 + "x" + ")" * 3000, "~" * 900 + "x", "abs(" * 190 + "x" + ")" * 190):
        (finding,) = findings(START + f'  value: "{formula}"\n')
        assert finding.id == "DS210"
        assert len(str(finding)) < 400


def test_a_file_that_is_no_text_or_no_plan(tmp_path: Path) -> None:
    cases = {
        "latin.yaml": ("drivetrain: 1\nproject: {name: Größe}".encode("latin-1"), "drivetrain|latin.*no UTF-8"),
        "wide.yaml": ("drivetrain: 1".encode("utf-16"), "UTF-16"),
        "huge.yaml": (b"#" * 50_000_000, "has 50.0 MB"),
        "empty.yaml": (b"", "is empty"),
        "comment.yaml": (b"# nothing\n", "is empty"),
        "list.yaml": (b"- a\n- b\n", "is a list, and a plan is fields"),
        "word.yaml": (b"hello\n", "is the text `hello`"),
        "null.yaml": (b"~\n", "is empty"),
        "zero.yaml": (b"\x00\x01", "control character"),
    }
    for name, (content, says) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SpecError, match=says) as caught:
            load_spec(tmp_path / name)
        assert len(caught.value.message.splitlines()) == 1, caught.value.message
        assert (tmp_path / name).read_bytes() == content
    for missing in (tmp_path / "none.yaml", tmp_path / "none"):
        with pytest.raises(SpecError, match="no such file"):
            load_spec(missing)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "drivetrain.yaml").write_bytes(b"\xef\xbb\xbf" + START.replace("\n", "\r\n").encode())
    assert load_spec(tmp_path).require("objective.statement") == "s"


@pytest.mark.parametrize("version", ["2", "99"])
def test_a_newer_version_of_the_language_says_to_install(version: str) -> None:
    finding = only(f"drivetrain: {version}\nsomething: new\n")
    assert finding.where == "drivetrain.yaml:1: drivetrain"
    assert "Install a newer drivetrain" in finding.advice


@pytest.mark.parametrize("version", ["0", "-1", "'1'", "1.0", "true", "{unknown: x, owner: y, due: 2027-01-01}"])
def test_a_version_that_never_was_is_refused(version: str) -> None:
    assert any(
        "drivetrain.yaml:1: drivetrain" in f.where for f in findings(f"drivetrain: {version}\nproject: {{name: x}}")
    )


def test_a_plan_of_an_older_version_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    from drivetrain.spec import migrations

    def rename(tree: dict) -> dict:
        return {key: value for key, value in tree.items() if key != "title"} | {"project": {"name": tree["title"]}}

    monkeypatch.setitem(migrations.STEPS, 0, rename)
    spec = load_text("drivetrain: 0\ntitle: Old\n")
    assert (spec.drivetrain, spec.project.name) == (1, "Old")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("on", "on"), ("yes", "yes"), ("no", "no"), ("off", "off"), ("true", True), ("False", False), ("null", None),
        ("~", None), ("", None), ("2025-01-01", "2025-01-01"), ("010", 10), ("0x1F", 31), ("0o17", 15), ("1e3", 1000.0),
        ("1_000", "1_000"), ("1:30", "1:30"), ("-5", -5), ("+.5", 0.5), ("5.", 5.0), (".inf", float("inf")), ("=", "="),
        ("<<", "<<"), ("none", "none"), ("1" * 500, int("1" * 500)),
    ],
)  # fmt: skip
def test_unquoted_words_mean_what_yaml_1_2_says(text: str, meaning: object) -> None:
    assert scalar(text) == meaning
    assert type(scalar(text)) is type(meaning)


def test_findings_are_json_with_their_place() -> None:
    finding = only(START + "  horizont: 3 days\n")
    plain = json.loads(json.dumps(finding.as_json()))
    assert plain["facts"] == {"path": "objective.horizont", "line": 5, "column": 3}
    assert (plain["id"], plain["level"]) == ("DS202", "fail")
    assert plain["advice"] == "Did you mean `horizon`?"


def test_reading_is_bounded_by_the_size_of_a_plan() -> None:
    with pytest.raises(SpecError, match="a plan has at most 1 MB"):
        read("#" * (LARGEST + 1))


def test_pyyaml_without_libyaml_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = Path(__file__).parent / "golden" / "plans" / "02-insurance-pricing.yaml"
    with_c = read(path.read_text())
    monkeypatch.setitem(sys.modules, "yaml.cyaml", None)
    without = read(path.read_text())
    assert without.tree == with_c.tree
    assert {key: place.line for key, place in without.places.items()} == {k: p.line for k, p in with_c.places.items()}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: [", 3, "a `[` or `{` is opened and not closed."),
        ("a: {b: [1, 2\n\n\n", 3, "a `[` is not closed"),
        ("a: {\n  b: 1,\n\n", 4, "a `[` or `{` is opened and not closed."),
        ('a: "\\xg"\n', 3, "a backslash between double quotes"),
        ("a: b\n...\nc: d\n", 5, "something follows the `...`"),
        ("a: `x`\n", 3, "a back quote cannot begin a value"),
    ],
)
def test_what_is_left_open_is_said_with_its_line(text: str, line: int, says: str) -> None:
    finding = only("drivetrain: 1\nproject: {name: x}\n" + text)
    assert finding.where == f"drivetrain.yaml:{line}"
    assert says in finding.what

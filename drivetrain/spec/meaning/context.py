"""What every check of meaning needs: the plan, its names, and how a formula is judged in its place."""

from collections.abc import Iterator
from typing import Any, Literal

from drivetrain.errors import FormulaError
from drivetrain.findings import Level
from drivetrain.spec.derived import Derived
from drivetrain.spec.facts import Tree, ordered
from drivetrain.spec.formula import types
from drivetrain.spec.formula.tree import Formula, parse
from drivetrain.spec.formula.types import ANY, NUMBER, Typed
from drivetrain.spec.kinds import DOUBLE, FORMULA, LATE, NOT_DEFINED, REFERENCE, TYPE
from drivetrain.spec.names import an
from drivetrain.spec.reading import Document, Path


class Context:
    """A plan whose structure was checked, while its meaning is.

    Args:
        document: Takes the findings.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.tree = document.clean
        self.facts = Derived(document)
        self.names = self.facts.names
        self._terms: dict[str, Typed] = {}
        formulas = {name: self.facts.term(name) for name in self.names.of("term")}
        inner = {name: sorted(formula.names) if formula else [] for name, formula in formulas.items()}
        order, self.term_circles = ordered(inner)
        for name in order:
            if (formula := formulas[name]) is not None:
                self._terms[name] = types.check(formula, self.names, self.term)[0]

    def add(self, kind: int, path: Path, what: str, advice: str = "", level: Level = "fail") -> None:
        """Note a finding about the value at `path`."""
        self.document.add(kind, path, what, advice, level)

    def parts(self, section: str) -> Iterator[tuple[Path, Tree]]:
        """Path and part of each item of a list that can be read."""
        return ((path, part) for path, part in self.items(self.tree.get(section, ()), (section,)))

    def items(self, values: Any, path: Path) -> Iterator[tuple[Path, Any]]:
        """Path and value of each item of a list that can be read."""
        for place, value in enumerate(values or ()):
            if value is not None:
                yield (*path, place), value

    def said(self, path: Path) -> bool:
        """Whether the file says anything at `path`, be it a question or a fault."""
        return self.document.tree_at(path) is not None

    def source(self, name: str | None) -> Tree:
        """The source of this name; empty when there is none."""
        return next((part for part in self.facts.parts("data") if name and part.get("name") == name), {})

    def refer(self, name: str, known: list[str], kind: str, path: Path, section: str) -> bool:
        """Whether a reference leads somewhere; a finding when not."""
        if name in known:
            return True
        stands = section in self.tree or self.said((section,))
        advice = _nearest(name, known, f"There are: {_listed(known)}." if known else f"Define it under `{section}`.")
        self.add(REFERENCE, path, f"there is no {kind} `{name}`.", advice, "fail" if stands else "note")
        return False

    def name(self, name: str, path: Path, *kinds: str) -> bool:
        """Whether a name is defined and of one of these kinds; a finding when not."""
        entry = self.names.get(name)
        if entry is None:
            advice = _nearest(
                name, [n for n, e in self.names.items() if e.kind in kinds], "Declare it, or correct the name."
            )
            self.undefined(name, path, advice)
            return False
        if entry.kind in kinds:
            return True
        self.add(REFERENCE, path, f"`{name}` is {an(entry.kind)}, and must be {' or '.join(map(an, kinds))}.", "")
        return False

    def undefined(self, name: str, path: Path, advice: str) -> None:
        """A name that is not defined: an error once levers and data stand, a note before."""
        if self.names.complete:
            self.add(NOT_DEFINED, path, f"`{name}` is not defined.", advice)
        else:
            what = f"`{name}` is not defined yet."
            self.add(NOT_DEFINED, path, what, "Levers and data will have to define it.", "note")

    def term(self, name: str) -> Typed:
        """Type of a term; anything while it cannot be told."""
        return self._terms.get(name, ANY)

    def formula(
        self,
        text: str | None,
        path: Path,
        want: Literal["number", "boolean", "any"] = "number",
        *,
        population: bool = False,
        value: bool = False,
        before: str = "",
    ) -> Typed:
        """Judge a formula in its place.

        Args:
            text: The formula; None when there is none that can be read.
            path: Where it stands.
            want: What it must give; truth values count as numbers.
            population: Whether it is about all cases.
            value: Whether it may use `value`.
            before: What it decides ("the value"), when it may only use what is known before the decision.
        """
        if text is None:
            return ANY
        parsed = parse(text)
        found, problems = types.check(parsed, self.names, self.term, population=population, value=value)
        for problem in problems:
            if problem.kind == NOT_DEFINED:
                self.undefined(problem.name, path, problem.advice)
            else:
                self.add(problem.kind, path, problem.what, problem.advice)
        if not problems:
            self.wanted(found, want, path)
        if before:
            self.in_time(parsed, path, before)
        if not self.term_circles:
            try:
                self.facts.expand(text)
            except FormulaError as error:
                self.add(FORMULA, path, error.what, error.advice)
        return found

    def wanted(self, found: Typed, want: str, path: Path) -> None:
        """Refuse a formula that gives something else than its place takes."""
        takes = {"number": ("number", "boolean", "time"), "boolean": ("boolean",)}.get(want)
        if takes and found.type not in (*takes, "any"):
            advice = "Compare it: `… > 0`." if found.type == "number" else "Compare it: `… == 'class'` counts 0 or 1."
            words = "a truth value" if want == "boolean" else "a number"
            self.add(TYPE, path, f"gives {an(found.type)}, and must give {words}.", advice)

    def in_time(self, formula: Formula, path: Path, what: str) -> None:
        """Refuse columns that record what was done, or that are known only afterwards."""
        for name, through in types.walk_names(formula, self.names, self.facts.term):
            entry = self.names.get(name)
            if entry is None or not (entry.logged or entry.late):
                continue
            why = (
                "records what was done (`role: logged`)"
                if entry.logged
                else "is known only afterwards (`known: after`)"
            )
            by = f" (through the term `{through}`)" if through else ""
            self.add(
                LATE, path, f"`{name}` {why} and cannot be in {what}{by}.", "Use what is known before the decision."
            )

    def constraint(self, path: Path, constraint: Tree) -> None:
        """A guardrail or a constraint of the optimizer."""
        self.formula(constraint.get("measure"), (*path, "measure"), population=True)
        for at, name in self.items(constraint.get("by"), (*path, "by")):
            self.name(name, at, "column", "lever", "outcome")

    def unique(self, section: str, parts: Iterator[tuple[Path, Tree]]) -> None:
        """Refuse the same name twice in a list."""
        seen: dict[str, Path] = {}
        for path, part in parts:
            name = part.get("name")
            if name is None:
                continue
            if name in seen:
                line = self.document.place(seen[name])
                first = f" (first in line {line.line})" if line else ""
                self.add(
                    DOUBLE, (*path, "name"), f"`{name}` stands in `{section}` twice{first}.", "Give one another name."
                )
            seen.setdefault(name, path)


def fits(found: Typed, kind: str) -> bool:
    """Whether a type is, or may be, of this kind."""
    return found.type in (kind, "any") or (kind == "number" and found == NUMBER)


def _nearest(name: str, known: list[str], otherwise: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1, 0.6)
    return f"Did you mean `{near[0]}`?" if near else otherwise


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

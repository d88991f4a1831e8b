"""The simulator's inner step: what a formula is expected to be for each case under each setting."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.policy.belief import Belief
from drivetrain.policy.constraints import Limit, Rule
from drivetrain.policy.problem import Array, Problem
from drivetrain.policy.value import expected
from drivetrain.spec.formula import Formula, as_guessed, evaluate

Floats = NDArray[np.float64]


def expectation(
    problem: Problem,
    formula: Formula,
    columns: Mapping[str, Array],
    beliefs: Mapping[str, Belief],
    levers: Mapping[str, Array] | None = None,
) -> Floats:
    """The expectation of a case formula, shape (n, k).

    Args:
        problem: The decision; its k joint settings are tried unless `levers` says otherwise.
        formula: A case formula with its terms written out.
        columns: Name -> shape (n,).
        beliefs: Outcome -> what is believed of it.
        levers: Other settings to try: lever -> shape (k,), or (n, k) when they differ from case to case.
    """
    payoffs = problem.payoffs if levers is None or levers is problem.settings else None
    settings = dict(levers if levers is not None else problem.settings)
    settings |= _cost_names(problem, formula, columns, settings)
    constants = {"period": 0.0, **problem.constants}
    cases = {name: column for name, column in columns.items() if name not in problem.outcomes}

    def mean(known: Mapping[str, Belief]) -> Floats:
        return expected(
            formula, constants, cases, settings, known, draws=problem.draws, seed=problem.seed, payoffs=payoffs
        )

    branches = getattr(beliefs, "branches", ())
    if not branches or not formula.names & beliefs.keys():
        return mean(beliefs)
    # Outcomes that feed other models are given within a branch, the others independent there.
    return np.asarray(sum(branch.weight * mean(branch.beliefs) for branch in branches))


def realised(
    problem: Problem,
    formula: Formula,
    columns: Mapping[str, Array],
    outcomes: Mapping[str, Array],
    action: Mapping[str, Array],
) -> Floats:
    """What a case formula came to, given what happened; shape (n,).

    Args:
        problem: The decision.
        formula: A case formula.
        columns: Name -> shape (n,).
        outcomes: Outcome -> what was observed, shape (n,): strings, booleans or numbers.
        action: Lever -> setting of each case, shape (n,).
    """
    cases = max((len(values) for values in [*action.values(), *outcomes.values(), *columns.values()]), default=0)
    names = {name: values[:, None, None] for name, values in outcomes.items()}
    return np.broadcast_to(evaluate_case(problem, formula, columns, action, names), (cases,)).astype(float)


def evaluate_case(
    problem: Problem,
    formula: Formula,
    columns: Mapping[str, Array],
    action: Mapping[str, Array],
    names: Mapping[str, Array],
) -> Array:
    """A formula with one known state a case, shape (n,) or (1,)."""
    levers = {name: np.asarray(values)[:, None] for name, values in action.items()}
    result = np.asarray(evaluate(formula, _names_of(problem, formula, columns, levers) | dict(names)))
    return result[:, 0, 0] if result.ndim == 3 else np.atleast_1d(result)


def _names_of(
    problem: Problem, formula: Formula, columns: Mapping[str, Array], levers: Mapping[str, Array]
) -> dict[str, Array]:
    """What a formula reads but outcomes, in the shapes that `evaluate` takes."""
    tried = dict(levers) | _cost_names(problem, formula, columns, levers)
    known: dict[str, Array] = {name: np.asarray(v) for name, v in {"period": 0.0, **problem.constants}.items()}
    known |= {name: np.asarray(values)[:, None, None] for name, values in columns.items() if name in formula.names}
    return known | {name: (v[None, :, None] if v.ndim == 1 else v[:, :, None]) for name, v in tried.items()}


def evaluate_guess(
    problem: Problem,
    formula: Formula,
    columns: Mapping[str, Array],
    beliefs: Mapping[str, Belief],
    levers: Mapping[str, Array],
    *,
    condition: bool = False,
) -> Array:
    """A formula with a guess for every outcome, shape (n or 1, k or 1): its mean, or its likeliest class.

    Args:
        problem: The decision.
        formula: A case formula.
        columns: Name -> shape (n,).
        beliefs: Outcome -> what is believed of it under these settings.
        levers: Lever -> shape (k,) or (n, k).
        condition: Whether the formula is a truth value.
    """
    guesses = {
        name: belief.mean() if belief.classes is None or belief.binary else belief.likeliest()
        for name, belief in beliefs.items()
        if name in formula.names
    }
    known = _names_of(problem, formula, columns, levers)
    found = np.asarray(evaluate(as_guessed(formula, problem.binary, condition=condition), known | guesses))
    return found[:, :, 0] if found.ndim == 3 else found.reshape(1, 1)


def allowed(
    problem: Problem,
    columns: Mapping[str, Array],
    beliefs: Mapping[str, Belief] | None,
    levers: Mapping[str, Array] | None = None,
) -> NDArray[np.bool_]:
    """What the limits allow and the log has shown, shape (n, k).

    In a limit an outcome's name means what it does in a policy's formula: its predicted mean, or its likeliest class.

    Args:
        problem: The decision; its k joint settings are judged unless `levers` says otherwise.
        columns: Name -> shape (n,).
        beliefs: Outcome -> what is believed of it under these settings; None leaves limits on outcomes aside.
        levers: Other settings: lever -> shape (k,) or (n, k).
    """
    settings = levers if levers is not None else problem.settings
    tried = next(iter(settings.values()))
    cases = max([len(column) for column in columns.values()] + [len(tried) if tried.ndim == 2 else 1])
    result = np.ones((cases, tried.shape[-1]), dtype=bool)
    for limit in problem.allowed:
        if not limit.names & problem.classes.keys():
            result &= expectation(problem, limit, columns, {}, settings).astype(bool)
        elif beliefs is not None:
            result &= evaluate_guess(problem, limit, columns, beliefs, settings, condition=True).astype(bool)
    for lever, seen in problem.seen.items():
        values = settings[lever]
        if values.dtype.kind == "U":
            result &= np.isin(values, np.array(seen, dtype=str))
        else:
            result &= (values >= seen[0] - 1e-9) & (values <= seen[1] + 1e-9)
    return result


def limits(problem: Problem, columns: Mapping[str, Array]) -> list[Limit]:
    """The rules in the form that is optimised, one for each group that `by` names.

    A rule whose measure is no ratio of means or sums is not among them: it is checked, not optimised.

    Raises:
        PolicyError: `by` names what the cases do not have.
    """
    return [
        Limit(title, rule.ratio.num, rule.ratio.den, rule.bound, rule.upper, place, rule.hard)
        for rule in problem.constraints
        if rule.ratio is not None
        for place, title in groups(problem, rule, columns)
    ]


def uses(
    problem: Problem,
    limits: list[Limit],
    columns: Mapping[str, Array],
    beliefs: Mapping[str, Belief],
    levers: Mapping[str, Array] | None = None,
) -> Floats:
    """Expected use of each limit, shape (m, n, k): its weighted mean is at most 0 when the limit holds.

    Cases outside a limit's group use nothing.
    """
    settings = levers if levers is not None else problem.settings
    tried = next(iter(settings.values()))
    lengths = [belief.cases for belief in beliefs.values()] + [len(tried)] * (tried.ndim - 1)
    cases = max(lengths, default=0) or max(map(len, columns.values()), default=1)
    result = np.zeros((len(limits), cases, tried.shape[-1]))
    for row, limit in zip(result, limits, strict=True):
        above = expectation(problem, limit.numerator, columns, beliefs, settings)
        below = expectation(problem, limit.denominator, columns, beliefs, settings)
        row[:] = (above - limit.bound * below) * (1 if limit.upper else -1)
        row *= inside(limit, columns, settings)
    return result


def inside(limit: Limit, columns: Mapping[str, Array], levers: Mapping[str, Array]) -> NDArray[np.float64]:
    """1 where a case (or a setting) belongs to the limit's group; broadcasts to (n, k)."""
    if limit.column is None:
        return np.ones((1, 1))
    name, group = limit.column
    if name in levers:
        return np.asarray(np.atleast_2d(levers[name]).astype(str) == group, dtype=float)
    return np.asarray(columns[name].astype(str) == group, dtype=float)[:, None]


def groups(problem: Problem, rule: Rule, columns: Mapping[str, Array]) -> list[tuple[tuple[str, str] | None, str]]:
    """The groups that a rule must hold in, with its title there: column or lever and its value; None: overall.

    Raises:
        PolicyError: `by` names what the cases do not have.
    """
    if not rule.by:
        return [(None, rule.name)]
    found: list[tuple[tuple[str, str] | None, str]] = []
    for column in rule.by:
        values = problem.settings.get(column, columns.get(column))
        if values is None:
            raise PolicyError(
                f"must hold by `{column}`, and the cases have no such column.",
                "Name a column of the cases, or a lever.",
                where=f"constraint `{rule.name}`",
            )
        groups = sorted({str(value) for value in values.tolist()})
        found += [((column, group), f"{rule.name} ({column} {group})") for group in groups]
    return found


def _cost_names(
    problem: Problem, formula: Formula, columns: Mapping[str, Array], settings: Mapping[str, Array]
) -> dict[str, Array]:
    """`cost(lever)` for the settings that are tried, in the settings' own shape."""
    found: dict[str, Array] = {}
    for lever in problem.levers:
        name = f"cost({lever})"
        if name not in formula.entries or lever not in settings:
            continue
        costs = problem.costs[lever]
        if isinstance(costs, Formula):
            constants: dict[str, Array] = {key: np.asarray(value) for key, value in problem.constants.items()}
            cases = {key: np.asarray(c)[:, None] for key, c in columns.items() if key in costs.names}
            tried = {key: s if s.ndim == 2 else s[None, :] for key, s in settings.items() if key in costs.names}
            price = np.asarray(evaluate(costs, constants | cases | tried), dtype=float)
            whole = np.broadcast_to(price, np.broadcast_shapes(price.shape, np.atleast_2d(settings[lever]).shape))
            # What no column enters costs every case the same.
            found[name] = whole[0] if settings[lever].ndim == 1 and len(whole) == 1 and not cases else whole
        else:
            unique, where = np.unique(settings[lever], return_inverse=True)
            found[name] = np.array([costs[str(u)] for u in unique])[where].reshape(settings[lever].shape)
    return found

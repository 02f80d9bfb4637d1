"""Private logistic regressions of two classes beside diffprivlib's: accuracy on held-out rows of the census table.

Every way gets the same encoded rows, splits, neighbours (one row replaced), grid of C and rule to choose from it: the
best mean accuracy of CHOICES runs on other people from the same equations, so that no judged row has a part in it.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NamedTuple

import frame as frames
import noise
import numpy as np
import objective as objectives
import perturbation
import train
from common import encoding
from common.entry import Refusal
from comparisons import _census as census_of
from comparisons import _peer
from comparisons._census import DELTA, Census
from figures import Comparison, Figure, Line, mean

EPSILONS = (0.5, 1.0, 2.0, 8.0)
GRID = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = tuple(range(20))
CHOICES = tuple(range(100, 105))
TAU = 1e-6
RELATION = "replace_one"

Run = tuple[float, float, int]
"""ε, C, and the seed of the split."""


class Way(NamedTuple):
    """A way to a private model: what it is called and its accuracies for several runs on a table."""

    name: str
    accuracies: Callable[[Census, Sequence[Run]], list[float]]
    spends: bool = True


def measure() -> Comparison:
    """All ways at all ε, and the same without noise."""
    versions: dict[str, str] = {}
    ways = (
        Way("`opendp.objective_perturbation`, gaussian", _each(lambda *run: objective_perturbation("gaussian", *run))),
        Way(
            "`opendp.objective_perturbation`, laplace (δ = 0)",
            _each(lambda *run: objective_perturbation("laplace", *run)),
        ),
        Way("diffprivlib (δ = 0)", lambda table, runs: diffprivlib(table, runs, False, versions)),
        Way("diffprivlib, on rows centred as ours", lambda table, runs: diffprivlib(table, runs, True, versions)),
        Way("`opendp.output_perturbation`, gaussian", _each(output_perturbation)),
        Way("without noise", _each(without_noise), spends=False),
    )
    other, table = census_of.census(seed=1995), census_of.census()
    chosen: dict[str, dict[str, float]] = {}
    found: dict[str, dict[str, list[float]]] = {}
    for way in ways:
        chosen[way.name], found[way.name] = {}, {}
        for epsilon in EPSILONS:
            if not way.spends and found[way.name]:  # the same at every ε
                first = f"{EPSILONS[0]:g}"
                chosen[way.name][f"{epsilon:g}"] = chosen[way.name][first]
                found[way.name][f"{epsilon:g}"] = found[way.name][first]
                continue
            tried = [(epsilon, weight, seed) for weight in GRID for seed in CHOICES]
            scores = np.array(way.accuracies(other, tried)).reshape(len(GRID), len(CHOICES)).mean(axis=1)
            weight = GRID[int(np.nanargmax(scores))]
            chosen[way.name][f"{epsilon:g}"] = weight
            values = way.accuracies(table, [(epsilon, weight, seed) for seed in SEEDS])
            found[way.name][f"{epsilon:g}"] = values
            print(f"{way.name}, epsilon = {epsilon:g}: C = {weight:g}, accuracy {mean(values)}", flush=True)
    return _comparison([way.name for way in ways], chosen, found, versions)


def _comparison(
    names: list[str],
    chosen: dict[str, dict[str, float]],
    found: dict[str, dict[str, list[float]]],
    versions: dict[str, str],
) -> Comparison:
    ours, pure, theirs = names[0], names[1], names[2]
    lines = [Line(name, tuple(mean(values) for values in found[name].values())) for name in names]
    gains: dict[str, list[Figure]] = {}
    for name, label in ((ours, "gaussian"), (pure, "laplace")):
        pairs = [zip(found[name][e], found[theirs][e], strict=True) for e in found[name]]
        gains[label] = [mean([a - b for a, b in pair]) for pair in pairs]
        lines.append(Line(f"{label} less diffprivlib, split by split", tuple(gains[label])))
    columns = tuple(f"ε = {epsilon:g}" for epsilon in EPSILONS)
    claims = tuple(
        (f"gaussian is at least as accurate as diffprivlib in the mean at {column}", gain.mean >= 0.0)
        for column, gain in zip(columns, gains["gaussian"], strict=True)
    )
    text = (
        "Accuracy on 6,400 held-out rows of the census table, 25,600 to train on; mean and 95 % interval of "
        f"{len(SEEDS)} splits with new noise each.\nNeighbours replace one row; δ = {DELTA:g} where it is spent "
        "(diffprivlib's mechanism cannot spend any, laplace does not).\nThe same encoding by the schema for all, its "
        "norm √13 told to diffprivlib; C of the same grid for each way and ε,\nby its mean accuracy in "
        f"{len(CHOICES)} runs on another draw of the table."
    )
    details = {
        "C": chosen,
        "accuracies": found,
        "versions": versions | {name: version(name) for name in ("opendp", "scikit-learn", "numpy")},
    }
    return Comparison("Private linear models", text, columns, tuple(lines), claims, details)


def _each(one: Callable[[Census, float, float, int], float]) -> Callable[[Census, Sequence[Run]], list[float]]:
    return lambda table, runs: [one(table, *run) for run in runs]


def objective_perturbation(mechanism: str, table: Census, epsilon: float, weight: float, seed: int) -> float:
    """The component's own calibration, draw and solver; not a number where it refuses so large a C."""
    fit, judge = table.split(seed)
    frame = frames.frame(table.encoder, table.facts, None)
    problem = objectives.Objective(weight, frame.norm, 2)
    try:
        plan = perturbation.calibrate(mechanism, problem, RELATION, len(frame.middle), epsilon, DELTA, TAU)
        solved = train.solve(problem, plan, frame.of(table.rows[fit]), table.labels[fit], TAU)
    except (ValueError, Refusal):
        return float("nan")
    weights = np.array(plan.finish.draw(solved.ravel().tolist())).reshape(1, -1)
    return _accuracy(table, judge, frame.back(weights))


def output_perturbation(table: Census, epsilon: float, weight: float, seed: int) -> float:
    """The component's own sensitivity and noise on the solution of its objective."""
    fit, judge = table.split(seed)
    problem = objectives.Objective(weight, encoding.norm_bound(table.facts), 2)
    solved = objectives.solve(problem, np.zeros((1, table.rows.shape[1])), table.rows[fit], table.labels[fit])
    bound = objectives.sensitivity(problem, RELATION, TAU)
    mechanism = noise.calibrate("gaussian", bound, solved.size, epsilon, DELTA)
    return _accuracy(table, judge, np.array(mechanism.draw(solved.ravel().tolist())).reshape(1, -1))


def without_noise(table: Census, _: float, weight: float, seed: int) -> float:
    fit, judge = table.split(seed)
    problem = objectives.Objective(weight, encoding.norm_bound(table.facts), 2)
    solved = objectives.solve(problem, np.zeros((1, table.rows.shape[1])), table.rows[fit], table.labels[fit])
    return _accuracy(table, judge, solved)


def diffprivlib(table: Census, runs: Sequence[Run], centred: bool, versions: dict[str, str]) -> list[float]:
    """diffprivlib's logistic regression, in its own environment."""
    frame = frames.frame(table.encoder, table.facts, None)
    rows, norm = (frame.of(table.rows), frame.norm) if centred else (table.rows, encoding.norm_bound(table.facts))
    found, versions["diffprivlib"] = _peer.scores(rows, table.labels, runs, model="logistic", norm=norm)
    return found


def _accuracy(table: Census, places: np.ndarray, weights: np.ndarray) -> float:
    return float(np.mean((table.rows[places] @ weights.ravel() > 0.0) == table.labels[places]))

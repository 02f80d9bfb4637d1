"""The proof's inequality, tried out: no pair of neighbouring tables moves the solution farther than the bound."""

import numpy as np
import objective as objectives
import pytest
from objective import Objective
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

TAU = 1e-6


def fit(problem: Objective, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The solution, by the component's own solver, with its gradient proven to be below TAU."""
    weights = objectives.solve(problem, np.zeros((problem.vectors, rows.shape[1])), rows, labels)
    assert objectives.gradient_bound(problem, weights, rows, labels) <= TAU
    return weights


def row(draw: np.random.Generator, columns: int, norm: float, extreme: bool) -> np.ndarray:
    """A row no longer than `norm`; an extreme one is exactly as long."""
    x = draw.normal(size=columns)
    return x / np.linalg.norm(x) * norm * (1.0 if extreme else draw.random())


def neighbour(draw, problem, rows, labels, relation, extreme):
    """A neighbouring table: one row replaced, or one added (which read backwards is one removed)."""
    new, label = row(draw, rows.shape[1], problem.norm, extreme), draw.integers(problem.classes)
    if relation == "add_remove":
        return np.vstack([rows, new]), np.append(labels, label)
    place = draw.integers(len(rows))
    rows, labels = rows.copy(), labels.copy()
    if extreme:  # the same long row with another label: both terms of the bound pull the same way
        new, label = -rows[place], labels[place]
        if draw.random() < 0.5:
            new, label = rows[place], (labels[place] + 1) % problem.classes
    rows[place], labels[place] = new, label
    return rows, labels


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("weight", [0.01, 0.5, 20.0])
def test_no_neighbouring_table_moves_the_solution_beyond_the_bound(relation: str, classes: int, weight: float) -> None:
    draw = np.random.default_rng([classes, int(weight * 100), relation == "add_remove"])
    problem = Objective(weight, 1.7, classes)
    bound = objectives.sensitivity(problem, relation, TAU)
    for _ in range(25):
        extreme = bool(draw.random() < 0.7)
        count, columns = draw.integers(1, 8), draw.integers(1, 5)
        rows = np.array([row(draw, columns, problem.norm, extreme) for _ in range(count)])
        labels = draw.integers(classes, size=count)
        other = neighbour(draw, problem, rows, labels, relation, extreme)
        moved = np.linalg.norm(fit(problem, rows, labels) - fit(problem, *other))
        assert moved <= bound


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_bound_is_not_vacuous(relation: str, classes: int) -> None:
    """Thousands of short rows hold class 0 firmly along the second axis; a long row that contradicts them pulls along
    the first with the full length of its loss gradient; mirrored, it pulls the other way as hard: twice the step."""
    problem = Objective(1.0, 1.0, classes)
    firm = np.repeat([[0.0, 0.05]], 6000, axis=0)
    right, left = np.array([[0.95, 0.31], [-0.95, 0.31]])[:, None]
    tables = [np.vstack([firm, right]), np.vstack([firm, left]) if relation == "replace_one" else firm]
    fits = [fit(problem, x, np.append(np.zeros(6000, int), 1)[: len(x)]) for x in tables]
    moved = np.linalg.norm(fits[0] - fits[1])
    bound = objectives.sensitivity(problem, relation, TAU)
    assert 0.9 * bound <= moved <= bound


@pytest.mark.parametrize(
    ("relation", "classes", "expected"),
    [("replace_one", 2, 2.0), ("add_remove", 2, 1.0), ("replace_one", 4, 2.0 * 2**0.5), ("add_remove", 4, 2**0.5)],
)
def test_closed_form(relation: str, classes: int, expected: float) -> None:
    weight, norm, tau = 0.3, 2.5, 1e-3
    bound = objectives.sensitivity(Objective(weight, norm, classes), relation, tau)
    assert bound == pytest.approx(expected * weight * norm + 2 * tau, rel=1e-8)
    assert bound > expected * weight * norm + 2 * tau


@pytest.mark.parametrize("classes", [2, 3])
def test_gradient_is_that_of_the_objective_and_vanishes_at_scikit_learns_solution(classes: int) -> None:
    draw = np.random.default_rng(classes)
    rows = draw.uniform(-1, 1, (200, 4))
    labels = (rows @ draw.normal(size=(4, classes)) + draw.gumbel(size=(200, classes))).argmax(axis=1)
    problem = Objective(0.7, 2.0, classes)

    def value(w: np.ndarray) -> float:
        scores = rows @ w.T
        if classes == 2:
            p = expit(scores[:, 0])
            likelihood = np.where(labels == 1, p, 1 - p)
        else:
            p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            likelihood = p[np.arange(200), labels]
        return 0.5 * (w**2).sum() - problem.C * np.log(likelihood).sum()

    w = draw.normal(size=(problem.vectors, 4))
    numeric = np.zeros_like(w)
    for place in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[place] = 1e-5
        numeric[place] = (value(w + step) - value(w - step)) / 2e-5
    assert objectives.gradient(problem, w, rows, labels) == pytest.approx(numeric, rel=1e-6, abs=1e-6)

    for solver in ("lbfgs", "newton-cg", "newton-cholesky"):
        theirs = LogisticRegression(C=0.7, fit_intercept=False, tol=1e-10, max_iter=5000, solver=solver).fit(
            rows, labels
        )
        assert objectives.gradient_bound(problem, theirs.coef_, rows, labels) < 1e-4
    assert theirs.coef_ == pytest.approx(fit(problem, rows, labels), abs=1e-4)


def test_gradient_bound_covers_rounding() -> None:
    """The bound stays above the gradient that exact rational arithmetic (here: long doubles) gives."""
    draw = np.random.default_rng(3)
    rows = draw.uniform(0, 1, (5000, 10))
    labels = draw.integers(2, size=5000)
    problem = Objective(1e3, 10**0.5, 2)
    w = objectives.solve(problem, np.zeros((1, 10)), rows, labels)
    wide, x = w.astype(np.longdouble), rows.astype(np.longdouble)
    exact = wide + np.longdouble(problem.C) * ((1 / (1 + np.exp(-(x @ wide.T))) - labels[:, None]).T @ x)
    assert objectives.gradient_bound(problem, w, rows, labels) >= float(np.linalg.norm(exact))


def test_distance_to_the_solution_is_at_most_the_gradient() -> None:
    """‖w - w*‖ ≤ ‖∇F(w)‖, what the 2τ stands on."""
    draw = np.random.default_rng(4)
    rows, labels = draw.uniform(-1, 1, (50, 3)), draw.integers(3, size=50)
    problem = Objective(2.0, 3**0.5, 3)
    best = fit(problem, rows, labels)
    for _ in range(200):
        away = best + draw.normal(size=best.shape) * 10.0 ** draw.uniform(-6, 1)
        assert np.linalg.norm(away - best) <= objectives.gradient_bound(problem, away, rows, labels) + TAU

"""Objective perturbation against computations of our own: exact losses of small problems, scales, laws of noise."""

import itertools
import math

import numpy as np
import objective as objectives
import perturbation
import pytest
from objective import Objective
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, softmax

FALSE_ALARM = 1e-9
TAU = 1e-6
CASES = [(0.5, 1e-6), (1.0, 1e-6), (2.0, 1e-5), (8.0, 1e-6), (1.0, 1e-3)]
WEIGHTS = (0.01, 0.3, 1.5)
NORM = 1.3


def covered(weight: float, epsilon: float) -> bool:
    """Whether noise can cover so large a C: the change of volume leaves a part of epsilon."""
    return math.log1p(weight * NORM**2 / 4) < 0.9 * epsilon


# --- the whole privacy loss of problems with one weight ---------------------------------------------------------------


def densities(problem: Objective, rows: np.ndarray, labels: np.ndarray, law: stats.rv_continuous, w: np.ndarray):
    """log density of the solution w of a problem with one column: change of variables from b, from the definition."""
    p = expit(np.outer(w, rows))
    b = -(((p - labels) * rows).sum(axis=1) + w / problem.C)
    volume = (p * (1 - p) * rows**2).sum(axis=1) + 1 / problem.C
    return law.logpdf(b) + np.log(volume)


def lattice(problem: Objective, rows: np.ndarray, labels: np.ndarray, reach: float) -> np.ndarray:
    """Weights that are solutions for b from -reach to reach, a fine step apart."""

    def solution(b: float) -> float:
        slope = lambda w: ((expit(w * rows) - labels) * rows).sum() + w / problem.C + b  # noqa: E731
        far = problem.C * (abs(b) + np.abs(rows).sum()) + 1.0
        return brentq(slope, -far, far)

    return np.linspace(solution(reach), solution(-reach), 40001)


def neighbours(draw: np.random.Generator, relation: str, norm: float):
    """Two neighbouring tables with one column, extreme rows among them."""
    count = draw.integers(1, 6)
    rows = (
        draw.choice([-norm, norm, 0.3 * norm, 0.0], count) if draw.random() < 0.7 else draw.uniform(-norm, norm, count)
    )
    labels = draw.integers(2, size=count)
    new, label = draw.choice([-norm, norm]), draw.integers(2)
    if relation == "add_remove":
        pair = (rows, labels), (np.append(rows, new), np.append(labels, label))
    else:
        pair = (rows, labels), (np.append(rows[:-1], new), np.append(labels[:-1], label))
    return pair if draw.random() < 0.5 else pair[::-1]


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
@pytest.mark.parametrize(
    ("weight", "epsilon", "delta"), [(w, *case) for w in WEIGHTS for case in CASES if covered(w, case[0])]
)
def test_gaussian_loss_of_neighbouring_tables_is_within_the_budget(relation, weight, epsilon, delta) -> None:
    """δ(ε) between the two laws of the solution, by integration, is at most the δ of the linear term."""
    problem = Objective(weight, NORM, 2)
    plan = perturbation.calibrate("gaussian", problem, relation, 1, epsilon, delta, TAU)
    law, draw = stats.norm(scale=plan.scale), np.random.default_rng([int(weight * 100), int(epsilon * 10)])
    worst = 0.0
    for _ in range(12):
        one, other = neighbours(draw, relation, problem.norm)
        w = lattice(problem, *one, 9 * plan.scale)
        first, second = (densities(problem, *table, law, w) for table in (one, other))
        assert np.trapezoid(np.exp(first), w) == pytest.approx(1.0, abs=1e-6)
        worst = max(worst, np.trapezoid(np.clip(np.exp(first) - np.exp(plan.epsilon + second), 0, None), w))
    assert worst <= plan.delta


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
@pytest.mark.parametrize(("weight", "epsilon"), [(w, e) for w in WEIGHTS for e in (0.5, 1.0, 8.0) if covered(w, e)])
def test_pure_loss_of_neighbouring_tables_is_within_the_budget(relation, weight, epsilon) -> None:
    problem = Objective(weight, NORM, 2)
    plan = perturbation.calibrate("laplace", problem, relation, 1, epsilon, 0.0, TAU)
    law, draw = stats.laplace(scale=plan.scale), np.random.default_rng([int(weight * 100), int(epsilon * 10)])
    for _ in range(20):
        one, other = neighbours(draw, relation, problem.norm)
        w = lattice(problem, *one, 30 * plan.scale)
        loss = densities(problem, *one, law, w) - densities(problem, *other, law, w)
        assert np.abs(loss).max() <= plan.epsilon


# --- problems with two weights, in which the bound is nearly reached --------------------------------------------------

FIRM = 200_000  # short rows that hold the second weight where both long rows contradict the model


def solution_and_volume(problem: Objective, long: np.ndarray, b: np.ndarray):
    """Newton's method for many b at once: FIRM rows (0, 0.05) of class 0, one long row of class 1."""
    rows, labels, count = np.vstack([[0.0, 0.05], long]), np.array([0.0, 1.0]), np.array([FIRM, 1.0])
    w = np.tile([0.0, -80.0], (len(b), 1))
    for _ in range(60):
        p = expit(w @ rows.T)
        slope = ((p - labels) * count) @ rows + w / problem.C + b
        bent = np.einsum("nk,ki,kj->nij", p * (1 - p) * count, rows, rows) + np.eye(2) / problem.C
        w = w - np.linalg.solve(bent, slope[..., None])[..., 0]
    assert np.abs(slope).max() < 1e-6
    return w, np.linalg.slogdet(bent)[1], slope


def loss_at(problem: Objective, one: np.ndarray, other: np.ndarray, b: np.ndarray, log_density) -> np.ndarray:
    """log of the densities' ratio at the solutions of the first table for b."""
    w, volume, _ = solution_and_volume(problem, one, b)
    rows, labels, count = np.vstack([[0.0, 0.05], other]), np.array([0.0, 1.0]), np.array([FIRM, 1.0])
    p = expit(w @ rows.T)
    moved = -(((p - labels) * count) @ rows + w / problem.C)
    bent = np.einsum("nk,ki,kj->nij", p * (1 - p) * count, rows, rows) + np.eye(2) / problem.C
    return log_density(b) - log_density(moved) + volume - np.linalg.slogdet(bent)[1]


LONG = np.array([[0.98, 0.19], [-0.98, 0.19]])


def test_the_pure_bound_is_not_vacuous() -> None:
    problem = Objective(0.05, 1.0, 2)
    plan = perturbation.calibrate("laplace", problem, "replace_one", 2, 1.0, 0.0, TAU)
    b = np.array([[sign * far * plan.scale, 0.0] for far in (1, 10, 30) for sign in (-1, 1)])
    loss = loss_at(problem, *LONG, b, lambda x: -np.linalg.norm(x, axis=1) / plan.scale)
    assert 0.85 * plan.epsilon <= np.abs(loss).max() <= plan.epsilon


def test_the_gaussian_bound_is_not_vacuous() -> None:
    """A tenth less noise breaks the promise."""
    problem = Objective(0.01, 1.0, 2)
    plan = perturbation.calibrate("gaussian", problem, "replace_one", 2, 2.0, 1e-3, TAU)
    axis = np.linspace(-6, 6, 121)
    mesh = np.array(list(itertools.product(axis, axis)))
    mass = stats.norm.pdf(mesh).prod(axis=1) * (axis[1] - axis[0]) ** 2

    def delta(sigma: float) -> float:
        loss = loss_at(problem, *LONG, mesh * sigma, lambda x: -(x**2).sum(axis=1) / (2 * sigma**2))
        return float(mass @ np.clip(-np.expm1(plan.epsilon - loss), 0, None))

    assert delta(plan.scale) <= plan.delta
    assert delta(plan.scale * 0.9) > plan.delta


# --- several classes --------------------------------------------------------------------------------------------------


def several(problem: Objective, rows: np.ndarray, labels: np.ndarray, w: np.ndarray):
    """For many weights (n × classes × columns): the b that they solve, log det of the Hessian, the losses in it."""
    classes, columns = w.shape[1:]
    p = softmax(np.einsum("nkj,ij->nik", w, rows), axis=2)
    b = -(np.einsum("nik,ij->nkj", p - np.eye(classes)[labels], rows) + w / problem.C)
    bent = p[..., None] * np.eye(classes) - p[..., :, None] * p[..., None, :]
    hessian = np.einsum("nikl,ij,im->nkjlm", bent, rows, rows).reshape(len(w), classes * columns, -1)
    return b, np.linalg.slogdet(hessian + np.eye(classes * columns) / problem.C)[1], hessian


def unit_rows(draw: np.random.Generator, count: int, columns: int) -> np.ndarray:
    x = draw.normal(size=(count, columns))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize(("classes", "weight"), [(3, 0.05), (3, 0.9), (5, 0.3)])
@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
def test_pure_loss_of_several_classes_is_within_the_budget(relation: str, classes: int, weight: float) -> None:
    """At weights far and near, on tables of a few long rows, which leave the Hessian's change its full part."""
    draw = np.random.default_rng([classes, int(100 * weight)])
    problem, columns = Objective(weight, 1.0, classes), 2
    plan = perturbation.calibrate("laplace", problem, relation, classes * columns, 2.0, 0.0, TAU)
    worst = 0.0
    for _ in range(60):
        rows, labels = unit_rows(draw, 3, columns), draw.integers(classes, size=3)
        left = slice(0, 2) if relation == "add_remove" else slice(0, 3)
        moved, other = rows.copy(), labels.copy()
        moved[2], other[2] = unit_rows(draw, 1, columns)[0], draw.integers(classes)
        w = draw.normal(size=(400, classes, columns)) * 10.0 ** draw.uniform(-2, 1.5, (400, 1, 1))
        b, volume, _ = several(problem, rows, labels, w)
        b2, volume2, _ = several(problem, moved[left], other[left], w)
        loss = (np.linalg.norm(b2, axis=(1, 2)) - np.linalg.norm(b, axis=(1, 2))) / plan.scale + volume - volume2
        worst = max(worst, np.abs(loss).max())
    assert 0.3 * plan.epsilon <= worst <= plan.epsilon


@pytest.mark.slow
@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
def test_gaussian_loss_of_several_classes_is_within_the_budget(relation: str) -> None:
    """δ(ε) as a mean over 20,000 draws of b, each solved by Newton's method, with five standard errors to spare."""
    draw = np.random.default_rng(8)
    problem, classes, columns = Objective(0.2, 1.0, 3), 3, 2
    plan = perturbation.calibrate("gaussian", problem, relation, classes * columns, 1.0, 0.05, TAU)
    for _ in range(3):
        rows, labels = unit_rows(draw, 3, columns), draw.integers(classes, size=3)
        left = slice(0, 2) if relation == "add_remove" else slice(0, 3)
        moved, other = rows.copy(), labels.copy()
        moved[2], other[2] = -rows[2], labels[2]
        b = plan.scale * draw.normal(size=(20_000, classes, columns))
        w = -problem.C * b
        for _ in range(12):
            now, _, hessian = several(problem, rows, labels, w)
            bent = hessian + np.eye(classes * columns) / problem.C
            w = w - np.linalg.solve(bent, (b - now).reshape(len(w), -1, 1)).reshape(w.shape)
        found, volume, _ = several(problem, rows, labels, w)
        assert np.abs(found - b).max() < 1e-6
        b2, volume2, _ = several(problem, moved[left], other[left], w)
        loss = ((b2**2).sum(axis=(1, 2)) - (b**2).sum(axis=(1, 2))) / (2 * plan.scale**2) + volume - volume2
        over = np.clip(-np.expm1(plan.epsilon - loss), 0, None)
        assert over.mean() <= plan.delta + 5 * over.std() / math.sqrt(len(over))


@pytest.mark.parametrize(("relation", "rows", "directions"), [("add_remove", 1, 2), ("replace_one", 2, 4)])
def test_scale_of_three_classes(relation: str, rows: int, directions: int) -> None:
    problem = Objective(0.03, 2.0, 3)
    plan = perturbation.calibrate("gaussian", problem, relation, 30, 1.0, 1e-6, TAU)
    left = 0.99 - 2 * math.log(1 + 0.03 * 4 / 3)
    assert plan.distance == pytest.approx(math.sqrt(2) * 2 * rows)
    assert directions * perturbation.tail(left, plan.distance / plan.scale) == pytest.approx(0.99e-6, rel=1e-6)


# --- scale ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epsilon", "shift"), [(1.0, 0.2), (0.5, 0.1), (8.0, 1.4), (0.05, 0.01)])
def test_the_tail_is_the_integral_that_it_bounds(epsilon: float, shift: float) -> None:
    start = (epsilon - shift**2 / 2) / shift

    def excess(z: float) -> float:
        return 2 * stats.norm.pdf(z) * -math.expm1(epsilon - shift**2 / 2 - shift * z)

    found, _ = quad(excess, start, start + 40, epsabs=0, epsrel=1e-10, points=[start + 1])
    assert perturbation.tail(epsilon, shift) == pytest.approx(found, rel=1e-7)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5])
@pytest.mark.parametrize(("epsilon", "shift"), [(1.0, 0.2), (8.0, 1.4), (2.0, 0.8)])
def test_two_rows_that_differ_never_have_more_than_the_tail(epsilon: float, shift: float, share: float) -> None:
    """E(1 - exp(ε - a²/2 - G))₊ for G = |b·x| + |b·x'| over σ², by integration over the angle between x and x'.

    G is the larger of two independent |normal| variables whose variances add up to a², here in the ratio `share`."""
    large, small = shift * math.sqrt(1 - share), shift * math.sqrt(share)
    start = epsilon - shift**2 / 2

    def beyond(t: float) -> float:
        inside = math.erf(t / large / math.sqrt(2)) * (math.erf(t / small / math.sqrt(2)) if small else 1.0)
        return 1 - inside

    found, _ = quad(lambda t: math.exp(start - t) * beyond(t), start, start + 60 * shift, epsabs=1e-16, limit=500)
    assert found <= perturbation.tail(epsilon, shift) * (1 + 1e-6) + 1e-13


@pytest.mark.parametrize(("relation", "factor"), [("replace_one", 2.0), ("add_remove", 1.0)])
@pytest.mark.parametrize(("epsilon", "delta"), CASES)
def test_gaussian_scale_is_the_least(relation: str, factor: float, epsilon: float, delta: float) -> None:
    """Against the Gaussian mechanism's exact curve (Balle and Wang 2018, Theorem 8) at half of δ."""
    problem = Objective(0.03, 2.9, 2)
    plan = perturbation.calibrate("gaussian", problem, relation, 50, epsilon, delta, TAU)
    left = 0.99 * epsilon - math.log(1 + 0.03 * 2.9**2 / 4)

    def curve(sigma: float) -> float:
        a = factor * 2.9 / sigma
        return stats.norm.cdf(a / 2 - left / a) - math.exp(left) * stats.norm.cdf(-a / 2 - left / a)

    expected = brentq(lambda s: curve(s) - 0.99 * delta / 2, 0.5, 1e3, xtol=1e-12)
    assert plan.scale == pytest.approx(expected, rel=1e-6)
    assert (plan.epsilon + plan.finish.epsilon, plan.delta + plan.finish.delta) == pytest.approx((epsilon, delta))
    assert plan.finish.distance >= 2 * TAU


@pytest.mark.parametrize(("relation", "factor"), [("replace_one", 2.0), ("add_remove", 1.0)])
def test_pure_scale_in_closed_form(relation: str, factor: float) -> None:
    plan = perturbation.calibrate("laplace", Objective(0.03, 2.9, 2), relation, 50, 1.0, 1e-6, TAU)
    assert plan.scale == pytest.approx(factor * 2.9 / (0.99 - math.log(1 + 0.03 * 2.9**2 / 4)), rel=1e-8)
    assert (plan.delta, plan.finish.delta) == (0.0, 0.0)
    assert plan.finish.scale == pytest.approx(math.sqrt(50) * 2 * TAU / 0.01, rel=1e-6)


@pytest.mark.parametrize("mechanism", ["gaussian", "laplace"])
def test_a_weight_that_no_noise_can_cover_is_refused_with_the_largest(mechanism: str) -> None:
    with pytest.raises(ValueError, match=r"C must stay below 3\.38"):
        perturbation.calibrate(mechanism, Objective(3.4, math.sqrt(2), 2), "replace_one", 5, 1.0, 1e-6, TAU)
    most = 3 * math.expm1(0.99 / 2) / 2  # 2·log(1 + C·r²/3) = ε₁
    perturbation.calibrate(mechanism, Objective(0.99 * most, math.sqrt(2), 3), "replace_one", 5, 1.0, 1e-6, TAU)
    with pytest.raises(ValueError, match=r"C must stay below 0\.961"):
        perturbation.calibrate(mechanism, Objective(1.01 * most, math.sqrt(2), 3), "replace_one", 5, 1.0, 1e-6, TAU)


# --- noise ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_gaussian_linear_term_has_its_law() -> None:
    plan = perturbation.calibrate("gaussian", Objective(0.1, 1.0, 2), "replace_one", 4, 1.0, 1e-6, TAU)
    drawn = np.array([perturbation.draw(plan, 4) for _ in range(4000)])
    assert stats.kstest(drawn.ravel(), stats.norm(scale=plan.scale).cdf).pvalue > FALSE_ALARM
    for wrong in (0.85, 1.15):
        assert stats.kstest(drawn.ravel(), stats.norm(scale=plan.scale * wrong).cdf).pvalue < FALSE_ALARM


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 2, 7])
def test_pure_linear_term_has_its_law(columns: int) -> None:
    """Length Gamma(d), direction uniform on the sphere (a squared coordinate is Beta), each free of the other."""
    plan = perturbation.calibrate("laplace", Objective(0.1, 1.0, 2), "replace_one", columns, 1.0, 0.0, TAU)
    drawn = np.array([perturbation.draw(plan, columns) for _ in range(4000)])
    lengths = np.linalg.norm(drawn, axis=1)
    assert stats.kstest(lengths, stats.gamma(columns, scale=plan.scale).cdf).pvalue > FALSE_ALARM
    for wrong in (0.7, 1.4):
        assert stats.kstest(lengths, stats.gamma(columns, scale=plan.scale * wrong).cdf).pvalue < FALSE_ALARM
    if columns == 1:
        assert stats.kstest(drawn[:, 0], stats.laplace(scale=plan.scale).cdf).pvalue > FALSE_ALARM
        return
    squares = (drawn / lengths[:, None]) ** 2
    for coordinate in squares.T:
        assert stats.kstest(coordinate, stats.beta(0.5, (columns - 1) / 2).cdf).pvalue > FALSE_ALARM / columns
        assert abs(stats.spearmanr(coordinate, lengths).statistic) * math.sqrt(4000) < stats.norm.isf(FALSE_ALARM)
    assert np.abs(np.sign(drawn).mean(axis=0)).max() * math.sqrt(4000) < stats.norm.isf(FALSE_ALARM / columns)


def test_every_draw_is_new() -> None:
    for mechanism in ("gaussian", "laplace"):
        plan = perturbation.calibrate(mechanism, Objective(0.1, 1.0, 2), "replace_one", 3, 1.0, 1e-6, TAU)
        assert len({tuple(perturbation.draw(plan, 3)) for _ in range(50)}) == 50


# --- solution ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.01, 0.5, 5.0])
def test_the_solver_comes_within_tau_and_its_bound_covers_rounding(weight: float) -> None:
    draw = np.random.default_rng(int(weight * 100))
    rows = draw.uniform(-0.4, 0.4, (5000, 12))
    labels, linear = draw.integers(2, size=5000), 30.0 * draw.normal(size=(1, 12))
    problem = Objective(weight, 0.4 * math.sqrt(12), 2)
    w = objectives.solve(problem, np.zeros((1, 12)), rows, labels, linear)
    bound = objectives.gradient_bound(problem, w, rows, labels, linear)
    wide, x, b = (v.astype(np.longdouble) for v in (w, rows, linear))
    exact = wide + np.longdouble(weight) * ((1 / (1 + np.exp(-(x @ wide.T))) - labels[:, None]).T @ x + b)
    assert float(np.linalg.norm(exact)) <= bound <= TAU
    assert weight * perturbation.rounding(linear) < TAU / 10
    # the linear term enters as the definition says: the gradient without it is its negative
    assert objectives.gradient(problem, w, rows, labels) == pytest.approx(-weight * linear, abs=1e-5)


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
def test_the_same_noise_moves_a_neighbours_solution_by_little(relation: str) -> None:
    """With b fixed, Lemma 7 of Chaudhuri, Monteleoni and Sarwate bounds the move as it does without b."""
    draw = np.random.default_rng(5)
    problem = Objective(0.4, 1.0, 2)
    for _ in range(30):
        x = draw.normal(size=(6, 3))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        labels, linear = draw.integers(2, size=6), 10.0 * draw.normal(size=(1, 3))
        other = slice(0, 5) if relation == "add_remove" else slice(0, 6)
        moved, swapped = x.copy(), labels.copy()
        moved[5], swapped[5] = -x[5], labels[5]
        pair = [(x, labels), (moved[other], swapped[other])]
        one, two = (objectives.solve(problem, np.zeros((1, 3)), *table, linear) for table in pair)
        assert np.linalg.norm(one - two) <= objectives.sensitivity(problem, relation, TAU)

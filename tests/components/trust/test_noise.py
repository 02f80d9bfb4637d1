"""OpenDP's noise against computations of our own: scale in closed form or by minimisation, and distribution."""

import math

import noise
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

FALSE_ALARM = 1e-9


def gaussian_delta(sigma: float, distance: float, epsilon: float) -> float:
    """δ of Gaussian noise at ε: ρ = distance²/(2σ²) is its zero-concentrated privacy (Bun and Steinke 2016, Prop. 1.6),
    converted by Canonne, Kamath and Steinke (2020), Prop. 12: the least exp((α-1)(αρ-ε))/(α-1)·(1-1/α)^α over α > 1."""
    rho = distance**2 / (2 * sigma**2)

    def log_delta(log_excess: float) -> float:
        excess = math.exp(log_excess)
        alpha = 1 + excess
        return excess * (alpha * rho - epsilon) - math.log(excess) + alpha * math.log1p(-1 / alpha)

    grid = np.linspace(-10, 20, 400)
    near = grid[np.argmin([log_delta(x) for x in grid])]
    best = minimize_scalar(log_delta, bounds=(near - 0.2, near + 0.2), method="bounded", options={"xatol": 1e-12})
    return math.exp(min(best.fun, 0.0))


@pytest.mark.parametrize("distance", [1.0, 0.37, 1e-4, 2e3])
@pytest.mark.parametrize(
    ("epsilon", "delta"), [(1.0, 1e-6), (0.1, 1e-6), (2.0, 1e-5), (0.5, 1e-9), (8.0, 1e-6), (1.0, 0.01)]
)
def test_gaussian_scale_is_the_least_that_satisfies_the_conversion(
    distance: float, epsilon: float, delta: float
) -> None:
    found = noise.calibrate("gaussian", distance, 10, epsilon, delta)
    expected = brentq(lambda s: gaussian_delta(s * distance, distance, epsilon) - delta, 1e-2, 1e3, xtol=1e-12)
    assert found.scale == pytest.approx(expected * distance, rel=1e-4)
    assert (found.epsilon, found.delta, found.distance) == (epsilon, delta, distance)


def test_gaussian_scale_that_is_quoted() -> None:
    assert noise.calibrate("gaussian", 1.0, 1, 1.0, 1e-6).scale == pytest.approx(4.531, abs=5e-4)


@pytest.mark.parametrize("dimension", [1, 7, 100])
@pytest.mark.parametrize(("distance", "epsilon"), [(1.0, 1.0), (0.3, 0.1), (1e-5, 4.0)])
def test_laplace_scale_is_l1_sensitivity_over_epsilon(dimension: int, distance: float, epsilon: float) -> None:
    found = noise.calibrate("laplace", distance, dimension, epsilon, 1e-6)
    assert found.scale == pytest.approx(math.sqrt(dimension) * distance / epsilon, rel=1e-9)
    assert found.scale >= math.sqrt(dimension) * distance / epsilon * (1 - 1e-12)
    assert found.delta == 0.0


@pytest.mark.parametrize(("name", "law"), [("gaussian", stats.norm), ("laplace", stats.laplace)])
def test_noise_has_the_stated_distribution(name: str, law: stats.rv_continuous) -> None:
    """Kolmogorov-Smirnov on 20,000 draws around values that are not zero, and no correlation between coordinates."""
    mechanism = noise.calibrate(name, 0.36, 4, 1.0, 1e-6)
    centre = np.array([0.0, 1.5, -3.25, 1e3])
    drawn = np.array([mechanism.draw(centre.tolist()) for _ in range(5000)]) - centre
    assert stats.kstest(drawn.ravel(), law(scale=mechanism.scale).cdf).pvalue > FALSE_ALARM
    for coordinate in drawn.T:
        assert stats.kstest(coordinate, law(scale=mechanism.scale).cdf).pvalue > FALSE_ALARM / 4
    correlations = np.corrcoef(drawn.T)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() * math.sqrt(len(drawn)) < stats.norm.isf(FALSE_ALARM / 12)
    # The same test sees noise that is fifteen percent too small or too large: it can fail.
    for wrong in (0.85, 1.15):
        assert stats.kstest(drawn.ravel(), law(scale=mechanism.scale * wrong).cdf).pvalue < FALSE_ALARM


def test_every_draw_is_new() -> None:
    mechanism = noise.calibrate("gaussian", 1.0, 3, 1.0, 1e-6)
    assert len({tuple(mechanism.draw([0.0, 0.0, 0.0])) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("name", "sensitivity", "epsilon", "delta", "said"),
    [
        ("gaussian", 1.0, 1.0, 0.0, "delta"),
        ("gaussian", 1.0, 1.0, 1.0, "delta"),
        ("gaussian", 1.0, 0.0, 1e-6, "epsilon"),
        ("laplace", 1.0, -1.0, 0.0, "epsilon"),
        ("laplace", 1.0, math.inf, 0.0, "epsilon"),
        ("laplace", 0.0, 1.0, 0.0, "sensitivity"),
        ("laplace", math.nan, 1.0, 0.0, "sensitivity"),
        ("exponential", 1.0, 1.0, 0.0, "gaussian, laplace"),
    ],
)
def test_impossible_parameters_are_refused(
    name: str, sensitivity: float, epsilon: float, delta: float, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        noise.calibrate(name, sensitivity, 2, epsilon, delta)

"""What a private training says it spends, against computations of our own, and the noise that it draws."""

import math

import numpy as np
import pytest
from opacus_steps import COMPONENTS  # noqa: F401 - puts `private_sgd` where it can be imported
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp
from scipy.stats import kstest, norm

pytestmark = pytest.mark.slow
CASES = [  # noise multiplier, sampling rate, steps, delta
    (1.1, 256 / 60000, 1000, 1e-5),
    (0.8, 0.05, 100, 1e-6),
    (4.0, 0.25, 200, 1e-5),
    (2.0, 1.0, 10, 1e-5),
]


def delta_of_gaussian(epsilon: float, sigma: float) -> float:
    """δ of one Gaussian mechanism of sensitivity 1 (Balle and Wang 2018, Theorem 8)."""
    first = norm.cdf(0.5 / sigma - epsilon * sigma)
    return float(first - math.exp(epsilon) * norm.cdf(-0.5 / sigma - epsilon * sigma))


def delta_of_one_step(epsilon: float, sigma: float, q: float, removed: bool) -> float:
    """δ of one step by the definition: ∫ max(0, p - e^ε·p′), the mixture first if the row is removed."""

    def excess(x: float) -> float:
        plain = norm.pdf(x, 0, sigma)
        mixed = (1 - q) * plain + q * norm.pdf(x, 1, sigma)
        first, second = (mixed, plain) if removed else (plain, mixed)
        return max(0.0, first - math.exp(epsilon) * second)

    return float(quad(excess, -12 * sigma, 12 * sigma + 1, limit=2000, points=[0.0, 0.5, 1.0])[0])


def renyi(sigma: float, q: float, order: int) -> float:
    """Rényi divergence of one step at a whole order (Mironov, Talwar and Zhang 2019, section 3.3)."""
    k = np.arange(order + 1)
    choose = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    rest = np.where(k == order, 0.0, (order - k) * np.log1p(-q)) if q < 1 else np.where(k == order, 0.0, -np.inf)
    return float(logsumexp(choose + k * np.log(q) + rest + (k * k - k) / (2 * sigma**2)) / (order - 1))


def epsilon_by_renyi(sigma: float, q: float, steps: int, delta: float) -> float:
    """The best over whole orders (Canonne, Kamath and Steinke 2020, Proposition 12)."""
    return min(steps * renyi(sigma, q, a) + math.log1p(-1 / a) - math.log(delta * a) / (a - 1) for a in range(2, 256))


@pytest.mark.parametrize(("sigma", "q", "steps", "delta"), CASES)
def test_renyi_accounting_is_that_of_the_paper_and_numerical_accounting_is_tighter(
    sigma: float, q: float, steps: int, delta: float
) -> None:
    from private_sgd import accounting

    rdp = accounting.epsilon_of("rdp", sigma, q, steps, delta)
    prv = accounting.epsilon_of("prv", sigma, q, steps, delta)
    ours = epsilon_by_renyi(sigma, q, steps, delta)
    assert rdp == pytest.approx(ours, rel=0.05)  # Opacus has fractional orders too, and fewer large ones
    assert prv <= rdp + 0.01


@pytest.mark.parametrize(("sigma", "steps"), [(2.0, 10), (1.0, 1), (8.0, 300)])
def test_without_sampling_the_numerical_figure_is_that_of_the_composed_gaussian(sigma: float, steps: int) -> None:
    from private_sgd import accounting

    exact = brentq(lambda e: delta_of_gaussian(e, sigma / math.sqrt(steps)) - 1e-5, 0, 200)
    found = accounting.epsilon_of("prv", sigma, 1.0, steps, 1e-5)
    assert exact <= found <= exact + 0.03


@pytest.mark.parametrize(("sigma", "q"), [(1.0, 0.1), (0.7, 0.3), (2.0, 0.5)])
def test_one_step_is_bounded_in_both_directions(sigma: float, q: float) -> None:
    from private_sgd import accounting

    found = accounting.epsilon_of("prv", sigma, q, 1, 1e-4)
    worst = max(delta_of_one_step(found, sigma, q, removed) for removed in (True, False))
    assert worst <= 1e-4
    nearly = max(delta_of_one_step(found - 0.03, sigma, q, removed) for removed in (True, False))
    assert nearly > 1e-4


@pytest.mark.parametrize(("sigma", "q"), [(1.0, 0.1), (0.7, 0.6)])
def test_the_loss_of_the_other_direction_has_the_distribution_that_it_says(sigma: float, q: float) -> None:
    from private_sgd.accounting import Added

    x = np.random.default_rng(0).normal(0, sigma, 50_000)
    loss = -np.log(1 - q + q * np.exp((2 * x - 1) / (2 * sigma**2)))
    assert kstest(loss, Added(q, sigma).cdf).pvalue > 1e-9


@pytest.mark.parametrize("neighbours", ["add_remove", "replace_one"])
@pytest.mark.parametrize("accountant", ["rdp", "prv"])
def test_the_noise_that_is_found_suffices_and_is_nearly_the_least(neighbours: str, accountant: str) -> None:
    from private_sgd import accounting

    question = accounting.Question(2.0, 1e-5, neighbours, 0.05, 200, accountant)
    found = accounting.account(question, None)
    assert found.epsilon <= 2.0
    assert question.spent(found.noise_multiplier * 0.99) > 2.0
    if neighbours == "replace_one":  # a row taken out, and one put in
        once, delta = question.within()
        assert accounting.epsilon_of(accountant, found.noise_multiplier, 0.05, 200, delta) <= once
        assert (once * 2, delta * (1 + math.exp(once))) == pytest.approx((2.0, 1e-5))


def test_too_little_noise_is_refused() -> None:
    from common.entry import Refusal
    from private_sgd import accounting

    question = accounting.Question(1.0, 1e-5, "add_remove", 0.05, 200, "rdp")
    with pytest.raises(Refusal, match="spends more than epsilon = 1"):
        accounting.account(question, 0.7)
    assert accounting.account(question, 5.0).epsilon < 1.0


def test_noise_is_standard_normal_and_never_the_same() -> None:
    from private_sgd import randomness

    drawn = randomness.normal(50_000)
    assert kstest(drawn, norm.cdf).pvalue > 1e-9
    assert not np.array_equal(drawn, randomness.normal(50_000))
    flat = randomness.uniform(50_000)
    assert flat.min() >= 0 and flat.max() < 1
    assert kstest(flat, "uniform").pvalue > 1e-9

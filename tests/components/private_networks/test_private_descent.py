"""A private step by the definition: clipped, summed, divided by a constant, and noisy also where no row was drawn."""

from typing import Any

import numpy as np
import pytest
from opacus_steps import COMPONENTS  # noqa: F401 - puts `private_sgd` where it can be imported

pytestmark = pytest.mark.slow
BATCH, RATE, CLIP = 10, 0.5, 0.3


def network() -> Any:
    import torch
    from networks import architectures

    torch.manual_seed(0)
    description = {"kind": "mlp", "inputs": 4, "outputs": 3, "hidden": [5], "dropout": 0.0, "norm": "layer"}
    return architectures.build(description)


def rows(many: int = 12) -> Any:
    from networks.loop import Rows

    draw = np.random.default_rng(0)
    return Rows(draw.normal(size=(many, 4)).astype(np.float32), draw.integers(0, 3, many))


def trained(data: Any, noise: float, sample_rate: float = 1.0, steps: int = 1, physical: int = 5, **more: Any) -> Any:
    """The weights after so many steps of plain gradient descent, as one vector, and those before."""
    import torch
    from private_sgd import descent
    from private_sgd.accounting import Account

    net = network()
    before = flat(net)
    settings = descent.Settings(BATCH, physical, RATE, "sgd", 0.0, "constant", CLIP, **more)
    account = Account(1.0, 1e-5, noise, sample_rate, steps, "rdp")
    descent.train(net, data, account, settings, torch.device("cpu"), lambda _: None)
    return flat(net), before


def flat(net: Any) -> np.ndarray:
    return np.concatenate([x.detach().double().numpy().ravel() for x in net.parameters()])


def clipped_sum(data: Any) -> np.ndarray:
    """Σ g·min(1, C/‖g‖), one row at a time."""
    import torch

    net, total = network(), 0.0
    for x, y in zip(data.inputs, data.targets, strict=True):
        net.zero_grad()
        torch.nn.functional.cross_entropy(net(torch.from_numpy(x)[None]), torch.tensor([y])).backward()
        gradient = np.concatenate([p.grad.double().numpy().ravel() for p in net.parameters()])
        total = total + gradient * min(1.0, CLIP / np.linalg.norm(gradient))
    return np.asarray(total)


@pytest.mark.parametrize("physical", [1, 5, 100])
def test_a_step_is_the_clipped_sum_over_the_expected_batch_however_many_are_held_at_a_time(physical: int) -> None:
    data = rows()
    after, before = trained(data, 1e-9, physical=physical)
    assert before - after == pytest.approx(RATE * clipped_sum(data) / BATCH, abs=1e-5)


def test_one_row_moves_a_step_by_no_more_than_its_clipped_share() -> None:
    from networks.loop import Rows

    data = rows()
    whole, _ = trained(data, 1e-9)
    moved = []
    for out in range(len(data.targets)):
        kept = np.arange(len(data.targets)) != out
        less, _ = trained(Rows(data.inputs[kept], data.targets[kept]), 1e-9)
        moved.append(np.linalg.norm(whole - less) * BATCH / RATE)
    assert max(moved) <= CLIP * (1 + 1e-4)
    assert max(moved) > 0.9 * CLIP  # the gradients of these rows are longer than that


def test_a_step_without_a_row_is_noise_alone_of_the_stated_width() -> None:
    from private_sgd import descent

    drawn = []
    for _ in range(30):
        after, before = trained(rows(), 2.0, sample_rate=1e-12)
        drawn.append((before - after) * BATCH / RATE)
    deviation = float(np.std(np.concatenate(drawn)))
    assert deviation == pytest.approx(2.0 * CLIP * (1 + descent.SLACK), rel=0.1)
    assert not np.array_equal(drawn[0], drawn[1])


def test_rows_are_drawn_each_by_itself_at_the_rate() -> None:
    from private_sgd import randomness

    sizes = [int((randomness.uniform(1000) < 0.2).sum()) for _ in range(400)]
    assert np.mean(sizes) == pytest.approx(200, abs=4)
    assert np.var(sizes) == pytest.approx(160, rel=0.4)  # of a sample of fixed size it would be 0


def test_what_is_frozen_has_no_noise() -> None:
    after, before = trained(rows(), 1.0, freeze=1)
    same = after == before
    stage = 4 * 5 + 5 + 5 + 5  # weights and bias, scale and shift of the normalisation
    assert same[:stage].all()
    assert not same[stage:].any()


def test_a_network_that_mixes_rows_is_refused() -> None:
    import torch
    from common.entry import Refusal
    from networks import architectures
    from private_sgd import descent
    from private_sgd.accounting import Account

    description = {"kind": "mlp", "inputs": 4, "outputs": 3, "hidden": [5], "dropout": 0.0, "norm": "batch"}
    settings = descent.Settings(BATCH, 5, RATE, "sgd", 0.0, "constant", CLIP)
    with pytest.raises(Refusal, match="norm = group"):
        account = Account(1.0, 1e-5, 1.0, 1.0, 1, "rdp")
        net = architectures.build(description)
        descent.train(net, rows(), account, settings, torch.device("cpu"), lambda _: None)

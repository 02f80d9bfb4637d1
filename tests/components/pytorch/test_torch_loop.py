"""The training loop: what early stopping keeps, how rates change, that going on is exact, what freezing holds still."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_steps import TORCH  # noqa: F401 - puts `networks` where it can be imported

pytestmark = pytest.mark.slow
DEFAULTS: dict[str, Any] = {
    "epochs": 6,
    "batch_size": 16,
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "schedule": "cosine",
    "warmup_epochs": 0,
    "gradient_clip": 1.0,
    "precision": "float32",
    "patience": 0,
    "min_delta": 0.0,
    "seed": 0,
}
RATES = [  # schedule, warm-up steps, step of 100, factor
    ("constant", 0, 0, 1.0),
    ("constant", 9, 0, 0.1),
    ("constant", 9, 8, 0.9),
    ("constant", 9, 9, 1.0),
    ("cosine", 0, 0, 1.0),
    ("cosine", 0, 50, (1 + 1e-4) / 2),
    ("cosine", 0, 100, 1e-4),
    ("one_cycle", 0, 0, 1 / 25),
    ("one_cycle", 0, 30, 1.0),
    ("one_cycle", 0, 100, 1e-4),
    ("plateau", 0, 99, 1.0),
]


class Interrupted(Exception):  # noqa: N818 - it names what happened
    pass


def rows(many: int = 90, seed: int = 0) -> Any:
    from networks.loop import Rows

    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(many, 5)).astype(np.float32)
    return Rows(inputs, (inputs[:, 0] + inputs[:, 1] > 0).astype(np.int64))


def network(norm: str = "none", dropout: float = 0.0) -> Any:
    import torch
    from networks import architectures

    torch.manual_seed(0)
    return architectures.build(
        {"kind": "mlp", "inputs": 5, "outputs": 2, "hidden": [8, 4], "dropout": dropout, "norm": norm}
    )


def plan(**changes: Any) -> Any:
    import torch
    from networks import tasks
    from networks.loop import Plan
    from networks.ranks import Place
    from networks.settings import Settings

    known = {name: changes.pop(name) for name in list(changes) if name in Settings._fields}
    given = {
        "training": rows(),
        "validation": rows(40, 1),
        "task": tasks.classification(None, 0.0),
        "settings": Settings(**{**DEFAULTS, **known}),
        "place": Place(0, 1, torch.device("cpu")),
        "report": lambda *_: None,
    }
    return Plan(**{**given, **changes})


def weights(net: Any) -> np.ndarray:
    return np.concatenate([x.detach().double().numpy().ravel() for x in net.state_dict().values()])


@pytest.mark.parametrize(("schedule", "warmup", "step", "expected"), RATES)
def test_a_schedule_is_a_function_of_the_step(schedule: str, warmup: int, step: int, expected: float) -> None:
    from networks import schedules

    assert schedules.factor(schedule, step, 100, warmup) == pytest.approx(expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "cosine", "warmup_epochs": 1, "precision": "bf16"},
        {"schedule": "plateau", "optimizer": "sgd", "patience": 2},
        {"schedule": "one_cycle", "freeze": 1, "unfreeze_after": 2},
    ],
    ids=["cosine, adamw, bf16", "plateau, sgd", "frozen at first"],
)
@pytest.mark.parametrize("dies_after", [1, 3])
def test_a_training_that_was_interrupted_goes_on_to_the_very_same_weights(
    tmp_path: Path, changes: dict[str, Any], dies_after: int
) -> None:
    from networks import loop

    whole = network("batch", 0.3)
    expected = loop.fit(whole, plan(**changes))

    def dies(epoch: int, _: dict[str, float]) -> None:
        if epoch == dies_after + 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        loop.fit(network("batch", 0.3), plan(**changes, checkpoint=tmp_path, report=dies))
    assert [x.name for x in tmp_path.iterdir()] == [f"epoch-{dies_after:05}"]

    resumed = network("batch", 0.3)
    found = loop.fit(resumed, plan(**changes, resume=tmp_path))
    assert found.history == expected.history
    assert np.array_equal(weights(resumed), weights(whole))


def test_early_stopping_waits_as_long_as_it_is_told_and_keeps_the_best_weights() -> None:
    from networks import loop
    from networks.loop import Rows

    held = rows(40, 1)
    wrong = Rows(held.inputs, 1 - held.targets)  # what is learnt makes this validation worse
    seen: list[np.ndarray] = []
    net = network()
    found = loop.fit(net, plan(validation=wrong, epochs=20, patience=3, report=lambda *_: seen.append(weights(net))))
    losses = [epoch["val_loss"] for epoch in found.history]
    assert found.best_epoch == int(np.argmin(losses)) + 1
    assert found.epoch == found.best_epoch + 3
    assert np.array_equal(weights(net), seen[found.best_epoch - 1])
    assert not np.array_equal(weights(net), seen[-1])


def test_a_plateau_lowers_the_rate_only_after_epochs_without_a_better_validation() -> None:
    from networks import loop
    from networks.loop import Rows

    held = rows(40, 1)
    found = loop.fit(network(), plan(validation=Rows(held.inputs, 1 - held.targets), epochs=11, schedule="plateau"))
    rates = [epoch["lr"] for epoch in found.history]
    lowered = found.best_epoch + 1 + 4  # counted from 1: after four worse epochs the next has the lower rate
    assert rates[lowered - 2] == pytest.approx(0.01)
    assert rates[lowered - 1] == pytest.approx(0.003)


def test_a_batch_means_the_weighted_mean_that_pytorch_computes_itself() -> None:
    import torch
    from networks import loop, tasks

    given = torch.tensor([1.0, 5.0])
    net, same = network(), network()
    data = rows(16)
    loop.fit(
        net,
        plan(
            training=data, validation=None, epochs=1, optimizer="sgd", schedule="constant", weight_decay=0.0,
            gradient_clip=0.0, task=tasks.classification(given, 0.1),
        ),
    )  # fmt: skip
    loss = torch.nn.CrossEntropyLoss(weight=given, label_smoothing=0.1)
    optimizer = torch.optim.SGD(same.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    loss(same(torch.from_numpy(data.inputs)), torch.from_numpy(data.targets)).backward()
    optimizer.step()
    assert weights(net) == pytest.approx(weights(same), abs=1e-6)


def test_what_is_frozen_stays_as_it_is_its_running_means_too() -> None:
    from networks import loop

    for unfreeze_after, moves in ((None, False), (5, True)):
        net = network("batch")
        before = {name: x.clone() for name, x in net.state_dict().items()}
        loop.fit(net, plan(freeze=1, unfreeze_after=unfreeze_after, validation=None))
        changed = {name for name, x in net.state_dict().items() if not (x == before[name]).all()}
        assert any(name.startswith("stages.0.") for name in changed) is moves
        assert {"head.weight", "stages.1.0.weight"} <= changed


def test_a_loss_that_is_no_number_ends_the_training_with_a_reason() -> None:
    from common.entry import Refusal
    from networks import loop

    with pytest.raises(Refusal, match="learning_rate"):
        loop.fit(network(), plan(learning_rate=1e30, optimizer="sgd", gradient_clip=0.0))
    assert math.isfinite(loop.fit(network(), plan(precision="bf16", epochs=1)).history[0]["train_loss"])


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    from common.entry import Refusal
    from networks import loop

    loop.fit(network(), plan(epochs=1, checkpoint=tmp_path))
    with pytest.raises(Refusal, match="another network"):
        loop.fit(network("layer"), plan(resume=tmp_path))
    with pytest.raises(Refusal, match="holds no checkpoint"):
        loop.fit(network(), plan(resume=tmp_path / "none"))

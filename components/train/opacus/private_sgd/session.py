"""From a command line to a private training that is accounted for, told and stated in release.json.

What leaves is made of the program's constants, the schema, the noisy weights and library versions. No loss, accuracy
or count of the rows is computed, so none is told.
"""

import argparse
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common import budget, entry, events, files, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts, Private
from networks import ranks
from networks.architectures import Network
from networks.loop import Rows

from private_sgd import accounting, descent
from private_sgd.accounting import Account, Question
from private_sgd.descent import Settings

LIBRARIES = ("opacus", "torch", "numpy", "scipy")
OF = "weights of a network, learnt from clipped gradients of Poisson samples with Gaussian noise (DP-SGD)"
TOLD = 20
"""How many times at most a training says how far it is."""


def parser(text: str) -> argparse.ArgumentParser:
    """The options of every private training."""
    arguments = entry.parser(text)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--epsilon", type=float, required=True)
    arguments.add_argument("--delta", type=float)
    arguments.add_argument("--expected-rows", type=int, required=True)
    arguments.add_argument("--noise-multiplier", type=float)
    arguments.add_argument("--accountant", choices=tuple(accounting.ACCOUNTANTS), default="prv")
    arguments.add_argument("--max-grad-norm", type=float, default=1.0)
    arguments.add_argument("--epochs", type=int, default=20)
    arguments.add_argument("--batch-size", type=int, default=256)
    arguments.add_argument("--physical-batch-size", type=int, default=512)
    arguments.add_argument("--optimizer", choices=("sgd", "adam"), default="sgd")
    arguments.add_argument("--momentum", type=float, default=0.9)
    arguments.add_argument("--learning-rate", type=float, default=0.5)
    arguments.add_argument("--schedule", choices=("constant", "cosine"), default="constant")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--release", type=Path, required=True)
    arguments.add_argument("--events", type=Path, required=True)
    return arguments


def opened(options: argparse.Namespace) -> tuple[Facts, Private, tuple[Any, ...], Account]:
    """Facts, their privacy declaration, the schema's classes and the account, all before a row is read.

    Raises Refusal for a loss beyond the budget, settings out of range, and a label without a vocabulary.
    """
    facts, private = budget.private(facts_of.load(options.facts), options.epsilon, "Gaussian", options.delta)
    if facts.classes is None or len(facts.classes) < 2:
        raise Refusal(f"the label {facts.label!r} has no vocabulary in the schema: list its classes there with `enum`")
    for name in ("expected_rows", "epochs", "batch_size", "physical_batch_size"):
        if getattr(options, name) < 1:
            raise Refusal(f"{name} must be 1 or more, found {getattr(options, name)}")
    for name in ("max_grad_norm", "learning_rate", "noise_multiplier"):
        found = getattr(options, name)
        if found is not None and not (math.isfinite(found) and found > 0):
            raise Refusal(f"{name} must be positive and finite, found {found}")
    if not 0.0 <= options.momentum < 1.0:
        raise Refusal(f"momentum must be 0 or more and below 1, found {options.momentum}")
    if options.batch_size > options.expected_rows:
        raise Refusal(f"batch_size = {options.batch_size} exceeds expected_rows = {options.expected_rows}; lower it")
    rate = options.batch_size / options.expected_rows
    steps = max(1, round(options.epochs / rate))
    delta = budget.share(private, options.delta)
    question = Question(options.epsilon, delta, private.neighbours, rate, steps, options.accountant)
    return facts, private, tuple(facts.classes), accounting.account(question, options.noise_multiplier)


def release(
    options: argparse.Namespace,
    network: Network,
    rows: Rows,
    private: Private,
    facts: Facts,
    account: Account,
    save: Callable[[Network], None],
    freeze: int = 0,
) -> None:
    """Train, save, state and log."""
    settings = Settings(
        options.batch_size,
        options.physical_batch_size,
        options.learning_rate,
        options.optimizer,
        options.momentum,
        options.schedule,
        options.max_grad_norm,
        freeze,
    )
    network.freeze(freeze)
    document = statement(network, private, facts, account, settings, options.expected_rows)
    for line in told(document):
        print(line, flush=True)
    with tracking.run() as log:
        log.parameters({**settings._asdict(), **account._asdict(), "expected_rows": options.expected_rows})
        spent: dict[int, float] = {}

        def report(step: int) -> None:
            every = math.ceil(account.steps / TOLD)
            if step % every == 0 or step == account.steps:
                spent[step] = so_far(account, private, step)
                print(f"step {step}/{account.steps}  epsilon {spent[step]:.4g}", flush=True)
                log.metrics({"epsilon": spent[step]}, step)

        descent.train(network, rows, account, settings, ranks.device_of(options.device), report)
        save(network)
        files.write_json(options.release, document)
        # the one curve of a private training that says nothing of rows
        events.write(options.events, ((step, {"epsilon": epsilon}) for step, epsilon in spent.items()))
        log.metrics({"delta": account.delta, "noise_multiplier": account.noise_multiplier})
        log.file(options.release)
        log.folder(options.events, "events")
        log.folder(options.model, "model")


def so_far(account: Account, private: Private, step: int) -> float:
    """ε of the first steps; for the last the account's own. Rényi accounting, which is quick, for those between."""
    if step == account.steps:
        return account.epsilon
    asked = Question(account.epsilon, account.delta, private.neighbours, account.sample_rate, step, "rdp")
    return min(account.epsilon, asked.spent(account.noise_multiplier))


def statement(
    network: Network, private: Private, facts: Facts, account: Account, settings: Settings, expected_rows: int
) -> dict[str, Any]:
    """The content of release.json, all of it computed from the program and the schema."""
    bound = settings.max_grad_norm
    return {
        "data": facts.name,
        "mechanism": "gaussian",
        "epsilon": account.epsilon,
        "delta": account.delta,
        "unit": private.unit,
        "neighbours": private.neighbours,
        "budget": {"epsilon": private.epsilon, "delta": private.delta},
        "of": OF,
        "dimension": sum(x.numel() for x in network.parameters() if x.requires_grad),
        "sensitivity": {"norm": "L2", "value": bound},
        "noise": {
            "norm": "L2",
            "sensitivity": bound,
            "scale": account.noise_multiplier * bound * (1.0 + descent.SLACK),
        },
        "steps": {
            "accountant": account.accountant,
            "accounted_for": "add_remove" if private.neighbours == "add_remove" else "add_remove, twice",
            "noise_multiplier": account.noise_multiplier,
            "sample_rate": account.sample_rate,
            "count": account.steps,
            "max_grad_norm": bound,
            "expected_rows": expected_rows,
        },
        "classes": list(facts.classes or ()),
        "library": {"name": "opacus", "version": version("opacus")},
        "versions": {name: version(name) for name in LIBRARIES},
    }


def told(document: dict[str, Any]) -> list[str]:
    """What the step prints before it trains."""
    steps = document["steps"]
    return [
        f"epsilon = {document['epsilon']:.6g} at delta = {document['delta']:g} ({document['neighbours']}, "
        f"{steps['accountant']})",
        f"{steps['count']} steps, each row in one with probability {steps['sample_rate']:.6g}, noise multiplier "
        f"{steps['noise_multiplier']:.6g}, gradients clipped to {steps['max_grad_norm']:g}, "
        f"{document['dimension']} weights",
    ]

"""From Azure ML's search space and sampling algorithm to the values of one trial after another; Optuna draws them.

Every space is drawn from uniform numbers or from indices, and turned into what Azure ML says of it (a normal
distribution by its inverse), so that each of Optuna's samplers can draw each space.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

UNSEEDED = 0
"""The seed of an algorithm that says none: the same program makes the same trials."""
_EDGE = 1e-9  # a normal distribution has no ends


class SearchError(Exception):
    """A search that cannot be made; the message says why."""


class Draw(NamedTuple):
    """The values of one trial, by input."""

    number: int
    values: dict[str, Any]
    trial: Any  # Optuna's


class _Space(NamedTuple):
    """How a space is drawn: the bounds of a uniform number, and what becomes of the number."""

    low: Callable[[Mapping[str, Any]], float]
    high: Callable[[Mapping[str, Any]], float]
    turn: Callable[[float, Mapping[str, Any], float], float]  # number, space, base of logarithms


def _bell(x: float, space: Mapping[str, Any]) -> float:
    return NormalDist(space["mu"], space["sigma"]).inv_cdf(x)


_ENDS = (lambda s: s["min_value"], lambda s: s["max_value"])
_SHARE = (lambda s: _EDGE, lambda s: 1 - _EDGE)
_SPACES: dict[str, _Space] = {
    "uniform": _Space(*_ENDS, lambda x, s, b: x),
    "quniform": _Space(*_ENDS, lambda x, s, b: x),
    "loguniform": _Space(*_ENDS, lambda x, s, b: b**x),
    "qloguniform": _Space(*_ENDS, lambda x, s, b: b**x),
    "normal": _Space(*_SHARE, lambda x, s, b: _bell(x, s)),
    "qnormal": _Space(*_SHARE, lambda x, s, b: _bell(x, s)),
    "lognormal": _Space(*_SHARE, lambda x, s, b: b ** _bell(x, s)),
    "qlognormal": _Space(*_SHARE, lambda x, s, b: b ** _bell(x, s)),
}
WORDS = frozenset([*_SPACES, "choice", "randint"])
"""Azure ML's types of a search space."""


def kind_of(algorithm: Any) -> str:
    said = algorithm if isinstance(algorithm, Mapping) else {"type": algorithm or "random"}
    return "sobol" if str(said.get("rule") or "").lower() == "sobol" else str(said.get("type", "random"))


def check(space: Mapping[str, Any], algorithm: Any) -> None:
    """Raises SearchError for what cannot be searched. Imports nothing, so that it can be asked before a run."""
    kind = kind_of(algorithm)
    if kind not in ("random", "sobol", "bayesian", "grid"):
        raise SearchError(f"the sampling algorithm `{kind}` is not known here")
    for name, one in space.items():
        _check_space(name, one)
        if kind == "grid":
            list(_choices(name, one))


def _check_space(name: str, space: Any) -> None:
    if not _is_space(space):
        raise SearchError(f"`{name}` is searched in no space that is known here: {space!r}")
    kind = space["type"]
    bounds = ("mu", "sigma") if kind.endswith("normal") else ("min_value", "max_value")
    fields: dict[str, tuple[str, ...]] = {"choice": ("values",), "randint": ("upper",)}
    wanted = (*fields.get(kind, bounds), *(("q",) if kind.startswith("q") else ()))
    for field in wanted:
        if field not in space:
            raise SearchError(f"the space `{kind}` of `{name}` lacks `{field}`")
    if kind == "choice":
        if not isinstance(space["values"], list) or not space["values"]:
            raise SearchError(f"`{name}` has nothing to choose from")
        for chosen in space["values"]:
            for key, inner in chosen.items() if isinstance(chosen, Mapping) else ():
                if _is_space(inner):
                    _check_space(f"{name}.{key}", inner)
        return
    if any(isinstance(space[field], str) and "${{" in space[field] for field in wanted):
        return  # a parameter, whose value is not known yet
    for field in wanted:
        if not isinstance(space[field], int | float):
            raise SearchError(f"`{field}` of `{name}` is `{space[field]}`, and no number")
    if any(space.get(field, 1) <= 0 for field in ("upper", "sigma", "q")):
        raise SearchError(f"the space `{kind}` of `{name}` is empty: `upper`, `sigma` and `q` are above 0")
    if "min_value" in wanted and space["min_value"] > space["max_value"]:
        raise SearchError(f"the space `{kind}` of `{name}` is empty: `min_value` is above `max_value`")


class Search:
    """The draws of one sweep. Raises SearchError for a space or an algorithm that is unknown.

    `earlier` is what a run that is resumed has drawn. A Bayesian search draws by what trials came to when, so it is
    given the same again; the others draw the same in any case.
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        algorithm: Any,
        maximize: bool,
        several: bool,
        earlier: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        import optuna

        check(space, algorithm)
        said = algorithm if isinstance(algorithm, Mapping) else {"type": algorithm or "random"}
        self.kind = kind_of(algorithm)
        base = said.get("logbase") or "e"
        self._base = math.e if base == "e" else float(base)
        self._space = dict(space)
        self._left = None if self.kind != "grid" else list(self._grid())
        seed = UNSEEDED if said.get("seed") is None else int(said["seed"])
        replayed = list(earlier) if self.kind == "bayesian" else []
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = _sampler(self.kind, seed + len(replayed), several)  # what follows is not what was drawn first
            self._study = optuna.create_study(direction="maximize" if maximize else "minimize", sampler=sampler)
        for drawn in (*(self._left or ()), *replayed):
            self._study.enqueue_trial(dict(drawn))
        self._primer = 0
        if self.kind == "sobol":  # the sampler learns what it draws from the first trial that has ended
            self._prime()
        self._complete = optuna.trial.TrialState.COMPLETE
        self._failed = optuna.trial.TrialState.FAIL

    def ask(self) -> Draw | None:
        """The next trial; None once a grid has no more."""
        if self._left is not None:
            if not self._left:
                return None
            self._left.pop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask()
            values = {name: self._draw(trial, name, space) for name, space in self._space.items()}
        return Draw(trial.number - self._primer, values, trial)

    def tell(self, draw: Draw, value: float | None) -> None:
        """What a trial came to; None if it came to nothing."""
        if value is None or not math.isfinite(value):
            self._study.tell(draw.trial, state=self._failed)
        else:
            self._study.tell(draw.trial, value)

    def _draw(self, trial: Any, path: str, space: Mapping[str, Any]) -> Any:
        kind = space["type"]
        if kind == "choice":
            values = space["values"]
            index = trial.suggest_categorical(path, list(range(len(values))))
            chosen = values[index]
            if isinstance(chosen, Mapping):
                return {
                    key: self._draw(trial, f"{path}.{index}.{key}", inner) if _is_space(inner) else inner
                    for key, inner in chosen.items()
                }
            return chosen
        if kind == "randint":
            return trial.suggest_int(path, 0, int(space["upper"]) - 1)
        how = _SPACES[kind]
        value = how.turn(trial.suggest_float(path, how.low(space), how.high(space)), space, self._base)
        return rounded(value, space["q"]) if "q" in space else value

    def _grid(self) -> Iterator[dict[str, int]]:
        """All combinations, as the indices of what is chosen; the last input changes first."""
        for parts in itertools.product(*(_choices(name, space) for name, space in self._space.items())):
            yield {key: index for part in parts for key, index in part.items()}

    def _prime(self) -> None:
        import optuna

        distributions: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for name, space in self._space.items():
            if space["type"] == "choice":
                distributions[name] = optuna.distributions.CategoricalDistribution(list(range(len(space["values"]))))
                values[name] = 0
            elif space["type"] == "randint":
                distributions[name] = optuna.distributions.IntDistribution(0, int(space["upper"]) - 1)
                values[name] = 0
            else:
                low, high = _SPACES[space["type"]].low(space), _SPACES[space["type"]].high(space)
                distributions[name] = optuna.distributions.FloatDistribution(low, high)
                values[name] = low
        self._study.add_trial(optuna.trial.create_trial(params=values, distributions=distributions, value=0.0))
        self._primer = 1


def rounded(value: float, q: float) -> float | int:
    """The multiple of `q` that is nearest; a whole number where `q` is one."""
    found = round(value / q) * q
    return int(found) if float(q).is_integer() else float(f"{found:.12g}")


def _sampler(kind: str, seed: int, several: bool) -> Any:
    from optuna import samplers

    match kind:
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "sobol":
            return samplers.QMCSampler(qmc_type="sobol", scramble=True, seed=seed)
        case "bayesian":
            return samplers.TPESampler(seed=seed, constant_liar=several)
        case _:  # a grid: every combination is given to it
            return samplers.RandomSampler(seed=seed)


def _choices(path: str, space: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    if space["type"] != "choice":
        raise SearchError(f"a grid search takes `choice` alone, and `{path.split('.')[0]}` is `{space['type']}`")
    for index, value in enumerate(space["values"]):
        inner = value.items() if isinstance(value, Mapping) else ()
        nested = [list(_choices(f"{path}.{index}.{key}", one)) for key, one in inner if _is_space(one)]
        for parts in itertools.product(*nested):
            yield {path: index} | {key: i for part in parts for key, i in part.items()}


def _is_space(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("type") in WORDS

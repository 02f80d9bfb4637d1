"""Tables of a search: distributions, sampling, early termination, limits. What the numbers mean is judged elsewhere."""

from mlp_lang.lowering.checker.fields import (
    COUNT,
    INTEGER,
    NUMBER,
    POSITIVE,
    Kind,
    MapOf,
    Number,
    Table,
    Variants,
    of,
)


def _expression(kind: str, names: tuple[str, ...], number: Number = NUMBER) -> Table:
    return Table(f"{kind} distribution", of(number, *names) | {"type": frozenset([kind])}, ("type", *names))


_SHAPES = {
    ("uniform", "loguniform"): ("min_value", "max_value"),
    ("quniform", "qloguniform"): ("min_value", "max_value", "q"),
    ("normal", "lognormal"): ("mu", "sigma"),
    ("qnormal", "qlognormal"): ("mu", "sigma", "q"),
}
_CHOICE = Table("choice", {"type": frozenset(["choice"]), "values": "list"}, ("type",))
_RANDINT = _expression("randint", ("upper",), POSITIVE)
DISTRIBUTIONS = (
    {kind: _expression(kind, names) for kinds, names in _SHAPES.items() for kind in kinds}
    | {"choice": _CHOICE, "randint": _RANDINT}
)  # fmt: skip
DISTRIBUTION = Variants("search space entry", "type", DISTRIBUTIONS)
WHOLE_DISTRIBUTIONS = (
    {
        kind: _expression(kind, names, INTEGER)
        for kinds, names in _SHAPES.items()
        for kind in kinds
        if kind.startswith("q")
    }
    | {"choice": _CHOICE, "randint": _RANDINT}
)  # fmt: skip
WHOLE_DISTRIBUTION = Variants("search space entry", "type", WHOLE_DISTRIBUTIONS)
SEARCH_SPACE = MapOf(DISTRIBUTION)

_ALGORITHMS = frozenset(["random", "grid", "bayesian"])
SAMPLING: Kind = (
    _ALGORITHMS,
    Variants(
        "sampling_algorithm",
        "type",
        {
            "random": Table(
                "sampling_algorithm",
                of("scalar", "logbase")
                | {"type": frozenset(["random"]), "seed": INTEGER, "rule": frozenset(["random", "sobol"])},
                ("type",),
            ),
            "grid": Table("sampling_algorithm", {"type": frozenset(["grid"])}, ("type",)),
            "bayesian": Table("sampling_algorithm", {"type": frozenset(["bayesian"])}, ("type",)),
        },
    ),
)
_POLICY: "dict[str, Kind]" = {"evaluation_interval": COUNT, "delay_evaluation": COUNT}
EARLY_TERMINATION = Variants(
    "early_termination",
    "type",
    {
        "bandit": Table(
            "bandit policy",
            _POLICY | {"type": frozenset(["bandit"]), "slack_factor": NUMBER, "slack_amount": NUMBER},
            ("type",),
        ),
        "median_stopping": Table("median policy", _POLICY | {"type": frozenset(["median_stopping"])}, ("type",)),
        "truncation_selection": Table(
            "truncation policy",
            _POLICY | {"type": frozenset(["truncation_selection"]), "truncation_percentage": Number(low=1, high=99)},
            ("type", "truncation_percentage"),
        ),
    },
)
OBJECTIVE = Table(
    "objective",
    {"goal": frozenset(["minimize", "maximize"]), "primary_metric": "text"},
    ("goal", "primary_metric"),
)
LIMITS = Table(
    "limits",
    of(POSITIVE, "max_concurrent_trials", "max_total_trials", "timeout", "trial_timeout"),
    ("max_total_trials",),
)

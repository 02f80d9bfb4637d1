"""From the specification of an AutoML job to its best model, found by FLAML: `python -P automl_process.py SPEC`."""

import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

SEED = 7
DEFAULT_SECONDS = 600.0
"""How long is searched if the job says neither how long nor how often."""
ESTIMATORS = {
    "light_gbm": "lgbm",
    "xg_boost_classifier": "xgboost",
    "xg_boost_regressor": "xgboost",
    "random_forest": "rf",
    "extreme_random_trees": "extra_tree",
    "gradient_boosting": "histgb",
    "knn": "kneighbor",
    "logistic_regression": "lrl1",
    "sgd": "sgd",
    "svm": "svc",
    "linear_svm": "svc",
    "elastic_net": "enet",
    "lasso_lars": "lassolars",
    "prophet": "prophet",
    "auto_arima": "arima",
    "arimax": "sarimax",
    "exponential_smoothing": "holt-winters",
    "naive": "naive",
    "seasonal_naive": "snaive",
    "average": "avg",
    "seasonal_average": "savg",
}
"""Azure ML's names of algorithms, and FLAML's of what comes nearest."""
USUAL = {
    "classification": ("lgbm", "xgboost", "rf", "extra_tree", "histgb", "lrl1"),
    "regression": ("lgbm", "xgboost", "rf", "extra_tree", "histgb", "enet"),
    "forecasting": ("lgbm", "xgboost", "rf", "extra_tree"),
}
NOT_FOR_SERIES = frozenset(["kneighbor", "histgb", "enet", "sgd"])
NEEDED = {"prophet": "prophet", "arima": "statsmodels", "sarimax": "statsmodels", "holt-winters": "statsmodels"}
"""What FLAML asks for beyond itself."""
FORECAST_METRICS = {
    "normalized_root_mean_squared_error": "rmse",
    "normalized_mean_absolute_error": "mae",
    "r2_score": "r2",
    "spearman_correlation": "rmse",
}
LESS_IS_BETTER = frozenset(["normalized_root_mean_squared_error", "normalized_mean_absolute_error"])
DEFAULTS = {
    "classification": "auc_weighted",
    "regression": "normalized_root_mean_squared_error",
    "forecasting": "normalized_root_mean_squared_error",
}
FOLLOWED = {
    "limits": (
        "timeout_minutes",
        "trial_timeout_minutes",
        "max_trials",
        "max_cores_per_trial",
        "enable_early_termination",
    ),
    "training": ("allowed_training_algorithms", "blocked_training_algorithms", "enable_stack_ensemble"),
    "forecasting": ("time_column_name", "forecast_horizon"),
}
"""Fields of the job's blocks that decide something here; what else they say is reported as not followed."""


class Data(NamedTuple):
    """Features and target of one table, and the weights of its rows."""

    features: Any
    target: Any
    weights: Any = None


def main() -> None:
    warnings.filterwarnings("ignore")
    with open(sys.argv[1], encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    settings = spec["settings"]
    version = importlib.metadata.version("flaml")
    print(f"FLAML {version} stands in for Azure ML's AutoML: the model that it finds is another one", flush=True)
    task = settings["task"]
    metric = str(settings.get("primary_metric") or DEFAULTS[task]).lower()
    data = {name: _data(path, name, settings) for name, path in spec["tables"].items()}
    train, test = data["training_data"], data.get("test_data")
    if test is None and settings.get("test_data_size"):
        train, test = _part(train, float(settings["test_data_size"]), task)
    left_out = not_followed(settings)
    for text in left_out:
        print(f"not followed here: {text}", flush=True)
    found, automl = search(task, metric, settings, train, data.get("validation_data"))
    if test is not None:
        found["metrics"].update({f"test_{name}": value for name, value in judge(task, automl, test, train).items()})
    for name, value in found["metrics"].items():
        print(f"{name} = {value:.6g}", flush=True)
    _save(automl, spec["models"], train, task)
    _log(found, version)
    report = {"stands_in": f"FLAML {version}", "for": "Azure ML's AutoML", **found, "not_followed": left_out}
    with open(spec["report"], "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2, ensure_ascii=False, default=float)


def search(
    task: str, metric: str, settings: dict[str, Any], train: Data, check: Data | None
) -> tuple[dict[str, Any], Any]:
    """What was found, as the report has it, and FLAML's own object, which predicts as a model does."""
    make = importlib.import_module("flaml").AutoML
    logging.getLogger("flaml").setLevel(logging.WARNING)
    limits = settings.get("limits") or {}
    trials = limits.get("max_trials")
    minutes = limits.get("timeout_minutes")
    seconds = float(minutes) * 60 if minutes else -1.0 if trials else DEFAULT_SECONDS
    if not minutes and not trials:
        print(f"the job has no limits: the search ends after {DEFAULT_SECONDS / 60:.0f} minutes", flush=True)
    options: dict[str, Any] = {
        "task": "ts_forecast" if task == "forecasting" else task,
        "time_budget": seconds,
        "estimator_list": estimators(task, settings.get("training") or {}),
        "seed": SEED,
        "verbose": 0,
        "mlflow_logging": False,
        "log_type": "all",
        "log_file_name": _artifact("trials.jsonl"),
        "early_stop": bool(limits.get("enable_early_termination", False)),
        "ensemble": bool((settings.get("training") or {}).get("enable_stack_ensemble", False)),
        "n_jobs": int(limits.get("max_cores_per_trial") or -1),
    }
    if trials:
        options["max_iter"] = int(trials)
    if limits.get("trial_timeout_minutes"):
        options["train_time_limit"] = float(limits["trial_timeout_minutes"]) * 60
    if task == "forecasting":
        horizon = (settings.get("forecasting") or {}).get("forecast_horizon")
        options.update(metric=FORECAST_METRICS[metric], period=int(horizon) if isinstance(horizon, int) else 1)
        options["eval_method"] = "holdout"
    else:
        options["metric"] = _loss(task, metric, train)
        options.update(_comparison(settings, check))
        if train.weights is not None:
            options["sample_weight"] = train.weights
    automl = make()
    try:
        automl.fit(X_train=train.features, y_train=train.target, **options)
    except Exception as error:
        fail(f"FLAML could not search: {type(error).__name__}: {' '.join(str(error).split())}")
    if automl.best_estimator is None:
        fail("no trial ended within the limits: give the search more time with `limits { timeout_minutes = … }`")
    loss = float(automl.best_loss)
    value = loss if metric in LESS_IS_BETTER else 1.0 - loss
    if task == "forecasting":
        value = loss / _range(train.target) if metric in LESS_IS_BETTER else 1.0 - loss
        metric = metric if metric != "spearman_correlation" else "normalized_root_mean_squared_error"
    found = {
        "metrics": {metric: value},
        "estimator": automl.best_estimator,
        "configuration": {key: _number(v) for key, v in (automl.best_config or {}).items()},
        "trials": _trials(),
    }
    return found, automl


def estimators(task: str, training: dict[str, Any]) -> list[str]:
    """FLAML's estimators that may be tried. Fails if none is left."""
    usual = list(USUAL[task])
    allowed = training.get("allowed_training_algorithms")
    if allowed:
        usual = list(dict.fromkeys(ESTIMATORS[name] for name in allowed if name in ESTIMATORS))
    blocked = {ESTIMATORS.get(name) for name in training.get("blocked_training_algorithms") or ()}
    left = [name for name in usual if name not in blocked and _has(name, task)]
    if not left:
        fail("none of the algorithms that the job allows is one that FLAML has")
    return left


def _has(name: str, task: str) -> bool:
    if task == "forecasting" and name in NOT_FOR_SERIES:
        return False
    return name not in NEEDED or importlib.util.find_spec(NEEDED[name]) is not None


def not_followed(settings: dict[str, Any]) -> list[str]:
    """What the job says and this search does not do."""
    found = []
    for block in ("limits", "training", "forecasting", "featurization"):
        for name, value in (settings.get(block) or {}).items():
            if name not in FOLLOWED.get(block, ()) and value not in (None, "auto", False):
                found.append(f"{block}.{name}")
    training = settings.get("training") or {}
    for name in training.get("allowed_training_algorithms") or ():
        if name not in ESTIMATORS or not _has(ESTIMATORS[name], settings["task"]):
            found += [f"the algorithm {name}"]
    if settings.get("task") == "forecasting":
        found += [name for name in ("n_cross_validations", "validation_data_size") if settings.get(name)]
        if settings.get("primary_metric") == "spearman_correlation":
            found.append("primary_metric spearman_correlation, for which FLAML compares by the root mean squared error")
    return found + [name for name in ("cv_split_column_names", "positive_label") if settings.get(name)]


def judge(task: str, automl: Any, data: Data, train: Data) -> dict[str, float]:
    """All metrics of a task on rows that the search has not seen."""
    predicted = automl.predict(data.features)
    if task == "classification":
        labels = list(automl.classes_) if hasattr(automl, "classes_") else sorted(set(train.target))
        try:
            shares = automl.predict_proba(data.features)
        except Exception:
            shares = None
        return classified(data.target, predicted, shares, labels)
    return measured(data.target, predicted, _range(train.target))


def classified(truth: Any, predicted: Any, shares: Any, labels: list[Any]) -> dict[str, float]:
    """Azure ML's primary metrics of classification; those that are not defined here are left out."""
    import numpy as np
    import sklearn.metrics as scores  # type: ignore[import-untyped]

    recall = scores.recall_score(truth, predicted, average="macro", zero_division=0)
    chance = 1 / max(2, len(labels))
    found = {
        "accuracy": float(scores.accuracy_score(truth, predicted)),
        "norm_macro_recall": float((recall - chance) / (1 - chance)),
        "precision_score_weighted": float(
            scores.precision_score(truth, predicted, average="weighted", zero_division=0)
        ),
    }
    if shares is None:
        return found
    truth = np.asarray(truth)
    one_hot = np.stack([truth == label for label in labels], axis=1).astype(int)
    seen = [i for i in range(len(labels)) if 0 < one_hot[:, i].sum() < len(truth)]
    if seen:
        weights = one_hot[:, seen].sum(axis=0)
        for name, score in (
            ("auc_weighted", scores.roc_auc_score),
            ("average_precision_score_weighted", scores.average_precision_score),
        ):
            each = [score(one_hot[:, i], np.asarray(shares)[:, i]) for i in seen]
            found[name] = float(np.average(each, weights=weights))
    return found


def measured(truth: Any, predicted: Any, width: float) -> dict[str, float]:
    """Azure ML's primary metrics of regression; `width` is the range of the target."""
    import numpy as np
    import sklearn.metrics as scores
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    truth, predicted = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    found = {
        "normalized_root_mean_squared_error": float(np.sqrt(np.mean((truth - predicted) ** 2)) / width),
        "normalized_mean_absolute_error": float(np.mean(np.abs(truth - predicted)) / width),
    }
    if len(truth) > 1:
        found["r2_score"] = float(scores.r2_score(truth, predicted))
        rank = float(spearmanr(truth, predicted).statistic)
        found["spearman_correlation"] = rank if rank == rank else 0.0
    return found


def fail(message: str) -> NoReturn:
    print(f"mlp: {message}", flush=True)
    sys.exit(1)


def _loss(task: str, metric: str, train: Data) -> Callable[..., tuple[float, dict[str, float]]]:
    """FLAML's form of a metric: what is to be made small, and what is noted beside it."""
    width = _range(train.target) if task == "regression" else 1.0
    count = len(set(train.target)) if task == "classification" else 0

    def loss(
        features: Any, truth: Any, estimator: Any, labels: Any, *_: Any, **__: Any
    ) -> tuple[float, dict[str, float]]:
        predicted = estimator.predict(features)
        if task == "classification":
            shares = estimator.predict_proba(features)
            found = classified(truth, predicted, shares, list(range(count)))
        else:
            found = measured(truth, predicted, width)
        value = found.get(metric)
        if value is None:
            return 1.0, found
        return (value if metric in LESS_IS_BETTER else 1.0 - value), found

    return loss


def _comparison(settings: dict[str, Any], check: Data | None) -> dict[str, Any]:
    """How trials are compared: on rows that are given, on a part that is held out, or in folds."""
    if check is not None:
        weights = {} if check.weights is None else {"sample_weight_val": check.weights}
        return {"X_val": check.features, "y_val": check.target, "eval_method": "holdout", **weights}
    folds = settings.get("n_cross_validations")
    if isinstance(folds, int) and folds > 1:
        return {"eval_method": "cv", "n_splits": folds}
    size = settings.get("validation_data_size")
    return {"eval_method": "holdout", "split_ratio": float(size)} if size else {}


def _data(path: str, name: str, settings: dict[str, Any]) -> Data:
    tabular = _tabular()
    try:
        table = tabular.read(path)
    except tabular.TableError as error:
        fail(f"`{name}`: {error}")
    target = str(settings.get("target_column_name"))
    weight = settings.get("weight_column_name")
    for column in filter(None, (target, weight)):
        if column not in table.columns:
            shown = ", ".join(f"`{c}`" for c in list(table.columns)[:20])
            fail(f"`{name}` has no column `{column}`; it has {shown}")
    folds = settings.get("cv_split_column_names") or []
    away = [target, *filter(None, [weight]), *(folds if isinstance(folds, list) else [folds])]
    table = table.dropna(subset=[target]).reset_index(drop=True)
    features = table.drop(columns=[column for column in away if column in table.columns])
    if settings["task"] == "forecasting":
        features, table = _in_time(features, table, (settings.get("forecasting") or {})["time_column_name"], name)
    weights = table[weight].to_numpy() if weight else None
    return Data(features, table[target], weights)


def _in_time(features: Any, table: Any, time: str, name: str) -> tuple[Any, Any]:
    import pandas as pd

    if time not in features.columns:
        fail(f"`{name}` has no column `{time}`, which is to hold the time")
    try:
        when = pd.to_datetime(features[time])
    except (ValueError, TypeError) as error:
        fail(f"the column `{time}` of `{name}` holds what is no time: {' '.join(str(error).split())}")
    order = when.argsort(kind="stable").to_numpy()
    first = [time, *(column for column in features.columns if column != time)]
    return (
        features.assign(**{time: when})[first].iloc[order].reset_index(drop=True),
        table.iloc[order].reset_index(drop=True),
    )


def _part(data: Data, share: float, task: str) -> tuple[Data, Data]:
    """Rows to learn from and rows to judge by: the last ones of a series, others by chance."""
    import numpy as np

    rows = len(data.target)
    count = max(1, min(rows - 1, round(rows * share)))
    order = np.arange(rows) if task == "forecasting" else np.random.default_rng(SEED).permutation(rows)

    def some(index: Any) -> Data:
        kept = np.sort(index)
        weights = data.weights[kept] if data.weights is not None else None
        features, target = (part.iloc[kept].reset_index(drop=True) for part in (data.features, data.target))
        return Data(features, target, weights)

    return some(order[:-count]), some(order[-count:])


def _save(automl: Any, folders: list[str], train: Data, task: str) -> None:
    """The model in MLflow's format. Its signature holds names and types of columns, and no row."""
    import mlflow
    from mlflow.models import ModelSignature, infer_signature

    rows = train.features.head(50)
    told = None if task == "forecasting" else automl.predict(rows)
    signature: ModelSignature = infer_signature(rows, told)
    versions = _versions(
        "flaml", "scikit-learn", "lightgbm", "xgboost-cpu", "xgboost", "pandas", "numpy", "mlflow", "cloudpickle"
    )
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    for folder in folders:
        mlflow.sklearn.save_model(
            automl,
            folder,
            signature=signature,
            serialization_format="cloudpickle",
            pip_requirements=versions,
            metadata={"stands_in": "FLAML in place of Azure ML's AutoML"},
        )


def _log(found: dict[str, Any], version: str) -> None:
    if not os.environ.get("MLFLOW_RUN_ID"):
        return
    from mlflow import MlflowClient

    client = MlflowClient()
    run = os.environ["MLFLOW_RUN_ID"]
    client.set_tag(run, "mlp.stands_in", f"FLAML {version}")
    client.log_param(run, "estimator", found["estimator"])
    for name, value in found["configuration"].items():
        client.log_param(run, name, value)
    for name, value in found["metrics"].items():
        client.log_metric(run, name, value)


def _versions(*names: str) -> list[str]:
    found = []
    for name in names:
        try:
            found.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _trials() -> int:
    try:
        with open(_artifact("trials.jsonl"), encoding="utf-8") as file:
            return sum('"record_id"' in line and '"curr_best_record_id"' not in line for line in file)
    except OSError:
        return 0


def _artifact(name: str) -> str:
    os.makedirs("outputs", exist_ok=True)
    return os.path.join("outputs", name)


def _range(target: Any) -> float:
    width = float(target.max() - target.min())
    return width if width > 0 else 1.0


def _number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _tabular() -> Any:
    """The module beside this one, by its path: this folder is no place to import from."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tabular.py")
    spec = importlib.util.spec_from_file_location("mlp_tabular", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()

"""From a model and rows to what it goes by as a whole: importances and curves, as a page and as JSON."""

import argparse
from typing import Any

import numpy as np
import pandas as pd
from common import encoding, entry, tracking
from common.entry import Refusal
from explaining import coding, faces, figures, machine, page
from explaining.faces import Subject
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error

METRICS = {
    "log_loss": "rise of the log loss when the column is shuffled",
    "accuracy": "loss of accuracy when the column is shuffled",
    "rmse": "rise of the root mean squared error when the column is shuffled",
    "mean_absolute_score": "mean size of the term over the training rows",
}


def main(options: argparse.Namespace) -> None:
    for name, low in (("repeats", 1), ("most_rows", 10), ("grid", 2)):
        if getattr(options, name) < low:
            raise Refusal(f"{name} = {getattr(options, name)} is below {low}")
    subject = faces.opened(options)
    glassbox = subject.machine is not None
    if options.method == "glassbox" and not glassbox:
        raise Refusal(
            f"method = glassbox needs an explainable boosting machine, found a {subject.model.framework} model"
        )
    subject = drawn(subject, options.most_rows, options.seed)
    if glassbox and options.method != "permutation":
        document, parts = read_off(subject)
    else:
        document, parts = asked(subject, options)
    title = f"What {subject.model.card.component or subject.model.framework} goes by"
    page.write(options.explanation, document, title, parts)
    for line in document["importances"][:10]:
        print(f"importance of {line['name']} = {line['value']:.4g}")
    if subject.private:
        print(page.PRIVATE)
    with tracking.run() as log:
        log.parameters({"method": document["method"], "output": document["output"], "rows": document["rows"]})
        log.folder(options.explanation, "explanation")


def drawn(subject: Subject, most: int, seed: int) -> Subject:
    """The subject on `most` rows at most."""
    if len(subject.table) <= most:
        return subject
    kept = np.sort(np.random.default_rng(seed).permutation(len(subject.table))[:most])
    table, features = (frame.iloc[kept].reset_index(drop=True) for frame in (subject.table, subject.features))
    return subject._replace(table=table, features=features)


def read_off(subject: Subject) -> tuple[dict[str, Any], list[page.Part]]:
    """The terms of an explainable boosting machine."""
    own = subject.machine
    label = machine.output(subject)
    importances = [
        {"name": str(name), "value": float(value), "deviation": None}
        for name, value in zip(own.term_names_, own.term_importances(), strict=True)
    ]
    curves, drawn_ = [], []
    for term in machine.terms(subject):
        curves.append({"features": list(term.features), **term._asdict(), "kind": kind_of(term)})
        name = " & ".join(term.features)
        if len(term.features) == 1:
            values: list[Any] = term.values or [
                (a + b) / 2 for a, b in zip(term.edges or (), (term.edges or ())[1:], strict=False)
            ]
            drawn_.append((name, figures.curve(values, term.scores, term.deviations, name, label)))
        elif len(term.features) == 2:
            drawn_.append((name, figures.surface(term.scores, term.features)))
    return finished(subject, "glassbox", "mean_absolute_score", label, importances, curves, drawn_)


def kind_of(term: machine.Term) -> str:
    if len(term.features) > 1:
        return "pair"
    return "categories" if term.values is not None else "bins"


def asked(subject: Subject, options: argparse.Namespace) -> tuple[dict[str, Any], list[page.Part]]:
    """Importances by shuffling columns, and partial dependence."""
    metric, importances = shuffled(subject, options.repeats, options.seed)
    curves, drawn_ = [], []
    for name in map(str, subject.features.columns):
        values, scores = dependence(subject, name, options.grid)
        curves.append(
            {
                "features": [name],
                "kind": "points",
                "values": values,
                "edges": None,
                "scores": scores,
                "deviations": None,
                "missing": None,
            }
        )
        drawn_.append((name, figures.curve(values, scores, None, name, f"mean {subject.output}")))
    return finished(subject, "permutation", metric, subject.output, importances, curves, drawn_)


class Face:
    """What scikit-learn's function takes for an estimator; `score` below asks the model itself."""

    def fit(self, *_: Any) -> "Face":
        return self


def shuffled(subject: Subject, repeats: int, seed: int) -> tuple[str, list[dict[str, Any]]]:
    """The metric, and what shuffling each column costs in it (Breiman 2001), mean and deviation over repeats."""
    truth = encoding.target(subject.table, subject.facts)
    model = subject.model
    names = [str(name) for name in subject.classes]
    if subject.task == "regressor":
        metric, measured = "rmse", truth.to_numpy(dtype=float)
    else:
        scores = model.scores(subject.features.head(2))
        proba = scores is not None and scores.ndim == 2 and scores.shape[1] == len(names)
        measured = np.array([str(x) for x in truth.tolist()])
        metric = "log_loss" if proba and set(measured) <= set(names) else "accuracy"

    def score(_: Any, table: pd.DataFrame, truth: np.ndarray) -> float:
        if metric == "rmse":
            return -float(root_mean_squared_error(truth, np.asarray(model.predict(table), dtype=float)))
        if metric == "accuracy":
            return float(accuracy_score(truth, [str(x) for x in np.asarray(model.predict(table)).tolist()]))
        shares = np.asarray(model.scores(table), dtype=float)
        order = np.argsort(names)
        return -float(log_loss(truth, shares[:, order], labels=[names[place] for place in order]))

    found = permutation_importance(
        Face(), subject.features, measured, scoring=score, n_repeats=repeats, random_state=seed, n_jobs=1
    )
    values = zip(subject.features.columns, found.importances_mean, found.importances_std, strict=True)
    return metric, [{"name": str(n), "value": float(m), "deviation": float(s)} for n, m, s in values]


def dependence(subject: Subject, name: str, grid: int) -> tuple[list[Any], list[float]]:
    """The mean output over all rows with a column set to each of its values in turn (Friedman 2001, section 8.2)."""
    column = next(c for c in coding.coding(subject.features[[name]], subject.facts).columns)
    cells = subject.features[name]
    if column.members is not None:
        values: list[Any] = list(column.members)
    else:
        held = np.unique(cells.dropna().astype(float))
        points = held if len(held) <= grid else np.unique(np.quantile(held, np.linspace(0, 1, grid)))
        values = [
            float(x) for x in (np.unique(np.rint(points)) if pd.api.types.is_integer_dtype(cells.dtype) else points)
        ]
    scores = []
    for value in values:
        encoded = column.encode(pd.Series([value], dtype=object if column.members is not None else float))
        whole = np.repeat(column.decode(encoded), len(cells))
        scores.append(float(np.mean(subject.answer(subject.features.assign(**{name: whole})))))
    return values, scores


def finished(
    subject: Subject,
    method: str,
    metric: str,
    label: str,
    importances: list[dict[str, Any]],
    curves: list[dict[str, Any]],
    drawn_: list[tuple[str, bytes]],
) -> tuple[dict[str, Any], list[page.Part]]:
    """The document, and the page's parts; importances from the greatest down."""
    importances = sorted(importances, key=lambda line: (-line["value"], line["name"]))
    document = {
        "kind": "global",
        "method": method,
        **described(subject, label),
        "says": f"Importance is the {METRICS[metric]}. Curves show the {label}.",
        "metric": metric,
        "importances": importances,
        "curves": curves,
    }
    names = [line["name"] for line in importances]
    values = [line["value"] for line in importances]
    spread = [line["deviation"] for line in importances]
    bars = figures.bars(names, values, None if None in spread else spread, METRICS[metric])
    lines = [(name, page.number(value)) for name, value in zip(names, values, strict=True)]
    order = {name: place for place, name in enumerate(names)}
    drawn_ = sorted(drawn_, key=lambda pair: order[pair[0]])
    return document, [page.Part("Importances", lines, [("Importances", bars)]), page.Part("Curves", [], drawn_)]


def described(subject: Subject, label: str) -> dict[str, Any]:
    """What both explanations say of model and rows."""
    return {
        "model": {
            "framework": subject.model.framework,
            "component": subject.model.card.component,
            "task": subject.task,
        },
        "label": None if subject.facts is None else subject.facts.label,
        "explained_class": subject.chosen,
        "output": label,
        "private": subject.private,
        "rows": len(subject.table),
    }


if __name__ == "__main__":
    arguments = faces.parser("Explain a model as a whole.")
    arguments.add_argument("--method", choices=("auto", "glassbox", "permutation"), default="auto")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--most-rows", type=int, default=2000)
    arguments.add_argument("--grid", type=int, default=20)
    entry.run(main, arguments)

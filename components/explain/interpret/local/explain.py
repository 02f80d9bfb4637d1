"""From a model and rows to why it says what it says of each: contributions of columns, as a page and as JSON."""

import argparse
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import entry, files, tracking
from common.entry import Refusal
from explaining import coding, faces, figures, machine, page
from explaining.coding import Coding
from explaining.faces import Subject

SAYS = {
    "glassbox": "Contributions are the machine's own terms: with the base they add up to its output.",
    "shap": "Contributions are Shapley values: with the base, the mean output over the background, they add up to the "
    "output.",
    "lime": "Contributions are those of a linear model fitted to the outputs around the row; they need not add up.",
}
LIME_ROWS = 20  # times the background of SHAP: LIME takes only the distribution of each column from it


class Contribution(NamedTuple):
    """What the columns (or terms) of one row add to the base."""

    base: float
    scores: list[float]


def main(options: argparse.Namespace) -> None:
    subject = faces.opened(options)
    places = chosen(options, len(subject.features))
    rows = subject.features.iloc[places].reset_index(drop=True)
    method = options.method
    if method == "auto":
        method = "shap" if subject.machine is None else "glassbox"
    if method == "glassbox" and subject.machine is None:
        raise Refusal(
            f"method = glassbox needs an explainable boosting machine, found a {subject.model.framework} model"
        )
    if method == "glassbox":
        names, label = list(subject.machine.term_names_), machine.output(subject)
        scores, intercept = machine.contributions(subject, rows)
        found = [Contribution(intercept, line.tolist()) for line in scores]
    else:
        names, label = [str(name) for name in rows.columns], subject.output
        found = around(subject, rows, method, options)
    document, parts = told(subject, places, rows, method, label, names, found)
    page.write(
        options.explanation, document, f"Why {subject.model.card.component or subject.model.framework} says so", parts
    )
    print(f"explained {len(places)} rows by {method}: {label}")
    if subject.private:
        print(page.PRIVATE)
    with tracking.run() as log:
        log.parameters({"method": method, "output": label, "rows": len(places)})
        log.folder(options.explanation, "explanation")


def chosen(options: argparse.Namespace, size: int) -> list[int]:
    """The rows to explain. Raises Refusal for a position that the table does not have."""
    asked = entry.value(options.rows)
    if not isinstance(asked, list) or not all(isinstance(x, int) and not isinstance(x, bool) for x in asked):
        raise Refusal("rows must be a list of positions")
    for place in asked:
        if not 0 <= place < size:
            raise Refusal(f"rows names position {place}, the table's positions are 0 to {size - 1}")
    if options.count < 1:
        raise Refusal(f"count = {options.count} is below 1")
    return asked or list(range(min(options.count, size)))


def around(subject: Subject, rows: pd.DataFrame, method: str, options: argparse.Namespace) -> list[Contribution]:
    """Contributions by SHAP or LIME, on numbers that stand for the cells."""
    for name, low in (("background_rows", 2), ("samples", 50)):
        if getattr(options, name) < low:
            raise Refusal(f"{name} = {getattr(options, name)} is below {low}")
    others = subject.features
    if options.background is not None:
        others = faces.read(options.background, subject.facts, subject.model)[1]
    codes = coding.coding(pd.concat([others, subject.features], ignore_index=True), subject.facts)
    most = options.background_rows * (LIME_ROWS if method == "lime" else 1)
    draw = np.random.default_rng(options.seed).permutation(len(others))[:most]
    background = codes.encode(others.iloc[np.sort(draw)])

    def answer(numbers: np.ndarray) -> np.ndarray:
        return subject.answer(codes.decode(numbers))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EXPLAINERS[method](answer, codes, background, codes.encode(rows), options)


def shap(answer: Any, codes: Coding, background: np.ndarray, rows: np.ndarray, options: Any) -> list[Contribution]:
    """Kernel SHAP (Lundberg and Lee 2017), through InterpretML."""
    from interpret.blackbox import ShapKernel

    np.random.seed(options.seed)  # the library draws from the global generator
    explainer = ShapKernel(answer, background, **_typed(codes))
    # Without l1_reg = False it would keep the ten strongest columns alone.
    return _read(explainer.explain_local(rows, nsamples=options.samples, l1_reg=False, silent=True), codes)


def lime(answer: Any, codes: Coding, background: np.ndarray, rows: np.ndarray, options: Any) -> list[Contribution]:
    """LIME for tables (Ribeiro, Singh and Guestrin 2016), through InterpretML; categories are sampled as such."""
    from interpret.blackbox import LimeTabular

    explainer = LimeTabular(
        answer, background, **_typed(codes), categorical_features=codes.categories, random_state=options.seed
    )
    return _read(explainer.explain_local(rows, num_features=len(codes.columns), num_samples=options.samples), codes)


EXPLAINERS = {"shap": shap, "lime": lime}


def _typed(codes: Coding) -> dict[str, Any]:
    names = [column.name for column in codes.columns]
    return {"feature_names": names, "feature_types": ["continuous"] * len(names)}


def _read(explanation: Any, codes: Coding) -> list[Contribution]:
    """InterpretML's explanations in the order of the columns; LIME's come sorted."""
    found = []
    for line in explanation._internal_obj["specific"]:
        scores = dict(zip(line["names"], line["scores"], strict=True))
        base = float(np.ravel(line["extra"]["scores"][0])[0])
        found.append(Contribution(base, [float(scores.get(column.name, 0.0)) for column in codes.columns]))
    return found


def told(
    subject: Subject,
    places: list[int],
    rows: pd.DataFrame,
    method: str,
    label: str,
    names: list[str],
    found: list[Contribution],
) -> tuple[dict[str, Any], list[page.Part]]:
    """The document, and a part of the page for each row."""
    predicted = np.asarray(subject.model.predict(rows)).tolist()
    outputs = [one.base + sum(one.scores) for one in found] if method == "glassbox" else subject.answer(rows).tolist()
    explanations, parts = [], []
    for at, (place, one) in enumerate(zip(places, found, strict=True)):
        cells = rows.iloc[at]
        shown = [" & ".join(_cell(cells[part]) for part in _features(subject, name, method)) for name in names]
        explanations.append(
            {
                "row": place,
                "prediction": predicted[at],
                "output": outputs[at],
                "base": one.base,
                "contributions": [
                    {"name": name, "value": value, "score": score}
                    for name, value, score in zip(names, shown, one.scores, strict=True)
                ],
            }
        )
        order = sorted(range(len(names)), key=lambda i: -abs(one.scores[i]))
        labels = [f"{name} = {value}" for name, value in zip(names, shown, strict=True)]
        lines = [("prediction", str(predicted[at])), (label, page.number(outputs[at])), ("base", page.number(one.base))]
        lines += [(labels[i], page.number(one.scores[i])) for i in order]
        drawn = figures.bars(labels, one.scores, None, f"contribution to the {label}")
        parts.append(page.Part(f"Row {place}", lines, [(f"Row {place}", drawn)]))
    document = {
        "kind": "local",
        "method": method,
        "model": {
            "framework": subject.model.framework,
            "component": subject.model.card.component,
            "task": subject.task,
        },
        "label": None if subject.facts is None else subject.facts.label,
        "explained_class": subject.chosen,
        "output": label,
        "private": subject.private,
        "rows": len(places),
        "says": SAYS[method],
        "explanations": explanations,
    }
    return files.finite(document), parts


def _features(subject: Subject, name: str, method: str) -> list[str]:
    """The columns of a term."""
    if method != "glassbox":
        return [name]
    own = subject.machine
    place = list(own.term_names_).index(name)
    return [str(own.feature_names_in_[feature]) for feature in own.term_features_[place]]


def _cell(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and cell != cell):
        return "missing"
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


if __name__ == "__main__":
    arguments = faces.parser("Explain single predictions.")
    arguments.add_argument("--background", type=Path)
    arguments.add_argument("--method", choices=("auto", "glassbox", "shap", "lime"), default="auto")
    arguments.add_argument("--rows", default="[]")
    arguments.add_argument("--count", type=int, default=5)
    arguments.add_argument("--background-rows", type=int, default=50)
    arguments.add_argument("--samples", type=int, default=1000)
    entry.run(main, arguments)

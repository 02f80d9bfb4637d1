"""From a model, a test table and gates to metrics.json and a report folder: what all evaluations of predictions do."""

import argparse
import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import encoding, entry, gates, metrics, models, rows, tables, tracking
from common import facts as facts_of
from common.facts import Facts
from common.files import write_folder
from common.gates import Verdict

Draw = Callable[[Path], list[tuple[str, str]]]


def parser(description: str, judged: str = "--table") -> argparse.ArgumentParser:
    """The command line that evaluations share; `judged` names what the model is judged on."""
    arguments = entry.parser(description)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument(judged, type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--gates")
    arguments.add_argument("--allow-code", type=entry.boolean, default=False)
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--report", type=Path, required=True)
    return arguments


def opened(options: argparse.Namespace, task: str) -> tuple[models.Model, pd.DataFrame, np.ndarray, Facts]:
    """The model, the features as it wants them, the truth and the facts. Raises Refusal for a model of another task."""
    facts = facts_of.load(options.facts)
    if facts is None:
        raise entry.Refusal("the label is not known; say `label = …` in the data's block")
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    truth = encoding.target(table, facts).to_numpy()
    model = models.load(options.model, options.allow_code)
    if model.card.task not in (task, ""):
        raise entry.Refusal(f"the model is a {model.card.task}, a {task} is expected")
    wanted = list(model.card.features) or facts.feature_names(list(table.columns))
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise entry.Refusal(f"the model wants the column {absent[0]!r}, which the table lacks")
    return model, table[wanted], truth, facts


def known_classes(model: models.Model, truth: np.ndarray, facts: Facts | None) -> list[Any]:
    """The schema's classes, else the model's, else those that occur; more only if the truth has more."""
    names = list((facts.classes if facts is not None else None) or model.card.classes or ())
    known = {str(name) for name in names}
    names += sorted({x for x in truth.tolist() if str(x) not in known})
    return names


def reordered(proba: np.ndarray | None, model: models.Model, classes: Sequence[Any]) -> np.ndarray | None:
    """Probabilities in the order of `classes`, nought for one that the model never saw; None if not known whose."""
    if proba is None or model.card.classes is None or proba.shape[1] != len(model.card.classes):
        return None
    places = {str(name): place for place, name in enumerate(model.card.classes)}
    columns = [proba[:, places[str(name)]] if str(name) in places else np.zeros(len(proba)) for name in classes]
    return np.column_stack(columns).astype(float)


def finish(options: argparse.Namespace, found: Mapping[str, float], draw: Draw, title: str) -> None:
    """Judge the gates, write both outputs, log them, print them. Raises Refusal for a `require` that failed."""
    verdicts = gates.judge(gates.load(options.gates), found)
    write_folder(options.report, lambda folder: _fill(folder, found, verdicts, draw, title))
    metrics.write(options.metrics, found, verdicts)
    for name, value in found.items():
        print(f"{name} = {value:.6g}")
    with tracking.run() as log:
        log.metrics(found)
        log.file(options.metrics)
        log.folder(options.report, "report")
    gates.report(verdicts)


def _fill(folder: Path, found: Mapping[str, float], verdicts: Sequence[Verdict], draw: Draw, title: str) -> None:
    figures = draw(folder)
    (folder / "index.html").write_text(page(title, found, verdicts, figures), encoding="utf-8", newline="\n")


def page(title: str, found: Mapping[str, float], verdicts: Sequence[Verdict], figures: list[tuple[str, str]]) -> str:
    """A page of its own: gates, metrics, figures. Every text in it is escaped."""
    judged = "".join(f"<li>{html.escape(verdict.line())}</li>" for verdict in verdicts)
    table = "".join(f"<tr><th>{html.escape(k)}</th><td>{_shown(v)}</td></tr>" for k, v in found.items())
    drawn = "".join(
        f'<figure><img src="{html.escape(file, quote=True)}" alt="{html.escape(name, quote=True)}">'
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for file, name in figures
    )
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>\n<style>'
        "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "th{text-align:left;padding-right:2rem;font-weight:normal}td{text-align:right;font-variant-numeric:tabular-nums}"
        "figure{display:inline-block;margin:1rem 1rem 0 0}img{max-width:100%}</style>\n"
        f"<h1>{html.escape(title)}</h1>\n{f'<ul>{judged}</ul>' if judged else ''}\n"
        f"<table>{table}</table>\n{drawn}\n</html>\n"
    )


def _shown(value: Any) -> str:
    return html.escape(f"{value:.6g}")

"""pipelines/income.mlp as one script in one process, written by hand: income_by_hand.py OUT [--no-tracking].

Included: reading and checking the rows, the split, the fit, the release with OpenDP, both evaluations with their
figures, the ONNX export as an MLflow model with parity, the scoring server on loopback with its check, and one MLflow
run in a new SQLite store with metrics and the model. Left out, because one process needs none of it: tables and models
between stages, a cache, a record, isolation of the stages. The server is started by mlp's own `runner/server.py`, so
that both sides start the same one.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import mlflow
import mlflow.onnx
import numpy as np
import onnxruntime
import opendp.prelude as dp
import pandas as pd
from fairlearn.metrics import MetricFrame, selection_rate
from mlflow.models import infer_signature
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from skl2onnx.sklapi import CastTransformer
from sklearn import metrics
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "pipelines" / "data"
SCORING = ROOT / "components" / "deploy" / "azureml" / "online_deployment" / "scoring"
LABEL, POSITIVE, SENSITIVE = "income", ">50K", ["sex", "race"]
EPSILON, DELTA, C, TAU = 1.0, 1e-6, 0.005, 1e-4

out = Path(sys.argv[1])
tracked = "--no-tracking" not in sys.argv
out.mkdir(parents=True)
rules = json.loads((DATA / "census.schema.json").read_text())["properties"]
features = [name for name in rules if name != LABEL and name not in SENSITIVE]
numbers = [name for name in features if "minimum" in rules[name]]
words = [name for name in features if "enum" in rules[name]]

# the rows, checked against the schema
table = pd.read_csv(DATA / "census.csv", names=list(rules), skipinitialspace=True, na_values="?")
for name in numbers:
    assert table[name].between(rules[name]["minimum"], rules[name]["maximum"]).all(), name
for name in [*words, LABEL, *SENSITIVE]:
    assert (table[name].isin([x for x in rules[name]["enum"] if x is not None]) | table[name].isna()).all(), name

# the split
tested = np.zeros(len(table), dtype=bool)
tested[np.random.default_rng(7).permutation(len(table))[: round(0.2 * len(table))]] = True
train, test = table[~tested], table[tested]

# the fit, on features that the schema scales
columns = ColumnTransformer(
    [
        (
            "numbers",
            Pipeline([("scale", MinMaxScaler(clip=True)), ("cast", CastTransformer(dtype=np.float32))]),
            numbers,
        ),
        (
            "words",
            OneHotEncoder(
                categories=[
                    np.array(sorted(x for x in rules[n]["enum"] if x is not None), dtype=object) for n in words
                ],
                handle_unknown="ignore",
                sparse_output=False,
            ),
            words,
        ),
    ],
    sparse_threshold=0,
)
extremes = pd.DataFrame(
    {n: [rules[n]["minimum"], rules[n]["maximum"]] for n in numbers}
    | {n: [x for x in rules[n]["enum"] if x is not None][:2] for n in words}
)[features]
encoder = Pipeline([("columns", columns), ("constant", PolynomialFeatures(degree=1, include_bias=True))]).fit(extremes)
model = LogisticRegression(C=C, fit_intercept=False, tol=1e-8, max_iter=5000, random_state=0)
encoded = encoder.transform(train[features])
model.fit(encoded, train[LABEL])
training_score = model.score(encoded, train[LABEL])

# the release: the fit is a solution to within TAU, and the noise is OpenDP's for the sensitivity that follows
signs = np.where(train[LABEL] == model.classes_[1], 1.0, -1.0)
margin = signs * (encoded @ model.coef_[0])
gradient = model.coef_[0] - C * ((signs / (1.0 + np.exp(margin))) @ encoded)
assert np.linalg.norm(gradient) <= TAU
sensitivity = 2.0 * C * math.sqrt(len(features) + 1) + 2.0 * TAU
dp.enable_features("contrib")
space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l2_distance(T=float)


def mechanism(scale: float):
    return dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*space, scale=scale)), delta=DELTA)


loose = sensitivity / (math.sqrt(2.0) * EPSILON) * (math.sqrt(-math.log(DELTA) + EPSILON) + math.sqrt(-math.log(DELTA)))
scale = dp.binary_search_param(mechanism, d_in=sensitivity, d_out=(EPSILON, DELTA), bounds=(loose / 4.0, loose * 2.0))
model.coef_ = np.array([mechanism(scale)(model.coef_[0].tolist())])
released = Pipeline([("encode", encoder), ("model", model)])

# the evaluation
truth, predicted = test[LABEL].to_numpy(), released.predict(test[features])
probability = released.predict_proba(test[features])[:, list(model.classes_).index(POSITIVE)]
is_it, said = truth == POSITIVE, predicted == POSITIVE
quality = {
    "accuracy": metrics.accuracy_score(truth, predicted),
    "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
    "f1": metrics.f1_score(is_it, said),
    "precision": metrics.precision_score(is_it, said),
    "recall": metrics.recall_score(is_it, said),
    "roc_auc": metrics.roc_auc_score(is_it, probability),
    "average_precision": metrics.average_precision_score(is_it, probability),
    "log_loss": metrics.log_loss(is_it, probability),
    "brier": metrics.brier_score_loss(is_it, probability),
}
assert quality["accuracy"] >= 0.80


def draw(name: str, paint) -> None:
    figure, axes = plt.subplots(figsize=(5.0, 4.0), layout="constrained")
    paint(axes)
    figure.savefig(out / f"{name}.png", dpi=110)
    plt.close(figure)


false, true, _ = metrics.roc_curve(is_it, probability)
precision, recall, _ = metrics.precision_recall_curve(is_it, probability)
bins = np.clip((probability * 10).astype(int), 0, 9)
filled = [b for b in range(10) if (bins == b).any()]
means = [[x[bins == b].mean() for b in filled] for x in (probability, is_it)]
draw("confusion", lambda axes: axes.imshow(metrics.confusion_matrix(truth, predicted), cmap="Blues"))
draw("roc", lambda axes: axes.plot(false, true))
draw("precision_recall", lambda axes: axes.plot(recall, precision))
draw("calibration", lambda axes: axes.plot(*means, marker="o"))

# fairness
rates = {
    "accuracy": metrics.accuracy_score,
    "selection_rate": selection_rate,
    "true_positive_rate": lambda t, p: p[t].mean() if t.any() else math.nan,
    "false_positive_rate": lambda t, p: p[~t].mean() if (~t).any() else math.nan,
    "rows": lambda t, p: float(len(t)),
}
ways = [[name] for name in SENSITIVE] + [SENSITIVE]
frames = [
    MetricFrame(metrics=rates, y_true=is_it, y_pred=said, sensitive_features=test[way].astype(str)) for way in ways
]
fairness = {
    f"{name}_difference": max(float(f.by_group[name].max() - f.by_group[name].min()) for f in frames[:2])
    for name in ("selection_rate", "accuracy", "true_positive_rate", "false_positive_rate")
}
assert fairness["selection_rate_difference"] <= 0.25
for way, frame in zip(ways, frames, strict=True):
    draw("fairness_" + "_".join(way), lambda axes, frame=frame: frame.by_group["selection_rate"].plot.barh(ax=axes))

# the export, and its parity
kinds = [(n, DoubleTensorType([None, 1]) if n in numbers else StringTensorType([None, 1])) for n in features]
flat = Pipeline([("columns", columns), ("constant", encoder.steps[1][1]), ("model", model)])
exported = convert_sklearn(
    flat, initial_types=kinds, options={id(model): {"zipmap": False}}, target_opset={"": 18, "ai.onnx.ml": 3}
)
names = {given.name: column for given, (column, _) in zip(exported.graph.input, kinds, strict=True)}
for given in exported.graph.input:
    given.name = names[given.name]
for node in exported.graph.node:
    node.input[:] = [names.get(name, name) for name in node.input]
example = extremes.assign(**{n: [extremes[n][0], None] for n in words if None in rules[n]["enum"]})
mlflow.onnx.save_model(
    exported,
    str(out / "model"),
    signature=infer_signature(example, np.array(["<=50K"])),
    input_example=example,
    pip_requirements=[f"onnxruntime=={onnxruntime.__version__}"],
    metadata={"mlp": {"task": "classifier", "classes": list(model.classes_), "features": features}},
    save_as_external_data=False,
)
session = onnxruntime.InferenceSession(str(out / "model" / "model.onnx"), providers=["CPUExecutionProvider"])


def answers(frame: pd.DataFrame):
    feed = {n: frame[n].to_numpy(np.float64).reshape(-1, 1) for n in numbers}
    feed |= {n: frame[n].astype(object).where(frame[n].notna(), "").to_numpy(object).reshape(-1, 1) for n in words}
    return session.run(None, feed)


labels, probabilities = answers(test[features])
difference = float(np.abs(probabilities - released.predict_proba(test[features])).max())
agreement = float((labels == predicted).mean())
assert difference <= 1e-4 and agreement >= 0.999, (difference, agreement)

# tracking
if tracked:
    mlflow.set_tracking_uri(f"sqlite:///{out / 'mlflow.db'}")
    mlflow.set_experiment("income")
    with mlflow.start_run():
        mlflow.log_params({"C": C, "epsilon": EPSILON})
        mlflow.log_metrics({**quality, **fairness, "training_score": training_score, "parity": difference})
        mlflow.log_artifacts(str(out / "model"), "model")
        for figure in out.glob("*.png"):
            mlflow.log_artifact(str(figure), "report")

# the server: the same answers as the model's, and its latency
from mlp_lang.runner import server as servers  # noqa: E402 - beside what it is for

directory = servers.lay_out_model(str(out / "model"), str(out / "served"), "income")
server = servers.start(str(SCORING), directory, {}, str(out / "server.log"))
try:
    assert servers.bound_addresses(server.port) == [servers.HOST]
    few = test[features].head(200).reset_index(drop=True)

    def body(frame: pd.DataFrame):
        split = json.loads(frame.to_json(orient="split", double_precision=15))
        return {"input_data": {name: split[name] for name in ("columns", "index", "data")}}

    served = server.score(body(few))
    assert (np.array(served["predictions"] if isinstance(served, dict) else served) == answers(few)[0]).mean() >= 0.999
    taken = []
    for number in range(55):
        before = time.perf_counter()
        server.score(body(few.iloc[[number]]))
        taken.append(time.perf_counter() - before)
finally:
    server.close()
(out / "report.json").write_text(
    json.dumps({**quality, **fairness, "parity": difference, "latency": sorted(taken[5:])[25]}, indent=2)
)

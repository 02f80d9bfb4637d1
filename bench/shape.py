"""From a number of stages to one pipeline of that size, written as an mlp program, as WDL and as a list for kfp.

Ten stages make a group: a split of what the group before left for training, three models trained on it, each of them
judged on the test part and exported. The same edges whoever reads them. Standard library only: kfp's environment
imports this, too.
"""

import sys
from typing import NamedTuple

MODELS = {
    "sklearn.LogisticRegression": "C = {c}\n    max_iter = 500",
    "sklearn.RandomForestClassifier": "n_estimators = {n}\n    max_depth = 8",
    "sklearn.DecisionTreeClassifier": 'max_depth = {d}\n    criterion = "entropy"',
}


class Stage(NamedTuple):
    """`sources` are (stage, port); the stage `""` is the pipeline's table."""

    name: str
    kind: str
    sources: tuple[tuple[str, str], ...]
    number: int


def stages(count: int) -> list[Stage]:
    """The first `count` stages of the endless pipeline."""
    made: list[Stage] = []
    table = ("", "census")
    group = 0
    while len(made) < count:
        split = f"split_{group}"
        made.append(Stage(split, "split", (table,), group))
        names = [f"model_{group}_{k}" for k in range(3)]
        made += [Stage(name, f"train{k}", ((split, "train"),), group) for k, name in enumerate(names)]
        made += [
            Stage(f"judge_{group}_{k}", "judge", ((name, "model"), (split, "test")), group)
            for k, name in enumerate(names)
        ]
        made += [
            Stage(f"export_{group}_{k}", "export", ((name, "model"), (split, "test")), group)
            for k, name in enumerate(names)
        ]
        table = (split, "train")
        group += 1
    return made[:count]


def mlp(count: int, data: str) -> str:
    """The pipeline as a program; `data` is the folder that holds census.csv and its schema."""
    parts = [
        'compute cpu = cluster("cpu-cluster")\n',
        f"pipeline chain_{count} {{\n  compute = cpu\n\n  param floor: float(0..1) = 0.7\n",
        f'  data census: table = "{data}/census.csv" {{\n    schema = "{data}/census.schema.json"\n'
        '    label = "income"\n    positive = ">50K"\n    sensitive = ["sex", "race"]\n  }\n',
    ]
    for stage in stages(count):
        given = [f"{s}.{p}" if s else p for s, p in stage.sources]
        match stage.kind:
            case "split":
                body = f"table = {given[0]}\n    test_size = 0.1\n    seed = {stage.number}"
                parts.append(f"  prepare {stage.name} using tabular.split {{\n    {body}\n  }}\n")
            case "judge":
                body = f"model = {given[0]}\n    table = {given[1]}\n    require accuracy >= floor"
                parts.append(f"  evaluate {stage.name} using sklearn.classification {{\n    {body}\n  }}\n")
            case "export":
                body = f"model = {given[0]}\n    table = {given[1]}"
                parts.append(f"  export {stage.name} using onnx.model {{\n    {body}\n  }}\n")
            case train:
                component = list(MODELS)[int(train[-1])]
                values = {"c": (stage.number % 9 + 1) / 10, "n": stage.number % 50 + 10, "d": stage.number % 7 + 2}
                body = f"table = {given[0]}\n    {MODELS[component].format(**values)}"
                parts.append(f"  train {stage.name} using {component} {{\n    {body}\n  }}\n")
    return "\n".join(parts) + "}\n"


_WDL_TASKS = {
    "split": ("File table", "File train = 'train'\n    File test = 'test'"),
    "train": ("File table", "File model = 'model'"),
    "judge": ("File model\n    File table", "File metrics = 'metrics'"),
    "export": ("File model\n    File table", "File onnx = 'onnx'"),
}


def wdl(count: int) -> str:
    """The pipeline as a WDL 1.0 workflow of four tasks."""
    parts = ["version 1.0\n"]
    for name, (inputs, outputs) in _WDL_TASKS.items():
        parts.append(
            f"task {name} {{\n  input {{\n    {inputs}\n  }}\n  command {{\n    true\n  }}\n"
            f"  output {{\n    {outputs}\n  }}\n}}\n"
        )
    parts.append("workflow chain {\n  input {\n    File census\n  }\n")
    for stage in stages(count):
        given = [f"{s}.{p}" if s else p for s, p in stage.sources]
        names = ("table",) if len(given) == 1 else ("model", "table")
        bound = ", ".join(f"{n} = {g}" for n, g in zip(names, given, strict=True))
        parts.append(f"  call {stage.kind.rstrip('012')} as {stage.name} {{ input: {bound} }}\n")
    return "".join(parts) + "}\n"


if __name__ == "__main__":
    sys.stdout.write(mlp(int(sys.argv[1]), sys.argv[2]))

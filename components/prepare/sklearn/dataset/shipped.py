"""From a name to one of the tables that scikit-learn ships, features first, the label in the column `target`."""

from typing import NamedTuple

import pandas as pd
from sklearn import datasets

LABEL = "target"


class Shipped(NamedTuple):
    """A data set: its loader in sklearn.datasets, its task, and the class that counts as positive."""

    loader: str
    task: str
    positive: str | None = None


DATASETS = {
    "breast_cancer": Shipped("load_breast_cancer", "classifier", "malignant"),
    "diabetes": Shipped("load_diabetes", "regressor"),
    "digits": Shipped("load_digits", "classifier"),
    "iris": Shipped("load_iris", "classifier"),
    "wine": Shipped("load_wine", "classifier"),
}


def load(name: str) -> pd.DataFrame:
    """The whole table. Column names are scikit-learn's with `_` for blanks and slashes; classes go by name."""
    shipped = DATASETS[name]
    bunch = getattr(datasets, shipped.loader)(as_frame=True)
    frame = bunch.data.rename(columns=column_name)
    if shipped.task == "classifier" and isinstance(bunch.target_names[0], str):
        frame[LABEL] = [str(bunch.target_names[code]) for code in bunch.target]
    else:
        frame[LABEL] = bunch.target
    return frame


def column_name(name: str) -> str:
    """`sepal length (cm)` as `sepal_length_cm`."""
    return name.replace("(", "").replace(")", "").replace("/", "_").replace(" ", "_")

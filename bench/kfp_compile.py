"""Compiles the pipeline of `shape.stages` with kfp, in kfp's own environment: kfp_compile.py COUNT FILE."""

import sys

import shape
from kfp import compiler, dsl


@dsl.container_component
def split(table: dsl.Input[dsl.Dataset], train: dsl.Output[dsl.Dataset], test: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(image="busybox", command=["true"], args=[table.path, train.path, test.path])


@dsl.container_component
def train(table: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]):
    return dsl.ContainerSpec(image="busybox", command=["true"], args=[table.path, model.path])


@dsl.container_component
def judge(model: dsl.Input[dsl.Model], table: dsl.Input[dsl.Dataset], metrics: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(image="busybox", command=["true"], args=[model.path, table.path, metrics.path])


@dsl.container_component
def export(model: dsl.Input[dsl.Model], table: dsl.Input[dsl.Dataset], onnx: dsl.Output[dsl.Model]):
    return dsl.ContainerSpec(image="busybox", command=["true"], args=[model.path, table.path, onnx.path])


COMPONENTS = {"split": split, "train": train, "judge": judge, "export": export}


@dsl.pipeline(name="chain")
def chain():
    census = dsl.importer(artifact_uri="gs://bucket/census.csv", artifact_class=dsl.Dataset).output
    made = {}
    for stage in shape.stages(int(sys.argv[1])):
        given = [made[s].outputs[p] if s else census for s, p in stage.sources]
        names = ("table",) if len(given) == 1 else ("model", "table")
        made[stage.name] = COMPONENTS[stage.kind.rstrip("012")](**dict(zip(names, given, strict=True)))


compiler.Compiler().compile(chain, sys.argv[2])

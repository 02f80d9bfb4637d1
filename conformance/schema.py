"""From azure-ai-ml's marshmallow schemas to trees of fields, and from a tree to the rows of the table."""

import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from conformance import azure

BINDINGS = frozenset(["DataBindingStr", "NodeBindingStr", "OutputBindingStr"])
REFERENCES = frozenset(
    ["RegistryStr", "ArmVersionedStr", "ArmStr", "InternalRegistryStr", "GitStr", "SerializeValidatedUrl"]
)
SIMPLE = {
    "Str": "string",
    "String": "string",
    "DumpableStringField": "string",
    "VersionField": "string",
    "NumberVersionField": "string",
    "PythonFuncNameStr": "name",
    "ComponentNameStr": "name",
    "PipelineNodeNameStr": "name",
    "DateTimeStr": "datetime",
    "Int": "integer",
    "Integer": "integer",
    "DumpableIntegerField": "integer",
    "Float": "number",
    "Number": "number",
    "DumpableFloatField": "number",
    "Bool": "boolean",
    "Boolean": "boolean",
    "LocalPathField": "path",
    "ComponentYamlRefField": "file",
    "FileRefField": "file",
    "Email": "string",
    "Dict": "any",
    "RegistryStr": "registry",
    "InternalRegistryStr": "registry",
    "ArmVersionedStr": "asset",
    "ArmStr": "resource",
    "GitStr": "git",
    "SerializeValidatedUrl": "url",
    "Url": "url",
    "Raw": "any",
    "Field": "any",
    "UnionField": "union",
}


class Field(NamedTuple):
    """What one place in a YAML file may hold. `children` of a mapping with known keys, `item` of a list or a mapping
    with free keys, `variants` where it may be one of several."""

    type: str
    enum: tuple[str, ...] = ()
    required: bool = False
    binding: bool = False
    children: "tuple[tuple[str, Field], ...]" = ()
    item: "Field | None" = None
    variants: "tuple[tuple[str, Field], ...]" = ()


class Row(NamedTuple):
    """A row of the table: `.name` is a key, `.*` any key, `[]` an item of a list, `<name>` one of several forms."""

    path: str
    type: str
    enum: tuple[str, ...]
    required: bool
    binding: bool


def rows(field: Field, path: str) -> Iterator[Row]:
    """The rows of a tree, from the top down."""
    yield Row(path, field.type, field.enum, field.required, field.binding)
    for name, child in field.children:
        yield from rows(child, f"{path}.{name}")
    if field.item is not None:
        yield from rows(field.item, f"{path}[]" if field.type == "list" else f"{path}.*")
    for name, variant in field.variants:
        yield from rows(variant, f"{path}<{name}>")


def tree(schema_class: Any) -> Field:
    """The tree of a schema class of azure-ai-ml, fields that a person cannot write left out."""
    with azure.quiet():
        return _schema(schema_class(context={"base_path": Path()}), (), False)


def _schema(schema: Any, stack: tuple[str, ...], required: bool) -> Field:
    name = type(schema).__name__
    if name in stack:
        return Field(f"see {name}")
    children = []
    for attribute, field in sorted(schema.load_fields.items()):
        if field.dump_only:
            continue
        key = field.data_key or attribute
        found = _field(field, (*stack, name))
        if key in ("component", "trial") and stack:
            found = _component_elsewhere(found)
        children.append((key, found))
    return Field("mapping", required=required, children=tuple(children))


def _field(field: Any, stack: tuple[str, ...]) -> Field:
    kind = type(field).__name__
    required = bool(field.required)
    if hasattr(field, "_type_sensitive_fields_dict"):
        return _by_type(field, stack, required)
    if kind in ("NestedField", "Nested"):
        return _schema(field.schema, stack, required)
    if kind == "ExperimentalField":
        return _field(field.experimental_field, stack)._replace(required=required)
    if kind == "Dict":
        item = _field(field.value_field, stack) if field.value_field is not None else Field("any")
        if any(s in ("PipelineComponentSchema", "ParallelForSchema") for s in stack) and field.name == "jobs":
            item = Field("see PipelineJobSchema")
        return Field("map", required=required, item=item)
    if kind == "List":
        return Field("list", required=required, item=_field(field.inner, stack))
    if hasattr(field, "union_fields"):
        return _union(list(field.union_fields), stack, required)
    if hasattr(field, "allowed_values"):
        return Field("enum", tuple(str(v) for v in field.allowed_values), required)
    if kind in BINDINGS:
        return Field("binding", required=required, binding=True)
    return Field(next(SIMPLE[c.__name__] for c in type(field).__mro__ if c.__name__ in SIMPLE), required=required)


def _by_type(field: Any, stack: tuple[str, ...], required: bool) -> Field:
    """A union told apart by a field of the value: one variant a type, one a form of it, and what has no type."""
    named: list[tuple[str, Field]] = []
    typed = []
    for name, members in field._type_sensitive_fields_dict.items():
        for member in members:
            if member.dump_only:
                continue
            typed.append(type(member))
            found = _field(member, stack)
            if found.type == "union":
                named += found.variants
            elif found.type == "file":
                named.append(("file", found))
            else:
                named.append((f"{name}{_form(found) if field.name == 'jobs' else ''}", found))
    for member in field.union_fields:
        if type(member).__name__ in REFERENCES and type(member) not in typed:
            named.append((SIMPLE[type(member).__name__], _field(member, stack)))
    return Field("union", required=required, variants=_distinct(named))


def _union(members: list[Any], stack: tuple[str, ...], required: bool) -> Field:
    """A union of forms; a binding is a property of the rest, and forms that look alike are one."""
    binding = False
    found: list[tuple[str, Field]] = []
    for member in members:
        inner = _field(member, stack)
        if inner.type == "binding":
            binding = True
        elif inner.type == "union":
            binding = binding or inner.binding
            found += inner.variants
        else:
            found.append((_label(inner), inner))
    if not found:
        return Field("binding", required=required, binding=True)
    variants = _distinct(found)
    plain = tuple(v for v in variants if v[1].type != "mapping")
    if plain and any(name == "choice" for name, _ in variants):  # one table of distributions is enough: sweep's
        variants = (*plain, ("distribution", Field("see search_space")))
    if len(variants) == 1:
        return variants[0][1]._replace(required=required, binding=binding)
    return Field("union", required=required, binding=binding, variants=variants)


def _component_elsewhere(field: Field) -> Field:
    """A component in the place of its name has the rows of its own kind, which the table has already."""

    def elsewhere(name: str, variant: Field) -> Field:
        kind = {"sweep": "command", "data_transfer": "copy_data"}.get(name, name)
        return Field(f"see component/{kind}") if variant.type == "mapping" else variant

    return field._replace(variants=tuple((name, elsewhere(name, variant)) for name, variant in field.variants))


def _form(field: Field) -> str:
    """What tells a node's forms apart: an AutoML task, or whether it names a component or defines one in place."""
    children = dict(field.children)
    if "task" in children and children["task"].enum and "target_column_name" in children:
        return f" {children['task'].enum[0]}"
    component = children.get("component", children.get("trial"))
    if component is None:
        return "" if "body" in children or "condition" in children else " in place"
    return ""


def _label(field: Field) -> str:
    types = next((child for name, child in field.children if name == "type"), None)
    if types is not None and types.enum:
        return "|".join(types.enum[:3])
    return field.type


def _distinct(named: list[tuple[str, Field]]) -> tuple[tuple[str, Field], ...]:
    """Variants under names of their own; those that are the same are one."""
    result: dict[str, Field] = {}
    for name, field in named:
        if field in result.values():
            continue
        free, number = name, 1
        while free in result:
            number += 1
            free = f"{re.sub(r'_[0-9]+$', '', name)}_{number}"
        result[free] = field
    return tuple(result.items())


SCHEMAS = {
    "pipeline": "pipeline.pipeline_job:PipelineJobSchema",
    "component/pipeline": "pipeline.pipeline_component:PipelineComponentSchema",
    "component/command": "component.command_component:CommandComponentSchema",
    "component/parallel": "component.parallel_component:ParallelComponentSchema",
    "component/spark": "component.spark_component:SparkComponentSchema",
    "component/import": "component.import_component:ImportComponentSchema",
    "component/copy_data": "component.data_transfer_component:DataTransferCopyComponentSchema",
    "component/import_data": "component.data_transfer_component:DataTransferImportComponentSchema",
    "component/export_data": "component.data_transfer_component:DataTransferExportComponentSchema",
    "environment": "assets.environment:EnvironmentSchema",
    "data": "assets.data:DataSchema",
    "model": "assets.model:ModelSchema",
    "endpoint/managed_online": "_endpoint.online.online_endpoint:ManagedOnlineEndpointSchema",
    "endpoint/kubernetes_online": "_endpoint.online.online_endpoint:KubernetesOnlineEndpointSchema",
    "endpoint/batch": "_endpoint.batch.batch_endpoint:BatchEndpointSchema",
    "deployment/managed_online": "_deployment.online.online_deployment:ManagedOnlineDeploymentSchema",
    "deployment/kubernetes_online": "_deployment.online.online_deployment:KubernetesOnlineDeploymentSchema",
    "deployment/batch": "_deployment.batch.batch_deployment:BatchDeploymentSchema",
    "deployment/model_batch": "_deployment.batch.model_batch_deployment:ModelBatchDeploymentSchema",
    "deployment/pipeline_component_batch": "_deployment.batch.pipeline_component_batch_deployment_schema"
    ":PipelineComponentBatchDeploymentSchema",
    "schedule": "schedule.schedule:JobScheduleSchema",
}
"""Kinds of definitions, each by the class that azure-ai-ml reads it with."""


@functools.cache
def trees() -> dict[str, Field]:
    """The tree of every kind of definition that the table has."""
    azure.start()
    result = {}
    for kind, place in SCHEMAS.items():
        module, _, name = place.partition(":")
        with azure.quiet():
            schema = getattr(importlib.import_module(f"azure.ai.ml._schema.{module}"), name)
        result[kind] = tree(schema)
    return result

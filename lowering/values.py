"""From a literal and the input that it goes to, to Azure ML's spelling: on a command line and in YAML.

Azure ML knows strings, integers, numbers and booleans. What it has no type for (lists, maps, none, unions) travels as
JSON in a string input; an input says so with `encoding == "json"`.
"""

import json

from mlp_lang.compiler.graph import Parameter, Value


def json_text(value: Value) -> str:
    """JSON as a step reads it: one line, the author's order.

    An apostrophe, which JSON has inside strings alone, is written as its escape: commands hold such inputs in single
    quotes, and Azure ML puts the text there as it is.
    """
    return json.dumps(value, ensure_ascii=False).replace("'", "\\u0027")


def azure_text(value: Value, parameter: Parameter) -> str:
    """What stands on the command line in place of `${{inputs.<name>}}`.

    Booleans are `True` and `False`, as Azure ML itself writes them; numbers have the shortest spelling that gives the
    same number back; a json-encoded input gets JSON text.
    """
    if parameter.encoding == "json":
        return json_text(value)
    return plain_text(value)


def plain_text(value: Value) -> str:
    """Azure ML's spelling of a value whose input takes it as it is; what has no such spelling becomes JSON."""
    match value:
        case str():
            return value
        case bool():
            return "True" if value else "False"
        case int() | float():
            return repr(value)
        case _:
            return json_text(value)


def yaml_value(value: Value, parameter: Parameter) -> Value:
    """The value that is written in a definition, so that Azure ML arrives at `azure_text`.

    A string input gets a string, whatever the value looks like; a number stays a number, a boolean a boolean.
    """
    if parameter.encoding == "json":
        return json_text(value)
    match parameter.azure_type:
        case "boolean" if isinstance(value, bool):
            return value
        case "integer" | "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case _:
            return plain_text(value)

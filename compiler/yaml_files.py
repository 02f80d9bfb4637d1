"""From a path to the YAML document in it, as plain data; a BadYaml says what is wrong with the file."""

from typing import Any


class BadYaml(Exception):
    """The file is missing, unreadable or no YAML; the message says which and where."""


def load_yaml(path: str) -> Any:
    """One YAML document. Raises BadYaml."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with open(path, "rb") as file:
            return yaml.load(file, loader)
    except OSError as error:
        raise BadYaml(f"cannot read `{path}`: {(error.strerror or str(error)).lower()}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise BadYaml(f"`{path}` is no YAML{where}: {getattr(error, 'problem', None) or error}") from None

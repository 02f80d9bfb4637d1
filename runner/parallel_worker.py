"""From mini batches on standard input to rows in files: one line of JSON in, one out, the entry script imported once.

A process of the pool of a parallel job. It imports nothing of mlp and is run by its path, since a step's environment
need not have mlp. What the script prints goes to standard error, a line with the number of the batch before it.
"""

import inspect
import json
import logging
import os
import sys
import traceback
from importlib import util
from types import ModuleType, SimpleNamespace
from typing import Any

MARK = "\x1e"
"""Begins the line that says on standard error to which mini batch the following ones belong; pool: the same."""
_IMPORT = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


def main(about: dict[str, Any]) -> None:
    """Serve until standard input ends, then call `shutdown`."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the script prints is no reply
    sys.stdout = sys.stderr

    def say(**reply: Any) -> None:
        sys.stderr.flush()
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    entry = about["entry"]
    logging.basicConfig(level=about["level"], format="%(levelname)s %(name)s: %(message)s")
    sys.argv = [entry, *about["arguments"]]
    _offer_entry_script(about)
    doing = "cannot be imported"
    try:
        module = _load(entry)
        if not callable(getattr(module, "run", None)):
            say(error=f"`{entry}` has no function `run(mini_batch)`")
            return
        doing = "fails in init()"
        if callable(getattr(module, "init", None)):
            module.init()
    except BaseException as error:
        _print(error)
        say(error=f"`{entry}` {doing}: {_said(error)}")
        return
    say()
    for line in sys.stdin:
        batch = json.loads(line)
        again = f"attempt {batch['attempt']}\n" if batch["attempt"] > 1 else ""
        sys.stderr.write(f"{MARK}{batch['number']}\n{again}")
        try:
            say(rows=_run(module, batch, about["scratch"]))
        except BaseException as error:
            _print(error)
            say(error=f"run() of `{entry}` failed: {_said(error)}")
    sys.stderr.write(f"{MARK}\n")
    try:
        if callable(getattr(module, "shutdown", None)):
            module.shutdown()
        say()
    except BaseException as error:
        _print(error)
        say(error=f"shutdown() of `{entry}` failed: {_said(error)}")


def _load(entry: str) -> ModuleType:
    path = os.path.abspath(entry)
    sys.path.insert(0, os.path.dirname(path))
    if os.getcwd() not in sys.path:
        sys.path.insert(1, os.getcwd())
    name = os.path.splitext(os.path.basename(path))[0]
    spec = util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file `{entry}` among the code")
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _run(module: ModuleType, batch: dict[str, Any], scratch: str) -> int:
    """Do one mini batch and write down its rows; how many there are."""
    data: Any = batch["files"]
    if batch["table"]:
        import pandas as pd

        data = pd.read_pickle(batch["table"])
    arguments = [data]
    if _takes_context(module.run):
        arguments.append(
            SimpleNamespace(
                minibatch_index=batch["number"],
                mini_batch_id=str(batch["number"]),
                partition_key_value=batch["keys"],
                retry_count=batch["attempt"] - 1,
            )
        )
    result = module.run(*arguments)
    if result is None or isinstance(result, str | bytes | dict) or not hasattr(result, "__len__"):
        raise TypeError(f"it returned {type(result).__name__}, and a list or a DataFrame is expected")
    with open(os.path.join(scratch, f"{batch['number']}.rows"), "w", encoding="utf-8") as file:
        if hasattr(result, "to_csv") and hasattr(result, "columns"):
            result.to_csv(file, sep=" ", header=False, index=False)
        else:
            file.writelines(f"{row}\n" for row in result)
    return len(result)


def _takes_context(function: Any) -> bool:
    """Whether `run` wants to be told which mini batch it has: a second argument that has no default."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [p for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    return len(wanted) > 1 and (wanted[1].default is inspect.Parameter.empty or wanted[1].name == "context")


def _offer_entry_script(about: dict[str, Any]) -> None:
    """`azureml_user.parallel_run.EntryScript`, from which scripts take their logger, where no package brings it."""
    try:
        if util.find_spec("azureml_user") is not None:
            return
    except (ImportError, ValueError):
        return

    class EntryScript:
        _only: "EntryScript | None" = None

        def __new__(cls) -> "EntryScript":
            if cls._only is None:
                cls._only = super().__new__(cls)
            return cls._only

        logger = logging.getLogger("EntryScript")
        working_dir = os.getcwd()
        output_dir = os.environ.get("AZUREML_BI_OUTPUT_PATH", "")
        log_dir = os.path.join(os.getcwd(), "logs")
        agent_name = f"process{about['number']}"

    package, module = ModuleType("azureml_user"), ModuleType("azureml_user.parallel_run")
    module.EntryScript = EntryScript  # type: ignore[attr-defined]
    package.parallel_run = module  # type: ignore[attr-defined]
    sys.modules.update({"azureml_user": package, "azureml_user.parallel_run": module})


def _print(error: BaseException) -> None:
    """The traceback, as far as the script has a part in it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None and place.tb_frame.f_code.co_filename in (__file__, *_IMPORT):
        place = place.tb_next
    traceback.print_exception(type(error), error, place)


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

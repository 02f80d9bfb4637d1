"""Mistakes in small programs: the code and the underlined text of every error, and nothing besides."""

# ruff: noqa: E501 - a table is read by its columns

from pathlib import Path

import pytest
from compiling import PEOPLE, PRIVATE, RELEASED, TRAINED, Bench, pipeline
from mlp_lang.compiler import check_file, compile_file
from mlp_lang.dsl.diagnostics import Severity

SPLIT = "\n  prepare split using tabular.split {\n    table = people\n  }\n"
ENDPOINT = 'endpoint scoring = online("people-scoring")\n'


def split(line: str) -> str:
    return pipeline(PEOPLE, f"  prepare split using tabular.split {{\n    table = people\n    {line}\n  }}\n")


def run(line: str) -> str:
    return split(f"run {{\n      {line}\n    }}")


CASES: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("input of the wrong type", split("seed = 1.5"), [("MLP0204", "1.5")]),
    ("a string where an asset is asked", split('table = "people.csv"'), [("MLP0202", "table")]),
    ("none where nothing is optional", split("seed = none"), [("MLP0204", "none")]),
    ("an open end of a range", split("test_size = 1"), [("MLP0205", "1")]),
    ("a stage as a number", pipeline(PEOPLE, SPLIT, SPLIT.replace("split using", "again using").replace("people\n", "people\n    seed = split\n")), [("MLP0204", "split")]),
    ("an unknown compute is said once", split("") .replace("using tabular.split", "using tabular.split on gpu"), [("MLP0101", "gpu")]),
    ("no compute but data", split("").replace("using tabular.split", "using tabular.split on people"), [("MLP0109", "people")]),
    ("after something unknown", split("").replace("using tabular.split", "using tabular.split after nothing"), [("MLP0101", "nothing")]),
    ("a stage that needs itself", pipeline("  prepare split using tabular.split {\n    table = split.train\n  }\n"), [("MLP0302", "split")]),
    ("unknown component: its ports are anybody's guess", pipeline(PEOPLE, "  train m using no.such {\n    table = people\n    any = 1\n  }\n  output o = m.anything\n"), [("MLP0102", "no.such")]),
    ("unknown component: its inputs are looked at all the same", pipeline("  train m using no.such {\n    table = peple\n  }\n"), [("MLP0102", "no.such"), ("MLP0101", "peple")]),
    ("a slip in an input that must be there is no missing input", pipeline(PEOPLE, "  prepare split using tabular.split {\n    tabel = people\n  }\n"), [("MLP0203", "tabel")]),
    ("run: unknown", run("node = 2"), [("MLP0208", "node")]),
    ("run: no duration", run("timeout = 2"), [("MLP0204", "2")]),
    ("run: no whole number", run("nodes = 0"), [("MLP0205", "0")]),
    ("run: no identity", run("identity = robot"), [("MLP0214", "robot")]),
    ("run: no distribution", run("distribution = horovod(processes = 2)"), [("MLP0214", "horovod")]),
    ("run: no argument", run("distribution = pytorch(process = 2)"), [("MLP0215", "process")]),
    ("run: no environment", run('environment = people'), [("MLP0109", "people")]),
    ("inputs: unknown port", split("inputs {\n      tables {\n        mode = download\n      }\n    }"), [("MLP0203", "tables")]),
    ("inputs: unknown mode", split("inputs {\n      table {\n        mode = upload\n      }\n    }"), [("MLP0206", "upload")]),
    ("outputs: unknown port", split("outputs {\n      tarin {\n        mode = upload\n      }\n    }"), [("MLP0303", "tarin")]),
    ("an unknown block", split("runs {\n      nodes = 2\n    }"), [("MLP0208", "runs")]),
    ("a define where nothing is defined", split('define {\n      command = "x"\n    }'), [("MLP0208", "define")]),
    ("a pipeline's unknown setting", pipeline(PEOPLE, SPLIT, "  computes = people\n"), [("MLP0208", "computes")]),
    ("a run-time value in a setting", pipeline("  param n: int = 2\n", PEOPLE, SPLIT.replace("people\n  }", "people\n    outputs {\n      train {\n        version = n\n      }\n    }\n  }")), [("MLP0212", "n")]),
    ("a run-time value that Azure ML can bind", pipeline("  param n: int = 2\n", PEOPLE, SPLIT.replace("people\n  }", "people\n    run {\n      nodes = n\n    }\n  }")), []),
    ("a word that another kind of job has", run("mini_batch_size = \"10kb\""), [("MLP0208", "mini_batch_size")]),
    ("a let from a param", pipeline("  param n: int = 2\n  let m = n\n", PEOPLE, SPLIT), [("MLP0212", "n")]),
    ("a let of the wrong type", pipeline(PEOPLE, SPLIT, before='let m: int = "x"\n'), [("MLP0204", '"x"')]),
    ("a param's default out of range", pipeline("  param n: int(1..3) = 4\n", PEOPLE, SPLIT), [("MLP0205", "4")]),
    ("a param wider than its input", pipeline("  param n: float(0..1) = 0.5\n", PEOPLE, SPLIT.replace("people\n  }", "people\n    test_size = n\n  }")), [("MLP0205", "n")]),
    ("a data without a type", pipeline('  data people = "people.csv"\n', SPLIT), [("MLP0606", "people")]),
    ("a data that is a number", pipeline("  data n: int = 3\n", PEOPLE, SPLIT), [("MLP0606", "int")]),
    ("a schema that is missing", pipeline('  data people: table = "people.csv" {\n    schema = "no.json"\n  }\n', SPLIT), [("MLP0603", '"no.json"')]),
    ("two slips in a data block", pipeline('  data people: table = "people.csv" {\n    schema = "people.schema.json"\n    lable = "income"\n    sensitive = ["sexx"]\n  }\n', SPLIT), [("MLP0208", "lable"), ("MLP0601", '"sexx"')]),
    ("positive without a label", pipeline('  data people: table = "people.csv" {\n    schema = "people.schema.json"\n    positive = "high"\n  }\n', SPLIT), [("MLP0602", "positive")]),
    ("positive of a label without categories", pipeline('  data people: table = "people.csv" {\n    schema = "people.schema.json"\n    label = "age"\n    positive = 30\n  }\n', SPLIT), [("MLP0602", "30")]),
    ("names in text that does not parse are forgiven", pipeline(PEOPLE, "  param n: int = = 3\n", SPLIT.replace("people\n  }", "people\n    seed = n\n  }")), [("MLP0001", "=")]),
    ("a stage whose text does not parse misses nothing", pipeline(PEOPLE, "  prepare split using tabular.split {\n    table = = people\n  }\n"), [("MLP0001", "=")]),
    ("what stands elsewhere is said once", pipeline(PEOPLE, SPLIT, before="param n: int = 3\n"), [("MLP0009", "param")]),
    ("a gate on what is no metric", pipeline(PEOPLE, TRAINED, "  evaluate q using sklearn.classification {\n    model = model\n    table = people\n    require 1 < 2\n  }\n"), [("MLP0405", "1 < 2")]),
    ("a gate that compares a model", pipeline(PEOPLE, TRAINED, "  evaluate q using sklearn.classification {\n    model = model\n    table = people\n    require accuracy > model\n  }\n"), [("MLP0405", "model")]),
    ("a deploy to an endpoint of another kind", pipeline(PEOPLE, TRAINED, "  deploy blue using azureml.online_deployment {\n    endpoint = scoring\n    model = model\n  }\n", before='endpoint scoring = batch("people-scoring")\n'), [("MLP0353", "scoring")]),
    ("two deployments of one name", pipeline(PEOPLE, TRAINED, "".join(f"  deploy {n} using azureml.online_deployment {{\n    endpoint = scoring\n    model = model\n  }}\n" for n in ("the_blue", "The_blue")), before=ENDPOINT), [("MLP0104", "The_blue")]),
    ("an enumeration in a gate text", pipeline(PEOPLE, TRAINED, "  evaluate q using sklearn.classification {\n    model = model\n    table = people\n    require acc >= limt\n  }\n  "), [("MLP0402", "acc"), ("MLP0402", "limt")]),
    ("a profile without an end", pipeline(PEOPLE, SPLIT, after="profile prod for p {\n  data peple = \"x.csv\"\n}\n"), [("MLP0701", "peple")]),
    ("a profile that gives a datum a number", pipeline(PEOPLE, SPLIT, after="profile prod for p {\n  data people = 3\n}\n"), [("MLP0204", "3")]),
    ("a profile that breaks a range", pipeline("  param n: int(1..3) = 2\n", PEOPLE, SPLIT.replace("people\n  }", "people\n    seed = n\n  }"), after="profile prod {\n  param n = 9\n}\n"), [("MLP0205", "9")]),
    ("a profile twice", pipeline(PEOPLE, SPLIT, after='profile prod {\n}\nprofile prod {\n}\n'), [("MLP0103", "prod")]),
    ("a schedule with both", pipeline(PEOPLE, SPLIT, after='schedule s for p {\n  cron = "0 2 * * *"\n  every = day\n}\n'), [("MLP0705", "s")]),
    ("a schedule that sets what is not there", pipeline(PEOPLE, SPLIT, after="schedule s for p {\n  every = day\n  inputs {\n    n = 3\n  }\n}\n"), [("MLP0701", "n")]),
    ("a column that is none", pipeline(PEOPLE, '  prepare g using group {\n    table = people\n    by = ["sex", "cty"]\n    per = "ag"\n  }\n', before='use "group.yml" as group\n'), [("MLP0601", '["sex", "cty"]'), ("MLP0601", '"ag"')]),
    ("a datum that is a model of another framework", pipeline(PEOPLE, '  data m: model[onnx] = "azureml:m:1"\n', "  export e using onnx.model {\n    model = m\n    table = people\n  }\n"), [("MLP0216", "m")]),
    ("an instance chosen at run time", pipeline('  param size: string = "x"\n', PEOPLE, TRAINED, "  deploy blue using azureml.online_deployment {\n    endpoint = scoring\n    model = model\n    instance = size\n  }\n", before=ENDPOINT), [("MLP0212", "size")]),
    ("a deploy that calls itself a step", pipeline(PEOPLE, TRAINED, "  evaluate q using sklearn.classification {\n    model = model\n    table = people\n    require f1 > 0.5\n  }\n  step blue using azureml.online_deployment {\n    endpoint = scoring\n    model = model\n  }\n", before=ENDPOINT), [("MLP0403", "blue")]),
    ("a gate upstream of what is deployed", pipeline(PEOPLE, TRAINED, "  evaluate q using sklearn.classification {\n    model = model\n    table = people\n    require f1 > 0.5\n  }\n  export onnx using onnx.model {\n    model = model\n    table = people\n  }\n  deploy blue using azureml.online_deployment {\n    endpoint = scoring\n    model = onnx\n  }\n", before=ENDPOINT), [("MLP0403", "blue")]),
    ("a gate on a model that is not deployed", pipeline(PEOPLE, TRAINED, TRAINED.replace("model", "other"), "  evaluate q using sklearn.classification {\n    model = other\n    table = people\n    require f1 > 0.5\n  }\n  deploy blue using azureml.online_deployment {\n    endpoint = scoring\n    model = model\n  }\n", before=ENDPOINT), []),
    ("traffic that goes nowhere", pipeline("  deploy shift using azureml.traffic {\n    endpoint = scoring\n    traffic = { blue: 80 }\n  }\n", before=ENDPOINT), [("MLP0407", "{ blue: 80 }")]),
    ("pipelines that differ in case alone", pipeline(PEOPLE, SPLIT, after=pipeline(PEOPLE, SPLIT).replace("pipeline p", "pipeline P")), [("MLP0104", "P")]),
    ("declassify of nothing", pipeline(PRIVATE, SPLIT.replace("people\n  }", 'people\n    declassify tset "x"\n  }')), [("MLP0303", "tset")]),
    ("when on a stage", pipeline("  param c: bool = true\n", PEOPLE, SPLIT.replace("tabular.split {", "tabular.split when c {")), [("MLP0310", "c")]),
    ("repeat, loudly", pipeline(PEOPLE, "  repeat r up to 5 until q.passed {\n    prepare split using tabular.split {\n      table = people\n      sede = 1\n    }\n  }\n"), [("MLP0310", "repeat"), ("MLP0101", "q"), ("MLP0203", "sede")]),
    ("a released model is no private one", pipeline(PRIVATE, TRAINED, RELEASED, "  output m = released {\n    name = \"x\"\n  }\n"), []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_errors(bench: Bench, text: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(bench.errors(text)) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (pipeline('  data f: folder = "people.csv"\n', PEOPLE, SPLIT), '"people.csv"'),
        (pipeline(PEOPLE, SPLIT, after='profile prod {\n  data people = "no.csv"\n}\n'), '"no.csv"'),
    ],
    ids=["a folder that is a file", "a profile with a missing file"],
)
def test_data_that_is_not_there_is_a_warning(bench: Bench, text: str, place: str) -> None:
    """It may be fetched before the pipeline runs."""
    found = [(d.code, d.severity, d.span.text) for d in bench.check(text) if d.code == "MLP0603"]
    assert found == [("MLP0603", Severity.WARNING, place)] and bench.errors(text) == []


@pytest.mark.parametrize(
    ("text", "code", "mended"),
    [
        (split("sede = 1"), "MLP0203", split("seed = 1")),
        (split("").replace("tabular.split {", "tabular.spilt {"), "MLP0102", split("")),
        (split("").replace("table = people", "table = poeple"), "MLP0101", split("")),
        (split("").replace("prepare", "train"), "MLP0301", split("")),
        (pipeline(PEOPLE, SPLIT, "  output o = split.tset\n"), "MLP0303", pipeline(PEOPLE, SPLIT, "  output o = split.test\n")),
        (
            pipeline(PEOPLE, TRAINED.replace("fit_intercept = false", 'solver = "lbgfs"')),
            "MLP0206",
            pipeline(PEOPLE, TRAINED.replace("fit_intercept = false", 'solver = "lbfgs"')),
        ),
        (run("identity = manged"), "MLP0214", run("identity = managed")),
        (
            pipeline("  param n: int = 1\n", PEOPLE, SPLIT.replace("people\n  }", "people\n    seed = n\n  }"), after="profile prod {\n  let n = 2\n}\n"),
            "MLP0702",
            pipeline("  param n: int = 1\n", PEOPLE, SPLIT.replace("people\n  }", "people\n    seed = n\n  }"), after="profile prod {\n  param n = 2\n}\n"),
        ),
    ],
)  # fmt: skip
def test_fixes_mend_what_they_are_attached_to(bench: Bench, text: str, code: str, mended: str) -> None:
    (finding,) = [d for d in bench.check(text) if d.code == code]
    (fix,) = finding.fixes
    for edit in sorted(fix.edits, key=lambda e: e.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    assert text == mended
    assert bench.errors(text) == []


GATES = """
  evaluate quality using sklearn.classification {
    model = model
    table = people
    require accuracy >= 0.5
  }

  evaluate other using sklearn.classification {
    model = model
    table = people
    require f1 >= 0.5
    expect recall >= 0.5
  }
"""


@pytest.mark.parametrize("clauses", ["", " on cpu", " after quality", " on cpu after quality", " after other, quality"])
def test_the_fix_of_an_ungated_deploy_adds_what_is_missing(bench: Bench, clauses: str) -> None:
    deploy = (
        f"  deploy blue using azureml.online_deployment{clauses} {{\n    endpoint = scoring\n    model = model\n  }}\n"
    )
    text = pipeline(PEOPLE, TRAINED, GATES, deploy, before=ENDPOINT + 'compute cpu = cluster("cpu")\n')
    found = [d for d in bench.check(text) if d.code == "MLP0403"]
    if "other" in clauses:
        assert found == []
        return
    edit = found[0].fixes[0].edits[0]
    text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    assert bench.errors(text) == []


def test_warnings_of_what_is_unused(bench: Bench) -> None:
    before = (
        'use "lib.mlp" as lib\nlet spare = 1\ncompute cpu = cluster("cpu")\nenvironment e = "azureml:e:1"\n' + ENDPOINT
    )
    text = pipeline("  param n: int = 1\n  let m = 2\n", PEOPLE, SPLIT, before=before)
    found = {(d.span.text, d.code) for d in bench.check(text)}
    names = ("lib", "spare", "cpu", "e", "n", "m")  # an endpoint is there to be created
    assert found == {(n, "MLP0110") for n in names} | {("split", "MLP0111")}
    assert all(d.severity is Severity.WARNING for d in bench.check(text))


def test_a_name_that_one_profile_needs_is_used(bench: Bench) -> None:
    text = pipeline(
        "  param n: int = 1\n", PEOPLE, "  if fast {", SPLIT, "  } else {", SPLIT.replace("people\n  }", "people\n    seed = n\n  }"), "  }\n  output o = split.train\n",
        before="let fast = true\n", after="profile slow {\n  let fast = false\n}\n",
    )  # fmt: skip
    assert bench.check(text) == []
    assert bench.check(text.replace("profile slow", "profile fast").replace("= false", "= true")) == []  # spoken of


def test_findings_are_said_once_for_all_copies_and_profiles(bench: Bench) -> None:
    loop = "  for i in [1, 2, 3] {\n    prepare split using tabular.split {\n      table = people\n      sede = i\n    }\n  }\n"
    text = pipeline(PEOPLE, loop, after="profile a {\n}\nprofile b {\n}\n")
    assert bench.errors(text) == [("MLP0203", "sede")]


def test_missing_unreadable_and_empty_files(tmp_path: Path) -> None:
    (finding,) = check_file(tmp_path / "no.mlp")
    assert finding.code == "MLP0010"
    (tmp_path / "latin.mlp").write_bytes(b'let x = "\xe9"\n')
    (finding,) = compile_file(tmp_path / "latin.mlp").diagnostics
    assert finding.code == "MLP0011"
    (finding,) = check_file(tmp_path)
    assert finding.code == "MLP0010"
    (tmp_path / "empty.mlp").write_text("")
    assert [d.code for d in check_file(tmp_path / "empty.mlp")] == ["MLP0317"]


IMPORTS = [
    ('use "lib.mlp" as lib\n', "lib.seed", []),
    ('use "lib.mlp" as lib\n', "lib.sede", [("MLP0108", "sede")]),
    ('use "no.mlp" as lib\n', "lib.seed", [("MLP0105", '"no.mlp"')]),
    ('use "lib.txt" as lib\n', "lib.seed", [("MLP0105", '"lib.txt"')]),
    ('use "no.yml" as lib\n', "1", [("MLP0105", '"no.yml"')]),
    ('use "main.mlp" as lib\n', "lib.seed", [("MLP0106", '"main.mlp"')]),
    ('use "faulty.mlp" as lib\n', "lib.seed", [("MLP0001", "=")]),
]


@pytest.mark.parametrize(("use", "value", "expected"), IMPORTS)
def test_imports(bench: Bench, use: str, value: str, expected: list[tuple[str, str]]) -> None:
    bench.write("let seed = = 3\n", "faulty.mlp")
    text = pipeline(
        PEOPLE, f"  prepare split using tabular.split {{\n    table = people\n    seed = {value}\n  }}\n", before=use
    )
    assert bench.errors(text) == expected


COMPONENT_FILES = [
    ("not: a component\n", "not a command component"),
    ("[1, 2", "is no YAML"),
    ("type: command\nname: x\ncommand: x\nenvironment: e\ninputs:\n  a: {type: strange}\n", "`strange` is no type"),
    ("type: command\nname: x\ncommand: x\nenvironment: e\nmlp:\n  verb: [train]\n", "'verb' was unexpected"),
    ("type: command\nname: x\ncommand: x\nenvironment: e\nmlp:\n  gates: g\n", "`mlp.gates` names `g`"),
    (
        "type: command\nname: x\ncommand: x\nenvironment: e\noutputs:\n  o: {type: uri_file}\nmlp:\n  outputs:\n    o: {type: like a}\n",
        "`like a`, which is no input",
    ),
]


@pytest.mark.parametrize(("yaml", "words"), COMPONENT_FILES)
def test_component_files_that_say_something_wrong(bench: Bench, yaml: str, words: str) -> None:
    (bench.folder / "c.yml").write_text(yaml)
    text = pipeline(PEOPLE, "  step s using c {\n    a = people\n  }\n", before='use "c.yml" as c\n')
    (finding,) = [d for d in bench.check(text) if d.severity is Severity.ERROR]
    assert finding.code == "MLP0222"
    assert words in finding.message

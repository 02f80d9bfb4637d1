"""No words on the command line make `mlp` raise: it exits with a code that means something."""

from pathlib import Path

import pytest
from cli_programs import BAD, GOOD
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlp_lang.cli.group import COMMANDS, cli

WORDS = st.sampled_from(
    [
        *(c for c in COMMANDS if c not in ("run", "serve", "init")),
        *("good.mlp", "bad.mlp", "absent.mlp", ".", "-", "--", "", "out", "strict", "good"),
        *("--format", "json", "sarif", "github", "text", "--profile", "--pipeline", "--param", "floor=0.9", "x=y", "="),
        *("--check", "--diff", "--fix", "--strict", "-o", "--emit", "graph", "azureml", "--help", "-h", "--version"),
        *("list", "show", "tabular.split", "--verb", "train", "MLP0203", "bash", "zsh", "\x00", "\udcff", "é"),
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=6), text=st.sampled_from([GOOD, BAD, "{", ""]))
def test_any_words(words: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, program in (("good.mlp", GOOD), ("bad.mlp", BAD)):
        Path(name).write_text(program)
    done = CliRunner().invoke(cli, words, input=text, standalone_mode=True)
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
    assert done.exit_code in (0, 1, 2)

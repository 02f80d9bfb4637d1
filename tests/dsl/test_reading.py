"""Files that are no programs are told with their path and their reason."""

from pathlib import Path

import pytest
from mlp_lang.dsl.reading import read


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (None, "MLP0010", "no such file or directory"),
        ("folder", "MLP0010", "is a directory"),
        (b"let x = \xe9\n", "MLP0011", "byte 0xe9 on line 1"),
        (b"ok\r\n\r\n\xff", "MLP0011", "byte 0xff on line 3"),
        (b"a\rb\r\xff", "MLP0011", "byte 0xff on line 3"),
        ("let x = 1".encode("utf-16"), "MLP0011", "byte 0xff on line 1"),
    ],
)
def test_unreadable(tmp_path: Path, data: bytes | str | None, code: str, message: str) -> None:
    path = tmp_path / "x.mlp"
    if data == "folder":
        path.mkdir()
    elif isinstance(data, bytes):
        path.write_bytes(data)
    source, (diagnostic,) = read(path)
    assert source is None
    assert diagnostic.code == code
    assert message in diagnostic.message and "x.mlp" in diagnostic.message
    assert diagnostic.span.source.path.endswith("x.mlp")


def test_readable(tmp_path: Path) -> None:
    path = tmp_path / "x.mlp"
    path.write_bytes(b"\xef\xbb\xbflet x = 1\r\n")
    source, diagnostics = read(path)
    assert source and not diagnostics
    assert source.text == "let x = 1\r\n"


def test_a_path_that_is_none() -> None:
    assert read(Path("a\0b"))[1][0].code == "MLP0010"

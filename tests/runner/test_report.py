"""The page of a run: what it says, that it needs nothing else, that nothing in it is code; also in a browser."""

import base64
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import FromNode, Graph, OutputPort, PipelineOutput
from mlp_lang.runner import RunResult
from mlp_lang.runner.layers import lay_out
from mlp_lang.runner.report import report_of, write_report

from runner.hand_made import graph, step
from runner.test_record import pipeline as reporting

Go = Callable[..., RunResult]
EVIL = "</style></svg><script>alert(1)</script><img src=x onerror=alert(1)>"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
BROWSER = shutil.which("chromium")


def png() -> bytes:
    """One red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixel = zlib.compress(b"\0\xff\0\0")
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def pipeline(tmp_path: Path) -> Graph:
    """Metrics, gates, privacy, plots, a failure, steps that are skipped, and names that try to be code."""
    (tmp_path / "plot.png").write_bytes(png())
    (tmp_path / "plot.svg").write_text(SVG)
    made = reporting(tmp_path)
    folder = OutputPort("plots", "folder", "uri_folder")
    plots = step("plots", f"cp {tmp_path}/plot.* ${{{{outputs.plots}}}}", outputs=(folder,), after=("quality",))
    last = step("last", "cat ${{inputs.i}}/plot.svg > ${{outputs.out}}", {"i": FromNode("plots", "plots")})
    said = EVIL.replace("<", "\\x3c").replace(">", "\\x3e")
    evil = step("evil", f"printf 'mlp: {said}\\n' >&2; exit 3")._replace(title=EVIL)
    output = PipelineOutput("final", "file", "uri_file", FromNode("last", "out"))
    nodes = (*made.nodes, plots, last, evil, step("late", "true", after=("evil",)))
    return made._replace(nodes=nodes, outputs=(*made.outputs, output))


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


KEY_FACTS = [
    "demo failed",
    "of 7 steps",
    "MLP0902",
    "accuracy 0.85",
    "✓ passed quality require accuracy >= 0.8 accuracy = 0.85",
    "ε 1 of 2 spent at most",
    "released gaussian 1 1e-06",
    "The verdict of quality tells one bit about private rows.",
    "This pipeline reads private data.",
    "output final = last.out",
    "through plots → last",
    "p 0.5",
    "plots outputs/plots/plot.png",
    "Python 3.",
]


def test_the_page_says_what_matters_and_holds_no_code(go: Go, tmp_path: Path) -> None:
    result = go(pipeline(tmp_path), tmp_path / "out", report=True)
    text = (tmp_path / "out" / "report.html").read_text()
    page = Page(text)
    assert [fact for fact in KEY_FACTS if fact not in page.text] == []
    assert EVIL in page.text  # shown, as text
    names = {tag for tag, _ in page.tags}
    assert "script" not in names and "iframe" not in names and "link" not in names
    for tag, attributes in page.tags:
        assert not [a for a in attributes if a.startswith("on")], tag
        for name in ("src", "href"):
            address = attributes.get(name) or ""
            assert tag == "a" or address.startswith("data:image/") or not address
            assert "://" not in address and not address.startswith(("javascript:", "//"))
            if tag == "a":
                assert (tmp_path / "out" / address).exists(), address
    pictures = [a["src"] for tag, a in page.tags if tag == "img"]
    assert [base64.b64decode((p or "").partition(",")[2]) for p in pictures] == [png(), SVG.encode()]
    assert "url(" not in re.sub(r"url\(#tip\)", "", text) and "@import" not in text
    for entry in result.record["steps"]:
        assert all(digest[:12] in text for digest in entry["digests"].values())


def test_a_page_elsewhere_links_to_the_run(go: Go, tmp_path: Path) -> None:
    result = go(graph(step("a", "echo x > ${{outputs.out}}")), tmp_path / "ou t")
    (tmp_path / "pages").mkdir()
    text = report_of(result.folder, result.record, str(tmp_path / "pages"))
    assert 'href="../ou%20t/steps/a/log.txt"' in text
    write_report(result.folder, result.record)
    assert [p.name for p in (tmp_path / "ou t").glob("report*")] == ["report.html"]


def test_a_report_that_cannot_be_written_leaves_the_run_as_it_is(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlp_lang.runner.report.ALTOGETHER", None)  # a mistake in the report itself
    command = "mkdir outputs; touch outputs/x.png; echo x > ${{outputs.out}}"
    result = go(graph(step("a", command)), tmp_path / "out", report=True)
    assert result.status == "completed" and [d.code for d in result.diagnostics] == ["MLP0925"]
    assert not list((tmp_path / "out").glob("report*"))


CHAIN = [(i, i + 1) for i in range(20)]
DENSE = [(a, b) for a in range(12) for b in range(a + 1, 12)]


@pytest.mark.parametrize("edges", [[], CHAIN, DENSE, [(0, 5), (1, 5), (2, 5), (5, 6), (0, 6)]])
def test_layers(edges: list[tuple[int, int]]) -> None:
    widths = {i: 80.0 + 10 * (i % 5) for i in range(21)}
    laid = lay_out(widths, edges)  # type: ignore[arg-type]
    for a, b in edges:
        assert laid.centres[a][1] < laid.centres[b][1]
        levels = [laid.centres[a][1], *(level for _, level in laid.ways[a, b]), laid.centres[b][1]]
        assert all(y - x == 1 for x, y in pairwise(levels))
    for level in range(laid.layers):
        row = sorted((x, widths[n]) for n, (x, at) in laid.centres.items() if at == level)  # type: ignore[index]
        assert all(y - x >= (v + w) / 2 for (x, v), (y, w) in pairwise(row)), "boxes overlap"
        assert not row or (row[0][0] - row[0][1] / 2 >= -1e-6 and row[-1][0] + row[-1][1] / 2 <= laid.width + 1e-6)


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Callable[..., "subprocess.CompletedProcess[str]"]]:
    if BROWSER is None:
        pytest.skip("chromium is not installed")

    def start(page: Path, *options: str) -> "subprocess.CompletedProcess[str]":
        switches = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            "--disable-component-update --disable-sync --enable-logging=stderr --v=0"
        )
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        arguments = [str(BROWSER), *switches.split(), profile, *options, page.as_uri()]
        return subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)

    yield start


@pytest.mark.slow
def test_the_page_in_a_browser(
    go: Go, tmp_path: Path, browse: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    go(pipeline(tmp_path), tmp_path / "out", report=True)
    page = tmp_path / "out" / "report.html"
    seen = browse(page, "--dump-dom")
    assert seen.returncode == 0, seen.stderr
    dom = Page(seen.stdout)
    assert [fact for fact in KEY_FACTS if fact not in dom.text] == []
    assert "script" not in {tag for tag, _ in dom.tags}
    assert not [line for line in seen.stderr.splitlines() if ":CONSOLE" in line or "Refused to" in line]
    picture = tmp_path / "page.png"
    assert browse(page, "--window-size=1180,2400", f"--screenshot={picture}").returncode == 0
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", head[16:24]) == (1180, 2400)
    assert picture.stat().st_size > 50_000  # something is drawn

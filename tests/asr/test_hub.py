"""Downloads from a hub that runs in this process: progress, verification, refusals."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from echopanel.asr.hub import Hub, HubUnreachable, digests
from echopanel.asr.model_files import git_blob_id, sha256

REPO = "Systran/faster-whisper-small"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "model.bin": b"weights " * 5000,
    "config.json": b"{}",
    "tokenizer.json": b'{"a": 1}',
    "vocabulary.txt": b"a\nb\n",
    "README.md": b"not part of a model",
}


def etag(name: str) -> str:
    """SHA-256 of large files, git's blob id of small ones, as the real hub does."""
    content = FILES[name]
    if name == "model.bin":
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class FakeHub(BaseHTTPRequestHandler):
    """As much of the hub's HTTP interface as a download needs."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        name = path.rpartition("/")[2]
        if path.startswith(f"/api/models/{REPO}"):
            siblings = [{"rfilename": one, "size": len(content)} for one, content in FILES.items()]
            self.send(json.dumps({"id": REPO, "sha": COMMIT, "siblings": siblings}).encode(), {}, body)
        elif path == f"/{REPO}/resolve/main/{name}" and name in FILES:
            self.asked.append(name)
            self.send(FILES[name], {"ETag": f'"{etag(name)}"', "X-Repo-Commit": COMMIT}, body)
        else:
            self.send_error(404)

    def send(self, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def asked() -> list[str]:
    """Names of the files that were asked for."""
    return []


@pytest.fixture
def endpoint(asked: list[str]) -> Iterator[str]:
    """Address of the hub."""
    handler = type("Handler", (FakeHub,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_download_reports_progress_and_fetches_what_a_model_needs(
    endpoint: str, asked: list[str], tmp_path: Path
) -> None:
    """Bytes done only grow, up to the sum of the files; nothing else of the repository is fetched."""
    reported: list[tuple[int, int]] = []
    folder = Hub(tmp_path, endpoint).download(REPO, lambda done, total: reported.append((done, total)))
    wanted = {name: content for name, content in FILES.items() if name != "README.md"}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == wanted
    total = sum(map(len, wanted.values()))
    assert reported == sorted(reported)
    assert reported[-1] == (total, total)
    assert set(asked) == set(wanted)


def test_a_finished_download_is_found_without_a_network(endpoint: str, tmp_path: Path) -> None:
    """The cache knows it, and a hub that is not there is not needed."""
    folder = Hub(tmp_path, endpoint).download(REPO)
    hub = Hub(tmp_path, "http://127.0.0.1:9")
    assert hub.cached(REPO) == folder
    assert hub.cached("Systran/faster-whisper-medium") is None


def test_an_unfinished_download_is_not_a_model(endpoint: str, tmp_path: Path) -> None:
    """As long as a file is missing the cache does not count."""
    hub = Hub(tmp_path, endpoint)
    (hub.download(REPO) / "tokenizer.json").unlink()
    assert hub.cached(REPO) is None


def test_what_the_hub_announced_is_what_files_are_checked_against(endpoint: str, tmp_path: Path) -> None:
    """The announced digests are those of the files."""
    folder = Hub(tmp_path, endpoint).download(REPO)
    pins = {name: digest.hex for name, digest in digests(folder).items()}
    assert pins.pop("model.bin") == sha256(folder / "model.bin")
    assert pins == {name: git_blob_id(folder / name) for name in pins}
    assert len(pins) == 3


def test_files_that_the_cache_did_not_name_have_no_digest(tmp_path: Path) -> None:
    """A plain directory says nothing about what its files should be."""
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert digests(tmp_path) == {}


def test_a_repository_that_does_not_exist_is_one_line(endpoint: str, tmp_path: Path) -> None:
    """So is a server that refuses."""
    with pytest.raises(HubUnreachable) as caught:
        Hub(tmp_path, endpoint).download("Systran/nothing")
    assert "404" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hub_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Nobody listens at that address."""
    with pytest.raises(HubUnreachable, match=r"ConnectError|refused"):
        Hub(tmp_path, "http://127.0.0.1:9").download(REPO)

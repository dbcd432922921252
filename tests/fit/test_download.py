"""Downloads come from a real HTTP server on loopback, which serves a small fake archive."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from rtstrf.errors import DataError
from rtstrf.fit.download import ARCHIVE_NAME, OSF_IDS, Server, download_ns1, is_complete
from rtstrf.fit.ns1 import METADATA_NAME, load_ns1
from tests.fit.conftest import write_release


class FakeOsf:
    """What is served under each path, and how often it was asked for."""

    def __init__(self, release: Path) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted((release / "spikesandwav").rglob("*")):
                archive.write(path, path.relative_to(release))
        files = {METADATA_NAME: (release / METADATA_NAME).read_bytes(), ARCHIVE_NAME: packed.getvalue()}
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        for name, data in files.items():
            self.put(name, data)

    def put(self, name: str, data: bytes, *, sha256: str | None = None, size: int | None = None) -> None:
        hashes = {"sha256": sha256 or hashlib.sha256(data).hexdigest()}
        attributes = {"size": len(data) if size is None else size, "extra": {"hashes": hashes}}
        self.pages[f"/download/{OSF_IDS[name]}/"] = data
        self.pages[f"/facts/{OSF_IDS[name]}/"] = json.dumps({"data": {"attributes": attributes}}).encode()

    def forget_facts(self) -> None:
        self.pages = {path: data for path, data in self.pages.items() if not path.startswith("/facts/")}


@pytest.fixture(scope="session")
def small_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("served"), units=1, sounds=1)


@pytest.fixture
def osf(small_release: Path) -> Iterator[tuple[FakeOsf, Server]]:
    fake = FakeOsf(small_release)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            fake.asked.append(self.path)
            data = fake.pages.get(self.path)
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    yield fake, Server(f"{base}/download/{{id}}/", f"{base}/facts/{{id}}/")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_what_is_downloaded_loads(osf, console, tmp_path):
    download_ns1(tmp_path / "new" / "ns1", server=osf[1], console=console)
    assert is_complete(tmp_path / "new" / "ns1")
    assert load_ns1(tmp_path / "new" / "ns1", [1]).counts.shape == (1, 1, 3, 999)
    assert ARCHIVE_NAME in console.file.getvalue()


def test_nothing_but_the_release_is_left_behind(osf, console, tmp_path):
    download_ns1(tmp_path, server=osf[1], console=console)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [METADATA_NAME, "spikesandwav"]


def test_what_is_there_is_not_fetched_again(osf, console, tmp_path):
    fake, server = osf
    download_ns1(tmp_path, server=server, console=console)
    fake.asked.clear()
    download_ns1(tmp_path, server=server, console=console)
    assert fake.asked == []


@pytest.mark.parametrize("fault", ["sha256", "size", "no zip", "no folder", "flipped byte"])
def test_a_damaged_archive_is_refused_and_leaves_no_folder(osf, console, tmp_path, fault):
    fake, server = osf
    good = fake.pages[f"/download/{OSF_IDS[ARCHIVE_NAME]}/"]
    if fault == "sha256":
        fake.put(ARCHIVE_NAME, good, sha256="0" * 64)
    elif fault == "size":
        fake.put(ARCHIVE_NAME, good, size=len(good) + 1)
    elif fault == "no zip":
        fake.put(ARCHIVE_NAME, b"<html>not found</html>")
    elif fault == "no folder":
        other = io.BytesIO()
        with zipfile.ZipFile(other, "w") as archive:
            archive.writestr("else/where.txt", "x")
        fake.put(ARCHIVE_NAME, other.getvalue())
    else:
        flipped = bytearray(good)
        flipped[len(good) // 2] ^= 0xFF
        fake.put(ARCHIVE_NAME, bytes(flipped))
        fake.forget_facts()  # so that only the archive's own sums can tell
    told = {
        "sha256": "arrived damaged",
        "size": "broke off",
        "no zip": "no zip archive",
        "no folder": "no folder spikesandwav, but else",
        "flipped byte": "is damaged",
    }[fault]
    with pytest.raises(DataError, match=rf"(?s){told}.*osf\.io/ayw2p"):
        download_ns1(tmp_path, server=server, console=console)
    assert [entry.name for entry in tmp_path.iterdir()] == [METADATA_NAME]


def test_without_a_stated_checksum_the_download_goes_on_and_says_so(osf, console, tmp_path):
    fake, server = osf
    fake.forget_facts()
    download_ns1(tmp_path, server=server, console=console)
    assert is_complete(tmp_path)
    assert "states no SHA-256" in console.file.getvalue()


def test_a_file_that_is_not_there_any_more_says_what_to_do(osf, console, tmp_path):
    fake, server = osf
    fake.pages.clear()
    with pytest.raises(DataError, match=r"(?s)cannot be downloaded: HTTP Error 404.*by hand"):
        download_ns1(tmp_path, server=server, console=console)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_be_reached_says_what_to_do(osf, console, tmp_path):
    closed = Server("http://127.0.0.1:9/{id}", "http://127.0.0.1:9/{id}")
    with pytest.raises(DataError, match=r"(?s)cannot be downloaded.*check the connection"):
        download_ns1(tmp_path, server=closed, console=console)


def test_a_folder_that_cannot_be_written_is_named(osf, console, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be stored"):
        download_ns1(tmp_path / "file" / "ns1", server=osf[1], console=console)

"""A stand-in for the Hugging Face Hub: an HTTP server that speaks as much of its protocol as fetching a file needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ADDRESS = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>[^/?]+)")


@dataclass
class Hub:
    """What the server holds, and what it was asked for.

    Attributes
    ----------
    url : str
    files : dict of bytes
        By repository and name.
    gated : set of str
        Repositories whose terms have to be accepted.
    cut_short : set of str
        Files whose connection is closed half way.
    sent : list of str
        Files whose content was sent.
    """

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    cut_short: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)

    def publish(self, repository: str, folder: Path, **more: bytes) -> None:
        """Put the files of a folder into a repository."""
        files: Mapping[str, bytes] = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.files[repository] = {**files, **more}


@contextmanager
def serving() -> Iterator[Hub]:
    """Run a stand-in on a free port of this machine."""
    hub = Hub()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: object) -> None:
            pass

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, with_content: bool) -> None:
            asked = ADDRESS.fullmatch(self.path)
            if asked is None or asked["repository"] not in hub.files:
                return self.refuse(401, "RepoNotFound")
            if asked["repository"] in hub.gated:
                return self.refuse(403, "GatedRepo")
            if asked["revision"] not in ("main", COMMIT):
                return self.refuse(404, "RevisionNotFound")
            data = hub.files[asked["repository"]].get(asked["file"])
            if data is None:
                return self.refuse(404, "EntryNotFound")
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if with_content and asked["file"] in hub.cut_short:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif with_content:
                hub.sent.append(asked["file"])
                self.wfile.write(data)
            return None

        def do_HEAD(self) -> None:
            self.answer(with_content=False)

        def do_GET(self) -> None:
            self.answer(with_content=True)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

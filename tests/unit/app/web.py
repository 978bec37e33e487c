"""A web server on this machine that behaves as badly as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Files by path, and how the next requests are served; `asked` keeps what was asked for.

    plan: one word a request, then the file as it should be: "cut" (half of what is wanted),
    "whole" (ignores the range), "shifted" (a range that begins elsewhere), or an HTTP status.
    """

    files: dict[str, bytes]
    plan: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(files: dict[str, bytes], *plan: str) -> Iterator[Site]:
    """A server for these files on a free port."""
    site = Site(files, list(plan))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            site.asked.append((self.path, asked))
            manner = site.plan.pop(0) if site.plan else ""
            if manner.isdigit():
                self.send_error(int(manner))
            elif self.path not in site.files:
                self.send_error(404)
            else:
                self._serve(site.files[self.path], asked, manner)

        def _serve(self, data: bytes, asked: str, manner: str) -> None:
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if manner == "whole":
                start = 0
            if start and start >= len(data):
                self.send_error(416)
                return
            said = start + 1 if manner == "shifted" else start
            rest = data if manner == "shifted" else data[start:]
            self.send_response(206 if asked and manner != "whole" else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.send_header("Content-Range", f"bytes {said}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            self.wfile.write(rest[: len(rest) // 2] if manner == "cut" else rest)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A small client of Chromium's DevTools protocol over two pipes: no sockets, no ports."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.report.chromium import Chromium

ANSWER_S = 60.0
# Chromium reads commands from file descriptor 3 and writes to 4; a process of our own puts the
# pipes there, because subprocess can only pass them on under the numbers that they have.
_PUT_PIPES = """
import fcntl, os, sys
read, write, *argv = sys.argv[1:]
kept = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in (read, write)]
os.dup2(kept[0], 3), os.dup2(kept[1], 4)
os.execv(argv[0], argv)
"""


class DevToolsError(Exception):
    """Chromium refused a command, went away, or fell silent."""


class Browser:
    """A running headless Chromium; `launch` starts one."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._last_id = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            answer = self.read()
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise DevToolsError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def read(self) -> dict[str, Any]:
        """The next message."""
        ends = time.monotonic() + ANSWER_S
        while b"\0" not in self._buffer:
            left = ends - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise DevToolsError("Chromium does not answer")
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise DevToolsError("Chromium went away")
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def page(self, *, width: int, dark: bool = False) -> Page:
        """A new, empty page of this width in CSS pixels."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        phone = width < 600
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        page.prefer("dark" if dark else "light")
        return page


@dataclass
class Page:
    """One tab, with its requests and its complaints."""

    browser: Browser
    session: str
    _seen: int = field(default=0)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command for this page."""
        return self.browser.call(method, self.session, **params)

    def events(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all events of this name, so far."""
        return [
            event["params"]
            for event in self.browser.events
            if event.get("sessionId") == self.session and event["method"] == method
        ]

    def open(self, path: Path) -> None:
        """Load a file and wait until it, and all that it asks for, has been loaded."""
        before = len(self.events("Page.loadEventFired"))
        answer = self.call("Page.navigate", url=path.resolve().as_uri())
        if answer.get("errorText"):
            raise DevToolsError(f"{path}: {answer['errorText']}")
        while len(self.events("Page.loadEventFired")) == before:
            self.browser.events.append(self.browser.read())
        self.evaluate("document.fonts.ready.then(() => true)")

    def prefer(self, scheme: str) -> None:
        """Emulate prefers-color-scheme, "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; of a promise, what it gives."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise DevToolsError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def requests(self) -> list[str]:
        """The addresses of everything that the page asked for."""
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Errors and warnings in the console, and exceptions."""
        logged = [event["entry"] for event in self.events("Log.entryAdded")]
        return [
            *(entry["text"] for entry in logged if entry["level"] in ("error", "warning")),
            *(str(event) for event in self.events("Runtime.consoleAPICalled")),
            *(str(event) for event in self.events("Runtime.exceptionThrown")),
        ]

    def screenshot(self, path: Path, *, height: int | None = None) -> None:
        """The whole page, or its upper `height` pixels, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "scale": 1, "width": size["width"]}
        clip["height"] = min(size["height"], height or size["height"])
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def launch(chromium: Chromium, profile: Path) -> Iterator[Browser]:
    """A headless Chromium with a fresh profile, which ends with the block."""
    command_read, command_write = os.pipe()
    answer_read, answer_write = os.pipe()
    argv = [
        *(sys.executable, "-c", _PUT_PIPES, str(command_read), str(answer_write)),
        *(str(chromium.program), "--headless", "--disable-gpu", "--no-sandbox"),
        *("--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"),
        *("--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={profile}"),
    ]
    with open(profile.with_name(f"{profile.name}.log"), "wb") as log:
        process = subprocess.Popen(
            argv,
            pass_fds=(command_read, answer_write),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **chromium.environment},
        )
    os.close(command_read)
    os.close(answer_write)
    try:
        yield Browser(command_write, answer_read)
    finally:
        os.close(command_write)  # Chromium leaves when nobody can command it
        os.close(answer_read)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

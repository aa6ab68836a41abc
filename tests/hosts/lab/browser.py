# SPDX-License-Identifier: Apache-2.0
"""A real Chromium in the network namespace of a host, driven by the DevTools protocol over a pipe."""

import base64
import json
import os
import select
import subprocess
import time

from .shell import wait_until

FLAGS = [
    "--remote-debugging-pipe",
    "--no-sandbox",  # it refuses to run as root otherwise
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
]


class BrowserFailed(AssertionError):
    """The browser ended, gave no answer, or a script in the page threw an error."""


class Browser:
    """One page. `ns`: where it runs; `folder`: for its profile and its log."""

    def __init__(self, ns, folder, width=1280, height=900):
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        folder.mkdir(parents=True, exist_ok=True)
        words = ["chromium-headless-shell", *FLAGS, f"--user-data-dir={folder / 'profile'}",
                 f"--window-size={width},{height}", "about:blank"]  # fmt: skip
        with open(folder / "chromium.log", "wb") as log:
            self._process = ns.start(
                "bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", *words,
                pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "HOME": str(folder)},
            )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._received = b""
        self._calls = 0
        self._events = []  # (method, parameters) of notifications that nobody has read
        self._session = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self._call(f"{domain}.enable")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    # ---- the protocol: JSON with a zero byte after each message

    def _next(self, within):
        deadline = time.monotonic() + within
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self._from, 1 << 20) if ready else b""
            if not more:
                raise BrowserFailed(f"no answer of the browser; it ended with {self._process.poll()}")
            self._received += more
        message, self._received = self._received.split(b"\0", 1)
        return json.loads(message)

    def _call(self, method, within=120, **parameters):
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": parameters}
        if self._session:
            call["sessionId"] = self._session
        data = json.dumps(call).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            message = self._next(within)
            if message.get("id") == self._calls:
                if "error" in message:
                    raise BrowserFailed(f"{method}: {message['error']}")
                return message["result"]
            if "method" in message:
                self._events.append((message["method"], message["params"]))

    # ---- what a user does and sees

    def open(self, url):
        self._call("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def prefers(self, scheme):
        """The scheme of colours that the user has chosen: dark or light."""
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def run(self, script):
        """The value of an expression of JavaScript in the page."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserFailed(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def text(self, selector):
        """The visible text of an element; empty: there is none."""
        return self.run(f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText || ''")

    def texts(self, selector):
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(one => one.innerText)")

    def wait(self, script, within=60):
        """Waits until the value of an expression is true, and returns it."""
        return wait_until(lambda: self.run(script), lambda: f"{script} in: {self.run('document.body.innerText')}", within)

    def press(self, *keys):
        """Presses keys: "Tab", "Enter", or a text."""
        codes = {"Tab": 9, "Enter": 13, "Space": 32}
        for key in keys:
            if key not in codes:
                self._call("Input.insertText", text=key)
                continue
            about = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": codes[key]}
            text = {"Enter": "\r", "Space": " "}.get(key)
            self._call("Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {}))
            self._call("Input.dispatchKeyEvent", type="keyUp", **about)

    def screenshot(self, path, width, height):
        """Keeps what the page shows as a PNG."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=False)
        path.write_bytes(base64.b64decode(shot["data"]))

    def accessible(self):
        """(role, name) of each node that a screen reader offers."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", ""))
                for node in nodes if not node["ignored"]]  # fmt: skip

    def complaints(self):
        """The errors of scripts, and what the browser refused to load, since the start."""
        self.run("1")
        thrown = [event["exceptionDetails"]["exception"].get("description", "") for method, event in self._events
                  if method == "Runtime.exceptionThrown"]  # fmt: skip
        logged = [event["entry"]["text"] for method, event in self._events
                  if method == "Log.entryAdded" and event["entry"]["level"] == "error"]  # fmt: skip
        return thrown + logged

    def asked(self):
        """The URLs that the page has asked for, and their methods."""
        return [(event["request"]["method"], event["request"]["url"]) for method, event in self._events
                if method == "Network.requestWillBeSent"]  # fmt: skip

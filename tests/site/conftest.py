"""What the tests of the site share: the built pages, a server on this machine, and Chromium.

The tests look at ``_build/html`` and build nothing: ``make test-site`` builds it first. Settings:

- ``BOOK_SITE_DIR``: another folder of built pages;
- ``BOOK_CHROMIUM``: the browser, if it is not found under one of its usual names;
- ``BOOK_SITE_TESTS=skip``: skip what needs a browser instead of failing when there is none.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from built import SITE, chapters, content_pages, stale

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    # No name but this machine's own resolves: a request to elsewhere fails, whatever else goes wrong.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
NO_CHROMIUM = (
    "Chromium was not found, so the site cannot be tried as a reader would; install it "
    "(on Debian: apt-get install chromium) or name it in BOOK_CHROMIUM."
)


def pytest_generate_tests(metafunc) -> None:
    """Run a test once for each ``name`` of a page, each ``chapter`` and each ``theme`` that it asks for."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", content_pages() or ["index"])
    if "chapter" in metafunc.fixturenames:
        metafunc.parametrize("chapter", chapters())
    if "theme" in metafunc.fixturenames:
        metafunc.parametrize("theme", ["light", "dark"])


def pytest_sessionstart(session) -> None:
    """Stop before workers start, with one sentence, when pages are missing or old or no browser is here."""
    if hasattr(session.config, "workerinput"):
        return
    problem = stale()
    if not problem and find_chromium() is None and os.environ.get("BOOK_SITE_TESTS") != "skip":
        problem = NO_CHROMIUM
    if problem:
        pytest.exit(problem, returncode=1)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve files, quietly; for an unknown address the site's own 404 page, as hosts do."""

    def log_message(self, *args) -> None:
        pass

    def send_error(self, code, message=None, explain=None) -> None:
        page = Path(self.directory) / "404.html"
        if code == 404 and page.exists():
            body = page.read_bytes()
            self.send_response(404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            super().send_error(code, message, explain)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Serve the site on this machine; gives the address, with a slash at its end."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(SITE))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def find_chromium() -> str | None:
    """Path of the browser, or None."""
    named = os.environ.get("BOOK_CHROMIUM")
    if named:
        return shutil.which(named)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser():
    path = find_chromium()
    if path is None:
        pytest.skip(NO_CHROMIUM)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """An open page, and what went wrong while it loaded."""

    page: object
    context: object
    trouble: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def transfer(self) -> int:
        """Bytes received, as they went over the wire (this server does not compress)."""
        return sum(self.sizes.values())


@pytest.fixture
def visit(browser, address):
    """A function that opens a page as a reader with the given wishes would, and waits until it is at rest."""
    contexts = []

    def open_page(
        name: str,
        *,
        theme: str = "light",
        width: int = 1280,
        height: int = 900,
        scripts: bool = True,
        reduced_motion: str = "no-preference",
        scale: float = 1,
        root: str = address,
        suffix: str = ".html",
    ) -> Visit:
        context = browser.new_context(
            color_scheme=theme,
            viewport={"width": width, "height": height},
            java_script_enabled=scripts,
            reduced_motion=reduced_motion,
            device_scale_factor=scale,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        result = Visit(page, context)
        page.on("pageerror", lambda error: result.trouble.append(f"error: {error}"))
        page.on(
            "console",
            lambda message: (
                result.trouble.append(f"{message.type}: {message.text}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("requestfailed", lambda request: result.trouble.append(f"failed: {request.url}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((root, "data:", "blob:"))
                else result.foreign.append(request.url)
            ),
        )
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.on(
            "Network.loadingFinished",
            lambda event: result.sizes.__setitem__(event["requestId"], int(event["encodedDataLength"])),
        )
        page.goto(root + name + suffix)
        page.wait_for_load_state("networkidle")
        if scripts:
            page.evaluate(
                "() => window.MathJax && window.MathJax.startup ? window.MathJax.startup.promise : null"
            )
        return result

    yield open_page
    for context in contexts:
        context.close()

"""The documentation as a reader meets it: built, then looked at in headless Chromium.

Skipped, with what is missing, where the site's generator (the extra `docs`) or the browser is not
there; `playwright` drives a Chromium that the machine has.
"""

import fcntl
import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "docs"
GENERATOR = ("sphinx", "furo", "myst_parser", "latex2mathml", "ziamath", "matplotlib")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NARROW = 360  # CSS pixels: a small telephone


def run(*command):
    """Run Python on the tree; return what it prints, or fail with all of it."""
    paths = [str(ROOT / "frontend"), str(ROOT / "codegen"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def site():
    """The site, made where `build.py docs` makes it: what has not changed is not made again."""
    for package in GENERATOR:
        pytest.importorskip(package)
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / ".lock", "a") as file:  # tests may run side by side
        fcntl.flock(file, fcntl.LOCK_EX)
        run("-m", "opsmithc", "docs", "--quiet")
        assert " 0 warnings" in run("docs/site.py")
    return BUILD / "site"


class Links(HTMLParser):
    """The links, the names to link to, and what is loaded, of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.names, self.loaded, self.formulas = [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Take what an element points at, and what it is called."""
        found = dict(attributes)
        self.names |= {found.get("id"), found.get("name")}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(found["href"])
        elif tag in ("script", "img", "iframe") and "src" in found:
            self.loaded.append(found["src"])
        elif tag == "math":
            self.formulas.append("")

    def handle_data(self, data):
        """Take the text of formulas."""
        if self.lasttag.startswith("m") and self.formulas:
            self.formulas[-1] += data


@pytest.fixture(scope="module")
def pages(site):
    """Every page, read."""
    return {path: Links(path) for path in sorted(site.rglob("*.html"))}


def test_links(pages):
    """Every link leads to a page that is there, and to a place in it."""
    assert len(pages) > 350
    broken = []
    for path, page in pages.items():
        for link in (*page.links, *page.loaded):
            address, name = urldefrag(link)
            if urlsplit(link).scheme in ("http", "https", "mailto", "data"):
                continue
            target = (path.parent / unquote(urlsplit(address).path)).resolve() if address else path
            if not target.is_file():
                broken.append(f"{path.name}: {link}")
            elif name and target.suffix == ".html" and name not in pages[target].names:
                broken.append(f"{path.name}: {link} (no such place)")
    assert not broken


def test_nothing_from_elsewhere(pages):
    """Pages need no network: whatever they load lies beside them."""
    foreign = [(p.name, u) for p, page in pages.items() for u in page.loaded if urlsplit(u).netloc]
    assert not foreign


def test_every_operation(site, pages):
    """Every operation has a page with formulas, all of whose LaTeX was understood."""
    from opsmithc import docs, paths, pipeline

    derived = pipeline.derive_all(pipeline.parse([paths.OPS_YAML]))
    for d in docs.public(derived):
        page = pages[site / "ops" / f"{d.op.name}.html"]
        assert page.formulas, d.op.name
        assert not [text for text in page.formulas if "\\" in text.replace("\\_", "")], d.op.name
    tanh = (site / "ops" / "tanh.html").read_text(encoding="utf-8")
    for part in ('id="gradient"', "tanh.svg", "float16", 'id="accuracy"', "opsk_tanh", "<math"):
        assert part in tanh, part
    assert (site / "_static" / "formulas.woff").read_bytes()[:4] == b"wOFF"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the path")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and does not say so."""

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site):
    """Where the site is served."""
    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def tab(browser, address):
    """A tab of a narrow screen that notes complaints and reaches nothing but the site."""
    context = browser.new_context(viewport={"width": NARROW, "height": 740})
    page = context.new_page()
    page.complaints = []
    note = page.complaints.append
    page.on("console", lambda m: note(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: note(str(e)))
    page.on("requestfailed", lambda r: note(f"{r.url} failed"))
    page.on("response", lambda r: note(f"{r.url}: {r.status}") if r.status >= 400 else None)
    context.route(lambda url: not url.startswith(address), lambda route: route.abort())
    yield page
    context.close()


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.full)])
def test_pages_load_and_fit(tab, address, site, pages, step):
    """Pages load without a complaint, and none has to be scrolled sideways.

    Those of operations are alike: one in eight of them, or all.
    """
    wide = []
    alike = [path for path in pages if path.parent.name == "ops"]
    for path in [path for path in pages if path not in alike] + alike[::step]:
        name = path.relative_to(site).as_posix()
        tab.goto(f"{address}/{name}")
        width = tab.evaluate("document.documentElement.scrollWidth")
        if width > NARROW:
            wide.append(f"{name}: {width}")
    assert not tab.complaints
    assert not wide


def test_search(tab, address):
    """What is typed into the search field of a page finds an operation and a module."""
    for typed, found in (("logsumexp", "ops/logsumexp"), ("DataLoader", "opsmith.utils.data")):
        tab.set_viewport_size({"width": 1200, "height": 800})
        tab.goto(f"{address}/how/gate.html")
        tab.fill("input.sidebar-search", typed)
        tab.press("input.sidebar-search", "Enter")
        tab.wait_for_selector("#search-results li a")
        links = tab.eval_on_selector_all("#search-results li a", "all => all.map(a => a.href)")
        assert any(found in link for link in links[:5]), links
    assert not tab.complaints


def test_details_and_font(tab, address):
    """The code opens at a touch; formulas are drawn with the font that came along."""
    tab.goto(f"{address}/ops/sigmoid.html")
    code = tab.locator("details", has_text="generated C").locator("pre")
    assert not code.is_visible()
    tab.locator("summary", has_text="generated C").click()
    assert code.is_visible()
    assert re.search(r"opsk_sigmoid", code.inner_text())
    tab.evaluate("document.fonts.ready")
    fonts = tab.evaluate("[...document.fonts].map(font => `${font.family} ${font.status}`)")
    assert [f.replace('"', "") for f in fonts] == ["Formulas loaded"]
    assert not tab.complaints

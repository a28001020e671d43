"""The shape of the panel: small modules that import one way, nothing inline, nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

PANEL = Path(str(files("echopanel") / "panel"))
MODULES = sorted((PANEL / "js").glob("*.js"))
STYLES = sorted((PANEL / "css").glob("*.css"))
PURE = {
    "codec.js",
    "connection.js",
    "framer.js",
    "framing.js",
    "level.js",
    "outgoing.js",
    "phase.js",
    "quality.js",
    "replay.js",
    "resample.js",
    "retry.js",
    "edition.js",
    "route.js",
    "status.js",
    "transcript.js",
    "words.js",
}
MAX_LINES = 300

IMPORT = re.compile(r'from "\./([\w.]+)"')
# What tells the time, tosses a coin or touches the browser.
IMPURE = re.compile(
    r"\b(?:document|window|navigator|performance|localStorage|sessionStorage|location|Date)\."
    r"|\b(?:setTimeout|setInterval|fetch|WebSocket|Date)\(|Math\.random"
)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
HTML_SINKS = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)


def code(path: Path) -> str:
    """A module without its comments."""
    return COMMENT.sub("", path.read_text(encoding="utf-8"))


class Page(HTMLParser):
    """What index.html holds that matters here."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.feed((PANEL / "index.html").read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note ids, what is loaded, and what is inline."""
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.links += [str(given[name]) for name in ("src", "href") if name in given]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


def test_every_style_sheet_is_short_and_used() -> None:
    """The page names them all."""
    assert {f"css/{path.name}" for path in STYLES} <= set(Page().links)
    assert [path.name for path in STYLES if path.read_text(encoding="utf-8").count("\n") > MAX_LINES] == []


@every_module
def test_modules_are_short_and_write_no_html(path: Path) -> None:
    """A module is read in one sitting; what the server says is shown as text, never parsed as markup."""
    assert path.read_text(encoding="utf-8").count("\n") <= MAX_LINES
    assert HTML_SINKS.findall(code(path)) == []


@every_module
def test_imports_are_the_panels_own_and_go_one_way(path: Path) -> None:
    """No cycle, nothing from elsewhere; pure modules import only pure ones."""
    imported = IMPORT.findall(code(path))
    assert all(name.startswith("./") for name in re.findall(r'from "([^"]+)"', code(path)))
    assert all((PANEL / "js" / name).is_file() for name in imported)
    assert path.name not in reachable(path.name)
    if path.name in PURE:
        assert set(imported) <= PURE


def reachable(name: str) -> set[str]:
    """All modules that a module imports, directly or not."""
    found: set[str] = set()
    waiting = IMPORT.findall(code(PANEL / "js" / name))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += IMPORT.findall(code(PANEL / "js" / one))
    return found


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_touch_nothing(name: str) -> None:
    """Time and chance are arguments there too; no browser is needed to test them."""
    assert IMPURE.findall(code(PANEL / "js" / name)) == []


def test_the_page_has_nothing_inline_and_loads_only_its_own_files() -> None:
    """It works under a policy of `default-src 'self'`, and says so itself."""
    page = Page()
    assert page.inline == []
    assert len(page.ids) == len(set(page.ids))
    local = [link for link in page.links if not link.startswith("#")]
    assert all((PANEL / link).is_file() for link in local)
    inside = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert {link for link in inside if not link.startswith("/")} <= set(page.ids)
    assert "default-src 'self'" in (PANEL / "index.html").read_text(encoding="utf-8")


def test_what_the_modules_look_for_is_in_the_page() -> None:
    """Every id that a module asks for exists."""
    asked = {name for path in MODULES for name in re.findall(r'\b(?:byId|page)\("([\w-]+)"\)', code(path))}
    asked |= {name for path in MODULES for name in re.findall(r'querySelector\("#([\w-]+)"\)', code(path))}
    assert asked
    assert asked <= set(Page().ids)


def test_no_file_names_another_machine() -> None:
    """No address outside, except the name of the SVG language."""
    for path in [*MODULES, *STYLES, PANEL / "index.html", PANEL / "icon.svg"]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://[^\s\"')]+", text) == [], path.name
        assert "@import" not in text

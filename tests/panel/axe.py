"""The rules of accessibility, applied to a page."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from playwright.async_api import Page


async def check(page: Page, width: int) -> None:
    """No finding, no sideways scrolling."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    if not await page.evaluate("'axe' in window"):
        await page.evaluate((Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found: dict[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
    findings = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
    assert findings == [], findings
    assert await page.evaluate("document.documentElement.scrollWidth") <= width

"""The panel's files, with the headers that keep them together and to themselves."""

from __future__ import annotations

from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

HEADERS = {
    # A page of one version must not get modules of another; asking whether they changed is cheap here.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class PanelFiles(StaticFiles):
    """Static files that run nothing from elsewhere and cannot be put into somebody's frame."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with `HEADERS`."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response

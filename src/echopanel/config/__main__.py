"""Prints the table of options for the documentation: `python -m echopanel.config`."""

from __future__ import annotations

import sys

from pydantic.fields import FieldInfo

from echopanel.config.layers import variable
from echopanel.config.settings import options


def table() -> str:
    """All options as a Markdown table."""
    rows = ["| option | environment variable | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in options():
        rows.append(f"| `{name}` | `{variable(name)}` | {_default(field)} | {field.description} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["shown"])
    if field.default is None or field.default == ():
        return "none"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")

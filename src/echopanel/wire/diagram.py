"""The generated parts of docs/protocol.md: `python -m echopanel.wire.diagram` prints them."""

from __future__ import annotations

import sys

from echopanel.wire.closing import CLOSING
from echopanel.wire.states import SENDER, TRANSITIONS, State


def state_diagram() -> str:
    """The state table as a Mermaid diagram; what leaves the state as it is stands in one line a state."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.OPEN.value}"]
    for (state, kind), following in TRANSITIONS.items():
        if following is not state:
            lines.append(f"    {state.value} --> {following.value}: {kind} ({SENDER[kind]})")
    for state in State:
        stays = [
            str(kind) for (at, kind), following in TRANSITIONS.items() if at is state and following is state
        ]
        if stays:
            lines.append(f"    {state.value}: {state.value} / {', '.join(sorted(stays))}")
    return "\n".join([*lines, f"    {State.CLOSED.value} --> [*]", "```"])


def error_table() -> str:
    """Every error code with its close code, HTTP status, whether to try again, and what to do."""
    rows = ["| code | close code | HTTP status | try again | what to do |", "|---|---|---|---|---|"]
    for code, closing in CLOSING.items():
        status = closing.http_status or "-"
        again = "yes" if closing.retryable else "no"
        rows.append(f"| `{code}` | {closing.close_code} | {status} | {again} | {closing.remedy} |")
    return "\n".join(rows)


def sections() -> dict[str, str]:
    """Each generated section by its name, between the comments that mark it in the document."""
    bodies = {"states": state_diagram(), "errors": error_table()}
    return {
        name: f"<!-- generated: {name} -->\n\n{body}\n\n<!-- end of generated: {name} -->"
        for name, body in bodies.items()
    }


if __name__ == "__main__":
    sys.stdout.write("\n\n".join(sections().values()) + "\n")

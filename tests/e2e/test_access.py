"""Who is let in: the rules of origin and token, as a page, a program and the command line meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.programs import Server, echopanel, serving
from tests.helpers.speech import Speech

pytestmark = pytest.mark.e2e

TOKEN = "correct-horse"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a token and lists one foreign page."""
    options = ("--token", TOKEN, "--allow-origin", "https://listed.example")
    with serving(tmp_path_factory.mktemp("guarded"), *options) as running:
        yield running


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null", "http://127.0.0.1"])
async def test_a_foreign_page_cannot_open_the_socket(server: Server, origin: str) -> None:
    """A page of another host, port or of no origin gets 403 with the reason, whatever it sends."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{server.port}/v1/live", additional_headers={"Origin": origin})
    assert refused.value.response.status_code == 403
    answer = json.loads(refused.value.response.body or b"{}")
    assert answer["code"] == "forbidden_origin"
    assert origin in answer["message"]


async def test_a_name_bound_to_this_address_is_refused(server: Server) -> None:
    """A page whose own name was made to point at this machine is same-origin, but the name is not ours."""
    there = {"Origin": "http://rebound.example", "Host": "rebound.example"}
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{server.port}/v1/live", additional_headers=there)
    assert refused.value.response.status_code == 403


async def test_our_own_page_opens_the_socket(server: Server, guarded: Server) -> None:
    """Its origin is the server's; a listed page with the token may, too."""
    own = {"Origin": server.url.rstrip("/")}
    async with connect(f"ws://127.0.0.1:{server.port}/v1/live", additional_headers=own):
        pass
    listed = {"Origin": "https://listed.example", "Authorization": f"Bearer {TOKEN}"}
    async with connect(f"ws://127.0.0.1:{guarded.port}/v1/live", additional_headers=listed):
        pass


@pytest.mark.parametrize(
    ("given", "said"),
    [((), "this server needs a token"), (("--token", "battery-staple"), "the token is wrong")],
)
def test_a_wrong_token_is_refused_and_says_so(
    guarded: Server, two_cities: Speech, given: tuple[str, ...], said: str
) -> None:
    """Exit code 5 and one line, which names the cause."""
    result = echopanel("stream", two_cities.path, "--url", guarded.url, *given)
    assert (result.returncode, result.stdout) == (5, "")
    assert result.stderr.startswith("echopanel: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_other_machines_are_not_served_without_a_token() -> None:
    """`--host 0.0.0.0` alone is refused with the reason and the remedy."""
    result = echopanel("serve", "--host", "0.0.0.0", "--port", "0")
    assert (result.returncode, result.stdout) == (2, "")
    assert "other machines can reach this address; set server.token" in result.stderr
    assert result.stderr.count("\n") == 1

"""A connection holds both sides to the contract."""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import AudioFrame, Source
from echopanel.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from echopanel.transcript import Coverage, Partial, Revision
from echopanel.wire import messages as m
from echopanel.wire.client import ClientConnection
from echopanel.wire.codec import encode
from echopanel.wire.messages import Kind, kind_of
from echopanel.wire.server import ServerConnection
from echopanel.wire.states import SENDER, TRANSITIONS, Role, State
from echopanel.wire.timeline import Timeline
from tests.wire import strategies
from tests.wire.examples import (
    CREDIT,
    EXAMPLES,
    MIC,
    SYSTEM,
    Pair,
    final,
    flow,
    frame,
    gap,
    pair_in,
    ready,
    segment,
    start,
)

every_step = pytest.mark.parametrize(("state", "kind"), list(itertools.product(State, EXAMPLES)))


def live(*sources: Source, credit: int = CREDIT) -> Pair:
    """A pair with audio flowing."""
    pair = Pair()
    pair.up(start(*sources))
    pair.down(ready(*sources, credit=credit))
    return pair


@every_step
@pytest.mark.parametrize("role", Role)
def test_sending_obeys_the_tables(state: State, kind: Kind, role: Role) -> None:
    """Each (state, message, role) is a transition of the table or our own mistake, which changes nothing."""
    pair = pair_in(state)
    end: ClientConnection | ServerConnection = pair.client if role is Role.CLIENT else pair.server
    following = TRANSITIONS.get((state, kind))
    if following is not None and SENDER[kind] is role:
        assert end.send(EXAMPLES[kind])  # type: ignore[arg-type]
        assert end.state is following
    else:
        with pytest.raises(LocalProtocolError) as caught:
            end.send(EXAMPLES[kind])  # type: ignore[arg-type]
        assert caught.value.code is ErrorCode.UNEXPECTED_MESSAGE
        assert end.state is state


@every_step
@pytest.mark.parametrize("role", Role)
def test_receiving_obeys_the_tables(state: State, kind: Kind, role: Role) -> None:
    """Likewise for what the other side does; a server that has closed drops what was under way."""
    pair = pair_in(state)
    end: ClientConnection | ServerConnection = pair.client if role is Role.CLIENT else pair.server
    data = encode(EXAMPLES[kind])
    following = TRANSITIONS.get((state, kind))
    if role is Role.SERVER and state is State.CLOSED:
        assert end.receive(data) == []
    elif following is not None and SENDER[kind] is role.peer:
        assert end.receive(data) == [EXAMPLES[kind]]
        assert end.state is following
    else:
        with pytest.raises(RemoteProtocolError) as caught:
            end.receive(data)
        assert caught.value.code is ErrorCode.UNEXPECTED_MESSAGE
        assert end.state is state


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLOSED])
def test_unknown_messages_change_nothing(state: State) -> None:
    """They are handed on, to be ignored."""
    pair = pair_in(state)
    for end in (pair.client, pair.server):
        assert end.receive('{"type":"applause"}') == [m.Unknown("applause")]
        assert end.state is state


@given(strategies.client_messages, st.sampled_from(State))
def test_a_server_survives_any_client_message(message: m.ClientMessage, state: State) -> None:
    """Any well-formed message in any state is handled or refused, never anything else."""
    server = pair_in(state).server
    with suppress(RemoteProtocolError):
        assert server.receive(encode(message)) in ([message], [])


@given(strategies.server_messages, st.sampled_from(State))
def test_a_client_survives_any_server_message(message: m.ServerMessage, state: State) -> None:
    """The same for the other side."""
    client = pair_in(state).client
    with suppress(RemoteProtocolError):
        assert client.receive(encode(message)) == [message]


def refused(sent: m.ServerMessage, pair: Pair) -> str:
    """The server's own complaint about `sent`; the client must make the same one."""
    with pytest.raises(LocalProtocolError) as caught:
        pair.server.send(sent)
    with pytest.raises(RemoteProtocolError) as remote:
        pair.client.receive(encode(sent))
    assert remote.value.message == caught.value.message
    return caught.value.message


def refused_up(sent: m.ClientMessage, pair: Pair) -> LocalProtocolError:
    """The client's own complaint about `sent`; the server must make the same one."""
    with pytest.raises(LocalProtocolError) as caught:
        pair.client.send(sent)
    with pytest.raises(RemoteProtocolError) as remote:
        pair.server.receive(encode(sent))
    assert (remote.value.message, remote.value.code) == (caught.value.message, caught.value.code)
    return caught.value


def test_ready_answers_what_start_asked() -> None:
    """The same sources; resumed if and only if asked; the same session."""
    pair = Pair()
    pair.up(start(MIC))
    assert refused(ready(MIC, SYSTEM), pair) == "ready.sources are not those of start"
    assert "start asked for none" in refused(ready(MIC, resumed=True), pair)
    resuming = Pair()
    resuming.up(start(MIC, token="t1", last_event=4))
    assert "start asked for a resume" in refused(ready(MIC), resuming)
    assert "another one" in refused(replace(ready(MIC, resumed=True), session="s2"), resuming)
    resuming.down(ready(MIC, resumed=True, next_sample=500, credit=900))
    assert "event 4 comes after event 4" in refused(final(4), resuming)
    resuming.down(final(5))
    resuming.up(frame(500, 400))


def test_a_server_that_lost_events_goes_on_behind_what_both_have() -> None:
    """It cannot have more than the client said; what comes next is numbered behind what it has."""
    pair = Pair()
    pair.up(start(MIC, token="t1", last_event=4))
    answer = ready(MIC, resumed=True)
    assert "last_event is 5, and start.last_event was 4" in refused(replace(answer, last_event=5), pair)
    pair.down(replace(answer, last_event=2))
    assert pair.client.last_event == pair.server.last_event == 2
    assert "event 2 comes after event 2" in refused(final(2), pair)
    pair.down(final(3))


def test_acknowledgements_never_go_back() -> None:
    """An ack is a promise."""
    pair = live(MIC)
    pair.up(frame(0, 1600))
    pair.down(m.Ack(MIC, 1600, CREDIT))
    assert "goes back from 1600 to 1599" in refused(m.Ack(MIC, 1599, CREDIT), pair)
    pair.up(m.Stop({MIC: 2000}))
    pair.down(m.Ack(MIC, 2000, CREDIT))


def test_answers_to_an_earlier_connection_come_on_the_next() -> None:
    """A flush, a stop or an ack may be under way in the server while the client reconnects."""
    pair = Pair()
    pair.up(start(MIC, token="t1"))
    pair.down(ready(MIC, resumed=True, next_sample=500))
    pair.down(m.Ack(MIC, 900, CREDIT), m.Flushed("asked before"), m.Stopped("s1", {}))
    assert pair.client.state is State.CLOSED


def test_event_numbers_strictly_increase() -> None:
    """Across finals, revisions and gaps, so that one number says what a client has seen."""
    pair = live()
    pair.down(
        final(1), gap(2), final(7, SYSTEM), m.RevisionMessage(8, Revision(("mic-1",), (segment(),), "repair"))
    )
    assert pair.client.last_event == pair.server.last_event == 8
    assert refused(final(8), pair) == "event 8 comes after event 8"


def test_each_flush_is_answered_once() -> None:
    """Nothing else is called flushed."""
    pair = live()
    pair.up(m.Flush("a"), m.Flush("b"))
    assert refused_up(m.Flush("a"), pair).message == "flush 'a' is already under way"
    pair.down(m.Flushed("b"), m.Flushed("a"))
    assert refused(m.Flushed("a"), pair) == "flushed 'a' answers no flush"


@pytest.mark.parametrize(
    "message",
    [
        final(1, SYSTEM),
        m.Ack(SYSTEM, 0, 0),
        m.RevisionMessage(1, Revision((), (segment("s", SYSTEM),), "")),
        replace(flow(), sources={SYSTEM: flow().sources[MIC]}),
        m.PartialMessage(Partial("s", SYSTEM, 1, 0.0, "", "")),
        replace(gap(), gap=replace(gap().gap, source=SYSTEM)),
    ],
)
def test_a_server_speaks_of_the_named_sources_only(message: m.ServerMessage) -> None:
    """What `start` did not name does not exist in this session."""
    assert "about system, which start did not name" in refused(message, live(MIC))


def test_a_client_sends_the_named_sources_only() -> None:
    """The same for audio and stop."""
    pair = live(MIC)
    assert refused_up(frame(0, source=SYSTEM), pair).code is ErrorCode.UNKNOWN_SOURCE
    assert refused_up(m.Stop({SYSTEM: 1}), pair).code is ErrorCode.UNKNOWN_SOURCE
    pair.up(m.Stop())
    assert "about system" in refused(m.Stopped("s1", {SYSTEM: Coverage()}), pair)


def test_audio_stays_within_the_credit() -> None:
    """Acks and flows extend it, jumps move it."""
    pair = live(MIC, credit=2000)
    assert pair.client.allowance(MIC, 0) == 2000
    assert pair.client.allowance(SYSTEM, 0) == 0
    assert refused_up(frame(0, 2001), pair).code is ErrorCode.RATE_EXCEEDED
    pair.up(frame(0, 2000))
    pair.down(m.Ack(MIC, 2000, 3000), flow(credit=2500))
    pair.up(frame(50_000, 1000, skipped=True))
    assert pair.client.allowance(MIC, 51_000) == 0
    pair.down(flow(credit=52_000))
    assert pair.client.allowance(MIC, 51_000) == 1000
    pair.up(m.Stop())
    assert pair.client.allowance(MIC, 51_000) == 0


def test_repr_is_a_log_line() -> None:
    """State, credit per source, newest event."""
    pair = live(MIC)
    pair.up(frame(0, 1600))
    pair.down(final(3))
    assert repr(pair.client) == "<ClientConnection live mic 1600/160000 event 3>"
    assert repr(ServerConnection()) == "<ServerConnection open event 0>"


class Traffic:
    """A client and a server that do random legal things, with messages under way in both directions."""

    def __init__(self) -> None:
        self.client, self.server = ClientConnection(), ServerConnection()
        self.upward: deque[str | bytes] = deque()
        self.downward: deque[str | bytes] = deque()
        self.sent = dict.fromkeys(Source, 0)
        self.got = dict.fromkeys(Source, 0)
        self.flushes: list[str] = []
        self.number = itertools.count(1)

    def client_acts(self, what: int, source: Source) -> None:
        """Something the client may do now, if anything."""
        allowed = self.client.allowance(source, self.sent[source])
        if self.client.state is State.OPEN:
            self.upward.append(self.client.send(start()))
        elif self.client.state is not State.LIVE or what == 0:
            if self.client.state is not State.CLOSED:
                self.upward.append(self.client.send(m.Ping("p")))
        elif what == 1:
            self.upward.append(self.client.send(m.Flush(str(next(self.number)))))
        elif what == 9:
            self.upward.append(self.client.send(m.Stop(dict(self.sent))))
        elif allowed:
            self.upward.append(self.client.send(frame(self.sent[source], min(allowed, 700), source)))
            self.sent[source] += min(allowed, 700)

    def server_acts(self, what: int, source: Source) -> None:
        """Something the server may do now, if anything."""
        state = self.server.state
        if state is State.STARTING:
            self.downward.append(self.server.send(ready(credit=2000)))
        elif state in (State.LIVE, State.STOPPING):
            if what == 9 and state is State.STOPPING:
                self.downward.append(self.server.send(m.Stopped("s1", {})))
            elif what == 8:
                self.downward.append(self.server.send(m.Error(ErrorCode.INTERNAL, "fault")))
            elif self.flushes:
                self.downward.append(self.server.send(m.Flushed(self.flushes.pop())))
            elif what < 4:
                got = self.got[source]
                self.downward.append(self.server.send(m.Ack(source, got, got + 2000)))
            else:
                self.downward.append(self.server.send(final(next(self.number), source)))

    def deliver_up(self) -> None:
        """The oldest message under way reaches the server."""
        for message in self.server.receive(self.upward.popleft()) if self.upward else ():
            if isinstance(message, AudioFrame):
                assert message.start == self.got[message.source]
                self.got[message.source] = message.end
            elif isinstance(message, m.Flush):
                self.flushes.append(message.id)

    def deliver_down(self) -> None:
        """The oldest message under way reaches the client."""
        if self.downward:
            self.client.receive(self.downward.popleft())


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from(Source)), min_size=20, max_size=120
    )
)
def test_legal_traffic_never_breaks_a_rule(script: list[tuple[int, int, Source]]) -> None:
    """Whatever is under way when, neither side sees a breach, and in the end they agree."""
    traffic = Traffic()
    for who, what, source in script:
        if who == 0:
            traffic.client_acts(what, source)
        elif who == 1:
            traffic.server_acts(what, source)
        elif who == 2:
            traffic.deliver_up()
        else:
            traffic.deliver_down()
    while traffic.upward or traffic.downward:
        traffic.deliver_up()
        traffic.deliver_down()
    assert traffic.client.state is traffic.server.state
    assert traffic.client.last_event == traffic.server.last_event


@pytest.mark.parametrize("cut", range(13))
def test_a_session_survives_a_cut_after_any_message(cut: int) -> None:
    """After a resume from the acknowledged sample the server has every sample once, and so has each event."""
    kept = Timeline()
    taken = bytearray()

    def keep(data: str | bytes, server: ServerConnection) -> None:
        for message in server.receive(data):
            accepted = kept.accept(message) if isinstance(message, AudioFrame) else None
            taken.extend(accepted.frame.pcm if accepted and accepted.frame else b"")

    frames = [frame(at, 700) for at in range(0, 700 * 12, 700)]
    first = live(MIC)
    for sent in frames[:cut]:
        keep(first.client.send(sent), first.server)
    first.server.send(m.Ack(MIC, kept.next, CREDIT))  # lost with the connection

    again = Pair()
    again.up(start(MIC, token="t1", last_event=first.client.last_event))
    again.down(ready(MIC, resumed=True, next_sample=kept.next))
    for sent in frames[max(0, cut - 1) :]:
        keep(again.client.send(sent), again.server)
    assert bytes(taken) == b"".join(sent.pcm for sent in frames)


def test_every_kind_has_an_example() -> None:
    """The tables above leave out nothing."""
    assert set(EXAMPLES) == set(SENDER) == set(Kind) - {Kind.UNKNOWN}
    assert all(kind_of(message) is kind for kind, message in EXAMPLES.items())

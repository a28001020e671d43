"""Prometheus metrics of one engine, in a registry of its own: no globals, so tests can have many."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCY_BUCKETS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)


class Metrics:
    """What is measured, by the names of Prometheus; histograms in seconds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stages = self._histogram("stage_seconds", "Time a chunk spends in each stage", labels=["stage"])
        self.ingest_seconds = self._stages.labels("ingest")
        self.queue_seconds = self._stages.labels("queue")
        self.decode_seconds = self._stages.labels("decode")
        self.send_seconds = self._stages.labels("send")
        self.final_seconds = self._histogram("final_seconds", "Endpoint decision to final text")
        self.shown_seconds = self._histogram(
            "shown_seconds", "Capture of the newest sample to its partial text"
        )
        self.batch_size = Histogram(
            "echopanel_batch_size", "Chunks in one call", registry=self.registry, buckets=BATCH_BUCKETS
        )
        self.queue_depth = self._gauge("queue_depth", "Jobs waiting")
        self.backlog_seconds = self._gauge("backlog_seconds", "Speech accepted and not yet final")
        self.load = self._gauge("load", "Demanded over available compute")
        self.rtf = self._gauge("rtf", "Seconds inside the model per second of audio")
        self.chunk_interval_seconds = self._gauge("chunk_interval_seconds", "Seconds between partials")
        self.ladder_level = self._gauge("ladder_level", "Step of degradation")
        self.ladder_changes = Counter(
            "echopanel_ladder_changes", "Changes of the step", ["level"], registry=self.registry
        )
        self.sessions = self._gauge("sessions", "Open sessions")
        self.model_state = Gauge(
            "echopanel_model_state",
            "1 for the state the model is in",
            ["model", "state"],
            registry=self.registry,
        )
        self.refusals = Counter("echopanel_refusals", "Sessions refused", ["code"], registry=self.registry)
        self.dropped_samples = Counter(
            "echopanel_dropped_samples", "Samples without text for ever", ["reason"], registry=self.registry
        )
        self.pending_samples = self._gauge("pending_samples", "Samples to be recognised later")
        self.unbalanced_ledgers = self._counter("unbalanced_ledgers", "Accounts that do not sum up: a bug")
        self.retries = self._counter("retries", "Chunks tried a second time")
        self.recogniser_errors = self._counter("recogniser_errors", "Recogniser calls that failed")
        self.workers_replaced = self._counter("workers_replaced", "Workers that hung or died")
        self.superseded = self._counter("superseded", "Partials that a newer one made pointless")
        self.tail_changes = self._counter("tail_word_changes", "Unstable words that changed on the screen")
        self.streams = self._gauge("streams", "Open streams of a streaming model")
        self.stream_failures = self._counter("stream_failures", "Streams that broke or could not be opened")
        self.words = self._counter("words", "Words in finals")

    def exposition(self) -> bytes:
        """The text format that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _histogram(self, name: str, text: str, labels: list[str] | None = None) -> Histogram:
        return Histogram(
            f"echopanel_{name}", text, labels or (), registry=self.registry, buckets=LATENCY_BUCKETS
        )

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"echopanel_{name}", text, registry=self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"echopanel_{name}", text, registry=self.registry)

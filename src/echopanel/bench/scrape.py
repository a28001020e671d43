"""Reading the server's own figures from `/metrics`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from echopanel.errors import EchoPanelError

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Histogram:
    """A cumulative histogram: upper bounds (the last is inf), how many values each holds, their sum."""

    bounds: tuple[float, ...] = (math.inf,)
    counts: tuple[float, ...] = (0.0,)
    total: float = 0.0

    @property
    def count(self) -> float:
        """How many values there are."""
        return self.counts[-1]

    @property
    def mean(self) -> float | None:
        """Their mean, if there are any."""
        return self.total / self.count if self.count else None

    def __sub__(self, earlier: Histogram) -> Histogram:
        """What came since `earlier`."""
        if earlier.bounds != self.bounds:
            return self
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return Histogram(self.bounds, counts, self.total - earlier.total)

    def quantile(self, share: float) -> float | None:
        """The value that `share` of the values are below, interpolated in its bucket; None without values.

        What lies beyond the last finite bound is taken to be at that bound, as Prometheus does.
        """
        if not self.count:
            return None
        wanted = share * self.count
        place = next(i for i, count in enumerate(self.counts) if count >= wanted)
        upper = self.bounds[place]
        below, lower = (self.counts[place - 1], self.bounds[place - 1]) if place else (0.0, 0.0)
        if math.isinf(upper):
            return lower
        within = self.counts[place] - below
        return lower + (upper - lower) * ((wanted - below) / within if within else 1.0)


@dataclass(frozen=True, slots=True)
class Scrape:
    """One reading of all metrics: (name, sorted labels) -> value."""

    values: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]

    def value(self, name: str, **labels: str) -> float:
        """A counter or gauge; 0 where it is missing."""
        return self.values.get((name, tuple(sorted(labels.items()))), 0.0)

    def histogram(self, name: str, **labels: str) -> Histogram:
        """A histogram; an empty one where it is missing."""
        wanted = set(labels.items())
        buckets = sorted(
            (float(dict(tags)["le"]), value)
            for (metric, tags), value in self.values.items()
            if metric == f"{name}_bucket" and wanted == {tag for tag in tags if tag[0] != "le"}
        )
        if not buckets:
            return Histogram()
        bounds, counts = zip(*buckets, strict=True)
        return Histogram(bounds, counts, self.value(f"{name}_sum", **labels))


def parse(text: str) -> Scrape:
    """Read the Prometheus text format."""
    return Scrape(
        {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


def scrape(url: str, token: str | None = None) -> Scrape:
    """Read `/metrics` of the server that `url` belongs to. Blocks.

    Raises:
        EchoPanelError: no answer, or another one.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme in ("https", "wss") else HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, HTTPException, UnicodeDecodeError) as error:
        raise EchoPanelError(f"{parts.netloc}/metrics cannot be read: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise EchoPanelError(f"{parts.netloc}/metrics answers HTTP {answer.status}")
    return parse(body)

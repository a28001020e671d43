"""Models from the Hugging Face hub: what is in its cache, and downloading with progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echopanel.asr.model_files import REQUIRED, VOCABULARIES, Digest

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

Progress = Callable[[int, int], None]  # bytes done, bytes in all

_HEX = frozenset("0123456789abcdef")
_DIGEST_LENGTHS = (40, 64)
_METADATA_TIMEOUT_S = 10.0


class HubUnreachable(Exception):
    """The hub does not answer or refuses; the text says why in one line."""


class Hub:
    """The hub's cache on this machine, and the hub itself. Nothing is contacted but by `download`."""

    def __init__(self, cache: Path | None = None, endpoint: str | None = None) -> None:
        """By default both are what the hub's own environment variables say."""
        self._cache = cache
        self._endpoint = endpoint

    def cached(self, repo: str) -> Path | None:
        """The directory of a model that was downloaded completely."""
        from huggingface_hub import constants

        cache = self._cache or Path(constants.HF_HUB_CACHE)
        if not (cache / f"models--{repo.replace('/', '--')}").is_dir():
            return None  # without importing what knows more, which takes a while
        from huggingface_hub import try_to_load_from_cache

        def look_up(name: str) -> Path | None:
            found = try_to_load_from_cache(repo, name, cache_dir=self._cache)
            return Path(found) if isinstance(found, str) else None

        folders = {found.parent if (found := look_up(name)) else None for name in REQUIRED}
        vocabularies = {found.parent for name in VOCABULARIES if (found := look_up(name))}
        return folders.pop() if len(folders) == 1 and folders <= vocabularies else None

    def download(self, repo: str, progress: Progress | None = None) -> Path:
        """Fetch a model into the hub's cache and return its directory.

        Raises:
            HubUnreachable: no network, offline mode, no such repository, or no such files in it.
        """
        from huggingface_hub import HfApi, hf_hub_download

        # The client raises the classes of whichever HTTP library its version is built on.
        try:
            api = HfApi(endpoint=self._endpoint)
            info = api.model_info(repo, files_metadata=True, timeout=_METADATA_TIMEOUT_S)
            sizes = _wanted(info)
            bar = _progress_bar(progress, sum(sizes.values()))
            wanted = {"cache_dir": self._cache, "endpoint": self._endpoint, "tqdm_class": bar}
            folders = {Path(hf_hub_download(repo, name, **wanted)).parent for name in sizes}
        except Exception as exc:
            raise HubUnreachable(_one_line(exc)) from exc
        if len(folders) != 1:
            raise HubUnreachable(f"{repo} has no model files")
        return folders.pop()


def digests(folder: Path) -> dict[str, Digest]:
    """What the hub said the files of a cached model are.

    The cache names each file's content by what the hub announced at the download: the SHA-256 of large
    files, the git blob id of small ones. So that name is the record to check against, trusted on first use.
    """
    pins = {}
    for name in (*REQUIRED, *VOCABULARIES):
        path = folder / name
        blob = path.resolve().name if path.is_symlink() else ""
        if len(blob) in _DIGEST_LENGTHS and _HEX.issuperset(blob):
            pins[name] = Digest(blob)
    return pins


def _wanted(info: ModelInfo) -> dict[str, int]:
    """Names and sizes of the files that a model is loaded from."""
    return {
        file.rfilename: file.size or 0
        for file in info.siblings or []
        if file.rfilename in (*REQUIRED, *VOCABULARIES)
    }


def _progress_bar(progress: Progress | None, total: int) -> Any:
    """A progress bar class that draws nothing and tells `progress` how far all files together are."""
    from huggingface_hub.utils.tqdm import tqdm

    bar: Any = tqdm
    done = 0

    def start(self: Any, *args: Any, **kwargs: Any) -> None:
        bar.__init__(self, *args, **{**kwargs, "disable": True})

    def update(self: Any, n: float | None = 1) -> None:
        nonlocal done
        done += round(n or 0)
        if progress:
            progress(min(done, total), total)
        bar.update(self, n)

    return type(bar)("Report", (bar,), {"__init__": start, "update": update})


def _one_line(exc: Exception) -> str:
    text = " ".join(str(exc).split())
    return f"{type(exc).__name__}: {text[:200]}" if text else type(exc).__name__

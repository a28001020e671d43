"""A model that is loaded before anybody asks for it."""

from __future__ import annotations

import gc
import weakref

import pytest

from echopanel.asr.fake import Fake, FakeModel, Script
from echopanel.asr.provider import ModelSpec, Provider
from echopanel.engine import ahead
from echopanel.engine.ahead import Ahead
from echopanel.errors import ConfigError, ModelUnavailable
from tests.engine.rig import soon

SPEC = ModelSpec("fake", "fake")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """The only provider."""
    provider = Fake()

    def get_provider(name: str) -> Provider:
        if name != "fake":
            raise ConfigError("provider", name, "no such provider")
        return provider

    monkeypatch.setattr(ahead, "get_provider", get_provider)
    return provider


def test_the_model_that_was_begun_is_the_one_that_is_loaded(fake: Fake) -> None:
    """Once; who loads again gets another one."""
    provider = Ahead(SPEC)("fake")
    first = provider.load(SPEC)
    assert fake.models == [first]
    assert provider.load(SPEC) is not first
    assert len(fake.models) == 2


def test_other_models_are_loaded_as_ever(fake: Fake) -> None:
    """The one that was begun stays for who asks for it."""
    provider = Ahead(SPEC)("fake")
    other = provider.load(ModelSpec("fake", "other"))
    assert provider.load(SPEC) is not other
    assert provider.load(SPEC) in fake.models


def test_a_model_that_cannot_be_loaded_says_so_to_who_asks(fake: Fake) -> None:
    """Not to who began; and it may be tried again."""
    fake.script = Script(unavailable="the file is gone")
    provider = Ahead(SPEC)("fake")
    with pytest.raises(ModelUnavailable, match="the file is gone"):
        provider.load(SPEC)
    fake.script = Script()
    assert provider.load(SPEC) in fake.models


def test_a_model_is_not_kept_for_those_who_have_it(fake: Fake) -> None:
    """Who lets it go has its memory back, though the server holds the providers."""
    begun = Ahead(SPEC)
    model = begun("fake").load(SPEC)
    fake.models.clear()
    held = weakref.ref(model)
    del model
    gc.collect()
    assert held() is None
    assert "fake" not in repr(begun)


async def test_a_model_that_nobody_asked_for_is_closed(fake: Fake) -> None:
    """Also if it cannot be loaded; one that somebody has stays as it is."""
    asked, alone = Ahead(SPEC), Ahead(SPEC)
    mine = asked("fake").load(SPEC)
    asked.close()
    alone.close()
    await soon(lambda: [model.closed for model in fake.models if model is not mine] == [True])
    assert isinstance(mine, FakeModel)
    assert not mine.closed
    fake.script = Script(unavailable="the file is gone")
    Ahead(SPEC).close()


def test_the_rest_is_the_providers_own(fake: Fake) -> None:
    """What it can do, how big its models are, and that there is no such provider."""
    begun = Ahead(SPEC)
    assert begun("fake").capabilities == fake.capabilities
    assert begun("fake").size(SPEC) == fake.size(SPEC)
    with pytest.raises(ConfigError, match="no such provider"):
        begun("whisper")


def test_a_provider_that_is_not_there_is_told_when_it_is_asked_for(fake: Fake) -> None:
    """Beginning is silent."""
    begun = Ahead(ModelSpec("whisper", "tiny"))
    with pytest.raises(ConfigError, match="no such provider"):
        begun("whisper")

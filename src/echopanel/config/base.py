"""What sections of settings are made of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr
from pydantic_core import PydanticCustomError

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{8,}=*")  # token68 of RFC 9110, which fits the Authorization header


class Section(BaseModel):
    """A frozen group of settings; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def wrong(reason: str, option: str = "") -> PydanticCustomError:
    """A broken rule; `option` is to be named where the rule is about several."""
    return PydanticCustomError("echopanel", "{reason}", {"reason": reason, "option": option})


def _check_token(token: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise wrong("a token has 8 or more characters out of A-Z a-z 0-9 . _ ~ + / -")
    return token


def expand(path: Path) -> Path:
    """Paths may begin with `~`."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise wrong("there is no such user") from None


def split(value: object) -> object:
    """Lists may be given as text, with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Token = Annotated[SecretStr, AfterValidator(_check_token)]
Directory = Annotated[Path, AfterValidator(expand)]

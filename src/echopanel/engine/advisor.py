"""What there is on this machine, what was measured, and which model that speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from echopanel.asr.registry import ProviderInfo, list_providers
from echopanel.asr.stock import offers
from echopanel.engine.calibration import Calibration
from echopanel.engine.calibrations import Calibrations
from echopanel.equipment import Machine, Offer
from echopanel.errors import ModelUnavailable
from echopanel.machine.detect import detect
from echopanel.policy.advice import Nothing, Recommendation, recommend

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that is known without measuring anything."""

    machine: Machine
    providers: tuple[ProviderInfo, ...]
    offers: tuple[Offer, ...]
    calibrations: tuple[Calibration, ...]
    advice: Recommendation | Nothing


@dataclass(frozen=True, slots=True)
class Choice:
    """A model to load, and in one line why it."""

    provider: str
    model: str
    device: str
    compute_type: str
    why: str


def survey(cache: Path | None = None, provider: str = AUTO, model: str = AUTO) -> Survey:
    """Look around; imports the providers and reads the disk, so it is not for an event loop.

    Args:
        cache: file of earlier measurements; None: the user's.
        provider: consider only this one.
        model: consider only this one.
    """
    machine = detect()
    calibrations = Calibrations(machine, cache)
    providers = list_providers()
    found = [
        offer
        for offer in offers(providers)
        if provider in (AUTO, offer.provider) and model in (AUTO, offer.model)
    ]
    advice = recommend(machine, found, calibrations.carried())
    return Survey(machine, tuple(providers), tuple(found), tuple(calibrations.all()), advice)


def choose(provider: str, model: str, cache: Path | None = None) -> Choice:
    """The model to load where provider or model is left to us.

    Raises:
        ModelUnavailable: nothing that is installed fits; it says what to install.
    """
    found = survey(cache, provider, model)
    advice = found.advice
    if isinstance(advice, Nothing):
        remedy = f"`{advice.better.get}` gets {advice.better.model}" if advice.better else ""
        raise ModelUnavailable(model, f"none can be recommended: {advice.reason}", remedy)
    device, compute_type = placement(found, advice.provider) or (advice.device, advice.compute_type)
    why = f"{advice.provider} {advice.model} on {device} ({compute_type}), because of {advice.reason}"
    if advice.better is not None:
        why += f"; better: {advice.better.provider} {advice.better.model}, `{advice.better.get}`"
    return Choice(advice.provider, advice.model, device, compute_type, why)


def placement(found: Survey, provider: str) -> tuple[str, str] | None:
    """Where a provider runs best on this machine: device and number format; None: as the settings say."""
    devices = {
        device
        for one in found.providers
        if one.name == provider and one.capabilities is not None
        for device in one.capabilities.devices
    }
    if found.machine.cuda and "cuda" in devices:
        return "cuda", "float16"
    if found.machine.metal and "gpu" in devices:
        return "gpu", "int8"
    return None

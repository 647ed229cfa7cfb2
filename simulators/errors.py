"""What can go wrong while simulating or replaying; every message is one clear sentence."""

from __future__ import annotations


class SimulatorError(Exception):
    """Simulating or replaying cannot go on."""


class BrokerError(SimulatorError):
    """The broker cannot be reached or refuses what is asked of it."""


class StateError(SimulatorError):
    """The kept state cannot be used."""


class ConfigError(SimulatorError):
    """What was asked for does not make sense."""

"""What the simulators remember from run to run: one JSON file, replaced atomically."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from simulators.device import DeviceState
from simulators.errors import StateError

_VERSION: Final = 1
_FILE: Final = "fleet.json"


class StateStore:
    """The state of all devices, in `folder` (None: in memory only). A context manager: while it is open no
    other process may use the folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock: IO[str] | None = None
        self._devices: dict[str, DeviceState] = {}
        self._seed: int | None = None
        self._changed = False

    def __enter__(self) -> StateStore:
        if self._folder is None:
            return self
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self._folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise StateError(f"Another simulator is using {self._folder}.") from error
        try:
            self._load(self._folder / _FILE)
        except StateError:
            self._lock.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()

    def seed(self, wanted: int | None, default: int = 1) -> int:
        """The seed to use: the kept one where there is one. Raises StateError where `wanted` is another."""
        if self._seed is None:
            self._seed = default if wanted is None else wanted
        elif wanted is not None and wanted != self._seed:
            raise StateError(f"The state in {self._folder} is of seed {self._seed}, not {wanted}.")
        return self._seed

    def get(self, device: str) -> DeviceState | None:
        """The kept state of a device."""
        return self._devices.get(device)

    def put(self, states: Mapping[str, DeviceState]) -> None:
        """Remember states; they are copied."""
        self._devices.update({device: state.copy() for device, state in states.items()})
        self._changed = True

    def save(self) -> None:
        """Write what changed to the folder, whole or not at all."""
        if self._folder is None or not self._changed:
            return
        document = {
            "version": _VERSION,
            "seed": self._seed,
            "devices": {device: state_to_json(state) for device, state in self._devices.items()},
        }
        target = self._folder / _FILE
        temporary = target.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        self._changed = False

    def _load(self, path: Path) -> None:
        if not path.exists():
            return
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["version"] != _VERSION:
                raise StateError(f"{path} was written by another version of the simulators.")
            self._seed = int(document["seed"])
            self._devices = {device: state_from_json(each) for device, each in document["devices"].items()}
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{path} is not a state of the simulators ({error}).") from error


def state_to_json(state: DeviceState) -> dict[str, Any]:
    """A device's state as JSON values."""
    return {
        "born": state.born,
        "at": state.at,
        "due": state.due,
        "totals": state.totals,
        "off": state.off,
        "swaps": state.swaps,
    }


def state_from_json(document: dict[str, Any]) -> DeviceState:
    """The inverse of `state_to_json`. Raises KeyError, ValueError or TypeError for anything else."""
    return DeviceState(
        born=int(document["born"]),
        at=int(document["at"]),
        due=int(document["due"]),
        totals={name: float(total) for name, total in document["totals"].items()},
        off=[(int(begin), int(end)) for begin, end in document["off"]],
        swaps=list(document["swaps"]),
    )

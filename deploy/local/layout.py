"""Where things lie inside the clone."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The folders of the local servers.

    `shared_packages` are the unpacked packages of another clone, so that tests need not download them.
    """

    root: Path
    shared_packages: Path | None = None

    @property
    def local(self) -> Path:
        """Everything the servers own."""
        return self.root / ".local"

    @property
    def apt(self) -> Path:
        """The private state and cache of apt."""
        return self.local / "apt"

    @property
    def packages(self) -> Path:
        """The unpacked packages: a small file system with `usr/` in it."""
        return self.shared_packages or self.local / "root"

    @property
    def logs(self) -> Path:
        """Logs of the servers and of the set-up."""
        return self.local / "log"

    @property
    def postgres(self) -> Path:
        """The database's folder; the data lie in `data`."""
        return self.local / "postgres"

    @property
    def broker(self) -> Path:
        """The broker's folder: configuration, password file and persisted queues."""
        return self.local / "mosquitto"

    @property
    def state(self) -> Path:
        """Ports, passwords and process ids."""
        return self.local / "servers.json"

    @property
    def services(self) -> Path:
        """Process ids of the services that `carbonflow demo` runs."""
        return self.local / "services.json"

    @property
    def lock(self) -> Path:
        """Held while servers start or stop."""
        return self.local / "servers.lock"

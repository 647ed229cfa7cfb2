"""A private Mosquitto: configured, started, stopped."""

import base64
import hashlib
import secrets
import signal
import socket
from pathlib import Path

from deploy.local import ports, process
from deploy.local.account import Account
from deploy.local.errors import SetupError
from deploy.local.files import write_atomic
from deploy.local.process import ProcessId

SHIPPED = Path(__file__).resolve().parents[1] / "mosquitto"
# On SIGTERM the broker saves its queues; 4 million messages take 4 s.
STOP_SIGNALS = ((signal.SIGTERM, 60.0), (signal.SIGKILL, 5.0))
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
_READY_S = 60.0
_HASH_ROUNDS = 101  # mosquitto_passwd's own default; the passwords are random, so more would add nothing
_CONNECT_USER_PASSWORD_CLEAN = 0xC2
_CONNACK_ACCEPTED = bytes([0x20, 2, 0, 0])


def url(user: str, password: str, port: int) -> str:
    """The address of the broker for one user."""
    return f"mqtt://{user}:{password}@{ports.LOOPBACK}:{port}"


def configure(folder: Path, port: int, passwords: dict[str, str], account: Account) -> None:
    """Write configuration, password file and rights."""
    account.folder(folder)
    account.folder(folder / "data")
    shipped = (SHIPPED / "carbonflow.conf").read_text(encoding="utf-8")
    local = [
        "# Written at each start; changes are lost.",
        f"listener {port} {ports.LOOPBACK}",
        f"password_file {folder}/passwords",
        f"acl_file {folder}/acl.conf",
        f"persistence_location {folder}/data/",
        "log_dest stderr",
    ]
    texts = {
        "mosquitto.conf": "\n".join(local) + "\n\n" + shipped,
        "acl.conf": (SHIPPED / "acl.conf").read_text(encoding="utf-8"),
        "passwords": "".join(f"{user}:{_hashed(password)}\n" for user, password in passwords.items()),
    }
    for name, text in texts.items():
        write_atomic(folder / name, text, mode=0o600)
        account.own(folder / name, 0o600)


def _hashed(password: str) -> str:
    """Mosquitto's own format: PBKDF2 with SHA-512, `$7$rounds$salt$hash`."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS, dklen=64)
    return f"$7${_HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def start(folder: Path, program: Path, account: Account, log: Path) -> ProcessId | None:
    """Start the broker; None where it ended at once."""
    return process.spawn(account.command(command(program, folder)), log, _ENVIRONMENT)


def release(folder: Path, program: Path) -> None:
    """End a broker that a killed run left without record."""
    for stray in process.find(command(program, folder)):
        process.stop(stray, STOP_SIGNALS)


def command(program: Path, folder: Path) -> list[str]:
    """The broker's command line."""
    return [str(program), "-c", str(folder / "mosquitto.conf")]


def wait_ready(broker: ProcessId, port: int, user: str, password: str, log: Path) -> bool:
    """Wait until the broker takes connections; False where it ended instead."""

    def settled() -> bool:
        return not broker.alive() or accepts(port, user, password)

    if not process.wait_until(settled, _READY_S):
        raise SetupError(f"Mosquitto did not get ready within {_READY_S:.0f} s: {log} says why.")
    return broker.alive()


def accepts(port: int, user: str, password: str) -> bool:
    """Whether our own broker answers on this port (nobody else's takes this password)."""
    try:
        with socket.create_connection((ports.LOOPBACK, port), timeout=5) as connection:
            connection.sendall(_connect_packet(user, password))
            return connection.recv(4) == _CONNACK_ACCEPTED
    except OSError:
        return False


def _connect_packet(user: str, password: str) -> bytes:
    """An MQTT 3.1.1 CONNECT with an empty client id (3.1 of the standard)."""
    variable = _text("MQTT") + bytes([4, _CONNECT_USER_PASSWORD_CLEAN, 0, 10])
    body = variable + _text("") + _text(user) + _text(password)
    return bytes([0x10, len(body)]) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded

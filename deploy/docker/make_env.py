"""Writes `.env` for docker-compose.yml: a random password for each name of `.env.example` without a value."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def filled(example: str) -> str:
    """The text of `.env.example` with a password of 48 hexadecimal digits at each name without a value."""
    lines = [
        f"{line}{secrets.token_hex(24)}" if line.endswith("=") and not line.startswith("#") else line
        for line in example.splitlines()
    ]
    return "\n".join(lines) + "\n"


def main(root: Path = ROOT) -> int:
    """Write `.env`, for its owner alone; never over one that is there."""
    text = filled((root / ".env.example").read_text(encoding="utf-8"))
    try:
        descriptor = os.open(root / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.stderr.write(".env exists already; it stays as it is.\n")
        return 1
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How every command of `carbonflow` looks: plain text, not boxes; an error is a sentence in any log."""

from __future__ import annotations

from typing import Any, Final

PLAIN: Final[dict[str, Any]] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""Keyword arguments of each typer.Typer."""

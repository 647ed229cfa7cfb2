"""Settings from the environment (`CARBONFLOW_*`) and an `.env` file.

`python -m services.settings` writes their table, docs/settings.md; a test holds it equal to the definition.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

PREFIX: Final = "CARBONFLOW_"
DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

Need = Literal["database_url", "mqtt_url"]
Port = Annotated[int, Field(ge=1, le=65535)]

_SITE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_FORMER: Final = {
    "CARBONFLOW_INGEST_TOPIC_FILTER": "list the sites in CARBONFLOW_INGEST_SITES, or unset it for all of them"
}
"""Settings that were, and what to do. Who still has one must not run without it unawares."""

_RAW_MARGIN_DAYS: Final = 7

# How alike an unknown variable's name must be to be taken for a misspelt setting; others may be not ours.
_MISSPELT: Final = 0.9


class SettingsError(Exception):
    """Settings are wrong; the message names each one, what is wrong with it and what to do."""


def _url(value: SecretStr, schemes: tuple[str, ...]) -> SecretStr:
    """Check without showing: the address holds a password."""
    text = value.get_secret_value()
    if not text:
        return value
    form = f"{schemes[0]}://user:password@host:port"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"is no address: write it as {form}, with a port from 1 to 65535") from None
    if parts.scheme not in schemes:
        raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}: write {form}")
    if not parts.hostname or port == 0:
        raise ValueError(f"names no host: write it as {form}")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    return _url(value, ("postgresql", "postgres"))


def _mqtt_url(value: SecretStr) -> SecretStr:
    return _url(value, ("mqtt", "mqtts"))


def _site_list(value: str) -> str:
    sites = value.split(",")
    for site in sites if value else ():
        if not _SITE.fullmatch(site):
            raise ValueError(
                f"names the site {site!r}, which is none: write ids of a-z, 0-9, _ and -, "
                "separated by commas and nothing else"
            )
        if sites.count(site) > 1:
            raise ValueError(f"names the site {site} twice: name each once")
    return value


def _longer_than_too_old(value: float | None, info: ValidationInfo) -> float | None:
    """What is accepted late must find the readings around it."""
    too_old_days = info.data.get("too_old_days", 0)
    if value is not None and value < too_old_days + _RAW_MARGIN_DAYS:
        raise ValueError(
            f"must be {_RAW_MARGIN_DAYS} days longer than CARBONFLOW_TOO_OLD_DAYS ({too_old_days:g}) at "
            "least: a reading that is accepted late must find those around it"
        )
    return value


class Settings(BaseSettings):
    """All settings; the description of each is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = Field(
        SecretStr(""), description="database (TimescaleDB), `postgresql://user:password@host:port/database`"
    )
    mqtt_url: Annotated[SecretStr, AfterValidator(_mqtt_url)] = Field(
        SecretStr(""), description="broker, `mqtt://` or `mqtts://user:password@host:port`"
    )
    mqtt_ca_file: Path | None = Field(
        None, description="PEM file of the authority behind `mqtts://`; the system's own where not set"
    )
    ingest_client_id: str = Field(
        "carbonflow-ingest",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="MQTT client id of ingest: it names the session at the broker and the row of its totals, "
        "so keep it, and give each process its own",
    )
    ingest_sites: Annotated[str, AfterValidator(_site_list)] = Field(
        "",
        description="Sites that this ingest takes, separated by commas: its partition (docs/partitions.md); "
        "all of them where not set",
    )
    ingest_http_host: str = Field("127.0.0.1", description="Where ingest serves health and metrics")
    ingest_http_port: Port = Field(9101, description="Port of it")
    analytics_http_host: str = Field("127.0.0.1", description="Where analytics serves board, API and metrics")
    analytics_http_port: Port = Field(8080, description="Port of it")
    batch_max_readings: int = Field(
        10_000, ge=1, le=1_000_000, description="Readings after which a batch is closed; an array is not cut"
    )
    batch_max_age_ms: int = Field(
        40, ge=1, le=60_000, description="Longest wait [ms] of a reading for more of its batch"
    )
    receive_maximum: int = Field(
        60_000, ge=1, le=65_535, description="Messages the broker may send ahead of their acknowledgement"
    )
    journal_dir: Path = Field(
        Path("~/.local/state/carbonflow"),
        description="Folder of the outage journal: where ingest keeps messages while the database is away "
        "(docs/outages.md)",
    )
    journal_max_bytes: int = Field(
        2 * 1024**3, ge=32 * 1024**2, description="Disk that the journal takes at most [bytes]"
    )
    journal_after_s: float = Field(
        5.0, ge=0, le=3600, description="How long the database is away before messages go to the journal [s]"
    )
    too_old_days: float = Field(
        400, gt=0, description="Readings older than this are dead letters (`too_old`)"
    )
    future_s: float = Field(
        300, ge=0, description="Readings further ahead of the clock than this [s] are dead letters (`future`)"
    )
    unknown_fields_mib: int = Field(
        16,
        ge=0,
        description="Fields that the contract does not know [MiB] kept beside the readings of a site in an "
        "hour, and 8 times that of all sites; the rest is dropped",
    )
    dead_letters_max_mib: int = Field(
        2048,
        ge=1,
        description="Disk [MiB] that dead letters take at most, about: beyond it the oldest are dropped, "
        "those replayed or accepted first",
    )
    dead_letters_open_days: float = Field(
        400, gt=0, description="Dead letters neither replayed nor accepted are dropped after so long"
    )
    dead_letters_settled_days: float = Field(
        90, gt=0, description="Dead letters replayed or accepted are dropped so long after they were received"
    )
    final_after_days: float = Field(
        7,
        ge=0,
        le=3650,
        description="Hours are final so long after their end: what comes later makes a new revision "
        "(docs/corrections.md)",
    )
    retention_raw_days: Annotated[float | None, AfterValidator(_longer_than_too_old)] = Field(
        None,
        gt=0,
        description="Raw readings older than this are dropped, a day at a time: their hours stay as they are "
        "and can no longer be restated (docs/retention.md); kept for ever where not set",
    )
    retention_live_days: float | None = Field(
        None,
        gt=0,
        description="The live stream of emissions (`api.emissions_rate`) older than this is dropped; kept "
        "for ever where not set",
    )
    board_refresh_s: float = Field(2.0, gt=0, le=3600, description="How often the live board is refreshed")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged")

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that ingest takes; `#` where all."""
        return tuple(self.ingest_sites.split(",")) if self.ingest_sites else ("#",)


def load(*needs: Need, env_file: Path | None = Path(".env")) -> Settings:
    """The settings, of which `needs` must be given. Raises SettingsError, which names all that are wrong."""
    problems = _misspelt(os.environ)
    source: dict[str, Any] = {"_env_file": env_file}
    try:
        settings = Settings(**source)
    except SourceError as error:
        raise SettingsError("\n".join([*problems, f"{error}."])) from error
    except ValidationError as error:
        wrong = {str(each["loc"][0]): each for each in error.errors()}
        problems += [_sentence(field, each["msg"], each["input"]) for field, each in wrong.items()]
        # With defaults in place of what is wrong the rest can be read, to see what is missing besides.
        settings = Settings(**source, **{field: Settings.model_fields[field].default for field in wrong})
        needs = tuple(need for need in needs if need not in wrong)
    problems += [
        f"{variable(need)} is not set: give the address of the {Settings.model_fields[need].description}; "
        "`carbonflow up --json` starts local servers and prints theirs."
        for need in needs
        if not getattr(settings, need).get_secret_value()
    ]
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def _misspelt(environment: Iterable[str]) -> list[str]:
    known = [variable(field) for field in Settings.model_fields]
    problems = [f"{name} is no setting any more: {_FORMER[name]}." for name in _FORMER if name in environment]
    for name in sorted(set(environment) - _FORMER.keys()):
        if name.startswith(PREFIX) and name not in known:
            problems += [
                f"{name} is no setting: did you mean {close}?"
                for close in get_close_matches(name, known, n=1, cutoff=_MISSPELT)
            ]
    return problems


def _sentence(field: str, message: str, value: object) -> str:
    """What is wrong with a setting; the value of a secret is not shown."""
    what = message.removeprefix("Value error, ")
    if _is_secret(Settings.model_fields[field]):
        return f"{variable(field)} {what}."
    return f"{variable(field)} is {str(value)!r}: {what[0].lower()}{what[1:]}."


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr


def settings_table() -> str:
    """The table of settings, in Markdown."""
    rows = [
        f"| `{variable(name)}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_INTRODUCTION, "| variable | default | what it is |", "|---|---|---|", *rows, ""])


def _default(field: FieldInfo) -> str:
    if _is_secret(field):
        return "none, secret"
    return "none" if field.default in (None, "") else f"`{field.default}`"


_INTRODUCTION: Final = """\
# Settings

Made by `python -m services.settings` from services/settings.py.

Each is an environment variable, or a line of the file `.env` in the folder where a command is started; the
environment wins. A command checks all of them before it does anything else and names every wrong one. Secrets
are never logged.
"""


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(settings_table(), encoding="utf-8")


if __name__ == "__main__":
    main()

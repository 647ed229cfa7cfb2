"""Files made from definitions are what the definitions say."""

from __future__ import annotations

from services import settings
from services.store import schema


def test_the_generated_sql_is_what_the_quantities_say() -> None:
    assert schema.TABLES_FILE.read_text(encoding="utf-8") == schema.tables_sql()
    assert schema.VIEW_FILE.read_text(encoding="utf-8") == schema.view_sql()


def test_the_table_of_settings_is_what_the_settings_say() -> None:
    assert settings.DOCUMENT.read_text(encoding="utf-8") == settings.settings_table()

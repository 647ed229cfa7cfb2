"""The hourly ledger: from the stored readings of a device to its hours, and to those of the emission sources.

All of it is pure: the same readings, registry and factors give the same rows to the bit, whatever the order
in which readings arrived and however long a stretch of time is computed at once
(docs/adr/0007-ledger-from-raw.md).
"""

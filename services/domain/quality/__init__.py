"""Findings on the quality of readings: what is strange in them, from when to when, and what shows it.

Findings flag. They change no number: what a strange reading does to an hour is the ledger's own rule.
"""

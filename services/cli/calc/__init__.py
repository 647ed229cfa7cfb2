"""`carbonflow calc`: one set of values by the formulas of the live stream and the ledger."""

"""One module per emission method: its formula, and how a source's registry facts choose and fill it."""

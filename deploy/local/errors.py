"""The one error of setting up."""


class SetupError(Exception):
    """Setting up or running the local servers failed; the message is one sentence that says what to do."""

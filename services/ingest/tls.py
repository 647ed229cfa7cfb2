"""TLS to the broker: whom to trust, and what is wrong in a sentence."""

from __future__ import annotations

import ssl
from pathlib import Path

from services.ingest.errors import IngestError


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the authority of a PEM file, or the system's. Raises IngestError where it cannot be read."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise IngestError(
            f"CARBONFLOW_MQTT_CA_FILE is {ca_file}, which holds no certificate: give a PEM file of the "
            "authority that signed the broker's."
        ) from None
    except OSError as error:
        raise IngestError(f"CARBONFLOW_MQTT_CA_FILE is {ca_file}: {error.strerror}.") from None


def explain(error: ssl.SSLError) -> str:
    """Why there is no TLS connection, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The broker's certificate is not trusted ({error.verify_message.rstrip('.')}): set "
            "CARBONFLOW_MQTT_CA_FILE to the authority that signed it, and CARBONFLOW_MQTT_URL to the name it "
            "is for."
        )
    if error.reason == "WRONG_VERSION_NUMBER":
        return (
            "The broker does not speak TLS on this port: correct the port, or write mqtt:// in its address."
        )
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return f"The TLS connection to the broker failed ({reason})."

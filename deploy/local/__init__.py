"""A private TimescaleDB and Mosquitto inside the clone, without Docker and without root.

`servers.ensure_up` starts them, `servers.down` stops them; everything they need comes
from Debian's packages and lies in `.local`.
"""

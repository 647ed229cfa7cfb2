"""A private TimescaleDB and Mosquitto inside the clone, from Debian's packages, without Docker and without root.

`servers.ensure_up` starts them, `servers.down` stops them; everything they need lies in `.local`.
"""

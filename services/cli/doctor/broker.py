"""The doctor looks at the broker."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from services.cli.doctor.finding import Finding, failure, ok, warning
from services.ingest.mqtt import Broker

_ANSWER_S: Final = 5.0
_VERSION: Final = re.compile(r"mosquitto version (\d+)\.(\d+)\.(\d+)")
_FIRST_WITH_WINDOW: Final = (2, 0, 12)
"""Mosquitto before it ignores Receive Maximum."""
_PROMISE: Final = "killed hard, it loses what it had not yet saved (Mosquitto: since its last autosave)"


async def look(broker: Broker) -> list[Finding]:
    """What is to be said of the broker. Its session and what waits there are left alone."""
    with ThreadPoolExecutor(1) as thread:
        answer = await asyncio.get_running_loop().run_in_executor(thread, _ask, broker)
    if isinstance(answer, Finding):
        return [answer]
    return [of_version(answer), ok("broker crash", _PROMISE)]


def of_version(version: str) -> Finding:
    """What is to be said of a broker that calls itself so; empty where it does not say."""
    if not version:
        return ok("broker", "answers; its version is not told")
    found = _VERSION.match(version)
    if found and tuple(map(int, found.groups())) < _FIRST_WITH_WINDOW:
        todo = "use Mosquitto 2.0.12 or newer: this one sends more than ingest says it can take"
        return warning("broker", version, todo)
    return ok("broker", version)


def _ask(broker: Broker) -> str | Finding:
    """The broker's version, empty where it does not say; or why it does not answer."""
    said: SimpleQueue[str | Finding] = SimpleQueue()
    client = Client(
        CallbackAPIVersion.VERSION2, f"carbonflow-doctor-{token_hex(4)}", protocol=MQTTProtocolVersion.MQTTv5
    )
    client.username_pw_set(broker.username, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)

    def connected(_client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            todo = "correct user and password in CARBONFLOW_MQTT_URL, or the broker's password file"
            said.put(failure("broker", f"it refuses the connection: {reason}", todo))
        else:
            client.subscribe("$SYS/broker/version")

    def told(_client: Client, _data: Any, message: MQTTMessage) -> None:
        said.put(message.payload.decode("utf-8", "replace"))

    def subscribed(_client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        if any(code.is_failure for code in codes):
            said.put("")

    client.on_connect, client.on_message, client.on_subscribe = connected, told, subscribed
    try:
        client.connect(broker.host, broker.port, clean_start=True)  # its session ends with it
    except OSError as error:
        todo = "start it, or correct CARBONFLOW_MQTT_URL"
        return failure(
            "broker", f"{broker.host}:{broker.port} does not answer: {error.strerror or error}", todo
        )
    client.loop_start()
    try:
        return said.get(timeout=_ANSWER_S)
    except Empty:
        if client.is_connected():
            return ""
        return failure("broker", f"no answer within {_ANSWER_S:g} s", "see its log, and the network between")
    finally:
        client.disconnect()
        client.loop_stop()

"""Whether anything waits in ingest's session at the broker: take the session and look what comes first."""

from __future__ import annotations

import queue
from typing import Final
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_PATIENCE_S: Final = 30.0
_SENTINEL: Final = "telemetry/v1/probe/meter/probe/result"
"""A topic that ingest takes and keeps nothing of."""


class ProbeError(Exception):
    """The session could not be looked at."""


def waiting(session_url: str, session: str, devices_url: str) -> int:
    """How many messages wait in the session of that client id. They are taken out. Raises ProbeError.

    A message published now comes behind everything that waits.
    """
    topics: queue.SimpleQueue[str] = queue.SimpleQueue()
    connected: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def on_connect(
        _client: paho.Client,
        _userdata: object,
        flags: paho.ConnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        connected.put(flags.session_present)

    taker = _client(session_url, session)
    taker.on_connect = on_connect
    taker.on_message = lambda _client, _userdata, message: topics.put(message.topic)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0xFFFFFFFF
    taker.connect(*_address(session_url), clean_start=False, properties=properties)
    taker.loop_start()
    sender = _client(devices_url, "torture-probe")
    sender.connect(*_address(devices_url))
    sender.loop_start()
    try:
        if not connected.get(timeout=_PATIENCE_S):
            raise ProbeError("ingest has no session at the broker")
        sender.publish(_SENTINEL, b"{}", qos=1).wait_for_publish(_PATIENCE_S)
        before = 0
        while topics.get(timeout=_PATIENCE_S) != _SENTINEL:
            before += 1
        return before
    except queue.Empty:
        raise ProbeError("the broker does not answer the probe") from None
    finally:
        for client in (taker, sender):
            client.disconnect()
            client.loop_stop()


def publish(url: str, topic: str, payload: bytes) -> None:
    """Publish one message and wait until the broker has it. Raises ProbeError."""
    client = _client(url, "torture-marker")
    client.connect(*_address(url))
    client.loop_start()
    try:
        sent = client.publish(topic, payload, qos=1)
        sent.wait_for_publish(_PATIENCE_S)
        if not sent.is_published():
            raise ProbeError("the broker does not acknowledge the last message")
    finally:
        client.disconnect()
        client.loop_stop()


def _client(url: str, client_id: str) -> paho.Client:
    parts = urlsplit(url)
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
    )
    client.username_pw_set(parts.username, parts.password)
    return client


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 1883

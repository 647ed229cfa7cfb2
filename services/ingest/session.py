"""What is said to the broker: who we are, and what we want of its messages. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import mqtt5
from mqtt5 import QoS, RetainHandling

from services.ingest.topics import PREFIX

SESSION_FOR_EVER: Final = 0xFFFFFFFF
"""Session Expiry Interval (MQTT 5, 3.1.2.11.2): the session never expires by itself."""
EVERYTHING: Final = "#"
"""In place of a site: all sites, and whatever else is published below the prefix. No site id is like it."""
_FIRST_ERROR: Final = 0x80


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What is said to the broker."""

    client_id: str
    username: str | None
    password: str | None
    topic_filters: tuple[str, ...]
    receive_maximum: int
    keep_alive_s: int = 30
    lasting: bool = True
    """Whether the broker keeps messages (QoS 1) while we are away. Else it sends what comes, at QoS 0."""


def topic_filters(sites: Iterable[str]) -> tuple[str, ...]:
    """What to subscribe for these sites, or for EVERYTHING."""
    return tuple(PREFIX + (site if site == EVERYTHING else f"{site}/#") for site in sites)


def connect_packet(options: SessionOptions) -> bytes:
    """CONNECT. No Maximum Packet Size: the broker would drop larger messages without a word."""
    return mqtt5.ConnectPacket(
        options.client_id,
        username=options.username,
        password=None if options.password is None else options.password.encode(),
        clean_start=not options.lasting,
        keep_alive=options.keep_alive_s,
        session_expiry_interval=SESSION_FOR_EVER if options.lasting else 0,
        receive_max=options.receive_maximum,
    ).write()


def subscribe_packet(packet_id: int, options: SessionOptions) -> bytes:
    """One SUBSCRIBE with all filters."""
    if options.lasting:
        qos, retained = QoS.AT_LEAST_ONCE, RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS
    else:
        qos, retained = QoS.AT_MOST_ONCE, RetainHandling.SEND_NEVER
    filters = [
        mqtt5.TopicFilter(each, max_qos=qos, no_local=True, retain_handling=retained)
        for each in options.topic_filters
    ]
    return mqtt5.SubscribePacket(packet_id, filters).write()


def refused_filter(options: SessionOptions, packet: mqtt5.SubAckPacket) -> str | None:
    """The first filter that the broker refuses and its reason, as words of a sentence."""
    for topic_filter, code in zip(options.topic_filters, packet.reason_codes, strict=False):
        if int(code) >= _FIRST_ERROR:
            return f"{topic_filter} ({code.name.lower().replace('_', ' ')})"
    return None


def all_ended(packet: mqtt5.UnsubAckPacket) -> bool:
    """Whether none of the filters is subscribed any more. That one never was is as good."""
    return all(int(code) < _FIRST_ERROR for code in packet.reason_codes)

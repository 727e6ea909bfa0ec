"""Reads TensorBoard's event files by their published form, without what wrote them.

Records are TFRecords (https://www.tensorflow.org/tutorials/load_data/tfrecord): length, checksum of
the length, data, checksum of the data. The data are messages of event.proto and summary.proto in
the encoding of protocol buffers.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Event:
    step: int = 0
    session_start: bool = False
    scalars: dict[str, float] = field(default_factory=dict[str, float])


def read_events(directory: Path) -> list[Event]:
    files = sorted(directory.glob("*.tfevents.*"))
    return [event_of(record) for file in files for record in records(file.read_bytes())]


def records(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    while data:
        (length, length_check), rest = struct.unpack("<QI", data[:12]), data[12:]
        assert length_check == masked_crc32c(data[:8])
        (check,) = struct.unpack("<I", rest[length : length + 4])
        assert check == masked_crc32c(rest[:length])
        found.append(rest[:length])
        data = rest[length + 4 :]
    return found


def masked_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def event_of(record: bytes) -> Event:
    event = Event()
    for number, value in message(record):
        if number == 2:
            event.step = value
        elif number == 7:  # session_log; its status 1 is START
            event.session_start = (1, 1) in message(value)
        elif number == 5:  # summary, of values of tag and simple_value
            for _, one in message(value):
                parts = dict(message(one))
                event.scalars[parts[1].decode()] = struct.unpack("<f", parts[2])[0]
    return event


def message(data: bytes) -> list[tuple[int, Any]]:
    """Field numbers and values, as integers or bytes."""
    found: list[tuple[int, Any]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            found.append((key >> 3, varint()))
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        found.append((key >> 3, data[at : at + size]))
        at += size
    return found

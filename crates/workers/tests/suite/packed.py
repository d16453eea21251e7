"""A worker for tests that speaks MessagePack, as much of it as the messages have: it gives back what it is given."""
import socket
import struct
import sys

PING, PONG, HELLO, WORK, WORKED = 0x0001, 0x0002, 0x3001, 0x3006, 0x3007
sock = socket.socket(fileno=0)


def read(count):
    parts = b""
    while len(parts) < count:
        part = sock.recv(count - len(parts))
        if not part:
            sys.exit(0)
        parts += part
    return parts


def unpack(data, at=0):
    """The value that begins there, and where it ends."""
    first, at = data[at], at + 1
    if first < 0x80:
        return first, at
    if first < 0x90:
        return unpack_map(data, at, first & 0x0F)
    if 0xA0 <= first < 0xC0:
        end = at + (first & 0x1F)
        return data[at:end].decode(), end
    if first == 0xC0:
        return None, at
    kind, size = {
        0xC4: (bytes, 1), 0xC5: (bytes, 2), 0xC6: (bytes, 4), 0xD9: (str, 1), 0xDA: (str, 2),
        0xCC: (int, 1), 0xCD: (int, 2), 0xCE: (int, 4), 0xCF: (int, 8),
    }[first]
    number, at = int.from_bytes(data[at:at + size], "big"), at + size
    if kind is int:
        return number, at
    part = data[at:at + number]
    return (part if kind is bytes else part.decode()), at + number


def unpack_map(data, at, count):
    fields = {}
    for _ in range(count):
        name, at = unpack(data, at)
        fields[name], at = unpack(data, at)
    return fields, at


def pack(value):
    if isinstance(value, int):
        return b"\xcf" + value.to_bytes(8, "big")
    if isinstance(value, str):
        return b"\xd9" + bytes([len(value)]) + value.encode()
    if isinstance(value, bytes):
        return b"\xc6" + len(value).to_bytes(4, "big") + value
    return bytes([0x80 | len(value)]) + b"".join(pack(name) + pack(field) for name, field in value.items())


def say(opcode, body):
    sock.sendall(struct.pack(">HHB", len(body) + 3, opcode, 0) + body)


say(HELLO, pack({"version": 1, "name": "packed"}))
while True:
    (length,) = struct.unpack(">H", read(2))
    opcode, flags = struct.unpack(">HB", read(3))
    body = read(length - 3)
    assert flags == 0, flags
    if opcode == PING:
        say(PONG, b"\x90")
    elif opcode == WORK:
        fields, _ = unpack(body)
        say(WORKED, pack({"id": fields["id"], "body": fields["body"]}))

"""A worker for tests, with the protocol by hand: frames on descriptor 0, bodies in JSON.

It works well, unless its first argument or a request says otherwise; so one program is every kind of bad worker.
"""
import json
import os
import socket
import struct
import sys
import time

PING, PONG, HELLO, DENIED = 0x0001, 0x0002, 0x3001, 0x3002
PLAY_HAND, HAND_PLAYED, PLAY_REFUSED, WORK, WORKED, UNDONE = 0x3003, 0x3004, 0x3005, 0x3006, 0x3007, 0x3008
LEAVING = 0x300A
CONTINUED, JSON = 1, 2
FRAME_BYTES_MAX = 60_000

# What stands in for its code: it changes when it is started anew.
VERSION = open("version").read() if os.path.exists("version") else "none"
sock = socket.socket(fileno=0)


def read(count):
    parts = b""
    while len(parts) < count:
        part = sock.recv(count - len(parts))
        if not part:
            sys.exit(0)
        parts += part
    return parts


def hear():
    body = b""
    while True:
        (length,) = struct.unpack(">H", read(2))
        opcode, flags = struct.unpack(">HB", read(3))
        body += read(length - 3)
        if not flags & CONTINUED:
            return opcode, json.loads(body or b"{}")


def say(opcode, fields):
    body = json.dumps(fields).encode()
    while len(body) > FRAME_BYTES_MAX:
        part, body = body[:FRAME_BYTES_MAX], body[FRAME_BYTES_MAX:]
        sock.sendall(struct.pack(">HHB", len(part) + 3, opcode, JSON | CONTINUED) + part)
    sock.sendall(struct.pack(">HHB", len(body) + 3, opcode, JSON) + body)


def effect(path, text):
    """Something done in the world that is seen if it is done twice."""
    with open(path, "a") as file:
        file.write(text + "\n")


def work(request):
    id, kind, body = request["id"], request["kind"], request["body"]
    answer = body
    if kind == "pid":
        answer = str(os.getpid())
    elif kind == "version":
        answer = VERSION
    elif kind == "write":
        path, text = body.split(" ", 1)
        effect(path, text)
    elif kind == "sleep":
        time.sleep(float(body))
    elif kind == "long":
        end = time.monotonic() + float(body)
        while time.monotonic() < end:
            time.sleep(0.1)
            say(PONG, {})
    elif kind == "hold":
        while not os.path.exists(body):
            time.sleep(0.02)
            say(PONG, {})
    elif kind == "large":
        answer = "x" * int(body)
    elif kind == "poison":
        effect("poisoned", body)
        os._exit(3)
    elif kind == "twice":
        say(WORKED, {"id": id, "body": body})
    elif kind == "stranger":
        for other in range(max(0, id - 50), id + 50):
            if other != id:
                say(WORKED, {"id": other, "body": "stolen"})
    elif kind == "flood":
        for other in range(100_000, 200_000):
            say(WORKED, {"id": other, "body": "stolen"})
    elif kind == "group":
        os.setpgid(0, os.getpgid(os.getppid()))
        time.sleep(3600)
    elif kind == "loop":
        while True:
            pass
    elif kind == "fork":
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(0)
    elif kind == "last":
        say(WORKED, {"id": id, "body": answer})
        os._exit(0)
    elif kind == "nobody":
        return say(UNDONE, {"id": id, "why": "no_worker"})
    elif kind == "leave":
        say(LEAVING, {})
    elif kind == "swallow":
        return
    elif kind == "rubbish":
        sock.sendall(os.urandom(70_000))  # longer than a frame: one at least is complete
    elif kind == "endless":
        sock.sendall(b"\xff\xff\xff")
        time.sleep(3600)
    elif kind == "deaf":
        time.sleep(3600)
    elif kind == "fail":
        return say(UNDONE, {"id": id, "why": {"failed": body or "as asked"}})
    say(WORKED, {"id": id, "body": answer})


def play(request):
    id, hand = request["id"], request["play"]
    deed = hand.get("next")
    action = deed["act"]["action"] if isinstance(deed, dict) and "act" in deed else "go"
    if action == "refuse":
        return say(PLAY_REFUSED, {"id": id, "why": "no" * 150})
    moves = len(hand["moves"]) + (1 if deed else 0)
    shown = "x" * 6_000 if action == "large" else str(os.getpid())
    views = [{"actions": ["go"], "shown": shown} for _ in range(hand["seats"] + 1)]
    look = {"words": "%d moves" % moves, "to_act": [moves % hand["seats"]], "views": views}
    say(HAND_PLAYED, {"id": id, "look": look})


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "good"
    if mode == "exit":
        effect("starts", str(os.getpid()))
        print("nothing to do here")
        sys.exit(1)
    if mode == "silent":
        time.sleep(3600)
    say(HELLO, {"version": 9 if mode == "newer" else 1, "name": "test"})
    while True:
        opcode, fields = hear()
        if opcode == PING:
            say(PONG, {})
        elif opcode == WORK:
            work(fields)
        elif opcode == PLAY_HAND:
            play(fields)
        elif opcode == DENIED:
            effect("denied", fields["why"])


main()

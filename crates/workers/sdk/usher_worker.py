"""A worker for Usher in one file. Copy it into your project; it needs Python 3.9 and nothing else.

    from usher_worker import Game, Refused, Worker

    worker = Worker("my rules")           # a name for the host's log
    worker.game("nim", Nim)               # a class that is a `Game`
    worker.work("score", score)           # a function that takes a `Job`
    worker.run()                          # until the host ends it

A host, which is a room server or `usher-workers`, starts this program with a Unix stream socket as descriptor 0. Messages
come and go there, in frames: a length (two bytes, the high one first), then as many bytes, which are an opcode (two bytes),
flags (one) and a JSON object. One request is done after the other, in order. What is printed goes to the host's log.

What you can rely on, and what is relied on:

- A hand comes whole: its chance and all moves so far. The hands played last are kept, so that mostly one move is left to do;
  any other worker could go on as well. So the same chance and the same moves must always come to the same hand: take chance
  from `Chance`, and nothing from clocks, files or sets.
- `act` must look before it changes anything: after `Refused` the hand is kept as it is. After any other exception it is
  thrown away, and played again from its chance when it is asked for next.
- An exception is answered with "failed", and its traceback goes to the log. The worker lives on.
- While your code runs nobody hears from this worker, and one that is silent for too long is killed. Work that takes longer
  than a second or two says `worker.alive()` now and then.

The whole protocol, and what happens when a worker dies, is in docs/workers.md.
"""

import hashlib
import io
import json
import os
import re
import socket
import sys
import traceback
from typing import Any, NamedTuple, Optional

VERSION = 1

PING, PONG = 0x0001, 0x0002
WORKER_HELLO, WORKER_DENIED = 0x3001, 0x3002
PLAY_HAND, HAND_PLAYED, PLAY_REFUSED = 0x3003, 0x3004, 0x3005
WORK, WORKED, UNDONE = 0x3006, 0x3007, 0x3008

CONTINUED, JSON = 1, 2  # flags: more of this message is in the next frame; the body is JSON
PART_BYTES_MAX = 65_535 - 3 - 16  # of a message in one frame: a host may seal frames, and needs 16 bytes for it
MESSAGE_BYTES_MAX = 512 * 1024
ANSWER_BYTES_MAX = {
    PONG: 32, WORKER_HELLO: 128, HAND_PLAYED: 32_768, PLAY_REFUSED: 384, WORKED: 262_656, UNDONE: 384,
}

NAME_BYTES_MAX = 32
BODY_BYTES_MAX = 131_072  # what comes of work
WHY_BYTES_MAX = 128  # why a move was refused, or work not done
WORDS_BYTES_MAX = 255  # what happened in a move
ACTION_BYTES_MAX = 64
ACTIONS_MAX = 255
VIEW_BYTES_MAX = 1024  # a byte, the actions with a byte before each, the table in words
POINTS_MAX = 2**31 - 1  # of a seat, won or lost
REASONS = ("won", "draw", "resigned", "timed out", "abandoned")

HANDS_MAX = 1000  # hands that are kept


class Refused(Exception):
    """Raise it in `act` when a seat may not do what it wants. The text is for the player."""


class BadFrame(Exception):
    """What came is not of the protocol. The worker ends."""


class Game:
    """One hand of a game: inherit, set `seats`, and write the methods. Seats count from 0."""

    seats = 2

    def __init__(self, seed: bytes):
        """Begins a hand. All its chance is in these 32 bytes, see `Chance`; nobody at the table knows them."""
        raise NotImplementedError

    def to_act(self) -> list:
        """The seats that may act now, of which the lowest is asked first. Empty exactly when the hand is over."""
        raise NotImplementedError

    def act(self, seat: int, action: str) -> str:
        """A seat of `to_act` does this. Returns what everybody is told of it, or raises `Refused`."""
        raise NotImplementedError

    def timeout(self) -> str:
        """The time of the seat that was asked is over. Returns what everybody is told; the hand must move on."""
        raise NotImplementedError

    def abandon(self, seat: int) -> str:
        """A seat's player left, perhaps while others were to act. Returns what everybody is told."""
        raise NotImplementedError

    def actions(self, seat: int) -> list:
        """What a seat of `to_act` may do, as texts of 1 to 64 bytes. A bot takes any of them."""
        raise NotImplementedError

    def show(self, viewer: Optional[int]) -> str:
        """The table in words, as far as this seat may see it; `None` is somebody who watches."""
        raise NotImplementedError

    def outcome(self) -> Optional[tuple]:
        """Nothing, or at the end the points by seat, which sum to zero, and one of `REASONS`."""
        raise NotImplementedError

    def between_tricks(self) -> bool:
        """Whether those who watch may be shown the table now. They see a hand from one such moment to the next."""
        return True


class Chance:
    """Numbers that a seed alone decides: the same on every machine, in every version, in Python and in JavaScript."""

    def __init__(self, seed: bytes):
        self._seed, self._block, self._left = bytes(seed), 0, []

    def below(self, limit: int) -> int:
        """A number from 0 to below the limit (at most 2**32), each as likely as any other."""
        while True:
            if not self._left:
                block = hashlib.sha256(self._seed + self._block.to_bytes(4, "big")).digest()
                self._left = [int.from_bytes(block[at : at + 4], "big") for at in range(0, 32, 4)]
                self._block += 1
            number = self._left.pop(0)
            if number < 2**32 - 2**32 % limit:
                return number % limit

    def choose(self, things: list) -> Any:
        """One of them."""
        return things[self.below(len(things))]

    def shuffle(self, things: list) -> None:
        """Puts a list in another order, in place."""
        for at in range(len(things) - 1, 0, -1):
            other = self.below(at + 1)
            things[at], things[other] = things[other], things[at]


class Job(NamedTuple):
    """Work to be done. The function returns its answer, as text or bytes."""

    kind: str
    key: Optional[str]  # what it is about: you may have kept something of it, and so may others, see docs/workers.md
    body: bytes
    left_ms: int  # until nobody waits for the answer any more


class Worker:
    """What this program can do, and the loop that does it."""

    def __init__(self, name: str = ""):
        self._name, self._games, self._works, self._hands, self._host = name, {}, {}, {}, None

    def game(self, name: str, game: type) -> "Worker":
        """This class plays the game of that name."""
        self._games[name] = game
        return self

    def work(self, kind: str, function) -> "Worker":
        """This function does that kind of work."""
        self._works[kind] = function
        return self

    def run(self, host: Optional[socket.socket] = None) -> None:
        """Answers until the host ends the stream."""
        self._host = host or _descriptor_0()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # into a pipe it would come late, or not at all
        try:
            self._host.sendall(frames(WORKER_HELLO, {"version": VERSION, "name": cut(self._name, NAME_BYTES_MAX)}))
            with self._host.makefile("rb") as stream:
                while True:
                    self._host.sendall(self.answer(*read_message(stream)))
        except (EOFError, ConnectionError):
            return

    def alive(self) -> None:
        """Tells the host, if there is one, that a long piece of work goes on."""
        if self._host:
            self._host.sendall(frames(PONG, {}))

    def answer(self, opcode: int, fields: dict) -> bytes:
        """What is answered to a message, as frames."""
        if opcode == PING:
            return frames(PONG, {})
        if opcode == PONG:
            return b""
        if opcode == WORKER_DENIED:
            raise SystemExit(f"the host will not have this worker: {fields['why']}")
        if opcode not in (PLAY_HAND, WORK):
            raise BadFrame(f"opcode {opcode:#06x} is not for workers")
        number = fields["id"]
        try:
            if opcode == PLAY_HAND:
                return self._played(number, fields["play"])
            return frames(WORKED, {"id": number, "body": payload(self._worked(fields))})
        except Exception as error:  # whatever it was: this one request failed
            traceback.print_exc()
            why = f"{type(error).__name__}: {error}"
            return frames(UNDONE, {"id": number, "why": {"failed": cut(why, WHY_BYTES_MAX)}})

    def _worked(self, fields):
        function = self._works.get(fields["kind"])
        if function is None:
            raise LookupError(f"this worker does no {fields['kind']}")
        return function(Job(fields["kind"], fields.get("key"), body_of(fields["body"]), fields["left_ms"]))

    def _played(self, number, play):
        so_far = [play["game"], play["seats"], play["seed"], play["moves"]]
        known, hand = self._hands.pop(play["hand"], (None, None))
        if known != so_far:
            hand = self._replay(play)
        deed = play.get("next")
        done = [] if deed is None else [deed]
        try:
            words = do(hand, deed) if done else ""
        except Refused as why:
            if "act" not in deed:
                raise
            self._keep(play["hand"], so_far, hand)
            return frames(PLAY_REFUSED, {"id": number, "why": cut(str(why), WHY_BYTES_MAX)})
        answer = frames(HAND_PLAYED, {"id": number, "look": look(hand, words)})
        if hand.to_act():
            self._keep(play["hand"], so_far[:-1] + [play["moves"] + done], hand)
        return answer

    def _replay(self, play):
        game = self._games.get(play["game"])
        if game is None:
            raise LookupError(f"this worker plays no {play['game']}")
        if game.seats != play["seats"]:
            raise ValueError(f"{play['game']} has {game.seats} seats, and the table {play['seats']}")
        hand = game(bytes(play["seed"]))
        for number, deed in enumerate(play["moves"], 1):
            try:
                do(hand, deed)
            except Refused as why:
                raise ValueError(f"move {number} is none by these rules: {why}") from None
        return hand

    def _keep(self, name, so_far, hand):
        self._hands[name] = (so_far, hand)
        if len(self._hands) > HANDS_MAX:
            del self._hands[next(iter(self._hands))]  # the first is the one that was idle longest


def do(hand: Game, deed) -> str:
    """Moves a hand on, by `{"act": {"seat": 0, "action": "d3"}}`, `"timeout"` or `{"abandon": {"seat": 0}}`."""
    if deed == "timeout":
        return hand.timeout()
    if "abandon" in deed:
        return hand.abandon(deed["abandon"]["seat"])
    seat, action = deed["act"]["seat"], deed["act"]["action"]
    if seat not in hand.to_act():
        raise Refused("it is not your turn")
    return hand.act(seat, action)


def look(hand: Game, words: str) -> dict:
    """A hand as the host wants to know it. Raises `ValueError` where it is not as hands are."""
    to_act, outcome, end, between_tricks = list(hand.to_act()), hand.outcome(), None, hand.between_tricks()
    if not all(is_whole(seat, 0, hand.seats - 1) for seat in to_act):
        raise ValueError(f"{to_act} are no seats: whole numbers from 0 to {hand.seats - 1}")
    if not isinstance(between_tricks, bool):
        raise ValueError(f"between_tricks is {between_tricks!r}, and may be True or False")
    if bool(to_act) == bool(outcome):
        raise ValueError("somebody is to act exactly as long as there is no outcome")
    if outcome:
        scores, reason = outcome
        are_points = len(scores) == hand.seats and all(is_whole(score, -POINTS_MAX, POINTS_MAX) for score in scores)
        if not are_points or sum(scores) != 0 or reason not in REASONS:
            raise ValueError(f"{outcome} is no outcome: whole points for each seat, in all 0, and one of {REASONS}")
        end = {"scores": list(scores), "reason": reason}
    seats = [sight(hand.actions(seat) if seat in to_act else [], hand.show(seat)) for seat in range(hand.seats)]
    return {
        "words": cut(words or "", WORDS_BYTES_MAX),
        "to_act": sorted(to_act),
        "views": seats + [sight([], hand.show(None))],
        "between_tricks": between_tricks,
        "end": end,
    }


def is_whole(number, least: int, most: int) -> bool:
    """Whether it is a whole number between these; `True` is none."""
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= most


def sight(actions: list, shown: str) -> dict:
    """What one viewer may do and see."""
    lengths = [len(action.encode()) for action in actions]
    if len(actions) > ACTIONS_MAX or not all(1 <= length <= ACTION_BYTES_MAX for length in lengths):
        raise ValueError(f"at most {ACTIONS_MAX} actions, each of 1 to {ACTION_BYTES_MAX} bytes")
    view_bytes = 1 + len(lengths) + sum(lengths) + len(shown.encode())
    if view_bytes > VIEW_BYTES_MAX:
        raise ValueError(f"a view has {view_bytes} bytes, and may have {VIEW_BYTES_MAX}")
    return {"actions": list(actions), "shown": shown}


def cut(text: str, bytes_max: int) -> str:
    """The beginning of a text, without control characters but the ends of lines."""
    plain = re.sub(r"[\0-\x09\x0b-\x1f\x7f-\x9f]", " ", text)
    return plain.encode("utf-8", "replace")[:bytes_max].decode("utf-8", "ignore")


def payload(body) -> Any:
    """Text or bytes as JSON has them: a text if they are one, else a list of numbers. Raises `ValueError` for others."""
    if not isinstance(body, (str, bytes, bytearray)):
        raise ValueError(f"an answer is text or bytes, and no {type(body).__name__}")
    body = body.encode() if isinstance(body, str) else body
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"an answer has {len(body)} bytes, and may have {BODY_BYTES_MAX}")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return list(body)


def body_of(payload) -> bytes:
    """And back."""
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def frames(opcode: int, fields: dict) -> bytes:
    """A message as whole frames."""
    body = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if len(body) > ANSWER_BYTES_MAX.get(opcode, MESSAGE_BYTES_MAX):
        raise ValueError(f"an answer of {len(body)} bytes is too long")
    starts = range(0, len(body), PART_BYTES_MAX)
    return b"".join(_frame(opcode, body[at : at + PART_BYTES_MAX], at < starts[-1]) for at in starts)


def _frame(opcode, part, is_continued):
    flags = JSON | CONTINUED if is_continued else JSON
    return (len(part) + 3).to_bytes(2, "big") + opcode.to_bytes(2, "big") + bytes([flags]) + part


def read_message(stream) -> tuple:
    """The next message, as its opcode and its fields. Raises `EOFError` at the end of the stream."""
    opcode, body = None, b""
    while True:
        packet = _exactly(stream, int.from_bytes(_exactly(stream, 2), "big"))
        if len(packet) < 3:
            raise BadFrame("a frame is shorter than opcode and flags")
        if packet[2] & ~CONTINUED != JSON:
            raise BadFrame(f'flags {packet[2]:#04x}: this file speaks JSON, so the group needs `format = "json"`')
        if opcode not in (None, packet[:2]):
            raise BadFrame("another message within one that is not complete")
        opcode, body = packet[:2], body + packet[3:]
        if len(body) > MESSAGE_BYTES_MAX:
            raise BadFrame("a message is longer than any may be")
        if not packet[2] & CONTINUED:
            return int.from_bytes(opcode, "big"), _fields(body)


def _fields(body):
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"a body is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise BadFrame("a body is no JSON object")
    return fields


def _exactly(stream, count):
    read = stream.read(count)
    if len(read) < count:
        raise EOFError
    return read


def _descriptor_0():
    """The host's socket, taken out of the way: what this program starts must not read from it as its own input."""
    try:
        host = socket.socket(fileno=os.dup(0))
    except OSError:
        sys.exit("this is a worker: a room server or usher-workers starts it, see docs/workers.md")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    host.setblocking(True)
    return host

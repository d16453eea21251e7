"""What usher_worker.py reads, says and keeps: `python3 -m unittest discover crates/workers/sdk/tests`, without a host."""

import io
import json
import socket
import subprocess
import sys
import unittest
from contextlib import redirect_stderr
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import usher_worker as sdk  # noqa: E402

VECTORS = json.loads((HERE.parent.parent.parent / "proto" / "vectors" / "worker.json").read_text())["frames"]
SEED = bytes(range(32))
DEADLINE_S = 30


class Trickle(io.RawIOBase):
    """A stream of which each read gets a byte."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        byte = self._data.read(1)
        buffer[: len(byte)] = byte
        return len(byte)


class Count(sdk.Game):
    """Who says ten first has won: an action is a number, added up. Counts what it is asked to do."""

    begun = acted = 0

    def __init__(self, seed):
        Count.begun += 1
        self.sum, self.turn, self.end = 0, 0, None

    def to_act(self):
        return [] if self.end else [self.turn % 2]

    def act(self, seat, action):
        Count.acted += 1
        if action == "0":
            raise sdk.Refused("add something")
        self.sum += int(action)  # another exception, if it is no number
        self.turn += 1
        if self.sum >= 10:
            self.end = ([1, -1] if seat == 0 else [-1, 1], "won")
        return f"{self.sum}"

    def timeout(self):
        raise sdk.Refused("who is late is not refused")

    def abandon(self, seat):
        self.end = ([-1, 1] if seat == 0 else [1, -1], "abandoned")
        return "left"

    def actions(self, seat):
        return ["1", "2"]

    def show(self, viewer):
        return f"sum {self.sum}"

    def outcome(self):
        return self.end


def act(turn, action):
    return {"act": {"seat": turn % 2, "action": action}}


def play(moves, deed=None, hand="t/1", seats=2, game="count", seed=SEED):
    moves = [act(turn, action) for turn, action in enumerate(moves)]
    deed = act(len(moves), deed) if isinstance(deed, str) and deed != "timeout" else deed
    return {"game": game, "hand": hand, "seats": seats, "seed": list(seed), "moves": moves, "next": deed}


def only(answer):
    """The one message that these frames are."""
    stream = io.BytesIO(answer)
    message = sdk.read_message(stream)
    assert stream.read() == b""
    return message


class Frames(unittest.TestCase):
    def test_the_vectors_are_read_and_written(self):
        for vector in VECTORS:
            frame = bytes.fromhex(vector["json"])
            opcode, fields = sdk.read_message(io.BytesIO(frame))
            self.assertEqual([fields], list(vector["message"].values()))
            self.assertEqual(sdk.frames(opcode, fields), frame)

    def test_a_stream_may_come_byte_by_byte_and_end_anywhere(self):
        whole = [bytes.fromhex(vector["json"]) for vector in VECTORS]
        stream = io.BufferedReader(Trickle(b"".join(whole)))
        for vector in VECTORS:
            self.assertEqual([sdk.read_message(stream)[1]], list(vector["message"].values()))
        for frame in whole:
            for length in range(len(frame)):
                with self.assertRaises(EOFError):
                    sdk.read_message(io.BytesIO(frame[:length]))

    def test_a_long_message_takes_several_frames(self):
        fields = {"id": 1, "body": "ü" * 100_000}
        frames = sdk.frames(sdk.WORKED, fields)
        self.assertEqual(sdk.read_message(io.BytesIO(frames)), (sdk.WORKED, fields))
        first = int.from_bytes(frames[:2], "big")
        self.assertEqual((first, frames[4]), (65_535 - 16, sdk.JSON | sdk.CONTINUED))
        with self.assertRaises(EOFError):
            sdk.read_message(io.BytesIO(frames[: 2 + first]))
        with self.assertRaises(sdk.BadFrame):
            sdk.read_message(io.BytesIO(frames[: 2 + first] + sdk.frames(sdk.PING, {})))

    def test_what_is_not_of_the_protocol_is_refused(self):
        endless = (b"\xff\xff\x30\x06\x03" + b" " * 65_532) * 9
        deep = b"[" * 60_000
        for wrong in [
            b"\0\0", b"\0\2\0\1", b"\0\4\0\1\0\x90", b"\0\5\0\1\x06{}", b"\0\3\0\1\2", b"\0\5\0\1\2[]", b"\0\7\0\1\2null",
            b"\0\6\0\1\2{}}", b"\0\5\0\1\2\xff\xff", endless, (3 + len(deep)).to_bytes(2, "big") + b"\0\1\2" + deep,
        ]:
            with self.assertRaises(sdk.BadFrame, msg=wrong[:20]):
                sdk.read_message(io.BytesIO(wrong))
        with self.assertRaises(sdk.BadFrame):
            sdk.Worker().answer(0x0304, {})

    def test_an_answer_that_no_host_takes_is_not_sent(self):
        for opcode, fields in [
            (sdk.WORKED, {"id": 1, "body": "x" * 300_000}),
            (sdk.WORKED, {"id": float("nan"), "body": ""}),
            (sdk.WORKED, {"id": 1, "body": "\ud800"}),
        ]:
            with self.assertRaises(ValueError):
                sdk.frames(opcode, fields)

    def test_bytes_are_text_where_they_can_be(self):
        for body, said in [(b"gr\xc3\xbc\xc3\x9f", "grüß"), (b"\xff\0", [255, 0]), ("text", "text"), (b"", "")]:
            self.assertEqual(sdk.payload(body), said)
            self.assertEqual(sdk.body_of(said), body if isinstance(body, bytes) else body.encode())

    def test_what_is_no_answer_to_work_is_said_before_it_is_sent(self):
        self.assertEqual(len(sdk.payload("ü" * 65_536)), 65_536)
        for wrong in [None, 5, [300], {"a": 1}, "ü" * 65_537, b"x" * 131_073]:
            with self.assertRaises(ValueError):
                sdk.payload(wrong)

    def test_a_text_is_cut_between_two_characters(self):
        self.assertEqual(sdk.cut("grüß", 3), "gr")
        self.assertEqual(sdk.cut("grüß", 4), "grü")
        self.assertEqual(sdk.cut("a\x1b\nb\x9b\ud800", 9), "a \nb ?")
        worst = sdk.cut('"' * 200, sdk.WHY_BYTES_MAX)
        self.assertIn(worst[:128], only(sdk.frames(sdk.UNDONE, {"id": 2**64 - 1, "why": {"failed": worst}}))[1]["why"]["failed"])


class Looks(unittest.TestCase):
    def test_what_is_no_hand_is_said_before_it_is_sent(self):
        for change in [
            {"to_act": lambda: []},
            {"outcome": lambda: ([1, -1], "won")},
            {"to_act": lambda: [], "outcome": lambda: ([1, 1], "won")},
            {"to_act": lambda: [], "outcome": lambda: ([0], "won")},
            {"to_act": lambda: [], "outcome": lambda: ([1, -1], "by luck")},
            {"to_act": lambda: ["0"]},
            {"to_act": lambda: [None]},
            {"to_act": lambda: [0.0]},
            {"to_act": lambda: [False]},
            {"to_act": lambda: [-1]},
            {"to_act": lambda: [2]},
            {"to_act": lambda: [], "outcome": lambda: ([0.5, -0.5], "won")},
            {"to_act": lambda: [], "outcome": lambda: ([True, -1], "won")},
            {"to_act": lambda: [], "outcome": lambda: ([2**31, -(2**31)], "won")},
            {"between_tricks": lambda: None},
            {"between_tricks": lambda: []},
            {"actions": lambda seat: [""]},
            {"actions": lambda seat: ["x" * 65]},
            {"actions": lambda seat: ["x"] * 256},
            {"show": lambda viewer: "x" * (1024 if viewer is None else 0)},
            {"show": lambda viewer: "ü" * 511},
        ]:
            hand = Count(SEED)
            for name, method in change.items():
                setattr(hand, name, method)
            with self.assertRaises(ValueError, msg=f"{change}"):
                sdk.look(hand, "")

    def test_a_view_has_the_actions_of_those_who_may_act(self):
        look = sdk.look(Count(SEED), "w" * 300)
        self.assertEqual([view["actions"] for view in look["views"]], [["1", "2"], [], []])
        self.assertEqual((look["to_act"], look["end"], look["between_tricks"], len(look["words"])), ([0], None, True, 255))


class Hands(unittest.TestCase):
    def setUp(self):
        Count.begun = Count.acted = 0
        self.worker = sdk.Worker().game("count", Count)

    def ask(self, play):
        with redirect_stderr(io.StringIO()) as log:
            opcode, fields = only(self.worker.answer(sdk.PLAY_HAND, {"id": 7, "left_ms": 1000, "play": play}))
        self.assertEqual(fields["id"], 7)
        self.assertEqual(opcode == sdk.UNDONE, "Traceback" in log.getvalue())
        return fields.get("look") or fields["why"]

    def test_one_move_is_played_at_a_time(self):
        self.assertEqual(self.ask(play([]))["views"][2]["shown"], "sum 0")
        self.assertEqual(self.ask(play([], "4"))["words"], "4")
        self.assertEqual(self.ask(play(["4"], "5"))["to_act"], [0])
        self.assertEqual(self.ask(play(["4", "5"], "1"))["end"], {"scores": [1, -1], "reason": "won"})
        self.assertEqual((Count.begun, Count.acted), (1, 3))

    def test_another_worker_goes_on_with_a_hand(self):
        self.assertEqual(self.ask(play(["4", "3"], "2"))["words"], "9")
        self.assertEqual((Count.begun, Count.acted), (1, 3))

    def test_what_is_kept_is_used_only_for_the_same_moves(self):
        self.ask(play(["4"], "5"))
        self.assertEqual(self.ask(play(["4"], "5"))["words"], "9")
        self.assertEqual(Count.begun, 2, "it had come further")
        self.assertEqual(self.ask(play(["4", "4"], "1"))["words"], "9")
        self.assertEqual(Count.begun, 3, "as many moves, and others")
        self.ask(play(["4", "4", "1"], {"abandon": {"seat": 0}}, seed=bytes(32)))
        self.assertEqual(Count.begun, 4, "another seed")

    def test_a_refused_move_leaves_the_hand_as_it_was(self):
        self.ask(play([], "4"))
        self.assertEqual(self.ask(play(["4"], "0")), "add something")
        self.assertEqual(self.ask(play(["4"], {"act": {"seat": 0, "action": "1"}})), "it is not your turn")
        self.assertEqual(self.ask(play(["4"], "1"))["words"], "5")
        self.assertEqual(Count.begun, 1)

    def test_a_move_that_fails_is_played_again_from_the_beginning(self):
        self.ask(play([], "4"))
        self.assertIn("ValueError: invalid literal", self.ask(play(["4"], "x"))["failed"])
        self.assertEqual(self.ask(play(["4"], "1"))["words"], "5")
        self.assertEqual(Count.begun, 2)

    def test_what_cannot_be_played_has_failed(self):
        for wrong, why in [
            (play([], game="chess"), "plays no chess"),
            (play([], seats=3), "has 2 seats, and the table 3"),
            (play(["0"], "1"), "move 1 is none by these rules: add something"),
            (play([], "timeout"), "Refused: who is late is not refused"),
        ]:
            self.assertIn(why, self.ask(wrong)["failed"])

    def test_so_many_hands_are_kept_and_no_more(self):
        for number in range(sdk.HANDS_MAX + 1):
            self.ask(play([], "1", hand=f"t/{number}"))
        begun = Count.begun
        self.ask(play(["1"], "1", hand="t/1"))
        self.assertEqual(Count.begun, begun)
        self.ask(play(["1"], "1", hand="t/0"))
        self.assertEqual(Count.begun, begun + 1, "the one that was idle longest is gone")


class Chances(unittest.TestCase):
    def test_they_are_the_same_everywhere(self):
        chance, order = sdk.Chance(SEED), list(range(8))
        self.assertEqual([chance.below(100) for _ in range(10)], [37, 27, 99, 62, 92, 55, 44, 60, 94, 52])
        chance.shuffle(order)
        self.assertEqual(order, [5, 4, 7, 3, 6, 1, 2, 0])
        self.assertEqual([chance.below(2**32), chance.below(3 * 2**30), chance.choose("abc")], [3385549364, 2541332307, "a"])


class Processes(unittest.TestCase):
    """A worker as its host sees it."""

    PROGRAM = f"""
import subprocess, sys
sys.path.insert(0, {str(HERE.parent)!r})
from usher_worker import Worker
def fails(job): raise OSError("no " + job.key)
def child(job): return subprocess.run(["cat"], capture_output=True).stdout
worker = Worker("test").work("echo", lambda job: job.body).work("fails", fails).work("child", child)
worker.work("long", lambda job: worker.alive() or "done")
worker.run()
"""

    def setUp(self):
        self.host, theirs = socket.socketpair()
        self.host.settimeout(DEADLINE_S)
        command = [sys.executable, "-c", self.PROGRAM]
        self.child = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        theirs.close()
        self.stream = self.host.makefile("rb")
        self.assertEqual(self.hear(), (sdk.WORKER_HELLO, {"version": 1, "name": "test"}))

    def tearDown(self):
        self.stream.close()
        self.host.close()
        self.child.kill()
        self.child.communicate()

    def hear(self):
        return sdk.read_message(self.stream)

    def ask(self, kind, body="", key=None):
        work = {"id": 1, "left_ms": 1000, "kind": kind, "key": key, "body": body}
        self.host.sendall(sdk.frames(sdk.WORK, work))

    def test_requests_are_answered_in_order_and_the_end_is_an_end(self):
        for body in ["text", [255, 0], "y" * 130_000]:
            self.ask("echo", body)
            self.host.sendall(sdk.frames(sdk.PING, {}))
            self.assertEqual([self.hear(), self.hear()], [(sdk.WORKED, {"id": 1, "body": body}), (sdk.PONG, {})])
        self.ask("fails", key="luck")
        self.ask("nothing")
        self.ask("long")
        self.assertEqual(self.hear(), (sdk.UNDONE, {"id": 1, "why": {"failed": "OSError: no luck"}}))
        self.assertEqual(self.hear()[1]["why"]["failed"], "LookupError: this worker does no nothing")
        self.assertEqual([self.hear(), self.hear()], [(sdk.PONG, {}), (sdk.WORKED, {"id": 1, "body": "done"})])
        self.host.shutdown(socket.SHUT_WR)
        self.assertEqual(self.child.wait(DEADLINE_S), 0)
        self.assertIn(b"OSError: no luck", self.child.stderr.read())

    def test_what_it_starts_does_not_read_what_is_its_own(self):
        self.ask("child")
        self.ask("echo", "after")
        self.assertEqual(self.hear(), (sdk.WORKED, {"id": 1, "body": ""}))
        self.assertEqual(self.hear(), (sdk.WORKED, {"id": 1, "body": "after"}))

    def test_a_host_that_is_gone_is_an_end(self):
        self.host.shutdown(socket.SHUT_RDWR)
        self.assertEqual(self.child.wait(DEADLINE_S), 0)

    def test_a_host_that_will_not_have_it_is_a_failure(self):
        self.host.sendall(sdk.frames(sdk.WORKER_DENIED, {"why": "version 1 is not spoken here"}))
        self.assertEqual(self.child.wait(DEADLINE_S), 1)
        self.assertIn(b"version 1 is not spoken here", self.child.stderr.read())

    def test_it_says_what_it_is_to_whoever_starts_it_by_hand(self):
        command = [sys.executable, "-c", self.PROGRAM]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"docs/workers.md", done.stderr)


if __name__ == "__main__":
    unittest.main()

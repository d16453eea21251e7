"""The game that docs/workers.md shows: `python3 -m unittest discover crates/workers/examples/tests`."""

import sys
import unittest
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(EXAMPLES), str(EXAMPLES.parent / "sdk")]
from pile import Pile  # noqa: E402
from usher_worker import Chance, Refused, do, look  # noqa: E402

SEEDS = [bytes([number]) * 32 for number in range(50)]


class Rules(unittest.TestCase):
    def test_the_page_shows_it(self):
        page = (EXAMPLES.parent.parent.parent / "docs" / "workers.md").read_text()
        self.assertIn(f"```python\n{(EXAMPLES / 'pile.py').read_text()}```", page)

    def test_who_takes_the_last_stone_loses(self):
        for seed in SEEDS:
            hand, chance, stones = Pile(seed), Chance(seed), 0
            while hand.to_act():
                last = hand.to_act()[0]
                action = chance.choose(hand.actions(last))
                stones += int(action)
                words = do(hand, {"act": {"seat": last, "action": action}})
                self.assertEqual(words, look(hand, words)["words"])
            self.assertTrue(15 <= stones < 25)
            self.assertEqual(hand.outcome(), ([-1, 1] if last == 0 else [1, -1], "won"))

    def test_what_is_no_move_is_refused(self):
        hand = Pile(SEEDS[0])
        stones, seat = hand.stones, hand.seat
        for action in ["0", "4", "", "-1", "1 ", "one"]:
            with self.assertRaises(Refused):
                do(hand, {"act": {"seat": seat, "action": action}})
        self.assertEqual((hand.stones, hand.seat), (stones, seat))

    def test_who_is_late_or_leaves_loses(self):
        for deed, reason in [("timeout", "timed out"), ({"abandon": {"seat": 0}}, "abandoned")]:
            hand = Pile(SEEDS[0])
            loser = hand.seat if deed == "timeout" else 0
            do(hand, deed)
            self.assertEqual(hand.outcome(), ([-1, 1] if loser == 0 else [1, -1], reason))
            self.assertEqual(look(hand, "")["to_act"], [])


if __name__ == "__main__":
    unittest.main()

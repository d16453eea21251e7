"""Rock, paper, scissors: a tournament of four seats and five rounds.

In a round everybody chooses, in the order of seats, and nobody sees a choice before all have chosen. Then everybody is compared
with everybody: a point for who wins, one less for who loses. Who is late is given a choice by the hand's chance; who left is
given one in each round from then on, so that the others can play to the end.

An example of a game with hidden choices, and of one that goes on without a player. See docs/workers.md.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "sdk"))  # where it lies here; copy it beside your game
from usher_worker import Chance, Game, Refused, Worker  # noqa: E402

CHOICES = ["rock", "paper", "scissors"]  # each loses to the next
ROUNDS = 5


class Tournament(Game):
    seats = 4

    def __init__(self, seed):
        self._chance = Chance(seed)
        self._points = [0] * self.seats
        self._left = set()
        self._rounds = []  # the choices of each round that is over, by seat
        self._chosen = []  # those of this one so far

    def to_act(self):
        return [] if self._is_over() else [len(self._chosen)]

    def act(self, seat, action):
        if action not in CHOICES:
            raise Refused("choose rock, paper or scissors")
        return self._choose(action)

    def timeout(self):
        return self._choose(self._chance.choose(CHOICES))

    def abandon(self, seat):
        self._left.add(seat)
        return "; ".join([f"seat {seat} left"] + self._choose_for_who_left())

    def actions(self, seat):
        return CHOICES

    def show(self, viewer):
        lines = [f"round {min(len(self._rounds) + 1, ROUNDS)} of {ROUNDS}"]
        lines += [f"seat {seat}: {self._points[seat]:+}{self._state_of(seat, viewer)}" for seat in range(self.seats)]
        lines += [f"round {number}: {', '.join(choices)}" for number, choices in enumerate(self._rounds, 1)]
        return "\n".join(lines)

    def outcome(self):
        if not self._is_over():
            return None
        return self._points, "won" if any(self._points) else "draw"

    def between_tricks(self):
        return not self._chosen

    def _is_over(self):
        return len(self._rounds) == ROUNDS

    def _choose(self, choice):
        told = [f"seat {len(self._chosen)} has chosen"] + self._add(choice)
        return "; ".join(told + self._choose_for_who_left())

    def _choose_for_who_left(self):
        told = []
        while not self._is_over() and len(self._chosen) in self._left:
            told += self._add(self._chance.choose(CHOICES))
        return told

    def _add(self, choice):
        """One more choice. What there is to tell when it was the round's last."""
        self._chosen.append(choice)
        if len(self._chosen) < self.seats:
            return []
        choices, self._chosen = self._chosen, []
        self._rounds.append(choices)
        for seat, choice in enumerate(choices):
            self._points[seat] += sum(compare(choice, other) for other in choices)
        points = " ".join(f"{points:+}" for points in self._points)
        return [f"round {len(self._rounds)}: {', '.join(choices)} ({points})"]

    def _state_of(self, seat, viewer):
        if seat in self._left:
            return ", left"
        if seat >= len(self._chosen):
            return ""
        return f", chose {self._chosen[seat]}" if seat == viewer else ", has chosen"


def compare(one, other):
    """What one choice gains against another: 1, 0 or -1."""
    return [0, 1, -1][(CHOICES.index(one) - CHOICES.index(other)) % 3]


if __name__ == "__main__":
    Worker("rps").game("rps", Tournament).run()

from usher_worker import Chance, Game, Refused, Worker


class Pile(Game):
    """A pile of stones. A turn takes one, two or three; who takes the last one loses."""

    def __init__(self, seed):
        chance = Chance(seed)
        self.stones, self.seat, self.end = 15 + chance.below(10), chance.below(2), None

    def to_act(self):
        return [] if self.end else [self.seat]

    def actions(self, seat):
        return [str(count) for count in (1, 2, 3) if count <= self.stones]

    def act(self, seat, action):
        if action not in self.actions(seat):
            raise Refused(f"take {' or '.join(self.actions(seat))}")
        self.stones, self.seat = self.stones - int(action), 1 - seat
        return f"seat {seat} took {action}" if self.stones else self.lose(seat, "won")

    def timeout(self):
        return self.lose(self.seat, "timed out")

    def abandon(self, seat):
        return self.lose(seat, "abandoned")

    def lose(self, seat, reason):
        self.end = ([-1, 1] if seat == 0 else [1, -1], reason)
        return f"seat {seat} lost"

    def show(self, viewer):
        return "o" * self.stones

    def outcome(self):
        return self.end


if __name__ == "__main__":
    Worker("pile").game("pile", Pile).run()

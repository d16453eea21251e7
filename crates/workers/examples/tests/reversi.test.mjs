/** The rules of reversi.mjs: `node --test crates/workers/examples/tests/reversi.test.mjs`. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance, Refused, doDeed, look } from "../../sdk/usher_worker.mjs";
import { Reversi } from "../reversi.mjs";

const SEEDS = [...Array(50).keys()].map((number) => Buffer.alloc(32, number));

/** The hand after these moves, each by whose turn it is, and what was said of them. */
function played(moves, seed = SEEDS[0]) {
  const hand = new Reversi(seed);
  return [hand, moves.map((action) => hand.act(hand.toAct()[0], action))];
}

const boardOf = (hand) => hand.show(null).split("\n").slice(1, 9).map((row) => row.slice(2).replaceAll(" ", "")).join("");
const movesOf = (hand) => hand.toAct().flatMap((seat) => hand.actions(seat));

/** A hand of any moves, to its end. */
function randomly(seed) {
  const [chance, hand, moves, words] = [new Chance(seed), new Reversi(seed), [], []];
  while (hand.toAct().length > 0) {
    moves.push(chance.choose(movesOf(hand)));
    words.push(hand.act(hand.toAct()[0], moves.at(-1)));
  }
  return { hand, moves, words };
}

test("there are as many games of a few moves as there are", () => {
  // The counts that engines of this game are tested with; nobody is passed over in so few moves.
  const count = (moves, depth) => {
    const next = movesOf(played(moves)[0]);
    return depth === 1 ? next.length : next.reduce((sum, move) => sum + count([...moves, move], depth - 1), 0);
  };
  assert.deepEqual([1, 2, 3, 4, 5, 6].map((depth) => count([], depth)), [4, 12, 56, 244, 1396, 8200]);
});

test("a board is as it should be after a few moves", () => {
  const [hand, words] = played(["d3", "c3", "c4"]);
  assert.deepEqual(words, ["black d3", "white c3", "black c4"]);
  assert.equal(hand.show(null), [
    "  a b c d e f g h",
    "1 . . . . . . . .",
    "2 . . . . . . . .",
    "3 . . ○ ● . . . .",
    "4 . . ● ● ● . . .",
    "5 . . . ● ○ . . .",
    "6 . . . . . . . .",
    "7 . . . . . . . .",
    "8 . . . . . . . .",
    `● black, seat ${1 - hand.toAct()[0]}: 5`,
    `○ white, seat ${hand.toAct()[0]}: 2`,
  ].join("\n"));
});

test("the shortest game ends when one has no piece left", () => {
  const [hand, words] = played(["e6", "f4", "e3", "f6", "g5", "d6", "e7", "f5", "c5"]);
  assert.equal(words.at(-1), "black c5: 13 black, 0 white");
  const [black] = new Reversi(SEEDS[0]).toAct();
  assert.deepEqual(hand.toAct(), []);
  assert.deepEqual(hand.outcome(), { scores: black === 0 ? [1, -1] : [-1, 1], reason: "won" });
});

test("the one who cannot move is passed over, and only then", () => {
  let passes = 0;
  for (const seed of SEEDS) {
    const { moves, words } = randomly(seed);
    const hand = new Reversi(seed);
    moves.forEach((move, at) => {
      const [seat] = hand.toAct();
      hand.act(seat, move);
      const isPassed = words[at].endsWith("cannot move");
      if (hand.toAct().length > 0) assert.equal(hand.toAct()[0] === seat, isPassed, words[at]);
      if (isPassed) assert.deepEqual(hand.actions(1 - seat), []);
      passes += isPassed;
    });
  }
  assert.ok(passes > 0, "somebody was passed over");
});

test("legal is what is accepted, and a refused move changes nothing", () => {
  const names = [..."abcdefgh"].flatMap((column) => [..."12345678"].map((row) => column + row));
  const { moves } = randomly(SEEDS[1]);
  for (let length = 0; length <= moves.length; length += 7) {
    const [hand] = played(moves.slice(0, length), SEEDS[1]);
    const before = boardOf(hand);
    const legal = movesOf(hand);
    for (const action of [...names.filter((name) => !legal.includes(name)), "", "i1", "a9", "D3", "pass", "d3 ", "__proto__"]) {
      assert.throws(() => doDeed(hand, { act: { seat: hand.toAct()[0] ?? 0, action } }), Refused, action);
    }
    assert.deepEqual([boardOf(hand), movesOf(hand)], [before, legal]);
    for (const action of legal) assert.ok(played([...moves.slice(0, length), action], SEEDS[1]));
  }
});

test("chance says who begins", () => {
  assert.deepEqual(new Set(SEEDS.map((seed) => new Reversi(seed).toAct()[0])), new Set([0, 1]));
});

test("random play ends, adds up, fits a view and is the same again", () => {
  const reasons = new Set();
  for (const seed of SEEDS) {
    const { hand, moves, words } = randomly(seed);
    assert.ok(moves.length <= 60);
    const { scores, reason } = hand.outcome();
    assert.equal(scores[0] + scores[1], 0);
    reasons.add(reason);
    const counts = [...words.at(-1).matchAll(/(\d+) (black|white)/g)].map(([, count]) => Number(count));
    assert.equal(Math.sign(counts[0] - counts[1]) === 0, reason === "draw");
    const again = new Reversi(seed);
    const wordsAgain = moves.map((action) => look(again, doDeed(again, { act: { seat: again.toAct()[0], action } })).words);
    assert.deepEqual([wordsAgain, boardOf(again)], [words, boardOf(hand)]);
  }
  assert.deepEqual(reasons, new Set(["won", "draw"]));
});

test("who is late or leaves loses", () => {
  for (const seed of SEEDS) {
    const [mover] = new Reversi(seed).toAct();
    const lost = (seat) => (seat === 0 ? [-1, 1] : [1, -1]);
    for (const [deed, seat, reason] of [["timeout", mover, "timed out"], [{ abandon: { seat: 0 } }, 0, "abandoned"],
      [{ abandon: { seat: 1 } }, 1, "abandoned"]]) {
      const hand = new Reversi(seed);
      assert.equal(look(hand, doDeed(hand, deed)).words, `${seat === mover ? "black" : "white"} ${reason}`);
      assert.deepEqual([hand.toAct(), hand.outcome()], [[], { scores: lost(seat), reason }]);
      assert.throws(() => doDeed(hand, { act: { seat: mover, action: "d3" } }), Refused);
    }
  }
});

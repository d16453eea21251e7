/**
 * A worker for Usher in one file. Copy it into your project; it needs Node 18 and no package.
 *
 *     import { Game, Refused, Worker } from "./usher_worker.mjs";
 *
 *     new Worker("my rules")               // a name for the host's log
 *       .game("nim", Nim)                  // a class that extends `Game`
 *       .work("score", score)              // a function of a job, which may be async
 *       .run();                            // until the host ends it
 *
 * A host, which is a room server or `usher-workers`, starts this program with a Unix stream socket as descriptor 0. Messages
 * come and go there, in frames: a length (two bytes, the high one first), then as many bytes, which are an opcode (two
 * bytes), flags (one) and a JSON object. What is printed goes to the host's log.
 *
 * What you can rely on, and what is relied on:
 *
 * - A hand comes whole: its chance and all moves so far. The hands played last are kept, so that mostly one move is left to
 *   do; any other worker could go on as well. So the same chance and the same moves must always come to the same hand: take
 *   chance from `Chance`, and nothing from clocks, files or `Math.random`.
 * - `act` must look before it changes anything: after `Refused` the hand is kept as it is. After any other exception it is
 *   thrown away, and played again from its chance when it is asked for next.
 * - An exception is answered with "failed", and its stack goes to the log. The worker lives on.
 * - While your code runs nobody hears from this worker, and one that is silent for too long is killed. Long work awaits
 *   something now and then, and so lets signs of life be answered.
 *
 * The whole protocol, and what happens when a worker dies, is in docs/workers.md.
 */

import { createHash } from "node:crypto";
import { fstatSync } from "node:fs";
import { Socket } from "node:net";

const VERSION = 1;

const PING = 0x0001, PONG = 0x0002;
const WORKER_HELLO = 0x3001, WORKER_DENIED = 0x3002;
const PLAY_HAND = 0x3003, HAND_PLAYED = 0x3004, PLAY_REFUSED = 0x3005;
const WORK = 0x3006, WORKED = 0x3007, UNDONE = 0x3008;

const CONTINUED = 1, JSON_BODY = 2; // flags: more of this message is in the next frame; the body is JSON
const PART_BYTES_MAX = 65_535 - 3 - 16; // of a message in one frame: a host may seal frames, and needs 16 bytes for it
const MESSAGE_BYTES_MAX = 512 * 1024;
const ANSWER_BYTES_MAX = {
  [PONG]: 32, [WORKER_HELLO]: 128, [HAND_PLAYED]: 32_768, [PLAY_REFUSED]: 384, [WORKED]: 262_656, [UNDONE]: 384,
};

const NAME_BYTES_MAX = 32;
const BODY_BYTES_MAX = 131_072; // what comes of work
const WHY_BYTES_MAX = 128; // why a move was refused, or work not done
const WORDS_BYTES_MAX = 255; // what happened in a move
const ACTION_BYTES_MAX = 64;
const ACTIONS_MAX = 255;
const VIEW_BYTES_MAX = 1024; // a byte, the actions with a byte before each, the table in words
const POINTS_MAX = 2 ** 31 - 1; // of a seat, won or lost
const REASONS = ["won", "draw", "resigned", "timed out", "abandoned"];

const HANDS_MAX = 1000; // hands that are kept

/** Throw it in `act` when a seat may not do what it wants. The message is for the player. */
export class Refused extends Error {}

/** What came is not of the protocol. The worker ends. */
export class BadFrame extends Error {}

/** One hand of a game: extend it, set `seats`, and write the methods. Seats count from 0. */
export class Game {
  static seats = 2;

  /** Begins a hand. All its chance is in these 32 bytes, see `Chance`; nobody at the table knows them. */
  constructor(_seed) {}

  /** The seats that may act now, of which the lowest is asked first. Empty exactly when the hand is over. */
  toAct() { throw new Error("write toAct()"); }

  /** A seat of `toAct` does this. Returns what everybody is told of it, or throws `Refused`. */
  act(_seat, _action) { throw new Error("write act()"); }

  /** The time of the seat that was asked is over. Returns what everybody is told; the hand must move on. */
  timeout() { throw new Error("write timeout()"); }

  /** A seat's player left, perhaps while others were to act. Returns what everybody is told. */
  abandon(_seat) { throw new Error("write abandon()"); }

  /** What a seat of `toAct` may do, as texts of 1 to 64 bytes. A bot takes any of them. */
  actions(_seat) { throw new Error("write actions()"); }

  /** The table in words, as far as this seat may see it; `null` is somebody who watches. */
  show(_viewer) { throw new Error("write show()"); }

  /** `null`, or at the end `{ scores, reason }`: points by seat, which sum to zero, and one of `REASONS`. */
  outcome() { throw new Error("write outcome()"); }

  /** Whether those who watch may be shown the table now. They see a hand from one such moment to the next. */
  betweenTricks() { return true; }
}

/** Numbers that a seed alone decides: the same on every machine, in every version, in JavaScript and in Python. */
export class Chance {
  #seed;
  #block = 0;
  #left = [];

  constructor(seed) {
    this.#seed = Buffer.from(seed);
  }

  /** A number from 0 to below the limit (at most 2 ** 32), each as likely as any other. */
  below(limit) {
    for (;;) {
      if (this.#left.length === 0) this.#draw();
      const number = this.#left.shift();
      if (number < 2 ** 32 - (2 ** 32 % limit)) return number % limit;
    }
  }

  /** One of them. */
  choose(things) {
    return things[this.below(things.length)];
  }

  /** Puts a list in another order, in place. */
  shuffle(things) {
    for (let at = things.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      [things[at], things[other]] = [things[other], things[at]];
    }
  }

  #draw() {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(this.#block++);
    const block = createHash("sha256").update(this.#seed).update(number).digest();
    for (let at = 0; at < 32; at += 4) this.#left.push(block.readUInt32BE(at));
  }
}

/** What this program can do, and the loop that does it. */
export class Worker {
  #name;
  #games = new Map();
  #works = new Map();
  #hands = new Map();

  constructor(name = "") {
    this.#name = name;
  }

  /** This class plays the game of that name. */
  game(name, game) {
    this.#games.set(name, game);
    return this;
  }

  /**
   * This function does that kind of work. It is given a job: `kind`, `key` (what it is about, or `null`: you may have kept
   * something of it, and so may others, see docs/workers.md), `body` (a Buffer) and `leftMs` (until nobody waits any more).
   * It returns its answer as text or bytes, or a promise of it: other requests are answered meanwhile.
   */
  work(kind, doWork) {
    this.#works.set(kind, doWork);
    return this;
  }

  /** Answers until the host ends the stream. */
  run(host = descriptor0()) {
    const reader = new Reader();
    host.on("data", (chunk) => {
      for (const [opcode, fields] of reader.push(chunk)) {
        this.answer(opcode, fields).then((answer) => host.write(answer));
      }
    });
    host.on("error", () => host.destroy()); // the host is gone: "close" comes next
    host.on("close", () => process.exit(0));
    host.write(frames(WORKER_HELLO, { version: VERSION, name: cut(this.#name, NAME_BYTES_MAX) }));
  }

  /** What is answered to a message, as frames. */
  async answer(opcode, fields) {
    if (opcode === PING) return frames(PONG, {});
    if (opcode === PONG) return "";
    if (opcode === WORKER_DENIED) throw new Error(`the host will not have this worker: ${fields.why}`);
    if (opcode !== PLAY_HAND && opcode !== WORK) throw new BadFrame(`opcode ${opcode} is not for workers`);
    const id = fields.id;
    try {
      if (opcode === PLAY_HAND) return this.#played(id, fields.play);
      return frames(WORKED, { id, body: payload(await this.#worked(fields)) });
    } catch (error) { // whatever it was: this one request failed
      console.error(error);
      return frames(UNDONE, { id, why: { failed: cut(`${error}`, WHY_BYTES_MAX) } });
    }
  }

  #worked({ kind, key = null, body, left_ms: leftMs }) {
    const doWork = this.#works.get(kind);
    if (!doWork) throw new Error(`this worker does no ${kind}`);
    return doWork({ kind, key, body: Buffer.from(body), leftMs });
  }

  #played(id, play) {
    const { hand: name, moves, next = null } = play;
    const soFar = (moves) => JSON.stringify([play.game, play.seats, play.seed, moves]);
    const kept = this.#hands.get(name);
    this.#hands.delete(name);
    const hand = kept?.soFar === soFar(moves) ? kept.hand : this.#replay(play);
    const done = next === null ? [] : [next];
    let words = "";
    try {
      for (const deed of done) words = doDeed(hand, deed);
    } catch (error) {
      if (!(error instanceof Refused) || !next.act) throw error;
      this.#keep(name, { soFar: soFar(moves), hand });
      return frames(PLAY_REFUSED, { id, why: cut(error.message, WHY_BYTES_MAX) });
    }
    const answer = frames(HAND_PLAYED, { id, look: look(hand, words) });
    if (hand.toAct().length > 0) this.#keep(name, { soFar: soFar([...moves, ...done]), hand });
    return answer;
  }

  #replay(play) {
    const Played = this.#games.get(play.game);
    if (!Played) throw new Error(`this worker plays no ${play.game}`);
    if (Played.seats !== play.seats) {
      throw new Error(`${play.game} has ${Played.seats} seats, and the table ${play.seats}`);
    }
    const hand = new Played(Buffer.from(play.seed));
    play.moves.forEach((deed, index) => {
      try {
        doDeed(hand, deed);
      } catch (error) {
        if (error instanceof Refused) error = new Error(`move ${index + 1} is none by these rules: ${error.message}`);
        throw error;
      }
    });
    return hand;
  }

  #keep(name, kept) {
    this.#hands.set(name, kept);
    // The first is the one that was idle longest.
    if (this.#hands.size > HANDS_MAX) this.#hands.delete(this.#hands.keys().next().value);
  }
}

/** Moves a hand on, by `{ act: { seat: 0, action: "d3" } }`, `"timeout"` or `{ abandon: { seat: 0 } }`. */
export function doDeed(hand, deed) {
  if (deed === "timeout") return hand.timeout();
  if (deed.abandon) return hand.abandon(deed.abandon.seat);
  const { seat, action } = deed.act;
  if (!hand.toAct().includes(seat)) throw new Refused("it is not your turn");
  return hand.act(seat, action);
}

/** A hand as the host wants to know it. Throws where it is not as hands are. */
export function look(hand, words) {
  const seats = [...Array(hand.constructor.seats).keys()];
  const toAct = [...hand.toAct()].sort((one, other) => one - other);
  const end = hand.outcome(), betweenTricks = hand.betweenTricks();
  if (!toAct.every((seat) => isWhole(seat, 0, seats.length - 1))) {
    throw new Error(`${toAct} are no seats: whole numbers from 0 to ${seats.length - 1}`);
  }
  if (typeof betweenTricks !== "boolean") throw new Error(`betweenTricks is ${betweenTricks}, and may be true or false`);
  if ((toAct.length > 0) === Boolean(end)) throw new Error("somebody is to act exactly as long as there is no outcome");
  if (end && !isOutcome(end, seats.length)) {
    throw new Error(`${JSON.stringify(end)} is no outcome: whole points for each seat, in all 0, and one of ${REASONS}`);
  }
  const views = seats.map((seat) => sight(toAct.includes(seat) ? hand.actions(seat) : [], hand.show(seat)));
  return {
    words: cut(words ?? "", WORDS_BYTES_MAX),
    to_act: toAct,
    views: [...views, sight([], hand.show(null))],
    between_tricks: betweenTricks,
    end: end && { scores: [...end.scores], reason: end.reason },
  };
}

function isOutcome({ scores, reason }, seats) {
  const arePoints = scores.length === seats && [...scores].every((score) => isWhole(score, -POINTS_MAX, POINTS_MAX));
  return arePoints && scores.reduce((one, other) => one + other, 0) === 0 && REASONS.includes(reason);
}

function isWhole(number, least, most) {
  return Number.isInteger(number) && least <= number && number <= most;
}

/** What one viewer may do and see. */
export function sight(actions, shown) {
  if (![...actions, shown].every((text) => typeof text === "string")) {
    throw new Error("actions, and the table in words, are texts");
  }
  const lengths = actions.map((action) => Buffer.byteLength(action));
  if (actions.length > ACTIONS_MAX || lengths.some((length) => length < 1 || length > ACTION_BYTES_MAX)) {
    throw new Error(`at most ${ACTIONS_MAX} actions, each of 1 to ${ACTION_BYTES_MAX} bytes`);
  }
  const viewBytes = lengths.reduce((sum, length) => sum + 1 + length, 1) + Buffer.byteLength(shown);
  if (viewBytes > VIEW_BYTES_MAX) throw new Error(`a view has ${viewBytes} bytes, and may have ${VIEW_BYTES_MAX}`);
  return { actions, shown };
}

/** The beginning of a text, without control characters but the ends of lines. */
export function cut(text, bytesMax) {
  const bytes = Buffer.from(text.replace(/[^\P{Cc}\n]/gu, " "));
  let end = Math.min(bytesMax, bytes.length);
  while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--; // not within a character
  return bytes.toString("utf8", 0, end);
}

/** Text or bytes as JSON has them: a text if they are one, else a list of numbers. Throws at others. */
export function payload(body) {
  if (typeof body !== "string" && !(body instanceof Uint8Array)) throw new Error("an answer is text or bytes");
  const bytes = Buffer.byteLength(body);
  if (bytes > BODY_BYTES_MAX) throw new Error(`an answer has ${bytes} bytes, and may have ${BODY_BYTES_MAX}`);
  if (typeof body === "string") return body;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return [...body];
  }
}

/** A message as whole frames. */
export function frames(opcode, fields) {
  const body = Buffer.from(JSON.stringify(fields, wellFormed));
  if (body.length > (ANSWER_BYTES_MAX[opcode] ?? MESSAGE_BYTES_MAX)) {
    throw new Error(`an answer of ${body.length} bytes is too long`);
  }
  const parts = [];
  for (let at = 0; at < body.length; at += PART_BYTES_MAX) {
    const isContinued = at + PART_BYTES_MAX < body.length;
    parts.push(frame(opcode, isContinued ? JSON_BODY | CONTINUED : JSON_BODY, body.subarray(at, at + PART_BYTES_MAX)));
  }
  return Buffer.concat(parts);
}

/** A text with half a character in it has no UTF-8. */
function wellFormed(_name, value) {
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) throw new Error("a text has half a character in it");
  return value;
}

function frame(opcode, flags, part) {
  const head = Buffer.alloc(5);
  head.writeUInt16BE(3 + part.length, 0);
  head.writeUInt16BE(opcode, 2);
  head[4] = flags;
  return Buffer.concat([head, part]);
}

/** Makes messages of a stream that arrives in any pieces. */
export class Reader {
  #rest = Buffer.alloc(0);
  #opcode = null;
  #body = [];
  #bodyBytes = 0;

  /** The messages that are complete with this chunk, each as its opcode and its fields. */
  *push(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 2) {
      const end = 2 + this.#rest.readUInt16BE(0);
      if (this.#rest.length < end) return;
      const packet = this.#rest.subarray(2, end);
      this.#rest = this.#rest.subarray(end);
      const message = this.#take(packet);
      if (message) yield message;
    }
  }

  #take(packet) {
    if (packet.length < 3) throw new BadFrame("a frame is shorter than opcode and flags");
    const opcode = packet.readUInt16BE(0), flags = packet[2];
    if ((flags & ~CONTINUED) !== JSON_BODY) {
      throw new BadFrame(`flags ${flags}: this file speaks JSON, so the group needs \`format = "json"\``);
    }
    if (this.#opcode !== null && this.#opcode !== opcode) {
      throw new BadFrame("another message within one that is not complete");
    }
    this.#opcode = opcode;
    this.#body.push(packet.subarray(3));
    this.#bodyBytes += packet.length - 3;
    if (this.#bodyBytes > MESSAGE_BYTES_MAX) throw new BadFrame("a message is longer than any may be");
    if (flags & CONTINUED) return null;
    const body = Buffer.concat(this.#body);
    [this.#opcode, this.#body, this.#bodyBytes] = [null, [], 0];
    return [opcode, fieldsOf(body)];
  }
}

function fieldsOf(body) {
  let fields;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw new BadFrame(`a body is not JSON: ${error.message}`);
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new BadFrame("a body is no JSON object");
  }
  return fields;
}

/** The host's socket. */
function descriptor0() {
  if (!fstatSync(0).isSocket()) {
    console.error("this is a worker: a room server or usher-workers starts it, see docs/workers.md");
    process.exit(1);
  }
  return new Socket({ fd: 0, readable: true, writable: true });
}

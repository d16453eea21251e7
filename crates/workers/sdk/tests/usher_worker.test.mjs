/** What usher_worker.mjs reads, says and keeps: `node --test crates/workers/sdk/tests`, without a host. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BadFrame, Chance, Game, Reader, Refused, Worker, cut, frames, look, payload } from "../usher_worker.mjs";

const PING = 0x0001, PONG = 0x0002;
const WORKER_HELLO = 0x3001, WORKER_DENIED = 0x3002, PLAY_HAND = 0x3003, WORK = 0x3006, WORKED = 0x3007, UNDONE = 0x3008;

const vectorsFile = new URL("../../../proto/vectors/worker.json", import.meta.url);
const VECTORS = JSON.parse(readFileSync(vectorsFile, "utf8")).frames;
const SEED = Buffer.from([...Array(32).keys()]);

/** Who says ten first has won: an action is a number, added up. Counts what it is asked to do. */
class Count extends Game {
  static begun = 0;
  static acted = 0;
  sum = 0;
  turn = 0;
  end = null;

  constructor(seed) {
    super(seed);
    Count.begun++;
  }

  toAct() {
    return this.end ? [] : [this.turn % 2];
  }

  act(seat, action) {
    Count.acted++;
    if (action === "0") throw new Refused("add something");
    this.sum += Number(BigInt(action)); // another exception, if it is no number
    this.turn++;
    if (this.sum >= 10) this.end = { scores: seat === 0 ? [1, -1] : [-1, 1], reason: "won" };
    return `${this.sum}`;
  }

  timeout() {
    throw new Refused("who is late is not refused");
  }

  abandon(seat) {
    this.end = { scores: seat === 0 ? [-1, 1] : [1, -1], reason: "abandoned" };
    return "left";
  }

  actions(_seat) {
    return ["1", "2"];
  }

  show(_viewer) {
    return `sum ${this.sum}`;
  }

  outcome() {
    return this.end;
  }
}

const act = (turn, action) => ({ act: { seat: turn % 2, action } });

function play(moves, next = null, more = {}) {
  if (typeof next === "string" && next !== "timeout") next = act(moves.length, next);
  moves = moves.map((action, turn) => act(turn, action));
  return { game: "count", hand: "t/1", seats: 2, seed: [...SEED], moves, next, ...more };
}

const read = (bytes) => [...new Reader().push(bytes)];

async function quietly(does) {
  const { error } = console;
  let logged = 0;
  console.error = () => logged++;
  try {
    return [await does(), logged];
  } finally {
    console.error = error;
  }
}

/** A worker that plays `Count`, and how it is asked. */
function table() {
  Count.begun = Count.acted = 0;
  const worker = new Worker().game("count", Count);
  return async (play) => {
    const [answer, logged] = await quietly(() => worker.answer(PLAY_HAND, { id: 7, left_ms: 1000, play }));
    const [[opcode, fields]] = read(answer);
    assert.equal(fields.id, 7);
    assert.equal(opcode === UNDONE, logged === 1);
    return fields.look ?? fields.why;
  };
}

test("the vectors are read and written", () => {
  for (const { json, message } of VECTORS) {
    const frame = Buffer.from(json, "hex");
    const [[opcode, fields], ...more] = read(frame);
    assert.deepEqual([fields, more], [Object.values(message)[0], []]);
    assert.deepEqual(frames(opcode, fields), frame);
  }
});

test("a stream may be cut anywhere", () => {
  const stream = Buffer.from(VECTORS.map(({ json }) => json).join(""), "hex");
  const whole = read(stream);
  assert.equal(whole.length, VECTORS.length);
  for (let at = 0; at <= stream.length; at++) {
    const reader = new Reader();
    assert.deepEqual([...reader.push(stream.subarray(0, at)), ...reader.push(stream.subarray(at))], whole);
  }
  const reader = new Reader();
  assert.deepEqual([...stream].flatMap((byte) => [...reader.push(Buffer.from([byte]))]), whole);
});

test("a long message takes several frames", () => {
  const fields = { id: 1, body: "ü".repeat(100_000) };
  const parts = frames(WORKED, fields);
  assert.deepEqual(read(parts), [[WORKED, fields]]);
  const first = parts.subarray(0, 2 + parts.readUInt16BE(0));
  assert.deepEqual([first.length, first[4]], [2 + 65_535 - 16, 3]);
  assert.deepEqual(read(first), []);
  assert.throws(() => read(Buffer.concat([first, frames(PING, {})])), BadFrame);
});

test("what is not of the protocol is refused", async () => {
  const endless = Buffer.alloc(65_537 * 9, Buffer.concat([Buffer.from("ffff300603", "hex"), Buffer.alloc(65_532, " ")]));
  const texts = ["\0\0", "\0\x02\0\x01", "\0\x05\0\x01\x06{}", "\0\x03\0\x01\x02", "\0\x05\0\x01\x02[]", "\0\x07\0\x01\x02null",
    "\0\x06\0\x01\x02{}}", "\0\x05\0\x01\x02\xff\xff", "\0\x04\0\x01\0\x90"];
  for (const wrong of [...texts.map((text) => Buffer.from(text, "latin1")), endless]) {
    assert.throws(() => read(wrong), BadFrame, wrong.toString("hex", 0, 20));
  }
  await assert.rejects(new Worker().answer(0x0304, {}), BadFrame);
});

test("an answer that no host takes is not sent", () => {
  assert.throws(() => frames(WORKED, { id: 1, body: "x".repeat(300_000) }), /too long/);
  assert.throws(() => frames(WORKED, { id: 1, body: "\ud800" }), /half a character/);
});

test("bytes are text where they can be", () => {
  assert.equal(payload(Buffer.from("grüß")), "grüß");
  assert.equal(payload("text"), "text");
  assert.deepEqual(payload(Buffer.from([255, 0])), [255, 0]);
});

test("what is no answer to work is said before it is sent", () => {
  assert.equal(payload("ü".repeat(65_536)).length, 65_536);
  for (const wrong of [undefined, null, 5, [300], {}, "ü".repeat(65_537), Buffer.alloc(131_073)]) {
    assert.throws(() => payload(wrong), /an answer/);
  }
});

test("a text is cut between two characters", () => {
  assert.deepEqual([cut("grüß", 3), cut("grüß", 4), cut("a\x1b\nb\x9b", 9)], ["gr", "grü", "a \nb "]);
  const failed = cut('"'.repeat(200), 128);
  assert.deepEqual(read(frames(UNDONE, { id: Number.MAX_SAFE_INTEGER, why: { failed } }))[0][1].why, { failed });
});

test("what is no hand is said before it is sent", () => {
  for (const change of [
    { toAct: () => [] },
    { outcome: () => ({ scores: [1, -1], reason: "won" }) },
    { toAct: () => [], outcome: () => ({ scores: [1, 1], reason: "won" }) },
    { toAct: () => [], outcome: () => ({ scores: [0], reason: "won" }) },
    { toAct: () => [], outcome: () => ({ scores: [1, -1], reason: "by luck" }) },
    { toAct: () => ["0"] },
    { toAct: () => [null] },
    { toAct: () => [false] },
    { toAct: () => [0.5] },
    { toAct: () => [-1] },
    { toAct: () => [2] },
    { toAct: () => [], outcome: () => ({ scores: [0.5, -0.5], reason: "won" }) },
    { toAct: () => [], outcome: () => ({ scores: ["0", 0], reason: "won" }) },
    { toAct: () => [], outcome: () => ({ scores: [2 ** 31, -(2 ** 31)], reason: "won" }) },
    { betweenTricks: () => null },
    { betweenTricks: () => [] },
    { actions: () => [Buffer.from("1")] },
    { show: () => Buffer.from("sum 0") },
    { actions: () => [""] },
    { actions: () => ["x".repeat(65)] },
    { actions: () => Array(256).fill("x") },
    { show: (viewer) => (viewer === null ? "x".repeat(1024) : "") },
    { show: () => "ü".repeat(511) },
  ]) {
    assert.throws(() => look(Object.assign(new Count(SEED), change), ""), Error, JSON.stringify(Object.keys(change)));
  }
});

test("a view has the actions of those who may act", () => {
  const { views, to_act, end, between_tricks, words } = look(new Count(SEED), "w".repeat(300));
  assert.deepEqual(views.map(({ actions }) => actions), [["1", "2"], [], []]);
  assert.deepEqual([to_act, end, between_tricks, words.length], [[0], null, true, 255]);
});

test("one move is played at a time", async () => {
  const ask = table();
  assert.equal((await ask(play([]))).views[2].shown, "sum 0");
  assert.equal((await ask(play([], "4"))).words, "4");
  assert.deepEqual((await ask(play(["4"], "5"))).to_act, [0]);
  assert.deepEqual((await ask(play(["4", "5"], "1"))).end, { scores: [1, -1], reason: "won" });
  assert.deepEqual([Count.begun, Count.acted], [1, 3]);
});

test("another worker goes on with a hand", async () => {
  const ask = table();
  assert.equal((await ask(play(["4", "3"], "2"))).words, "9");
  assert.deepEqual([Count.begun, Count.acted], [1, 3]);
});

test("what is kept is used only for the same moves", async () => {
  const ask = table();
  await ask(play(["4"], "5"));
  assert.equal((await ask(play(["4"], "5"))).words, "9");
  assert.equal(Count.begun, 2, "it had come further");
  assert.equal((await ask(play(["4", "4"], "1"))).words, "9");
  assert.equal(Count.begun, 3, "as many moves, and others");
  await ask(play(["4", "4", "1"], { abandon: { seat: 0 } }, { seed: Array(32).fill(0) }));
  assert.equal(Count.begun, 4, "another seed");
});

test("a refused move leaves the hand as it was", async () => {
  const ask = table();
  await ask(play([], "4"));
  assert.equal(await ask(play(["4"], "0")), "add something");
  assert.equal(await ask(play(["4"], act(0, "1"))), "it is not your turn");
  assert.equal((await ask(play(["4"], "1"))).words, "5");
  assert.equal(Count.begun, 1);
});

test("a move that fails is played again from the beginning", async () => {
  const ask = table();
  await ask(play([], "4"));
  assert.match((await ask(play(["4"], "x"))).failed, /^SyntaxError/);
  assert.equal((await ask(play(["4"], "1"))).words, "5");
  assert.equal(Count.begun, 2);
});

test("what cannot be played has failed", async () => {
  const ask = table();
  for (const [wrong, why] of [
    [play([], null, { game: "chess" }), /plays no chess/],
    [play([], null, { seats: 3 }), /has 2 seats, and the table 3/],
    [play(["0"], "1"), /move 1 is none by these rules: add something/],
    [play([], "timeout"), /who is late is not refused/],
  ]) {
    assert.match((await ask(wrong)).failed, why);
  }
});

test("so many hands are kept and no more", async () => {
  const ask = table();
  for (let number = 0; number <= 1000; number++) await ask(play([], "1", { hand: `t/${number}` }));
  const { begun } = Count;
  await ask(play(["1"], "1", { hand: "t/1" }));
  assert.equal(Count.begun, begun);
  await ask(play(["1"], "1", { hand: "t/0" }));
  assert.equal(Count.begun, begun + 1, "the one that was idle longest is gone");
});

test("chances are the same everywhere", () => {
  const chance = new Chance(SEED), order = [...Array(8).keys()];
  assert.deepEqual(Array.from({ length: 10 }, () => chance.below(100)), [37, 27, 99, 62, 92, 55, 44, 60, 94, 52]);
  chance.shuffle(order);
  assert.deepEqual(order, [5, 4, 7, 3, 6, 1, 2, 0]);
  assert.deepEqual([chance.below(2 ** 32), chance.below(3 * 2 ** 30), chance.choose("abc")], [3385549364, 2541332307, "a"]);
});

const PROGRAM = `
import { Worker } from ${JSON.stringify(new URL("../usher_worker.mjs", import.meta.url).href)};
let release;
const released = new Promise((resolve) => { release = resolve; });
new Worker("test")
  .work("echo", (job) => job.body)
  .work("fails", async (job) => { throw new RangeError("no " + job.key); })
  .work("waits", () => released)
  .work("releases", () => { release("released"); return "releasing"; })
  .run();
setInterval(() => {}, 1000);
`;

/** A worker as its host sees it. */
class Host {
  #folder = mkdtempSync(join(tmpdir(), "usher-worker-"));
  #reader = new Reader();
  #heard = [];

  async start(t) {
    t.after(() => this.#stop());
    const server = createServer().listen(join(this.#folder, "socket"));
    await once(server, "listening");
    const theirs = createConnection(join(this.#folder, "socket"));
    [this.stream] = await once(server, "connection");
    server.close();
    this.stream.on("data", (chunk) => this.#heard.push(...this.#reader.push(chunk)));
    const command = ["--input-type=module", "--eval", PROGRAM];
    this.child = spawn(process.execPath, command, { stdio: [theirs, "ignore", "pipe"] });
    theirs.destroy();
    this.ended = once(this.child, "close");
    this.log = "";
    this.child.stderr.on("data", (text) => { this.log += text; });
    return this;
  }

  #stop() {
    this.child?.kill("SIGKILL");
    this.stream?.destroy();
    rmSync(this.#folder, { recursive: true });
  }

  async hear(count) {
    while (this.#heard.length < count) {
      await once(this.stream, "data");
    }
    return this.#heard.splice(0, count);
  }

  ask(id, kind, body = "", key = null) {
    this.stream.write(frames(WORK, { id, left_ms: 1000, kind, key, body }));
  }
}

const timeout = 30_000;

test("requests are answered and the end is an end", { timeout }, async (t) => {
  const host = await new Host().start(t);
  assert.deepEqual(await host.hear(1), [[WORKER_HELLO, { version: 1, name: "test" }]]);
  for (const body of ["text", [255, 0], "y".repeat(130_000)]) {
    host.ask(1, "echo", body);
    assert.deepEqual(await host.hear(1), [[WORKED, { id: 1, body }]]);
  }
  host.ask(2, "waits");
  host.stream.write(frames(PING, {}));
  assert.deepEqual(await host.hear(1), [[PONG, {}]]);
  host.ask(3, "releases");
  host.ask(4, "fails", "", "luck");
  host.ask(5, "nothing");
  const answers = (await host.hear(4)).sort(([, one], [, other]) => one.id - other.id);
  assert.deepEqual(answers, [
    [WORKED, { id: 2, body: "released" }],
    [WORKED, { id: 3, body: "releasing" }],
    [UNDONE, { id: 4, why: { failed: "RangeError: no luck" } }],
    [UNDONE, { id: 5, why: { failed: "Error: this worker does no nothing" } }],
  ]);
  host.stream.end();
  assert.deepEqual(await host.ended, [0, null]);
  assert.match(host.log, /RangeError: no luck/);
});

test("a host that is gone is an end", { timeout }, async (t) => {
  const host = await new Host().start(t);
  host.stream.destroy();
  assert.deepEqual(await host.ended, [0, null]);
});

test("a host that will not have it is a failure", { timeout }, async (t) => {
  const host = await new Host().start(t);
  host.stream.write(frames(WORKER_DENIED, { why: "version 1 is not spoken here" }));
  assert.deepEqual(await host.ended, [1, null]);
  assert.match(host.log, /version 1 is not spoken here/);
});

test("it says what it is to whoever starts it by hand", { timeout }, async (t) => {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", PROGRAM], { stdio: ["ignore", "ignore", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let log = "";
  child.stderr.on("data", (text) => { log += text; });
  assert.deepEqual(await once(child, "close"), [1, null]);
  assert.match(log, /docs\/workers\.md/);
});

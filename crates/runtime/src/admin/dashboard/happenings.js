// What happened, as differences of what two views count: who sent whom where, who came and went, what went
// wrong.
//
// What goes on is one line that counts up, not a line a second. A reader of screens is told a summary now and
// then.

import { List, counted, element, number, put, putFigure, time } from "./shown.js";

const LINES_MAX = 12;
/** A line goes on counting until there was nothing for so long. */
const PAUSE_MS = 5_000;
const ANNOUNCE_MS = 10_000;

const pair = ({ from, to }) => `${from}\n${to}`;
const clients = (count) => counted(count, "player");
/** Counts that are shown, what each is called, and how its growth is said; without that it is not an event. */
const COUNTS = [
  ["evictions", "older logins evicted", (n) => `${counted(n, "older login")} evicted by a newer one`],
  ["revocations", "logins ended by an operator", (n) => `${counted(n, "login")} ended by an operator`],
  [
    "redirects_nobody",
    "told to wait: nobody had a place",
    (n) => `${clients(n)} told to wait: nobody had a place`,
  ],
  [
    "claims_denied",
    "sent back to the room they sit in",
    (n) => `${clients(n)} sent back to the room they sit in`,
  ],
  ["claims_superseded", "refused for a newer login", (n) => `${clients(n)} refused for a newer login`],
  [
    "claims_full",
    "refused: too many accounts",
    (n) => `${clients(n)} refused: the manager can keep no more accounts`,
  ],
  ["leases_ended", "servers that went silent", null],
  ["registrations_denied", "servers not taken", (n) => `${counted(n, "server")} not taken into the cluster`],
  ["unexpected", "links closed for what they said", (n) => `${counted(n, "link")} closed for what it said`],
  ["time_jumps", "times the manager stood still", (n) => `the manager stood still ${counted(n, "time")}`],
];

const STATES = {
  up: "is up",
  joining: "is joining",
  draining: "is being drained",
  suspect: "is suspect: its link is down",
};

/** A list of lines, the newest first. */
class Feed {
  constructor(root) {
    Object.assign(this, {
      root,
      lines: [],
      serial: 0,
      list: new List(root, ({ key }) => key, newLine, showLine),
    });
  }

  /** `say` makes a sentence of how many; lines of one topic that follow each other are one line. */
  add(topic, count, unixMs, say) {
    let line = this.lines.find((known) => known.topic === topic && unixMs - known.untilMs <= PAUSE_MS);
    if (!line) {
      line = { topic, say, count: 0, sinceMs: unixMs, key: (this.serial += 1) };
      this.lines.unshift(line);
      this.lines.length = Math.min(this.lines.length, LINES_MAX);
    }
    Object.assign(line, { count: line.count + count, untilMs: unixMs });
    return line.say(count);
  }

  show(unixMs) {
    if (!this.lines.length) return;
    this.root.querySelector(".note")?.remove();
    this.list.show(this.lines.map((line) => ({ ...line, unixMs })));
  }
}

function newLine() {
  const shown = { time: element("time"), text: element("span") };
  return { ...shown, root: element("li", "", shown.time, " ", shown.text) };
}

function showLine(shown, { say, count, sinceMs, untilMs, unixMs }) {
  put(shown.time, time(sinceMs));
  put(shown.text, say(count));
  shown.root.classList.toggle("goes-on", count > 0 && unixMs - untilMs <= PAUSE_MS);
}

const redirects = new Feed(document.getElementById("redirects"));
const happened = new Feed(document.getElementById("happened"));
const announced = document.getElementById("announced");
const flowRows = new List(document.getElementById("flows"), pair, newFlow, showFlow);
let before = null;
let untold = [];
let sent = 0;
let announceAt = 0;

export function show(view) {
  for (const [name] of COUNTS) putFigure(name, number(view[name]));
  for (const name of ["redirects_login", "redirects_hall", "redirects_room", "redirects_unpaired"])
    putFigure(name, number(view[name]));
  flowRows.show([...view.flows].sort((one, other) => other.redirects - one.redirects));
  if (before && view.unix_ms > before.unix_ms) compare(before, view);
  before = view;
  redirects.show(view.unix_ms);
  happened.show(view.unix_ms);
  announce(view.unix_ms);
}

function compare(then, now) {
  if (now.registrations < then.registrations || now.claims_granted < then.claims_granted) {
    tell("manager", 0, now.unix_ms, () => "the manager has started anew");
    return;
  }
  const sentThen = new Map(then.flows.map((flow) => [pair(flow), flow.redirects]));
  for (const flow of now.flows) {
    const more = flow.redirects - (sentThen.get(pair(flow)) ?? 0);
    if (more <= 0) continue;
    sent += more;
    redirects.add(
      pair(flow),
      more,
      now.unix_ms,
      (count) => `${flow.from} sent ${clients(count)} to ${flow.to}`,
    );
  }
  for (const [name, , say] of COUNTS) {
    if (say && now[name] > then[name]) tell(name, now[name] - then[name], now.unix_ms, say);
  }
  compareServers(then, now);
}

function compareServers(then, now) {
  const known = new Map(then.servers.map((server) => [server.name, server]));
  for (const { name, state } of now.servers) {
    const was = known.get(name);
    known.delete(name);
    if (was?.state !== state) {
      const word = was ? (STATES[state] ?? state) : `has come, and ${STATES[state] ?? state}`;
      tell(`${name} ${state}`, 0, now.unix_ms, () => `${name} ${word}`);
    }
  }
  for (const name of known.keys()) tell(`${name} gone`, 0, now.unix_ms, () => `${name} is gone`);
}

function tell(topic, count, unixMs, say) {
  untold.push(happened.add(topic, count, unixMs, say));
}

/** One sentence or two, now and then. */
function announce(unixMs) {
  if (unixMs < announceAt || (!untold.length && !sent)) return;
  announceAt = unixMs + ANNOUNCE_MS;
  if (sent) untold.push(`${clients(sent)} redirected`);
  put(announced, `${untold.slice(-4).join(". ")}.`);
  untold = [];
  sent = 0;
}

function newFlow(flow) {
  const head = element("th", "", flow.from);
  const count = element("td", "number");
  head.scope = "row";
  return { count, root: element("tr", "", head, element("td", "", flow.to), count) };
}

function showFlow(row, { redirects: count }) {
  put(row.count, number(count));
}

for (const [name, called] of COUNTS) {
  const count = element("dd", "", "–");
  count.dataset.figure = name;
  document.getElementById("counts").append(element("div", "", element("dt", "", called), count));
}

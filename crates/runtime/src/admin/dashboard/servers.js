// Servers by kind: state, load, what they cost, and the way to empty them.

import { ask } from "./drain.js";
import { List, attribute, counted, element, kib, number, put, putFigure } from "./shown.js";

const KINDS = {
  manager: "Manager",
  login: "Logins",
  gateway: "Gateways",
  hall: "Halls",
  room: "Room servers",
};
/** A state is told by sign and word, and only then by colour. */
const SIGNS = { up: "●", joining: "◔", draining: "◑", suspect: "▲", gone: "✕" };
/** CPU time is spent in bursts and reported once a second: shown is the mean over so long. */
const CPU_MS = 8_000;

const root = document.getElementById("servers");
const kinds = new List(root, ({ kind }) => kind, newKind, showKind);
const spent = new Map();

export function show(view) {
  const byKind = Map.groupBy(view.servers, ({ kind }) => kind);
  const order = Object.keys(KINDS);
  const present = [...byKind.keys()].sort((one, other) => order.indexOf(one) - order.indexOf(other));
  if (present.length) root.querySelector(":scope > .note")?.remove();
  const asked = view.servers.filter(isAsked);
  const severalWorlds = new Set(asked.map(({ world }) => world)).size > 1;
  kinds.show(present.map((kind) => ({ kind, servers: byKind.get(kind), view, severalWorlds })));
  putFigure("servers_up", number(asked.filter(({ state }) => state === "up").length));
  putFigure("servers_all", number(asked.length));
  for (const name of spent.keys())
    if (!view.servers.some((server) => server.name === name)) spent.delete(name);
}

/** The manager answers for the others. */
const isAsked = ({ kind }) => kind !== "manager";

function newKind({ kind }) {
  const title = element("h3", "", KINDS[kind] ?? kind);
  const sum = element("p", "note");
  const list = element("ul", "servers");
  const rows = new List(list, ({ server }) => server.name, newRow, showRow);
  return { root: element("section", "kind", element("div", "heading", title, sum), list), sum, rows };
}

function showKind(section, { servers, view, severalWorlds }) {
  const sum = (field) => servers.reduce((all, server) => all + server[field], 0);
  const taken = `${number(sum("serving"))} of ${number(sum("serve_max"))} places taken`;
  put(section.sum, `${counted(servers.length, "server")}, ${taken}`);
  const ordered = [...servers].sort((one, other) => one.world - other.world);
  section.rows.show(ordered.map((server) => ({ server, view, severalWorlds })));
}

function newRow({ server: { name, kind } }) {
  const field = (what, className = "") => {
    const made = element("span", className, "–");
    made.dataset.field = what;
    return made;
  };
  const row = {
    name: element("h4", "", name),
    world: element("small"),
    address: field("address", "address"),
    sign: element("span", "sign"),
    state: field("state"),
    serving: field("serving"),
    serveMax: field("serve_max"),
    reserved: field("reserved"),
    connections: field("connections"),
    cpu: element("span"),
    memory: element("span"),
    taken: element("i", "taken"),
    kept: element("i", "kept"),
  };
  row.name.tabIndex = -1;
  row.sign.ariaHidden = "true";
  row.badge = element("p", "state", row.sign, " ", row.state);
  row.meter = element("div", "meter", row.taken, row.kept);
  row.meter.role = "meter";
  row.meter.ariaLabel = `Load of ${name}`;
  row.meter.ariaValueMin = "0";
  const load = element(
    "div",
    "load",
    row.meter,
    element("p", "note", row.serving, " of ", row.serveMax, ", ", row.reserved, " kept"),
  );
  const cost = element(
    "dl",
    "cost",
    element("div", "", element("dt", "", "connections"), element("dd", "", row.connections)),
    element("div", "", element("dt", "", "CPU"), element("dd", "", row.cpu)),
    element("div", "", element("dt", "", "memory"), element("dd", "", row.memory)),
  );
  row.root = element(
    "li",
    "server",
    element("div", "who", row.name, row.world, row.address),
    row.badge,
    load,
    cost,
  );
  row.root.dataset.server = name;
  if (kind !== "manager") {
    row.button = element("button", "drain", "Drain");
    row.button.type = "button";
    row.button.addEventListener("click", () => ask(row.server, row.view, row));
    row.root.append(row.button);
  }
  return row;
}

function showRow(row, { server, view, severalWorlds }) {
  Object.assign(row, { server, view });
  put(row.world, severalWorlds && isAsked(server) ? `world ${server.world}` : "");
  put(row.address, server.through ? `${server.address} by ${server.through}` : server.address);
  put(row.sign, SIGNS[server.state] ?? "?");
  put(row.state, server.state);
  attribute(row.root, "data-state", server.state);
  put(row.serving, number(server.serving));
  put(row.serveMax, number(server.serve_max));
  put(row.reserved, number(server.reserved));
  put(row.connections, number(server.connections));
  put(row.cpu, cpu(server, view.unix_ms));
  put(row.memory, kib(server.rss_kib));
  showLoad(row, server);
  if (row.button) showButton(row, server);
}

function showLoad({ meter, taken, kept }, { serving, serve_max, reserved }) {
  const share = (places) => `${Math.min(100, (100 * places) / Math.max(1, serve_max))}%`;
  taken.style.width = share(serving);
  kept.style.width = share(reserved);
  attribute(meter, "aria-valuemax", serve_max);
  attribute(meter, "aria-valuenow", Math.min(serving, serve_max));
  attribute(
    meter,
    "aria-valuetext",
    `${number(serving)} of ${number(serve_max)} places taken, ${number(reserved)} kept`,
  );
}

function showButton(row, { name, state }) {
  const isDraining = state === "draining" || Boolean(row.asked);
  if (row.button.disabled !== isDraining) {
    if (document.activeElement === row.button) row.name.focus(); // a disabled button would drop the focus
    row.button.disabled = isDraining;
  }
  put(row.button, isDraining ? "Draining" : "Drain");
  attribute(row.button, "aria-label", isDraining ? `Draining ${name}` : `Drain ${name}`);
}

/** In percent of a core, from what was reported lately. */
function cpu({ name, cpu_ms }, unixMs) {
  const reports = spent.get(name) ?? [];
  const last = reports.at(-1);
  if (last && cpu_ms < last.cpu_ms) reports.length = 0; // another process of that name
  if (!last || last.unixMs < unixMs) reports.push({ unixMs, cpu_ms });
  while (reports.length > 2 && unixMs - reports[1].unixMs >= CPU_MS) reports.shift();
  spent.set(name, reports);
  const since = unixMs - reports[0].unixMs;
  return since > 0 ? `${((100 * (cpu_ms - reports[0].cpu_ms)) / since).toFixed(1)} %` : "–";
}

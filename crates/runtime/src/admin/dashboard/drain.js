// Asks twice before a server is emptied, and for the token where the manager wants one.

import { counted, number, put } from "./shown.js";

const dialog = document.getElementById("drain");
const part = (name) => document.getElementById(`drain-${name}`);
const [title, text, warning, failure] = ["title", "text", "warning", "error"].map(part);
const [confirm, field, input] = ["confirm", "token-field", "token"].map(part);
const WHAT = {
  login: () => "Nobody new is let in, and who is there finishes. Then the process ends.",
  hall: () => "Nobody new is let in, and who is there finishes. Then the process ends.",
  gateway: ({ serving }) =>
    `Nobody is sent through it any more. ${counted(serving, "connection")} will be closed, and who had them comes ` +
    "back another way. When it is empty, the process ends.",
  room: ({ serving }) =>
    `Nobody new is let in. ${counted(serving, "player")} will end the hands that are being played and be shown ` +
    "to another server's room of the same game. When it is empty, the process ends.",
};

let asked = null;
let token = "";

/** Opens the question. `row.asked` is set from a yes until the cluster shows it. */
export function ask(server, view, row) {
  asked = { server, row };
  put(title, `Drain ${server.name}?`);
  put(text, (WHAT[server.kind] ?? WHAT.login)(server));
  put(confirm, `Drain ${server.name}`);
  confirm.disabled = false;
  failure.hidden = true;
  const last = lastOfItsKind(server, view);
  warning.hidden = !last;
  put(warning, last ?? "");
  dialog.showModal();
}

/** What breaks when nobody else can take over. */
function lastOfItsKind({ name, kind, world, serving }, { servers }) {
  const others = servers.filter(
    (it) => it.kind === kind && it.world === world && it.name !== name && it.state === "up",
  );
  if (!others.length && kind === "gateway")
    return "No other gateway is up: clients will be sent to the servers themselves.";
  if (!others.length)
    return `No other ${kind === "room" ? "room server" : kind} is up: until one is, nobody gets past here.`;
  const places = others.reduce(
    (all, { serve_max, serving: taken }) => all + Math.max(0, serve_max - taken),
    0,
  );
  return kind === "room" && places < serving
    ? `The others have ${counted(places, "place")} for ${number(serving)}: whoever finds none is closed.`
    : null;
}

async function drain() {
  const { server, row } = asked;
  if (!field.hidden) token = input.value.trim();
  confirm.disabled = true;
  failure.hidden = true;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(`/api/drain/${encodeURIComponent(server.name)}`, {
    method: "POST",
    headers,
  }).catch(() => null);
  confirm.disabled = false;
  if (answer?.ok) {
    row.asked = true;
    setTimeout(() => (row.asked = false), 5_000); // by then the cluster shows it, or the order was lost
    put(row.button, "Draining");
    dialog.close();
    row.name.focus();
    row.button.disabled = true;
    return;
  }
  if (answer?.status === 401) {
    fail(token ? "This is not the token." : "The manager wants to see its token.");
    token = "";
    field.hidden = false;
    input.focus();
    return;
  }
  fail(answer ? `The manager says: ${(await answer.text()).trim()}` : "The manager does not answer.");
  confirm.focus();
}

function fail(why) {
  put(failure, why);
  failure.hidden = false;
}

confirm.addEventListener("click", drain);
input.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  drain();
});
dialog.addEventListener("close", () => {
  input.value = "";
});

// How things are shown: numbers, times, elements. Text becomes text and never markup.

const SVG = "http://www.w3.org/2000/svg";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const number = (value) => whole.format(value);
/** A rate: small ones with a decimal. */
export const rate = (value) => (value < 10 ? tenth : whole).format(value);
export const time = (unixMs) => clock.format(unixMs);
export const kib = (value) =>
  value < 10240
    ? `${tenth.format(value / 1024)} MiB`
    : value < 10485760
      ? `${whole.format(value / 1024)} MiB`
      : `${tenth.format(value / 1048576)} GiB`;
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** A new element with a class and children: strings, or elements. */
export function element(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A new element of a drawing. */
export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Replaces a text if it is another: what has not changed is not laid out, nor read out, again. */
export function put(place, text) {
  if (place.textContent !== String(text)) place.textContent = text;
}

export function attribute(place, name, value) {
  if (place.getAttribute(name) !== String(value)) place.setAttribute(name, value);
}

/** Every place that shows this number. */
export function putFigure(name, text) {
  for (const place of document.querySelectorAll(`[data-figure="${name}"]`)) put(place, text);
}

/** A list on the page: what stands for an item stays as long as the item is there. */
export class List {
  /** `make` builds what stands for an item, with its element as `root`; `update` fills it. */
  constructor(root, keyOf, make, update) {
    Object.assign(this, { root, keyOf, make, update, kept: new Map() });
  }

  /** Shows these items, in their order. */
  show(items) {
    const { root, kept } = this;
    const seen = new Set();
    let place = null;
    for (const item of items) {
      const key = this.keyOf(item);
      seen.add(key);
      let child = kept.get(key);
      if (!child) kept.set(key, (child = this.make(item)));
      this.update(child, item);
      const next = place ? place.nextSibling : root.firstChild;
      if (child.root !== next) root.insertBefore(child.root, next);
      place = child.root;
    }
    for (const [key, child] of kept) {
      if (seen.has(key)) continue;
      child.root.remove();
      kept.delete(key);
    }
  }
}

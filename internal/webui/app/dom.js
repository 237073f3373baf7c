// The only place where nodes are made. Text becomes text, never markup.

/** @typedef {Node|string|null|undefined|false} Child */

/**
 * h makes an element. Properties that begin with "on" are listeners; "class", "for",
 * "aria-…", "data-…" and "role" are attributes, the rest are properties.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>|null} [props]
 * @param {...(Child|Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (k === "class" || k === "for" || k === "role" || k === "dir" || k === "inputmode" || k.includes("-")) e.setAttribute(k, v === true ? "" : String(v));
    else /** @type {any} */ (e)[k] = v;
  }
  append(e, children);
  return e;
}

/** @param {Node} e @param {(Child|Child[])[]} children */
export function append(e, children) {
  for (const c of children.flat()) if (c || c === "") e.appendChild(typeof c === "string" ? document.createTextNode(c) : c);
}

/** @param {Element} e @param {...(Child|Child[])} children */
export function fillWith(e, ...children) {
  e.replaceChildren();
  append(e, children);
}

const NS = "http://www.w3.org/2000/svg";

/** Outlines of 24 by 24. @type {Record<string, string>} */
const paths = {
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18",
  box: "M4 8l8-4l8 4v8l-8 4l-8-4zM4 8l8 4l8-4M12 12v8",
  check: "M5 12.5l4.5 4.5L19 7.5",
  checks: "M2 12.5l4.5 4.5L16 7.5M11 16l1 1L22 7.5",
  send: "M4 12L20 4l-5 16l-3.5-6.5z",
  clip: "M19 11l-7.5 7.5a4.5 4.5 0 0 1-6.4-6.4L13 4.300a3 3 0 0 1 4.300 4.300L9.800 16.100a1.500 1.500 0 0 1-2.100-2.100L14.500 7",
  plus: "M12 5v14M5 12h14",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  back: "M15 5l-7 7l7 7",
  next: "M9 5l7 7l-7 7",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14M16 16l4.500 4.500",
  shield: "M12 3l7 3v5c0 5-3 8.500-7 10c-4-1.500-7-5-7-10V6zM9 12l2 2l4-4",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  down: "M12 5v13M6 12l6 6l6-6",
  mic: "M12 4a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V7a3 3 0 0 0-3-3M6 11.500a6 6 0 0 0 12 0M12 18v3",
  play: "M8 5.500l10 6.500l-10 6.500z",
  pause: "M9 6v12M15 6v12",
  fetch: "M12 4v11M7 11l5 5l5-5M5 20h14",
  gear: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
};

/** @param {string} name @param {string} [label] */
export function icon(name, label) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
    const t = document.createElementNS(NS, "title");
    t.textContent = label;
    svg.append(t);
  } else svg.setAttribute("aria-hidden", "true");
  const p = document.createElementNS(NS, "path");
  p.setAttribute("d", paths[name]);
  svg.append(p);
  return svg;
}

/** @param {string} name @param {string} label @param {(e: Event) => void} onclick @param {Record<string, any>} [props] */
export const iconButton = (name, label, onclick, props) =>
  h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...props }, icon(name));

/** A name, apart from the direction of what is around it. @param {string} name @param {string} [cls] */
export const nameOf = (name, cls) => h("bdi", { class: cls, title: name }, name);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** @param {number} ms */ export const timeOf = (ms) => clock.format(ms);
/** @param {number} ms */ export const exactTime = (ms) => exact.format(ms);
/** @param {number} ms */ export const dayKey = (ms) => new Date(ms).toDateString();
/** @param {number} ms @param {Record<string, string>} say */
export function dayOf(ms, say) {
  if (dayKey(ms) === dayKey(Date.now())) return say.today;
  if (dayKey(ms) === dayKey(Date.now() - 864e5)) return say.yesterday;
  return day.format(ms);
}
/** @param {number} ms */
export const whenShort = (ms) => (dayKey(ms) === dayKey(Date.now()) ? clock.format(ms) : short.format(ms));

/** @param {number} n */
export function bytesOf(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 ? n : n.toFixed(1)} ${units[i]}`;
}

/** A time that something takes. @param {number} s seconds */
export const clockOf = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s) % 60).padStart(2, "0")}`;

/** Says something to people who do not see the page. @param {string} text */
export function announce(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

/**
 * dialog shows something above the page until it is closed.
 * @param {string} label @param {string} cls @param {...(Child|Child[])} children
 */
export function dialog(label, cls, ...children) {
  const d = h("dialog", { class: cls, "aria-label": label }, ...children);
  d.addEventListener("close", () => d.remove());
  d.addEventListener("click", (e) => e.target === d && d.close());
  document.body.append(d);
  d.showModal();
  return d;
}

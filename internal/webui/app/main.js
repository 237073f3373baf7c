// The page: lets the browser in, finds out how the node stands, shows conversations,
// and follows what happens by one stream.

import { call, launch, plain, Refused, watch, whenOut } from "./api.js";
import { Compose } from "./compose.js";
import { announce, fillWith, h, icon, iconButton, nameOf, whenShort } from "./dom.js";
import { menu, view } from "./menu.js";
import { briefly, standing } from "./message.js";
import { about, newContact } from "./people.js";
import { applyTheme, chime, settings, wants } from "./settings.js";
import { fill, say } from "./strings.js";
import { Timeline } from "./timeline.js";
import { firstRun, locked, nobodyPicked, notLetIn, starting } from "./welcome.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));

applyTheme();

/** What is known of everybody. */
const state = {
  /** @type {any[]} */ conversations: [],
  seq: 0,
  /** @type {{contact: any, timeline: Timeline, compose: Compose}|null} */ open: null,
  up: true,
};

const list = h("ul", { class: "list", "aria-label": say.title });
const pane = h("main", { class: "pane" });
const footer = h("footer", { class: "status" });
const found = h("ul", { class: "list found-list", hidden: true, "aria-label": say.search });
const search = h("input", { type: "search", placeholder: say.search, "aria-label": say.search, dir: "auto", oninput: () => find(), onkeydown: (/** @type {KeyboardEvent} */ e) => {
  if (e.key === "Escape") {
    search.value = "";
    find();
  }
} });

begin();

/** Goes through the door, and on to whatever the node is ready for. */
async function begin() {
  whenOut(() => notLetIn(root));
  const token = location.hash.slice(1);
  if (token) {
    history.replaceState(null, "", "/");
    await launch(token);
  }
  setUp();
}

/** @param {string} [was] the state that was shown last */
async function setUp(was) {
  /** @type {any} */ let now;
  try {
    now = await plain("/setup");
  } catch (err) {
    if (/** @type {Refused} */ (err).status === 401) return notLetIn(root);
    starting(root);
    setTimeout(setUp, 1000);
    return;
  }
  switch (now.state) {
    case "running":
      return run();
    case "new":
      return firstRun(root, () => setUp());
    case "locked":
      return locked(root, now.wrong || "", () => setUp());
  }
  if (was !== now.state) starting(root);
  setTimeout(() => setUp(now.state), 200); // it lasts as long as deriving a key
}

function run() {
  fillWith(root, h("div", { class: "app" },
    h("aside", { class: "side" },
      h("header", null, search, iconButton("plus", say.newContact, () => newContact(load)), iconButton("gear", say.settings, () => settings(standingOf))),
      found, list, footer),
    pane));
  nobodyPicked(pane);
  follow();
}

/** Reads everything there is to show, then follows what happens, for ever. */
async function follow() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 10_000)) {
    try {
      await load();
      await state.open?.timeline.refresh(state.open.timeline.atEnd());
      state.up = true;
      standingOf();
      wait = 500;
      await watch(state.seq, heard);
    } catch (err) {
      if (/** @type {Refused} */ (err).status === 401) return notLetIn(root);
    }
    state.up = false;
    standingOf();
    await new Promise((r) => setTimeout(r, wait));
  }
}

/** Says how the node stands: what troubles it, relays, who is connected, what waits. */
async function standingOf() {
  if (!state.up) return fillWith(footer, h("p", { class: "lost", role: "alert" }, say.lost));
  const [s, r] = await Promise.all([call("Status"), call("Relays")]);
  const relays = r.relays || [], answer = relays.filter((/** @type {any} */ x) => x.reachable).length;
  const linked = (s.contacts || []).filter((/** @type {any} */ c) => c.online).length;
  fillWith(footer, h("button", { type: "button", onclick: () => settings(standingOf) }, h("b", null, nameOf(s.name)),
    s.trouble ? h("span", { class: "problem" }, s.trouble) : null,
    h("span", null, h("span", { class: `dot ${linked ? "on" : ""}`, "aria-hidden": "true" }), linked ? fill(say.linked, linked) : say.nobodyLinked),
    h("span", null, h("span", { class: `dot ${answer ? "on" : ""}`, "aria-hidden": "true" }), relays.length ? fill(say.relays, answer, relays.length) : say.noRelays)));
}

async function load() {
  const r = await call("Conversations");
  state.conversations = r.conversations || [];
  state.seq = Math.max(state.seq, Number(r.seq || 0));
  known();
  drawList();
}

/** What was heard and is not shown yet. @type {any[]} */
let waiting = [];

/** Takes an event; many of them are shown together. @param {any} event */
function heard(event) {
  if (!waiting.length) setTimeout(flush, 16);
  waiting.push(event);
}

/** What an event is about of which only the last counts; empty for none. @param {any} e */
const subject = (e) => (e.changed ? `c${e.changed.id}` : e.progress ? `p${e.progress.id}/${e.progress.index || 0}` : e.standing ? "s" : "");

/** Shows what was heard: of a message that changed often, the last alone. */
function flush() {
  const events = waiting;
  waiting = [];
  const last = new Map();
  events.forEach((e, i) => {
    const key = subject(e);
    if (key) last.set(key, i);
  });
  events.forEach((e, i) => {
    state.seq = Math.max(state.seq, Number(e.seq || 0));
    const key = subject(e);
    if (!key || last.get(key) === i) happened(e, Number(e.seq || 0));
  });
  drawList();
  seen();
}

/** @param {any} event @param {number} seq */
function happened(event, seq) {
  if (event.message) said(event.message, seq);
  else if (event.changed) changed(event.changed, seq);
  else if (event.typing) writes(event.typing);
  else if (event.progress) {
    if (state.open?.contact.name === event.progress.contact) state.open?.timeline.progress(event.progress);
  } else if (event.standing) {
    standingOf().catch(() => {});
    load().catch(() => {});
  } else if (event.removed) {
    if (state.open?.contact.name === event.removed.contact) state.open?.timeline.remove(event.removed.id, seq);
    load();
  } else if (event.contact) {
    const c = state.conversations.find((x) => x.contact.account === event.contact.account);
    if (!c) return load();
    c.contact = event.contact;
    known();
    standingOf().catch(() => {});
  }
}

/** @param {any} m @param {number} seq */
function said(m, seq) {
  const c = state.conversations.find((x) => x.contact.name === m.contact);
  if (!c) return load();
  const isOpen = state.open?.contact.account === c.contact.account;
  c.last = m;
  state.conversations = [c, ...state.conversations.filter((x) => x !== c)];
  if (!m.mine && m.state !== "read" && !m.notice) {
    c.contact.unread = (c.contact.unread || 0) + 1;
    if (!isOpen || document.hidden) notify(m);
  }
  if (!isOpen) return;
  state.open?.timeline.add(m, seq);
  if (!m.mine) writes(null);
}

/** @param {any} m @param {number} seq */
function changed(m, seq) {
  const c = state.conversations.find((x) => x.contact.name === m.contact);
  if (!c) return load();
  if (c.last?.id === m.id) c.last = m;
  if (!m.mine && m.state === "read") c.contact.unread = 0;
  if (state.open?.contact.account === c.contact.account) state.open?.timeline.change(m, seq);
}

/** Shows the contact whose conversation is open as it is known now. */
function known() {
  const open = state.open;
  const c = open && state.conversations.find((x) => x.contact.account === open.contact.account);
  if (!open || !c) return;
  open.contact = open.compose.contact = c.contact;
  drawHead();
}

let writing = 0;

/** Shows that the contact on the other side writes, for as long as that holds. @param {any} t */
function writes(t) {
  const p = pane.querySelector(".writing");
  clearTimeout(writing);
  if (!p) return;
  const open = t && state.open?.contact.name === t.contact && Number(t.untilMs) > Date.now();
  p.textContent = open ? fill(say.writing, t.contact) : "";
  if (open) writing = setTimeout(() => writes(null), Number(t.untilMs) - Date.now());
}

function drawList() {
  const unread = state.conversations.reduce((n, c) => n + (c.contact.unread || 0), 0);
  document.title = unread ? `(${unread}) ${say.title}` : say.title;
  if (!state.conversations.length)
    return fillWith(list, h("li", { class: "empty" }, h("p", null, say.noConversations), h("p", { class: "hint" }, say.noConversationsMore), h("button", { class: "primary", type: "button", onclick: () => newContact(load) }, say.newContact)));
  const had = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.account : "";
  fillWith(list, ...state.conversations.map((c) => line(c)));
  if (had) /** @type {HTMLElement|null} */ (list.querySelector(`[data-account="${CSS.escape(had)}"]`))?.focus();
}

/** @param {any} c */
function line(c) {
  const { contact, last } = c;
  const isOpen = state.open?.contact.account === contact.account;
  let text = contact.state === "established" ? "" : contact.state === "refused" ? say.refused : say.pending;
  if (last) text = briefly(last);
  if (c.draft && !isOpen) text = `${say.draft} ${c.draft}`;
  return h("li", null, h("button", { type: "button", class: "conversation", "aria-current": isOpen ? "true" : undefined, "data-account": contact.account, onclick: () => show(contact) },
    h("span", { class: "avatar", "aria-hidden": "true", "data-tone": String([...contact.account].reduce((n, x) => n + x.charCodeAt(0), 0) % 6) }, [...contact.name][0] || "?", contact.online ? h("span", { class: "dot on" }) : null),
    h("span", { class: "name" }, nameOf(contact.name), contact.verified ? icon("shield", say.verified) : null),
    last ? h("time", null, whenShort(Number(last.atMs))) : null,
    h("span", { class: `last ${c.draft && !isOpen ? "draft" : ""}`, dir: "auto" }, last?.mine && !last.notice && !last.deleted && !c.draft ? icon(standing(last)[0], standing(last)[1]) : null, text),
    contact.unread ? h("span", { class: "unread", "aria-label": `${contact.unread}` }, String(contact.unread)) : null));
}

/** Opens a conversation, at its end or at a message. @param {any} contact @param {string} [around] */
async function show(contact, around) {
  state.open?.compose.leave();
  const c = state.conversations.find((x) => x.contact.account === contact.account);
  const compose = new Compose(contact, { text: c?.draft || "", reply: c?.draftReply || null }, trouble, (text, reply) => {
    if (c) Object.assign(state.conversations.find((x) => x.contact.account === contact.account) || c, { draft: text, draftReply: reply });
  });
  const timeline = new Timeline(contact, {
    menu: (/** @type {any} */ m, /** @type {Element} */ at) => menu(m, at, { reply: (x) => compose.answer(x), edit: (x) => compose.change(x), trouble: (e) => trouble(e.message), contacts: () => state.conversations.map((x) => x.contact) }),
    view,
    trouble,
    react: (/** @type {any} */ m, /** @type {string} */ emoji) => call("React", { id: m.id, emoji }).catch((e) => trouble(e.message)),
    seen,
  });
  state.open = { contact, timeline, compose };
  document.body.classList.add("reading");
  const drop = h("div", { class: "drop", hidden: true }, say.dropHere);
  fillWith(pane, h("header", { class: "head" }), timeline.element, h("p", { class: "writing" }), h("p", { class: "trouble", role: "alert", hidden: true }), compose.element, drop);
  drawHead();
  pane.ondragover = (e) => {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault();
    drop.hidden = false;
  };
  pane.ondragleave = (e) => e.target === drop && (drop.hidden = true);
  pane.ondrop = (e) => {
    e.preventDefault();
    drop.hidden = true;
    compose.take([...(e.dataTransfer?.files || [])]);
  };
  drawList();
  await timeline.open(around);
  if (matchMedia("(hover: hover)").matches && !around) compose.focus();
  seen();
}

function drawHead() {
  const head = pane.querySelector(".head");
  const contact = state.open?.contact;
  if (!head || !contact) return;
  fillWith(head, iconButton("back", say.back, leave, { class: "icon-button back" }),
    h("button", { type: "button", class: "who", onclick: () => about(contact, load) }, h("h1", null, nameOf(contact.name)), contact.verified ? icon("shield", say.verified) : null,
      contact.blocked ? h("span", { class: "hint" }, say.blocked) : contact.state === "established" ? h("span", { class: "hint" }, contact.online ? say.online : say.away) : h("span", { class: "hint" }, contact.state === "refused" ? say.refused : say.pending)));
}

function leave() {
  state.open?.compose.leave();
  state.open = null;
  document.body.classList.remove("reading");
  nobodyPicked(pane);
  drawList();
}

/** Tells the node that a person sees the conversation, if one does. */
async function seen() {
  const open = state.open;
  const c = open && state.conversations.find((x) => x.contact.account === open.contact.account);
  if (!open || !c?.contact.unread || document.hidden || !document.hasFocus() || !open.timeline.atEnd()) return;
  c.contact.unread = 0;
  drawList();
  await call("MarkRead", { contact: open.contact.account }).catch(() => {});
}

addEventListener("pagehide", () => state.open?.compose.keep());
addEventListener("focus", seen);
document.addEventListener("visibilitychange", seen);

/** @param {string} text */
function trouble(text) {
  const p = /** @type {HTMLElement|null} */ (pane.querySelector(".trouble"));
  if (!p) return;
  p.textContent = text;
  p.hidden = false;
  setTimeout(() => (p.hidden = true), 8000);
}

let finding = 0;

async function find() {
  const words = search.value.trim();
  const mine = ++finding;
  list.hidden = !!words;
  found.hidden = !words;
  if (!words) return;
  const r = await call("Search", { words: words.split(/\s+/).map((w) => (w.endsWith("*") ? w : `${w}*`)).join(" "), limit: 50 });
  if (mine !== finding) return;
  const all = r.messages || [];
  fillWith(found, ...(all.length ? all.map((/** @type {any} */ m) => h("li", null, h("button", { type: "button", class: "conversation", onclick: () => {
    const c = state.conversations.find((x) => x.contact.name === m.contact);
    if (c) show(c.contact, m.id);
  } }, h("span", { class: "name" }, nameOf(m.contact)), h("time", null, whenShort(Number(m.atMs))), h("span", { class: "last", dir: "auto" }, m.text || (m.media || []).map((/** @type {any} */ a) => a.name).join(", "))))) : [h("li", { class: "empty" }, say.noFound)]));
  announce(all.length ? String(all.length) : say.noFound);
}

/** @param {any} m */
function notify(m) {
  if (wants.sound) chime();
  if (!("Notification" in window) || Notification.permission !== "granted" || !document.hidden) return;
  new Notification(fill(say.newMessageFrom, m.from), { tag: m.contact }); // no word of it on a locked screen
}

addEventListener("keydown", (e) => {
  if ((e.ctrlKey || e.metaKey) && e.key === "k") {
    e.preventDefault();
    search.focus();
  } else if (e.altKey && (e.key === "ArrowUp" || e.key === "ArrowDown")) {
    e.preventDefault();
    const at = state.conversations.findIndex((x) => x.contact.account === state.open?.contact.account);
    const to = state.conversations[e.key === "ArrowDown" ? at + 1 : Math.max(0, at - 1)];
    if (to) show(to.contact);
  } else if (e.key === "Escape" && state.open && !document.querySelector("dialog[open]") && document.activeElement !== search) {
    if (document.activeElement?.closest(".timeline")) state.open.compose.focus();
    else if (matchMedia("(max-width: 720px)").matches) leave();
  }
});

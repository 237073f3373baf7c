// This device: who it is, relays, notices, how the page looks.

import { call, Refused } from "./api.js";
import { dialog, fillWith, h, iconButton, nameOf } from "./dom.js";
import { say } from "./strings.js";

// What is kept in the browser is of no word of anybody.
export const wants = {
  /** @returns {"light"|"dark"|""} */ get theme() {
    const t = localStorage.getItem("theme");
    return t === "light" || t === "dark" ? t : "";
  },
  get sound() {
    return localStorage.getItem("sound") === "on";
  },
};

/** Makes the page light, dark, or as the system is. */
export function applyTheme() {
  if (wants.theme) document.documentElement.dataset.theme = wants.theme;
  else delete document.documentElement.dataset.theme;
}

/** A short sound, made here. */
export function chime() {
  const context = new AudioContext();
  const tone = context.createOscillator(), loud = context.createGain();
  tone.frequency.value = 660;
  loud.gain.setValueAtTime(0.08, context.currentTime);
  loud.gain.exponentialRampToValueAtTime(0.001, context.currentTime + 0.25);
  tone.connect(loud).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.25);
  tone.onended = () => context.close();
}

/** @param {string} key @param {string} value */
function keep(key, value) {
  if (value) localStorage.setItem(key, value);
  else localStorage.removeItem(key);
}

/** settings shows this device. @param {() => void} changed */
export async function settings(changed) {
  const [s, r] = await Promise.all([call("Status"), call("Relays")]);
  const problem = h("p", { class: "problem", role: "alert" });
  const relays = h("ul", { class: "relays" });
  const link = h("input", { id: "relay", type: "text", placeholder: "kith-relay://…", spellcheck: false, autocomplete: "off", required: true });
  /** @param {string} method @param {string} which */
  const change = async (method, which) => {
    problem.textContent = "";
    try {
      await call(method, { link: which });
      link.value = "";
      draw((await call("Relays")).relays || []);
      changed();
    } catch (err) {
      const e = /** @type {Refused} */ (err);
      problem.textContent = e.hint ? `${e.message}: ${e.hint}` : e.message;
    }
  };
  /** @param {any[]} all */
  const draw = (all) => fillWith(relays, ...all.map((x) => h("li", null, h("span", { class: `dot ${x.reachable ? "on" : ""}`, "aria-hidden": "true" }), h("span", { class: "mono" }, x.link), h("span", { class: "hint" }, x.reachable ? say.answers : x.asked ? say.noAnswer : say.notAsked),
    iconButton("close", `${say.removeRelay} ${x.link}`, () => change("RemoveRelay", x.link)))));
  draw(r.relays || []);
  /** @param {"light"|"dark"|""} value @param {string} text */
  const look = (value, text) => h("label", { class: "choice" }, h("input", { type: "radio", name: "look", value, checked: wants.theme === value, onchange: () => {
    keep("theme", value);
    applyTheme();
  } }), h("span", null, text));
  const refused = h("p", { class: "problem", hidden: true }, say.notifyNo);
  const notices = h("input", { type: "checkbox", checked: "Notification" in window && Notification.permission === "granted", onchange: async () => {
    notices.checked = "Notification" in window && (await Notification.requestPermission()) === "granted";
    refused.hidden = notices.checked;
  } });
  const sound = h("input", { type: "checkbox", checked: wants.sound, onchange: () => {
    keep("sound", sound.checked ? "on" : "");
    if (sound.checked) chime();
  } });
  const d = dialog(say.settings, "sheet", h("header", null, h("h2", null, nameOf(s.name)), iconButton("close", say.close, () => d.close())),
    h("section", null, h("dl", null, h("dt", null, say.account), h("dd", { class: "mono" }, s.account), h("dt", null, say.keyLives), h("dd", null, keyOf(s.key)), h("dt", null, say.version), h("dd", null, s.version || ""))),
    h("section", null, h("h3", null, say.relayHead), h("p", null, say.relaysMore), relays,
      h("form", { onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        change("AddRelay", link.value.trim());
      } }, h("label", { for: "relay" }, say.relayLink), h("div", { class: "inline" }, link, h("button", { type: "submit" }, say.addRelay)), problem)),
    h("section", null, h("h3", null, say.notices), h("label", { class: "choice" }, notices, h("span", null, say.notifyOn)), refused, h("label", { class: "choice" }, sound, h("span", null, say.sound))),
    h("section", null, h("fieldset", null, h("legend", null, say.appearance), look("", say.asSystem), look("light", say.light), look("dark", say.dark))));
}

/** @param {string} key */
const keyOf = (key) => ({ keychain: say.keyKeychain, passphrase: say.keyPassphrase, file: say.keyFileShort })[key] || key;

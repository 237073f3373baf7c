// Before there is a conversation to show: nobody let in, a new home, a locked one.

import { plain, Refused } from "./api.js";
import { fillWith, h, icon } from "./dom.js";
import { say } from "./strings.js";

/** @param {Element} root @param {...any} children */
function card(root, ...children) {
  fillWith(root, h("main", { class: "welcome" }, h("div", { class: "card" }, h("img", { class: "mark", src: "/app/icon.svg", alt: "kith" }), ...children)));
  const first = /** @type {HTMLElement|null} */ (root.querySelector("input:not([type=radio]), button.primary"));
  first?.focus();
}

/** @param {Element} root */
export function notLetIn(root) {
  card(root, h("h1", null, say.noSession), h("p", null, say.noSessionMore), h("pre", null, h("code", null, "kith page")));
}

/** @param {Element} root */
export function starting(root) {
  card(root, h("h1", null, say.starting), h("div", { class: "waiting", "aria-hidden": "true" }));
}

/**
 * locked asks for the passphrase.
 * @param {Element} root @param {string} wrong @param {() => void} then
 */
export function locked(root, wrong, then) {
  const field = h("input", { type: "password", id: "secret", autocomplete: "current-password", required: true, "aria-describedby": "wrong" });
  const problem = h("p", { class: "problem", id: "wrong", role: "alert" }, wrong);
  const button = h("button", { class: "primary", type: "submit" }, say.unlock);
  card(root, h("h1", null, say.locked), h("p", null, say.lockedMore),
    h("form", {
      onsubmit: async (/** @type {Event} */ e) => {
        e.preventDefault();
        button.disabled = true;
        button.textContent = say.unlocking;
        try {
          await plain("/setup/unlock", { passphrase: field.value });
        } catch {
          // What stands now is asked again below.
        }
        field.value = "";
        then();
      },
    }, h("label", { for: "secret" }, say.passphraseField), field, problem, button));
}

/**
 * firstRun makes an account, and sees that its words are on paper.
 * @param {Element} root @param {() => void} then
 */
export function firstRun(root, then) {
  const name = h("input", { id: "name", type: "text", maxLength: 64, required: true, autocomplete: "off", dir: "auto" });
  const secret = h("input", { id: "secret", type: "password", minLength: 8, autocomplete: "new-password" });
  const secretRow = h("div", { class: "indent", hidden: true }, h("label", { for: "secret" }, say.newPassphrase), secret);
  const warn = h("p", { class: "problem indent", hidden: true }, say.keyFileMore);
  const problem = h("p", { class: "problem", role: "alert" });
  /** @param {string} value @param {string} text @param {boolean} [checked] */
  const choice = (value, text, checked) =>
    h("label", { class: "choice" }, h("input", { type: "radio", name: "key", value, checked,
      onchange: () => {
        secretRow.hidden = value !== "passphrase";
        secret.required = value === "passphrase";
        warn.hidden = value !== "file";
      } }), h("span", null, text));
  const button = h("button", { class: "primary", type: "submit" }, say.begin);
  const form = h("form", {
    onsubmit: async (/** @type {SubmitEvent} */ e) => {
      e.preventDefault();
      button.disabled = true;
      problem.textContent = "";
      const key = String(new FormData(form).get("key") || "");
      try {
        const made = await plain("/setup/create", { name: name.value.trim(), key, passphrase: key === "passphrase" ? secret.value : "" });
        secret.value = "";
        // They are shown only now: leaving is asked about.
        addEventListener("beforeunload", stay);
        words(root, made.phrase, () => {
          removeEventListener("beforeunload", stay);
          then();
        });
      } catch (err) {
        const r = /** @type {Refused} */ (err);
        problem.textContent = r.hint ? `${r.message}: ${r.hint}` : r.message;
        button.disabled = false;
      }
    },
  },
  h("label", { for: "name" }, say.yourName), name, h("p", { class: "hint" }, say.yourNameMore),
  h("fieldset", null, h("legend", null, say.protect), choice("", say.keychain, true), choice("passphrase", say.passphrase), secretRow, choice("file", say.keyFile), warn),
  problem, button);
  card(root, h("h1", null, say.welcome), h("p", null, say.welcomeMore), form);
}

/** @param {BeforeUnloadEvent} e */
const stay = (e) => e.preventDefault();

/** @param {Element} root @param {string[]} phrase @param {() => void} then */
function words(root, phrase, then) {
  card(root, h("h1", null, say.words), h("p", null, say.wordsMore),
    h("ol", { class: "words" }, ...phrase.map((w) => h("li", null, h("span", null, w)))),
    h("button", { class: "primary", type: "button", onclick: () => confirm(root, phrase, then) }, say.wroteThem));
}

/** @param {Element} root @param {string[]} phrase @param {() => void} then */
function confirm(root, phrase, then) {
  const at = [0, 1, 2].map((i) => 8 * i + Math.floor(Math.random() * 8));
  const fields = at.map((i) => h("input", { type: "text", id: `w${i}`, autocomplete: "off", autocapitalize: "none", spellcheck: false, required: true }));
  const problem = h("p", { class: "problem", role: "alert" });
  card(root, h("h1", null, say.confirm), h("p", null, say.confirmMore),
    h("form", {
      onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        if (fields.every((f, i) => f.value.trim().toLowerCase() === phrase[at[i]])) then();
        else problem.textContent = say.wrongWords;
      },
    },
    ...at.flatMap((n, i) => [h("label", { for: `w${n}` }, `${say.word} ${n + 1}`), fields[i]]),
    problem,
    h("div", { class: "buttons" }, h("button", { type: "button", onclick: () => words(root, phrase, then) }, say.back), h("button", { class: "primary", type: "submit" }, say.go))));
}

/** @param {Element} root */
export function nobodyPicked(root) {
  fillWith(root, h("div", { class: "empty" }, icon("shield"), h("p", null, say.pick)));
}

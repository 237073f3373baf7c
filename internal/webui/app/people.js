// Contacts: inviting, taking up an invite, and who somebody is.

import { call, qrOf, readQR, Refused } from "./api.js";
import { dialog, exactTime, fillWith, h, icon, iconButton, nameOf } from "./dom.js";
import { fill, say } from "./strings.js";
import { lookForCode } from "./camera.js";

/** @param {string} text @param {HTMLElement} button */
async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  const was = button.textContent;
  button.textContent = say.copied;
  setTimeout(() => (button.textContent = was), 1500);
}

/** newContact shows both ways to meet. @param {() => void} done */
export function newContact(done) {
  const made = h("div", { class: "made" });
  const problem = h("p", { class: "problem", role: "alert" });
  const link = h("textarea", { id: "link", rows: 3, placeholder: "kith:…", spellcheck: false, required: true });
  const name = h("input", { id: "called", type: "text", maxLength: 64, autocomplete: "off", dir: "auto" });
  const picture = h("input", { type: "file", accept: "image/png,image/jpeg", hidden: true,
    onchange: async () => {
      const file = picture.files?.[0];
      if (!file) return;
      try {
        link.value = await readQR(file);
        problem.textContent = "";
      } catch (err) {
        problem.textContent = /** @type {Error} */ (err).message;
      }
    } });
  const invite = h("button", { class: "primary", type: "button",
    onclick: async () => {
      invite.disabled = true;
      try {
        const r = await call("Invite", { lifeSeconds: String(7 * 24 * 3600) });
        const button = h("button", { type: "button", class: "primary", onclick: () => copy(r.link, button) }, say.copyLink);
        fillWith(made, h("img", { class: "qr", alt: say.invite, src: await qrOf(r.link) }), h("input", { class: "link", readOnly: true, value: r.link, "aria-label": say.link, onfocus: (/** @type {any} */ e) => e.target.select() }), button);
        invite.hidden = true;
      } catch (err) {
        problem.textContent = /** @type {Error} */ (err).message;
        invite.disabled = false;
      }
    } }, say.invite);
  const d = dialog(say.newContact, "sheet",
    h("header", null, h("h2", null, say.newContact), iconButton("close", say.close, () => d.close())),
    h("section", null, h("p", null, say.inviteMore), invite, made),
    h("section", null, h("h3", null, say.takeUp), h("p", null, say.takeUpMore),
      h("form", {
        onsubmit: async (/** @type {Event} */ e) => {
          e.preventDefault();
          try {
            await call("Add", { link: link.value.trim(), name: name.value.trim() });
            d.close();
            done();
          } catch (err) {
            const r = /** @type {Refused} */ (err);
            problem.textContent = r.hint ? `${r.message}: ${r.hint}` : r.message;
          }
        },
      }, h("label", { for: "link" }, say.link), link, picture,
      h("div", { class: "inline" }, h("button", { type: "button", onclick: () => picture.click() }, say.choosePicture),
        navigator.mediaDevices ? h("button", { type: "button", onclick: () => lookForCode((text) => {
          link.value = text;
          problem.textContent = "";
        }, (text) => (problem.textContent = text)) }, say.useCamera) : null),
      h("label", { for: "called" }, say.callThem), name, problem, h("button", { class: "primary", type: "submit" }, say.add))));
}

/** about shows who a contact is. @param {any} contact @param {() => void} changed */
export async function about(contact, changed) {
  const r = await call("Verify", { contact: contact.account });
  /** @param {boolean} is */
  const mark = async (is) => {
    await call("Verify", { contact: contact.account, change: is ? "MARK" : "UNMARK" });
    d.close();
    changed();
  };
  /** @param {object} change */
  const configure = async (change) => {
    try {
      await call("Configure", { contact: contact.account, ...change });
      changed();
    } catch (err) {
      problem.textContent = /** @type {Error} */ (err).message;
    }
  };
  /** @param {string} key @param {string} text */
  const toggle = (key, text) => h("label", { class: "choice" }, h("input", { type: "checkbox", checked: !!contact[key], onchange: (/** @type {any} */ e) => configure({ [key]: e.target.checked }) }), h("span", null, text));
  const problem = h("p", { class: "problem", role: "alert" });
  const name = h("input", { id: "called-here", type: "text", maxLength: 64, value: contact.name, autocomplete: "off", dir: "auto" });
  const code = h("div", { class: "made" }), same = h("p", { role: "status" });
  const showCode = async () => fillWith(code, h("img", { class: "qr", alt: say.safety, src: await qrOf(`kith-safety:${r.safetyNumber.replaceAll(" ", "")}`) }));
  const compare = () => lookForCode((text) => {
    const is = text === `kith-safety:${r.safetyNumber.replaceAll(" ", "")}`;
    same.className = is ? "good" : "problem";
    same.textContent = is ? say.codeSame : say.codeOther;
    if (is && !contact.verified) mark(true);
  }, (text) => {
    same.className = "problem";
    same.textContent = text;
  });
  const notes = [contact.reduced && say.reduced, contact.stale && say.stale].filter(Boolean);
  const d = dialog(contact.name, "sheet",
    h("header", null, h("h2", null, nameOf(contact.name)), iconButton("close", say.close, () => d.close())),
    h("section", null,
      h("h3", null, say.safety, contact.verified ? h("span", { class: "tag" }, icon("shield"), say.verified) : null),
      h("p", null, fill(say.safetyMore, contact.name)),
      h("ol", { class: "digits", "aria-label": say.safety }, ...r.safetyNumber.split(" ").map((/** @type {string} */ g) => h("li", null, g))),
      h("div", { class: "inline" }, h("button", { type: "button", onclick: showCode }, say.showCode), navigator.mediaDevices ? h("button", { type: "button", onclick: compare }, say.scanCode) : null), code, same,
      contact.verified ? h("button", { type: "button", onclick: () => mark(false) }, say.unmark) : h("button", { type: "button", class: "primary", onclick: () => mark(true) }, say.markVerified)),
    h("section", null,
      h("form", { onsubmit: async (/** @type {Event} */ e) => {
        e.preventDefault();
        await configure({ name: name.value.trim() });
        if (!problem.textContent) d.close();
      } }, h("label", { for: "called-here" }, say.called), h("div", { class: "inline" }, name, h("button", { type: "submit" }, say.rename))),
      toggle("receipts", say.receipts), toggle("typing", say.typingToo), problem,
      contact.blocked ? null : h("p", { class: "hint" }, say.blockMore),
      h("button", { type: "button", class: contact.blocked ? "" : "danger", onclick: async () => {
        await configure({ blocked: !contact.blocked });
        d.close();
      } }, contact.blocked ? say.unblock : say.block)),
    h("section", null, ...notes.map((n) => h("p", { class: "hint" }, n)),
      h("dl", null, h("dt", null, say.account), h("dd", { class: "mono" }, contact.account), h("dt", null, say.since), h("dd", null, exactTime(Number(contact.addedAtMs))))));
}

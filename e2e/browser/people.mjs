// Homes, nodes, browsers and people, for the stories beside this file: import it from
// one that is started as node STORY KITH HOMES OUT.
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import zlib from "node:zlib";
import { chromium } from "playwright-core";

export const [kith, homes, out] = process.argv.slice(2);
fs.mkdirSync(out, { recursive: true });
let failed = 0;
/** Prints what was seen. */
export const check = (what, ok, note = "") => {
  if (!ok) failed++;
  console.log(`${ok ? "ok  " : "FAIL"} ${what} ${note}`);
};

/** A node of somebody's, from before there is an account. */
export class Home {
  constructor(name, port) {
    this.name = name;
    this.listen = `/ip4/127.0.0.1/tcp/${port}`; // kept over restarts
    this.home = path.join(homes, name);
  }
  async up() {
    this.process = spawn(kith, ["--home", this.home, "--json", "page", "--no-open", "--no-lan", "--listen", this.listen], { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    return new Promise((done, fail) => {
      this.process.once("exit", () => fail(new Error(`${this.name}'s node ended`)));
      this.process.stdout.on("data", (b) => {
        text += b;
        if (text.includes("\n")) done(JSON.parse(text.split("\n")[0]).url);
      });
    });
  }
  async end(signal = "SIGINT") {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.removeAllListeners("exit");
    const over = new Promise((r) => this.process.once("exit", r));
    this.process.kill(signal);
    await over;
  }
}

export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"] });
export const violations = [];
export const person = async (home, size = { width: 1180, height: 760 }) => {
  const context = await browser.newContext({ viewport: size, reducedMotion: "reduce" });
  await context.grantPermissions(["clipboard-read", "clipboard-write", "microphone"]);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("console", (m) => (/Content Security Policy|Trusted Type|TypeError|ReferenceError/i.test(m.text()) ? violations.push(`${home.name}: ${m.text()}`) : 0));
  page.on("pageerror", (e) => violations.push(`${home.name}: ${e.stack}`));
  page.on("dialog", (d) => {
    violations.push(`${home.name}: a script of somebody's ran: ${d.message()}`);
    d.dismiss();
  });
  return page;
};
export const shot = (page, name) => page.screenshot({ path: path.join(out, `${name}.png`) });

/** Goes through the first run. */
export async function firstRun(page, url, name, key) {
  await page.goto(url);
  await page.getByLabel("Your name").fill(name);
  if (name === "Alice") await shot(page, "01-welcome");
  await page.getByLabel(key === "passphrase" ? "a passphrase" : /file permissions/, { exact: key === "passphrase" }).check();
  if (key === "passphrase") await page.getByLabel(/at least 8/).fill("correct horse battery");
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByText("Your 24 words").waitFor();
  const words = await page.locator(".words span").allTextContents();
  check(`${name} is shown 24 words`, words.length === 24);
  if (name === "Alice") await shot(page, "02-words");
  await page.getByRole("button", { name: "I wrote them down" }).click();
  const fields = page.locator(".card input");
  const labels = await page.locator(".card label").allTextContents();
  for (const [i] of labels.entries()) await fields.nth(i).fill("wrong");
  await page.getByRole("button", { name: "Continue" }).click();
  check(`${name} cannot go on with wrong words`, await page.getByText("That is not what was shown").isVisible());
  for (const [i, label] of labels.entries()) await fields.nth(i).fill(words[Number(label.match(/\d+/)[0]) - 1]);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByText("Nobody here yet").waitFor();
}

export const port = () => new Promise((done) => {
  const s = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = s.address();
    s.close(() => done(port));
  });
});

/** Tells a story, and ends what it began. */
export async function story(homes, tell) {
  try {
    await tell();
    check("no policy was broken and no script of others ran", violations.length === 0, violations.join("\n"));
  } catch (e) {
    check("the story goes on to its end", false, e.stack);
    for (const c of browser.contexts()) for (const [i, p] of c.pages().entries()) await shot(p, `failed-${browser.contexts().indexOf(c)}-${i}`).catch(() => {});
  } finally {
    await browser.close();
    for (const h of homes) await h.end();
  }
  process.exit(failed ? 1 : 0);
}

/** Two people become contacts by a link. */
export async function meet(a, b) {
  await a.getByRole("button", { name: "New contact" }).first().click();
  await a.getByRole("button", { name: "Invite somebody" }).click();
  const link = await a.locator("input.link").inputValue();
  await a.keyboard.press("Escape");
  await b.getByRole("button", { name: "New contact" }).first().click();
  await b.locator("#link").fill(link);
  await b.getByRole("button", { name: "Add", exact: true }).click();
  await a.locator(".conversation").first().click();
  await b.locator(".conversation").first().click();
}

/** Says something, and sees it in the conversation. */
export async function write(page, text) {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
  await page.locator(".row.mine", { hasText: text.split("\n")[0] }).last().waitFor();
}

/** Does something with a message by its menu. */
export async function act(page, text, item) {
  const row = page.locator(".row", { hasText: text }).last();
  await row.hover();
  await row.getByRole("button", { name: "More" }).click();
  if (item) await page.getByRole("menuitem", { name: item, exact: true }).click();
}

/** A picture with words in it that nobody is to see. */
export function makePNG(width, height) {
  const crcTable = Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
  });
  const crc = (b) => {
    let c = 0xffffffff;
    for (const x of b) c = crcTable[(c ^ x) & 255] ^ (c >>> 8);
    return (c ^ 0xffffffff) >>> 0;
  };
  const chunk = (kind, body) => {
    const b = Buffer.alloc(12 + body.length);
    b.writeUInt32BE(body.length);
    b.write(kind, 4, "latin1");
    body.copy(b, 8);
    b.writeUInt32BE(crc(b.subarray(4, 8 + body.length)), 8 + body.length);
    return b;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const sky = y < height * 0.55;
      rows.set(sky ? [120 + y / 4, 170 + y / 5, 215] : [40 + ((x * 7 + y * 13) % 17), 90 + (y % 30), 120], y * (1 + 3 * width) + 1 + 3 * x);
    }
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", head), chunk("tEXt", Buffer.from("Comment\0secret place")), chunk("IDAT", zlib.deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

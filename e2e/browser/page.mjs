// Two people, two nodes, two browsers: node page.mjs KITH HOMES OUT. Prints a line for each
// thing it saw, "ok" or "FAIL", and leaves screenshots in OUT.
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import zlib from "node:zlib";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [kith, homes, out] = process.argv.slice(2);
fs.mkdirSync(out, { recursive: true });
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let failed = 0;
const check = (what, ok, note = "") => {
  if (!ok) failed++;
  console.log(`${ok ? "ok  " : "FAIL"} ${what} ${note}`);
};

/** A node of somebody's, from before there is an account. */
class Home {
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
    const gone = new Promise((r) => this.process.once("exit", r));
    this.process.removeAllListeners("exit");
    const over = new Promise((r) => this.process.once("exit", r));
    this.process.kill(signal);
    await Promise.race([gone, over]);
  }
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"] });
const violations = [];
const person = async (home, size = { width: 1180, height: 760 }) => {
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
const shot = (page, name) => page.screenshot({ path: path.join(out, `${name}.png`) });

/** Goes through the first run. */
async function firstRun(page, url, name, key) {
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

const port = () => new Promise((done) => {
  const s = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = s.address();
    s.close(() => done(port));
  });
});
const alice = new Home("Alice", await port()), bob = new Home("Bob", await port());
try {
  const a = await person(alice), b = await person(bob);
  const url = await alice.up();
  await firstRun(a, url, "Alice", "passphrase");
  await firstRun(b, await bob.up(), "Bob", "file");
  await shot(a, "03-empty");

  // An invite, as a link and as a picture.
  await a.getByRole("button", { name: "New contact" }).first().click();
  await a.getByRole("button", { name: "Invite somebody" }).click();
  const link = await a.locator("input.link").inputValue();
  const picture = await a.locator(".qr").evaluate((i) => i.decode().then(() => i.naturalWidth));
  check("an invite is a link and a QR code", link.startsWith("kith:") && picture > 200, `${picture} px`);
  await shot(a, "04-invite");
  const qr = path.join(out, "invite.png");
  await a.locator(".qr").screenshot({ path: qr });
  await a.keyboard.press("Escape");
  await b.getByRole("button", { name: "New contact" }).first().click();
  await b.locator("input[type=file]").first().setInputFiles(qr);
  await b.waitForFunction(() => document.querySelector("#link").value.startsWith("kith:"));
  check("the code is read from a picture", (await b.locator("#link").inputValue()) === link);
  await b.getByRole("button", { name: "Add" }).click();
  await a.locator(".conversation", { hasText: "Bob" }).click();
  await b.locator(".conversation", { hasText: "Alice" }).click();

  const write = async (page, text) => {
    await page.getByRole("textbox", { name: "Message" }).fill(text);
    await page.keyboard.press("Enter");
    await page.locator(".row.mine", { hasText: text.split("\n")[0] }).last().waitFor();
  };
  await write(a, "Hello Bob, do you see this?");
  await b.locator(".row.theirs", { hasText: "do you see this" }).waitFor();
  await write(b, "I do! Nobody in between.");
  await a.locator(".row.theirs", { hasText: "Nobody in between" }).waitFor();
  await a.locator(".row.mine [aria-label^=read], .row.mine [aria-label^=delivered]").first().waitFor();
  check("text goes both ways, and its state is shown", true);

  // Hostile words are words.
  await write(b, `<img src=x onerror=alert(1)><script>alert(2)</script> javascript:alert(3) \u202Egnp.exe`);
  await a.locator(".row.theirs", { hasText: "onerror" }).waitFor();
  check("markup stays text", (await a.locator(".row.theirs img").count()) === 0);
  await write(b, "e" + "\u0301".repeat(20000));
  await write(b, "after the marks");
  await a.locator(".row.theirs", { hasText: "after the marks" }).waitFor();
  const tall = await a.locator(".row.theirs .bubble").nth(2).boundingBox();
  check("combining marks do not paint over the page", tall.height < 4100, `${tall.height} px`);

  // A picture, whose words are gone on arrival.
  const png = makePNG(640, 420);
  await a.locator("input[type=file]").first().setInputFiles({ name: "holiday.png", mimeType: "image/png", buffer: png });
  await a.locator(".chips li").waitFor();
  await a.getByRole("textbox", { name: "Message" }).fill("From the lake");
  await shot(a, "05-compose");
  await a.keyboard.press("Enter");
  const seen = b.locator(".row.theirs .picture img").last();
  await seen.waitFor();
  await b.waitForFunction(() => [...document.querySelectorAll(".picture img")].at(-1)?.naturalWidth === 640);
  const arrived = await b.evaluate(async () => new TextDecoder("latin1").decode(await (await fetch([...document.querySelectorAll(".picture img")].at(-1).src)).arrayBuffer()));
  check("a picture arrives without what it told", arrived.includes("IDAT") && !arrived.includes("secret place") && png.includes("secret place"));
  await seen.click();
  await b.locator(".viewer img").waitFor();
  await shot(b, "06-viewer");
  await b.keyboard.press("Escape");

  // A voice note, from a microphone that beeps.
  await a.getByRole("button", { name: "Record a voice note" }).click();
  await a.locator(".recorder time", { hasText: "0:02" }).waitFor();
  await shot(a, "18-recording");
  await a.getByRole("button", { name: "Done" }).click();
  await b.locator(".voice .shape i").nth(40).waitFor();
  await b.getByRole("button", { name: "Speed" }).click();
  await b.getByRole("button", { name: "Play or pause" }).click();
  await b.waitForFunction(() => document.querySelector(".voice audio").currentTime > 0.3 && document.querySelector(".voice audio").playbackRate === 1.5);
  check("a voice note is recorded, and heard as fast as one likes", true);
  await shot(b, "19-voice");

  // Answer, react, edit, delete.
  const act = async (page, text, item) => {
    const row = page.locator(".row", { hasText: text }).last();
    await row.hover();
    await row.getByRole("button", { name: "More" }).click();
    if (item) await page.getByRole("menuitem", { name: item, exact: true }).click();
  };
  await act(b, "From the lake", "Reply");
  await write(b, "Looks cold.");
  await a.locator(".row.theirs .quote", { hasText: "From the lake" }).waitFor();
  await act(a, "Looks cold.");
  await shot(a, "07-menu");
  await a.getByRole("menuitem", { name: "😂" }).click();
  await b.locator(".reactions", { hasText: "😂" }).waitFor();
  await act(a, "Hello Bob", "Edit");
  await a.getByRole("textbox", { name: "Message" }).fill("Hello Bob, can you read this?");
  await a.keyboard.press("Enter");
  await b.locator(".row.theirs", { hasText: "can you read this" }).getByText("edited").waitFor();
  await act(b, "after the marks", "Delete for everyone");
  await b.getByText("deleted on 1 of 1 devices there").waitFor();
  await a.locator(".row.theirs .gone").waitFor();
  check("replies, reactions, edits and deletions arrive", true);
  await act(a, "From the lake", "Details");
  await shot(a, "08-details");
  await a.keyboard.press("Escape");
  await a.locator(".head .who").click();
  await a.locator(".digits li").nth(11).waitFor();
  const digits = await a.locator(".digits li").allTextContents();
  await b.locator(".head .who").click();
  await b.locator(".digits li").nth(11).waitFor();
  check("both see the same safety number", digits.join() === (await b.locator(".digits li").allTextContents()).join() && digits.length === 12);
  await shot(a, "09-safety");
  await a.getByRole("button", { name: "They are the same" }).click();
  await a.locator(".head [aria-label=verified]").waitFor();
  await b.keyboard.press("Escape");

  // Writing shows; blocking and naming do what they say.
  // Not more than one word of it in three seconds, and the last was for a message.
  const shown = a.getByText("Bob is writing").waitFor();
  for (let on = true; on; on = !(await Promise.race([shown.then(() => true), b.waitForTimeout(300)]))) await b.getByRole("textbox", { name: "Message" }).pressSequentially("a");
  await b.getByRole("textbox", { name: "Message" }).fill("");
  await a.locator(".head .who").click();
  await a.getByLabel("Called here").fill("Robert");
  await a.getByRole("button", { name: "Rename" }).click();
  await a.locator(".conversation", { hasText: "Robert" }).waitFor();
  await a.locator(".head .who").click();
  await a.getByRole("button", { name: "Block" }).click();
  await a.locator(".head", { hasText: "blocked" }).waitFor();
  await write(b, "Do you hear me?");
  await a.locator(".head .who").click();
  const silent = await a.locator(".row", { hasText: "Do you hear me?" }).count();
  await shot(a, "17-contact");
  await a.getByLabel("Called here").fill("Bob");
  await a.getByRole("button", { name: "Rename" }).click();
  await a.locator(".conversation", { hasText: "Bob" }).waitFor();
  await a.locator(".head .who").click();
  await a.getByRole("button", { name: "End the block" }).click();
  await a.locator(".row", { hasText: "Do you hear me?" }).waitFor({ timeout: 60_000 });
  check("writing, naming, blocking", silent === 0);

  // Search leads to a message.
  await a.getByRole("searchbox").fill("cold");
  await a.locator(".found-list .conversation", { hasText: "Looks cold" }).click();
  await a.locator(".row", { hasText: "Looks cold" }).waitFor();
  await a.getByRole("searchbox").fill("");
  check("search finds and jumps", true);
  await shot(a, "10-conversation");
  await a.emulateMedia({ colorScheme: "dark" });
  await shot(a, "11-dark");
  const paper = await a.evaluate(() => getComputedStyle(document.body).backgroundColor);
  check("dark where the system is", paper === "rgb(22, 24, 27)", paper);
  await a.emulateMedia({ colorScheme: "light" });

  // axe-core looks at it from outside the policy.
  for (const [where, page] of [["light", a], ["dark", b]]) {
    if (where === "dark") await page.emulateMedia({ colorScheme: "dark" });
    const client = await page.context().newCDPSession(page);
    const { executionContextId } = await client.send("Page.createIsolatedWorld", { frameId: (await client.send("Page.getFrameTree")).frameTree.frame.id, worldName: "axe" });
    await client.send("Runtime.evaluate", { expression: axe, contextId: executionContextId });
    const r = await client.send("Runtime.evaluate", { expression: `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => v.id + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).slice(0, 3).join(" | "))))`, contextId: executionContextId, awaitPromise: true });
    const list = JSON.parse(r.result.value ?? "null");
    check(`axe-core finds nothing serious, ${where}`, Array.isArray(list) && list.length === 0, JSON.stringify(list ?? r));
  }
  await b.emulateMedia({ colorScheme: "light" });

  // A phone's width.
  await b.setViewportSize({ width: 320, height: 640 });
  await shot(b, "12-phone");
  const wide = await b.evaluate(() => document.documentElement.scrollWidth);
  check("nothing is wider than a small phone", wide <= 320, `${wide} px`);
  await b.getByRole("button", { name: "Back" }).click();
  await shot(b, "13-phone-list");
  check("one column with a way back", await b.locator(".conversation").first().isVisible());
  await b.setViewportSize({ width: 1180, height: 760 });

  // Who is let in, how soon, and for how much.
  const began = Date.now();
  await a.reload();
  await a.locator(".conversation", { hasText: "Bob" }).waitFor();
  const ready = Date.now() - began;
  const bytes = await a.evaluate(() => [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")].filter((e) => !e.name.includes("/media/")).reduce((n, e) => n + Math.max(e.transferSize, e.encodedBodySize), 0));
  check("the page is there soon, and small", ready < 1500 && bytes < 150 * 1024, `${ready} ms from reload to the list, ${(bytes / 1024).toFixed(0)} KiB`);
  const stranger = await person({ name: "stranger" });
  await stranger.goto(url);
  check("a token is good once", await stranger.getByText("This browser is not let in").isVisible());
  const bare = await stranger.request.post(new URL("/kith.api.v1.Kith/Status", url).href, { data: {}, headers: { Origin: new URL(url).origin } });
  check("the API wants a session", bare.status() === 401, String(bare.status()));
  await shot(stranger, "14-stranger");

  // The node is killed under an open page, and comes back locked.
  await a.locator(".conversation", { hasText: "Bob" }).click();
  await a.locator(".row", { hasText: "Looks cold" }).waitFor();
  await alice.end("SIGKILL");
  await a.getByText("Not connected to your node").waitFor();
  check("a lost node is said to be lost", true);
  await shot(a, "15-lost");
  await b.locator(".conversation", { hasText: "Alice" }).click();
  await write(b, "While you were gone");
  await alice.up();
  await a.reload();
  await a.getByText("Your messages are locked").waitFor();
  await a.locator("#secret").fill("wrong words");
  await a.getByRole("button", { name: "Unlock" }).click();
  await a.locator(".problem", { hasText: /passphrase/i }).waitFor();
  await shot(a, "16-locked");
  await a.locator("#secret").fill("correct horse battery");
  await a.getByRole("button", { name: "Unlock" }).click();
  await a.locator(".conversation", { hasText: "Bob" }).click();
  await a.locator(".row.theirs", { hasText: "While you were gone" }).waitFor();
  check("unlocked, it goes on where it was", true);

  // Quiet: one stream, no polling.
  let asked = 0;
  b.on("request", () => asked++);
  await b.waitForTimeout(3000);
  check("an idle page asks nothing", asked === 0, `${asked} requests in 3 s`);
  check("no policy was broken and no script of others ran", violations.length === 0, violations.join("\n"));
} catch (e) {
  check("the story goes on to its end", false, e.stack);
  for (const c of browser.contexts()) for (const [i, p] of c.pages().entries()) await shot(p, `failed-${browser.contexts().indexOf(c)}-${i}`).catch(() => {});
} finally {
  await browser.close();
  for (const h of [alice, bob]) if (h.process && h.process.exitCode === null) await h.end();
}
process.exit(failed ? 1 : 0);

/** A picture with words in it that nobody is to see. */
function makePNG(width, height) {
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

// Two people, two nodes, two browsers: node page.mjs KITH HOMES OUT. Prints a line for each
// thing it saw, "ok" or "FAIL", and leaves screenshots in OUT.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { act, check, firstRun, Home, makePNG, out, person, port, shot, story, write } from "./people.mjs";

const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const alice = new Home("Alice", await port()), bob = new Home("Bob", await port());
await story([alice, bob], async () => {
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
});

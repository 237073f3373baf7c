// Files between two people: albums, a film of 200 MB that is played before it is there,
// pausing, cancelling, passing on, drafts, and files that are not what they say: node
// media.mjs KITH HOMES OUT FILM.
import fs from "node:fs";
import { act, check, firstRun, Home, makePNG, meet, person, port, shot, story, write } from "./people.mjs";

const film = process.argv[5];
const alice = new Home("Alice", await port()), bob = new Home("Bob", await port());

await story([alice, bob], async () => {
  const a = await person(alice), b = await person(bob);
  await firstRun(a, await alice.up(), "Alice", "file");
  await firstRun(b, await bob.up(), "Bob", "file");
  await meet(a, b);
  const pick = (page, ...files) => page.locator("form.compose input[type=file]").setInputFiles(files);
  const say = async (page, text) => {
    await page.getByRole("textbox", { name: "Message" }).fill(text);
    await page.keyboard.press("Enter");
  };
  const file = (name, buffer, mimeType = "application/octet-stream") => ({ name, mimeType, buffer });
  const newest = (page) => page.locator(".row").last();
  const ask = (page, method, body) => page.evaluate(async ([method, body]) => (await fetch(`/kith.api.v1.Kith/${method}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json(), [method, body]);
  const last = async (page) => (await ask(page, "Log", { contact: page === a ? "Bob" : "Alice", limit: 1 })).messages[0];

  // An album, and arrows through it.
  await pick(a, ...[200, 320, 480, 640, 300].map((w, i) => file(`p${i}.png`, makePNG(w, 240))));
  await say(a, "Five of them");
  await b.locator(".row.theirs .media.n4 img").nth(3).waitFor();
  await b.waitForFunction(() => [...document.querySelectorAll(".theirs .media.n4 .picture > img:not(.under)")].filter((i) => i.naturalWidth).length === 4);
  check("an album is four tiles, and says how many more", (await newest(b).locator(".rest").textContent()) === "+1");
  await shot(b, "30-album");
  await newest(b).locator(".picture").first().click();
  const shownPicture = () => b.locator(".viewer .stage img").evaluate((i) => i.decode().then(() => i.naturalWidth));
  const first = await shownPicture();
  for (let i = 0; i < 4; i++) await b.keyboard.press("ArrowRight");
  const fifth = await shownPicture();
  await b.keyboard.press("ArrowRight");
  check("arrows lead through it to its end", first === 200 && fifth === 300 && (await shownPicture()) === 300, `${first}, ${fifth}`);
  await b.keyboard.press("+");
  await b.keyboard.press("+");
  const zoomed = await b.locator(".viewer .stage img").evaluate((i) => i.style.transform);
  check("and it can be looked at closer", /scale\(1\.6/.test(zoomed), zoomed);
  await shot(b, "31-zoom");
  await b.keyboard.press("Escape");

  // A film of 200 MB: Bob pauses it before a byte comes, and leaps into it.
  const size = fs.statSync(film).size;
  await pick(a, film);
  const heldAtOnce = b.evaluate(() => new Promise((done) => {
    const look = () => {
      const pause = document.querySelector(".film .transfer [aria-label^=Pause]");
      if (!pause) return requestAnimationFrame(look);
      pause.click();
      done();
    };
    look();
  }));
  await say(a, "The whole concert");
  await heldAtOnce;
  await b.locator(".film .transfer [aria-label^=Fetch]").waitFor({ timeout: 60_000 });
  let m = await last(b);
  const before = Number(m.media[0].have || 0);
  check("a film shows its first picture, size and length before it is there", m.media[0].state === "paused" && before < size && m.media[0].preview?.hasThumbnail && m.media[0].preview.width === 640 && Number(m.media[0].preview.durationMs) > 20_000,
    `${(size / 1e6).toFixed(0)} MB, ${(before / 1e6).toFixed(0)} MB here, ${JSON.stringify({ ...m.media[0].preview, thumbhash: "…" })}`);
  await shot(b, "32-film");
  await b.locator(".film .play").click();
  await b.waitForFunction(() => document.querySelector(".film video")?.readyState >= 2);
  const length = await b.evaluate(() => document.querySelector(".film video").duration);
  const leaps = [];
  for (const share of [0.9, 0.35, 0.65, 0.8, 0.5]) {
    leaps.push(await b.evaluate((to) => new Promise((done) => {
      const v = document.querySelector(".film video");
      v.pause();
      const began = performance.now();
      v.requestVideoFrameCallback(() => done(performance.now() - began));
      v.currentTime = to;
    }), share * length));
  }
  leaps.sort((x, y) => x - y);
  m = await last(b);
  check("a leap into what is not there shows a picture within a second", leaps[4] < 1000 && m.media[0].state === "paused" && Number(m.media[0].have) < size,
    `median ${leaps[2].toFixed(0)} ms, longest ${leaps[4].toFixed(0)} ms; ${(Number(m.media[0].have) / 1e6).toFixed(0)} of ${(size / 1e6).toFixed(0)} MB here`);
  await shot(b, "33-leap");

  // Reloaded in the middle: paused still. Cancelled; fetched after all, to its end.
  await b.reload();
  await b.locator(".conversation").first().click();
  await b.locator(".film .transfer", { hasText: "paused" }).waitFor();
  await b.locator(".film .transfer [aria-label^=Cancel]").click();
  await b.locator(".film .transfer", { hasText: "not fetched" }).waitFor();
  m = await last(b);
  check("paused over a reload; cancelled, nothing of it is here", m.media[0].state === "cancelled" && !Number(m.media[0].have || 0));
  await shot(b, "34-cancelled");
  await b.locator(".film .transfer [aria-label^=Fetch]").click();
  await b.waitForFunction(() => !document.querySelector(".film .transfer"), undefined, { timeout: 60_000 });
  check("fetched after all, to its end", (await last(b)).media[0].state === "stored");

  // Uploading is cancelled by taking the file away.
  await pick(a, file("a.txt", Buffer.from("x")), file("b.txt", Buffer.from("y")));
  await a.getByRole("button", { name: "Remove" }).first().click();
  await say(a, "Only one");
  await b.locator("a.file", { hasText: "b.txt" }).waitFor();
  check("what was taken away is not sent", (await last(b)).media.length === 1);

  // What is no picture, no film and nothing at all.
  const png = makePNG(300, 200);
  const head = Buffer.from(png);
  head.writeUInt32BE(60000, 16); // a picture of a size nobody decodes, with a wrong checksum
  await pick(a, file("empty.bin", Buffer.alloc(0)), file("lies.jpg", Buffer.from("this is no picture"), "image/jpeg"), file("page.html", Buffer.from("<script>alert(1)</script>"), "text/html"),
    file("drawing.svg", Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"), "image/svg+xml"), file("film.mp4", Buffer.from("no film"), "video/mp4"));
  await say(a, "Five lies");
  await b.locator(".row", { hasText: "Five lies" }).locator("a.file").nth(4).waitFor();
  const kinds = await b.evaluate(async (id) => Promise.all([0, 1, 2, 3, 4].map(async (i) => {
    const r = await fetch(`/media/${id}/${i}`);
    return `${r.headers.get("content-type")} ${r.headers.get("content-disposition").split(";")[0]} ${r.headers.get("x-content-type-options")} ${r.headers.get("cache-control")} ${r.headers.get("content-security-policy")}`;
  })), (await last(b)).id);
  check("nothing is shown in place that is not a picture, sound or film", kinds.every((k) => k === "application/octet-stream attachment nosniff no-store default-src 'none'; sandbox"), [...new Set(kinds)].join(" | "));
  await pick(a, file("broken.png", head, "image/png"));
  await say(a, "Broken");
  await a.locator(".trouble", { hasText: "damaged" }).waitFor();
  check("a damaged picture is refused, and why is said", true);
  await a.locator("#raw").check();
  await a.keyboard.press("Tab");
  await a.getByRole("textbox", { name: "Message" }).press("Enter");
  await b.locator("a.file", { hasText: "broken.png" }).waitFor();
  check("as a file it is sent, and shown as one", true);
  await shot(b, "35-lies");

  // Hostile names are names.
  for (const name of ["..%2f..%2fetc%2fpasswd", "a\u0001b.txt", "gpj.\u202Efdp.exe", "<b>x</b>.txt"]) await pick(a, file(name.replaceAll("%2f", "_"), Buffer.from("x")));
  const names = await a.locator(".chips bdi").allTextContents();
  check("file names stay text", names.includes("<b>x</b>.txt") && (await a.locator(".chips b").count()) === 0, JSON.stringify(names));
  await say(a, "Names");
  await a.locator(".trouble", { hasText: /cannot be a file name/ }).waitFor();
  check("names that pretend are refused", true);
  for (const n of await a.getByRole("button", { name: "Remove" }).all()) await a.getByRole("button", { name: "Remove" }).first().click();

  // A megabyte of marks, pasted: it becomes a file rather than be cut.
  await a.evaluate(() => {
    const d = new DataTransfer();
    d.setData("text/plain", "e" + "\u0301".repeat(500_000));
    document.querySelector("textarea").dispatchEvent(new ClipboardEvent("paste", { clipboardData: d, bubbles: true, cancelable: true }));
  });
  await a.locator(".chips", { hasText: "message.txt" }).waitFor();
  await say(a, "A megabyte of marks");
  await b.locator("a.file", { hasText: "message.txt" }).waitFor();
  check("a text of a megabyte is sent whole, as a file", Number((await last(b)).media[0].size) === 1_000_001);

  // Drafts, kept by the node.
  await b.getByRole("textbox", { name: "Message" }).fill("Not yet sent, <i>dear</i> Alice");
  await act(b, "Only one", "Reply");
  await b.locator(".about", { hasText: "Only one" }).waitFor();
  await b.waitForFunction(async () => {
    const r = await fetch("/kith.api.v1.Kith/Conversations", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
    const c = (await r.json()).conversations[0];
    return c.draft?.startsWith("Not yet") && c.draftReply?.text === "Only one";
  });
  await b.reload();
  await b.locator(".conversation .draft", { hasText: "Not yet sent, <i>dear</i> Alice" }).waitFor();
  await b.locator(".conversation").first().click();
  await b.locator(".about", { hasText: "Only one" }).waitFor();
  check("a draft outlives the page, with what it answers", (await b.getByRole("textbox", { name: "Message" }).inputValue()) === "Not yet sent, <i>dear</i> Alice");
  await b.getByRole("textbox", { name: "Message" }).press("Enter");
  await a.locator(".row.theirs", { hasText: "Not yet sent" }).waitFor();
  await b.reload();
  await b.locator(".conversation").first().waitFor();
  check("and is gone when it was sent", (await b.locator(".conversation .draft").count()) === 0 && !(await ask(b, "Conversations", {})).conversations[0].draft);
  await b.locator(".conversation").first().click();

  // Passed on: the files are not read again.
  await act(b, "Five of them", "Forward");
  await shot(b, "36-forward");
  await b.locator(".people button", { hasText: "Alice" }).click();
  await a.locator(".row.theirs", { hasText: "Five of them" }).waitFor();
  m = await last(a);
  check("a message is passed on with its files", m.media.length === 5 && !m.replyTo);

  // A camera that sees no code; this device; right to left; very wide.
  await a.getByRole("button", { name: "New contact" }).first().click();
  await a.getByRole("button", { name: "Use camera…" }).click();
  await a.waitForFunction(() => document.querySelector(".camera video")?.videoWidth > 0);
  await shot(a, "37-camera");
  await a.keyboard.press("Escape");
  await a.keyboard.press("Escape");
  await a.getByRole("button", { name: "This device" }).first().click();
  await a.getByLabel("Link of a relay").fill("kith-relay://nobody");
  await a.getByRole("button", { name: "Add relay" }).click();
  await a.locator(".problem", { hasText: "not the link of a relay" }).waitFor();
  await shot(a, "38-settings");
  await a.keyboard.press("Escape");
  await b.evaluate(() => (document.documentElement.dir = "rtl"));
  await shot(b, "39-rtl");
  await b.evaluate(() => (document.documentElement.dir = "ltr"));
  await b.setViewportSize({ width: 3440, height: 1000 });
  await shot(b, "40-wide");
  check("a line does not run across a wide screen", await b.evaluate(() => Math.max(...[...document.querySelectorAll(".bubble")].map((x) => x.getBoundingClientRect().width)) <= 700));
  await b.setViewportSize({ width: 1180, height: 760 });

  // It can be installed.
  const client = await a.context().newCDPSession(a);
  const { installabilityErrors } = await client.send("Page.getInstallabilityErrors");
  check("it can be installed", installabilityErrors.filter((e) => e.errorId !== "in-incognito").length === 0, JSON.stringify(installabilityErrors));

  // A contact who reacts without end: the page and the node go on.
  const target = (await last(b)).id;
  const flood = b.evaluate(async (id) => {
    let n = 0;
    const until = performance.now() + 3000;
    const one = async (emoji) => {
      while (performance.now() < until) {
        await fetch("/kith.api.v1.Kith/React", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ id, emoji: emoji[n++ % emoji.length] }) });
      }
    };
    await Promise.all([one(["👍", "👎"]), one(["😂", "😮"]), one(["🙏", "❤️"]), one(["🔥", "💧"])]);
    return n;
  }, target);
  const frames = await a.evaluate(() => new Promise((done) => {
    const took = [];
    let last = performance.now();
    const until = last + 3000;
    const frame = (now) => {
      took.push(now - last);
      last = now;
      if (now < until) requestAnimationFrame(frame);
      else done(took.sort((x, y) => y - x));
    };
    requestAnimationFrame(frame);
  }));
  const n = await flood;
  await write(a, "Still here");
  await b.locator(".row.theirs", { hasText: "Still here" }).waitFor();
  check("reactions without end do not stop the page", frames[0] < 500, `${n} reactions in 3 s, longest frame ${frames[0].toFixed(0)} ms`);
});

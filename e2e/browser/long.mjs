// A conversation of 100,000 messages in a page: node long.mjs URL OUT. Prints JSON:
// milliseconds of opening, of searching, and the longest frame while scrolling.
import path from "node:path";
import { chromium } from "playwright-core";

const [url, out] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });
try {
  const page = await (await browser.newContext({ viewport: { width: 1180, height: 760 } })).newPage();
  await page.goto(url);
  await page.locator(".conversation").first().waitFor();
  // From the request to a page that does what is asked, again and again.
  const interactive = [];
  for (let i = 0; i < 5; i++) {
    await page.reload({ waitUntil: "commit" });
    interactive.push(await page.evaluate(() => new Promise((done) => {
      const look = () => (document.querySelector(".conversation") ? done(performance.now()) : requestAnimationFrame(look));
      look();
    })));
  }
  const bytes = await page.evaluate(() => [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")].reduce((n, e) => n + Math.max(e.transferSize, e.encodedBodySize), 0));
  const open = await page.evaluate(() => new Promise((done) => {
    const began = performance.now();
    document.querySelector(".conversation").click();
    const look = () => (document.querySelectorAll(".row").length > 20 ? requestAnimationFrame(() => done(performance.now() - began)) : requestAnimationFrame(look));
    look();
  }));
  // Up through some thousands of messages, as fast as leaves come.
  const frames = await page.evaluate(async () => {
    const box = document.querySelector(".timeline");
    const took = [];
    let last = performance.now();
    let on = true;
    const frame = (now) => {
      took.push(now - last);
      last = now;
      if (on) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const seen = new Set();
    for (let i = 0; i < 600; i++) {
      box.scrollTop = Math.max(0, box.scrollTop - 260);
      await new Promise((r) => requestAnimationFrame(r));
      for (const e of [box.querySelector(".row"), [...box.querySelectorAll(".row")].at(-1)]) seen.add(e.dataset.id);
    }
    on = false;
    return { took: took.slice(2).sort((a, b) => b - a), rows: box.querySelectorAll(".row").length };
  });
  const search = [];
  for (const words of ["harbour", "message 5000", "lantern thirty", "nothinglikeit"]) {
    search.push(await page.evaluate(async (words) => {
      const began = performance.now();
      const r = await fetch("/kith.api.v1.Kith/Search", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ words, limit: 50 }) });
      await r.json();
      return performance.now() - began;
    }, words));
  }
  if (out) await page.screenshot({ path: path.join(out, "long.png") });
  interactive.sort((a, b) => a - b);
  search.sort((a, b) => a - b);
  console.log(JSON.stringify({ interactive: interactive[2], kib: bytes / 1024, open, longest: frames.took[0], over50: frames.took.filter((t) => t > 50).length, frames: frames.took.length, rows: frames.rows, search: search.at(-1) }));
} finally {
  await browser.close();
}

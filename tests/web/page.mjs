// Looks at the map page with a real browser: node page.mjs URL FOLDER
// Writes what it saw to FOLDER as PNG; ends with code 1 and a sentence where the page is not what it should be.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, folder] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // No graphics card where tests run: WebGL in software.
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});

/** Opens the page; collects complaints and hosts it talks to. */
async function open(viewport, colorScheme) {
  const page = await browser.newPage({ viewport, colorScheme });
  // Drawing without a graphics card on a busy machine takes its time.
  page.setDefaultTimeout(90_000);
  const complaints = [];
  const hosts = new Set();
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => request.url().startsWith("http") && hosts.add(new URL(request.url()).host));
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.ready === "true" && !document.getElementById("slider").disabled);
  return { page, complaints, hosts };
}

/** Pixels of a PNG from yellow to red: only heavier rain is drawn so. */
const heavyPixels = (page, png) =>
  page.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const pixels = canvas.getImageData(0, 0, image.width, image.height).data;
    let heavy = 0;
    for (let i = 0; i < pixels.length; i += 4) heavy += pixels[i] > 200 && pixels[i + 2] < 60;
    return heavy;
  }, png.toString("base64"));

/** The part of the window that no panel lies over: what changes there is the map. */
const BARE_MAP = { x: 360, y: 100, width: 530, height: 500 };

/** Waits until the map shows rain, is at rest and is another picture than `old`; gives it as PNG. */
async function atRest(page, old) {
  let before = null;
  for (let look = 0; look < 60; look++) {
    await page.waitForTimeout(700);
    const png = await page.screenshot({ clip: BARE_MAP });
    if (before?.equals(png) && !old?.equals(png) && (await heavyPixels(page, png)) > 500) return png;
    before = png;
  }
  throw new Error("the map shows no rain, does not change with time, or does not come to rest");
}

/** Moves the slider to a share of its length and gives the map there. */
async function at(page, share, name) {
  const old = await atRest(page);
  await page.evaluate((share) => {
    const slider = document.getElementById("slider");
    slider.value = Number(slider.min) + share * (slider.max - slider.min);
    slider.dispatchEvent(new Event("input"));
  }, share);
  const png = await atRest(page, old);
  writeFileSync(join(folder, `${name}.png`), png);
  return { png, wet: await heavyPixels(page, png), clock: await page.textContent("#clock-kind") };
}

try {
  const { page, complaints, hosts } = await open({ width: 1280, height: 800 }, "light");
  const past = await at(page, 0, "map-past");
  const now = await at(page, 1 / 3, "map-now");
  const future = await at(page, 2 / 3, "map-future");
  assert.ok(!past.png.equals(now.png) && !now.png.equals(future.png), "the map does not change with time");
  assert.match(past.clock, /^radar/);
  assert.match(future.clock, /^forecast/);
  await page.mouse.click(640, 400);
  await page.locator("#point").waitFor({ state: "visible" });
  assert.match(await page.textContent("#point-summary"), /rain|dry|radar/i, "the card of a place says nothing of rain");
  await page.screenshot({ path: join(folder, "page.png") });
  await page.click("#point-close");
  const before = await page.textContent("#clock-time");
  await page.keyboard.press("ArrowLeft");
  assert.notEqual(await page.textContent("#clock-time"), before, "the arrow key does nothing");
  assert.deepEqual([...hosts], [new URL(url).host], "the page talks to other hosts");
  assert.deepEqual(complaints, [], "the browser complains");

  const phone = await open({ width: 390, height: 844 }, "dark");
  await phone.page.waitForTimeout(2000);
  await phone.page.screenshot({ path: join(folder, "phone.png") });
  const overflow = await phone.page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  assert.ok(!overflow, "the page is wider than a phone");
  assert.deepEqual(phone.complaints, [], "the browser complains on a phone");
  console.log(`the map moves: ${past.wet}, ${now.wet}, ${future.wet} pixels of heavier rain at -60, now and +60 min`);
} finally {
  await browser.close();
}

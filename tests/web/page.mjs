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

/** Moves the slider to a share of its length, waits for the picture, gives the map as PNG and its number of wet pixels. */
async function at(page, share, name) {
  await page.evaluate((share) => {
    const slider = document.getElementById("slider");
    slider.value = Number(slider.min) + share * (slider.max - slider.min);
    slider.dispatchEvent(new Event("input"));
  }, share);
  await page.waitForLoadState("networkidle");
  await page.waitForTimeout(700);
  const png = await page.locator("#map").screenshot();
  writeFileSync(join(folder, `${name}.png`), png);
  const wet = await page.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const pixels = canvas.getImageData(0, 0, image.width, image.height).data;
    let strong = 0;
    // Yellow to red: only heavier rain is drawn so.
    for (let i = 0; i < pixels.length; i += 4) strong += pixels[i] > 200 && pixels[i + 2] < 60;
    return strong;
  }, png.toString("base64"));
  return { png, wet, clock: await page.textContent("#clock-kind") };
}

try {
  const { page, complaints, hosts } = await open({ width: 1280, height: 800 }, "light");
  const past = await at(page, 0, "map-past");
  const now = await at(page, 1 / 3, "map-now");
  const future = await at(page, 2 / 3, "map-future");
  for (const [name, shot] of Object.entries({ past, now, future })) {
    assert.ok(shot.wet > 500, `${name}: only ${shot.wet} pixels of heavier rain on the map`);
  }
  assert.ok(!past.png.equals(now.png) && !now.png.equals(future.png), "the map does not change with time");
  assert.match(past.clock, /^radar/);
  assert.match(future.clock, /^forecast/);
  await page.mouse.click(640, 400);
  await page.waitForFunction(() => /./.test(document.getElementById("point-summary").textContent));
  await page.waitForLoadState("networkidle");
  await page.screenshot({ path: join(folder, "page.png") });
  await page.click("#point-close");
  const before = await page.textContent("#clock-time");
  await page.keyboard.press("ArrowLeft");
  assert.notEqual(await page.textContent("#clock-time"), before, "the arrow key does nothing");
  assert.deepEqual([...hosts], [new URL(url).host], "the page talks to other hosts");
  assert.deepEqual(complaints, [], "the browser complains");

  const phone = await open({ width: 390, height: 844 }, "dark");
  await phone.page.waitForLoadState("networkidle");
  await phone.page.waitForTimeout(700);
  await phone.page.screenshot({ path: join(folder, "phone.png") });
  const overflow = await phone.page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  assert.ok(!overflow, "the page is wider than a phone");
  assert.deepEqual(phone.complaints, [], "the browser complains on a phone");
  console.log(`the map moves: ${past.wet}, ${now.wet}, ${future.wet} pixels of heavier rain at -60, now and +60 min`);
} finally {
  await browser.close();
}

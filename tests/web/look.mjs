// One look at the map of a machine, whose certificate is its own: node look.mjs URL FILE.png
// Waits for rain on the map; ends with code 1 and a sentence where none is drawn.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, file] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // No graphics card where tests run: WebGL in software.
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});

/** Pixels from yellow to red: only heavier rain is drawn so. */
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

try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true });
  // The machine may be an emulated one.
  page.setDefaultTimeout(600_000);
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.ready === "true" && !document.getElementById("slider").disabled);
  // Until rain is drawn, and nothing comes any more.
  let [heavy, before] = [0, null];
  for (let look = 0; look < 120; look++) {
    await page.waitForTimeout(2000);
    const png = await page.screenshot({ path: file });
    heavy = await heavyPixels(page, png);
    if (heavy >= 500 && before?.equals(png)) break;
    before = png;
  }
  assert.ok(heavy >= 500, `the map shows no rain: ${heavy} pixels`);
  console.log(`the map shows rain: ${heavy} pixels of heavier rain`);
} finally {
  await browser.close();
}

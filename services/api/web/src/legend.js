// What the colours mean.

/** Draws the legend of a layer description. */
export function showLegend(steps) {
  const bar = document.getElementById("legend-steps");
  for (const step of steps) {
    const cell = document.createElement("span");
    const swatch = document.createElement("i");
    swatch.style.background = step.color;
    cell.append(swatch, String(Math.round(step.from_mm_h * 100) / 100));
    bar.append(cell);
  }
}

/** Colour of a rate, or null below the legend. */
export function colorOf(steps, rate) {
  return steps.findLast((step) => rate >= step.from_mm_h - 1e-6)?.color ?? null;
}

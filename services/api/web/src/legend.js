// What the colours mean.

/** Draws the legend of a layer description: of rain rates, or of probabilities. */
export function showLegend(steps) {
  const chances = steps.some((step) => step.from_probability != null);
  const cells = steps.map((step) => {
    const cell = document.createElement("span");
    const swatch = document.createElement("i");
    swatch.style.background = step.color;
    cell.append(swatch, String(Math.round((step.from_probability ?? step.from_mm_h) * 100) / (chances ? 1 : 100)));
    return cell;
  });
  document.getElementById("legend-steps").replaceChildren(...cells);
  document.getElementById("legend-unit").textContent = chances ? "%" : "mm/h";
  const kind = chances ? "Probability of rain in per cent" : "Rain rate in millimetres per hour";
  document.getElementById("legend").setAttribute("aria-label", kind);
}

/** Colour of a rate, or null below the legend. */
export function colorOf(steps, rate) {
  return steps.findLast((step) => rate >= step.from_mm_h - 1e-6)?.color ?? null;
}

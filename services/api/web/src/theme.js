// Colours of the map, by the colour scheme of the system.

const LIGHT = {
  name: "light", sea: "#c9d7e2", land: "#f4f3ee", coast: "#8aa0b2", border: "#9a94a6", label: "#26333f",
  halo: "rgba(255,255,255,.9)", dot: "#4a5b6b", veil: 0.42, veilBrightness: 0.25, rain: 0.82,
};
const DARK = {
  name: "dark", sea: "#0c141d", land: "#1d2833", coast: "#4a5f73", border: "#5d6a7c", label: "#dfe7ee",
  halo: "rgba(8,13,19,.9)", dot: "#9db0c2", veil: 0.6, veilBrightness: 0.42, rain: 0.85,
};
const query = matchMedia("(prefers-color-scheme: dark)");

export const theme = () => (query.matches ? DARK : LIGHT);
export const onThemeChange = (changed) => query.addEventListener("change", changed);

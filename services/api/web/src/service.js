// What the page asks of the service that it came from.

/** JSON of a path; an error carries the sentence of the problem document. */
export async function getJson(path) {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => null);
  throw new Error(problem?.detail ?? `${response.status} ${response.statusText}`);
}

/** Calls `changed` shortly after a frame or nowcast came, and after every reconnection. */
export function follow(changed) {
  let timer;
  // Several frames come at once after a pause; one refresh shows them all.
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(changed, 400);
  };
  const events = new EventSource("v1/events");
  events.addEventListener("open", soon);
  events.addEventListener("frame", soon);
  events.addEventListener("nowcast", soon);
}

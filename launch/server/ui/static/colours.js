// @ts-check
/**
 * Colours for drawings, as the style sheet says them for light and dark: eight that are told apart by every eye, a
 * scale from low to high, and those of text and lines. A canvas needs them resolved, so they are read off an element.
 */

/** @type {Map<string, string>} */
const known = new Map();
const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * A colour of the style sheet (`ink`, `soft`, `line`, `paper`, `panel`, `indigo`, …) as `rgb(…)`.
 * @param {string} name
 * @returns {string}
 */
export function named(name) {
  const key = `${name} ${dark.matches}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  known.set(key, colour);
  return colour;
}

/**
 * The colour of the n-th thing in a drawing; after eight they begin again.
 * @param {number} index
 * @returns {string}
 */
export function nth(index) {
  return named(`c${index % 8}`);
}

/**
 * A place between low (0) and high (1) as a colour: viridis, with even steps for the eye.
 * @param {number} share
 * @param {number} [alpha]
 * @returns {string}
 */
export function scale(share, alpha = 1) {
  const [first, last] = dark.matches ? [0.2, 1] : [0, 0.93]; // what is as dark, or as light, as the paper is left out
  const place = (first + (last - first) * Math.max(0, Math.min(1, share))) * (STOPS.length - 1);
  const low = Math.min(STOPS.length - 2, Math.floor(place));
  const [from, to] = [STOPS[low], STOPS[low + 1]];
  const mixed = from.map((part, index) => Math.round(part + (to[index] - part) * (place - low)));
  return `rgb(${mixed.join(" ")} / ${alpha})`;
}

/**
 * Call when the browser goes from light to dark or back.
 * @param {() => void} then
 */
export function themed(then) {
  dark.addEventListener("change", then);
}

/** Viridis (S. van der Walt and N. Smith, 2015) at nine places. */
const STOPS = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [110, 206, 88], [253, 231, 37],
];

// @ts-check
/**
 * The state of a view, kept in the address: what is shared is what is seen, and the back button undoes.
 * A value that is the default is left out.
 */

/** @typedef {string | number | boolean | string[] | null | undefined} Value */

/**
 * What the address says of a name, or the default.
 * @param {string} name
 * @param {string} [otherwise]
 * @returns {string}
 */
export function read(name, otherwise = "") {
  return new URLSearchParams(location.search).get(name) ?? otherwise;
}

/**
 * Every value of a name, in order; null where the address does not mention it. One empty value is an empty list.
 * @param {string} name
 * @returns {string[] | null}
 */
export function readAll(name) {
  const found = new URLSearchParams(location.search).getAll(name);
  if (found.length === 0) return null;
  return found.length === 1 && found[0] === "" ? [] : found;
}

/**
 * Write some names; null or undefined takes one out. `back`: the back button returns to what was before.
 * @param {Record<string, Value>} changes
 * @param {{back?: boolean}} [how]
 */
export function write(changes, { back = true } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name);
    if (value === null || value === undefined) continue;
    if (Array.isArray(value)) for (const item of value.length ? value : [""]) query.append(name, item);
    else query.set(name, String(value));
  }
  const text = query.toString();
  const address = location.pathname + (text ? `?${text}` : "") + location.hash;
  if (address === location.pathname + location.search + location.hash) return;
  if (back) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

/**
 * Call when the back or the forward button changes the address.
 * @param {() => void} then
 */
export function changed(then) {
  addEventListener("popstate", then);
}

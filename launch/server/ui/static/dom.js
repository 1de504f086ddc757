// @ts-check
/**
 * Elements made from data. Text stays text, whatever it holds, and an address leads nowhere but to this server.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, any>} Attributes */

const SVG = "http://www.w3.org/2000/svg";
const LINKS = new Set(["href", "src", "action"]);

/**
 * An element. `onclick` and its like are listeners; true sets an empty attribute; null, undefined and false leave it
 * out; `style` is an object of properties (the pages' policy refuses style attributes).
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * The same for a drawing.
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  return filled(/** @type {SVGElement} */ (document.createElementNS(SVG, tag)), attributes, children);
}

/**
 * A node of text.
 * @param {unknown} value
 * @returns {Text}
 */
export function text(value) {
  return document.createTextNode(String(value));
}

/**
 * Put children in the place of what a node holds; the node.
 * @template {Element} N
 * @param {N} node
 * @param {...Child} children
 * @returns {N}
 */
export function put(node, ...children) {
  node.replaceChildren(...kept(children));
  return node;
}

/**
 * The element of this id, which the page has.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function the(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`this page has no element #${id}`);
  return found;
}

/**
 * The JSON that the server wrote into the page: `<div id="…" data-given="…">`.
 * @param {string} id
 * @returns {any}
 */
export function given(id) {
  return JSON.parse(the(id).dataset.given ?? "null");
}

/**
 * @template {Element} N
 * @param {N} node
 * @param {Attributes} attributes
 * @param {Child[]} children
 * @returns {N}
 */
function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(/** @type {any} */ (node).style, value);
    else if (LINKS.has(name)) node.setAttribute(name, own(String(value)));
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...kept(children));
  return node;
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function kept(children) {
  const shown = children.filter((child) => child !== null && child !== undefined && child !== false);
  return shown.map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * @param {string} address
 * @returns {string}
 */
function own(address) {
  const url = new URL(address, location.href);
  if (url.protocol === "blob:" || url.origin === location.origin) return address;
  throw new Error(`${address.slice(0, 80)} is no address of this server`);
}

// @ts-check
/**
 * The stream of events of a page. It is closed while nobody looks (a browser opens only six connections to one
 * server), and opened again where it broke off.
 */

const FIRST_MS = 1000;
const LONGEST_MS = 30000;

/** @typedef {"open" | "lost" | "hidden"} Standing */

/**
 * Listen at an address, which is asked for anew each time (it may hold a mark of what is known).
 * @param {() => string} address
 * @param {(told: any) => void} told
 * @param {(standing: Standing) => void} [standing]
 * @returns {() => void} ends it
 */
export function listen(address, told, standing = () => {}) {
  /** @type {EventSource | null} */
  let source = null;
  let pause = FIRST_MS;
  let timer = 0;

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function open() {
    close();
    source = new EventSource(address());
    source.onopen = () => {
      pause = FIRST_MS;
      standing("open");
    };
    source.onmessage = (event) => told(JSON.parse(event.data));
    source.onerror = () => {
      close();
      standing("lost");
      timer = window.setTimeout(open, pause);
      pause = Math.min(2 * pause, LONGEST_MS);
    };
  }

  function look() {
    if (document.visibilityState === "visible") {
      if (source === null) open();
    } else {
      close();
      standing("hidden");
    }
  }

  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", close);
  addEventListener("pageshow", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    removeEventListener("pagehide", close);
    removeEventListener("pageshow", look);
    close();
  };
}

/**
 * A standing as a person reads it, for an element with `aria-live`.
 * @param {HTMLElement} node
 * @returns {(standing: Standing) => void}
 */
export function shown(node) {
  return (standing) => {
    node.className = `live ${standing}`;
    node.textContent = { open: "live", lost: "no connection, trying again", hidden: "paused" }[standing];
  };
}

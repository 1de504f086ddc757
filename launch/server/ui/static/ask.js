// @ts-check
/**
 * Questions to this server, and changes. What it refuses is thrown with the words that it said.
 */

/**
 * The JSON at an address.
 * @param {string} address
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function ask(address, signal) {
  return answered(await fetch(address, { headers: { Accept: "application/json" }, signal }));
}

/**
 * Send a change as JSON; what the server answers.
 * @param {string} address
 * @param {unknown} body
 * @returns {Promise<any>}
 */
export async function send(address, body) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  return answered(await fetch(address, { method: "POST", headers, body: JSON.stringify(body) }));
}

/**
 * @param {Response} reply
 * @returns {Promise<any>}
 */
async function answered(reply) {
  const told = await reply.json().catch(() => null);
  if (reply.ok) return told;
  throw new Error(told?.error ?? `the server answered with ${reply.status}`);
}

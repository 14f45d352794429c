/**
 * Names of what we make, so that it can be told from what others made, also after a restart. At most 15 letters for an
 * interface. A name says nothing that is not in the row, so none is ever read for more than whose it is.
 */

/** In each sandbox. */
export const BRIDGE = "br0";
const VXLAN = "vx";
const VETH = "ve";
const EXIT_VETH = "sx";
const ID_LETTERS = 12;

/** In the sandbox of its network: "vx4097". */
export function vxlanName(vni: number): string {
  return `${VXLAN}${vni}`;
}

/** The end of an endpoint's pair in the sandbox. */
export function vethName(endpoint: string): string {
  return VETH + endpoint.slice(0, ID_LETTERS);
}

/** The end of an exit's pair in the host. */
export function exitVethName(exit: string): string {
  return EXIT_VETH + exit.slice(0, ID_LETTERS);
}

/** In the host, interfaces of others are left alone. */
export function isExitVeth(name: string): boolean {
  return new RegExp(`^${EXIT_VETH}[0-9a-z]{8,${ID_LETTERS}}$`).test(name);
}

/** A MAC that stays the same for a bridge, whatever is plugged into it, and is another one on every node. */
export function bridgeMac(...parts: readonly string[]): string {
  let low = 0x811c9dc5;
  let high = 0;
  for (const letter of parts.join("\n")) {
    low = Math.imul(low ^ (letter.codePointAt(0) ?? 0), 0x01000193);
    high = Math.imul(high ^ low, 0x01000193) ^ (low >>> 15);
  }
  const bytes = [0x02, low >>> 24, (low >>> 16) & 0xff, (low >>> 8) & 0xff, low & 0xff, high & 0xff];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/**
 * What this engine does better than memberlist on the same wire, each to be switched off alone, so that benchmarks can
 * hold the rules as upstream has them beside ours. Nodes run with all of them; docs/gossip.md gives the reasons.
 */
export interface Improvements {
  /** A wake-up that comes late lets what waits in the sockets be read before anybody is accused. */
  readonly lateWakeGrace: boolean;
  /** Acks go where our table says that the asker is; acks to strangers are rationed. */
  readonly ackByTable: boolean;
  /** A rumour of a member whose versions nobody could live with is dropped, as an exchange would be. */
  readonly versionsInRumours: boolean;
  /** A member whom nobody pings any more asks somebody why, by exchanging state. */
  readonly silenceExchange: boolean;
  /** While the dead are remembered, somebody tries now and then whether they are back: cuts heal by themselves. */
  readonly reconnect: boolean;
  /** Who leaves says goodbye to many in person, and does not leave that to rumours alone. */
  readonly goodbye: boolean;
  /**
   * Rumours are told at least `2 * retransmitMult` times. Told only `retransmitMult` times, as below ten members, one in
   * twenty misses somebody until the next exchange of tables.
   */
  readonly tellTwice: boolean;
}

export const allImprovements: Improvements = {
  lateWakeGrace: true,
  ackByTable: true,
  versionsInRumours: true,
  silenceExchange: true,
  reconnect: true,
  goodbye: true,
  tellTwice: true,
};

/** memberlist's rules as they are written down. */
export const noImprovements: Improvements = {
  lateWakeGrace: false,
  ackByTable: false,
  versionsInRumours: false,
  silenceExchange: false,
  reconnect: false,
  goodbye: false,
  tellTwice: false,
};

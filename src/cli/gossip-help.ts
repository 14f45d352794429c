/** The prose of `skep gossip --help` and of its subcommands' help. */

export const runHelp = `
Description:
  A gossip node keeps a list of who is in the cluster, notices within seconds who no longer is, and carries short
  messages to everybody, with no server in the middle. It speaks hashicorp/memberlist's protocol, byte for byte, over
  one port for UDP and TCP, and works in one cluster with Serf agents (--delegate-protocol 2,5,5) and with Docker's
  engines.

  Without a command, the node runs in the foreground. Standard output gets one line for each event, in tab-separated
  columns: time, event, name, address, state, and for some events who said so. Events: ready, join, update, suspect,
  refute, leave, conflict, accused, message. Standard error gets the log.

  SIGINT and SIGTERM let it say goodbye first; a second signal ends it at once.

Encryption:
  With --encrypt or --keyring-file, every packet and stream is encrypted with AES-GCM, and what is not is refused.
  Everybody who has a key can read and forge everything: treat it as the password of the cluster. The file, once it
  exists, is the truth, and --encrypt only fills a file that does not exist yet. To rotate: "keys install" on every
  node, then "keys use" on every node, then "keys remove" on every node.

Environment:
  SKEP_GOSSIP_KEY      the key for --encrypt; unlike an argument, other users cannot see it
  SKEP_GOSSIP_CONTROL  the socket for --control

Exit status:
  0  it did what was asked; the node said goodbye
  1  it could not be done: the reason is on standard error
  2  wrong use
  130, 143  ended at once by a second SIGINT or SIGTERM

Examples:
  Make a key, start a first node, let a second one join it:
    $ export SKEP_GOSSIP_KEY=$(skep gossip keygen)
    $ skep gossip --node a --bind 127.0.0.1:7946 --control /tmp/a.sock
    $ skep gossip --node b --bind 127.0.0.2:7946 --join 127.0.0.1
  See who is there:
    $ skep gossip members --control /tmp/a.sock
  Join a cluster of Serf agents:
    $ skep gossip --node c --encrypt "$KEY" --delegate-protocol 2,5,5 --join agent1.example.org
  Rotate the key of one node, keeping it off the command line:
    $ skep gossip keygen > new.key
    $ skep gossip keys install - --control /tmp/a.sock < new.key
    $ skep gossip keys use - --control /tmp/a.sock < new.key
`;

const byCommand: Readonly<Record<string, string>> = {
  members: `
Columns: name, address, state (alive, suspect, dead, left), incarnation, protocol versions. The list is this node's
view; others may be a moment ahead or behind.

Examples:
  $ skep gossip members --control /run/skep/gossip.sock
  $ skep gossip members --control /run/skep/gossip.sock --format json | jq '.[] | select(.state == "alive").name'
`,
  keys: `
The commands change this node only. A rotation installs the new key on every node before the first one uses it, and
removes the old one after the last. With --keyring-file the change is on disk before the command returns.

Examples:
  $ skep gossip keys list --control /run/skep/gossip.sock
  $ skep gossip keygen | tee new.key | skep gossip keys install - --control /run/skep/gossip.sock
  $ skep gossip keys remove 5f0c1d2e3f405162 --control /run/skep/gossip.sock
`,
  list: `
Examples:
  $ skep gossip keys list --control /run/skep/gossip.sock
`,
  stats: `
Counts are since the start of the node. "drops" says what was thrown away and why; "bugs" other than 0 deserves a
report; "wakes.late" other than 0 says that the machine was too busy for the node to be punctual.

Examples:
  $ skep gossip stats --control /run/skep/gossip.sock
  $ skep gossip stats --control /run/skep/gossip.sock --format json | jq .drops.undecryptable
`,
  leave: `
Examples:
  $ skep gossip leave --control /run/skep/gossip.sock --timeout 5
`,
  keygen: `
Examples:
  $ skep gossip keygen
  $ (umask 077; skep gossip keygen --bytes 16 | jq -R '[.]' > keyring.json)
`,
};

/** The text below the options of a subcommand. */
export function examples(command: string): string {
  return byCommand[command] ?? "";
}

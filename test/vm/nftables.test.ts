/** The tests of the packet filter again, with Debian's own kernel. */
import "../kernel/nftables.test.ts";

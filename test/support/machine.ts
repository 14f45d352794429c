/** For tests that need Debian's own kernel: whether they run under it. */
const { SKEP_VM } = process.env;

export const noMachine: string | false = SKEP_VM === "1" ? false : "runs in a virtual machine only: npm run test:vm";

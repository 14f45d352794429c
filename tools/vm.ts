/**
 * `node --import tsx tools/vm.ts [OPTION]... [--] COMMAND [ARGUMENT]...`: runs a command under Debian's own kernel, in
 * a throw-away virtual machine. The help below is its manual; vm/kernel.ts and vm/machine.ts do the work.
 */
import { realpathSync } from "node:fs";
import { parseArgs } from "node:util";
import { Fault } from "../src/base/fault.ts";
import { KERNEL_PACKAGE, missingPrograms, prepareKernel } from "./vm/kernel.ts";
import { type MachineOptions, runMachine } from "./vm/machine.ts";

const HELP = `NAME
  vm - run one command in a throw-away virtual machine with Debian's own kernel

SYNOPSIS
  node --import tsx tools/vm.ts [OPTION]... [--] COMMAND [ARGUMENT]...
  npm run vm -- [OPTION]... [--] COMMAND [ARGUMENT]...

DESCRIPTION
  For what the kernel of this machine cannot do, ESP for example. The guest sees the files of this machine as they
  are, and writes into a layer in its own memory, so that nothing it changes stays; /run is empty, and there is no
  network but lo. The command runs as root, in the current directory, with an environment of its own in which SKEP_VM
  is 1 and with nothing to read. Its standard output, standard error and exit status become those of this program.

  QEMU emulates the processor: a machine boots in about ten seconds, and programs run about ten times slower. Neither
  root nor /dev/kvm is needed, nor a network once the kernel is in the cache.

OPTIONS
  --share DIRECTORY   let the guest write to DIRECTORY, at its own path; repeatable
  --module NAME       load this kernel module first; repeatable. Most load by themselves on first use
  --env NAME=VALUE    set a variable in the environment of the command; repeatable
  --timeout SECONDS   give up after so long, boot included (default: 120)
  --cpus COUNT        processors of the machine (default: 2)
  --memory MIB        its memory, with all files it writes (default: 2048)
  --kernel PACKAGE    Debian package of the kernel (default: ${KERNEL_PACKAGE})
  --console           show the kernel's console on standard error afterwards
  --prepare           fetch the kernel into the cache and stop; takes no COMMAND
  --help              show this text

EXIT STATUS
  that of COMMAND; or
  2    wrong use
  124  out of time
  125  there is no machine: a program or the kernel cannot be had, or the guest broke down. Standard error says why

ENVIRONMENT
  SKEP_VM_CACHE       where kernels are kept (default: \${XDG_CACHE_HOME:-~/.cache}/skep/vm); delete it at will

FILES
  Needs the Debian packages qemu-system-x86 and busybox-static (tools/setup.sh test installs them), and the lists of
  apt-get to fetch the kernel.

EXAMPLES
  node --import tsx tools/vm.ts uname -r
  node --import tsx tools/vm.ts --share /tmp/captures --timeout 300 -- sh -c 'ip netns add a && ...'
`;

const OUT_OF_TIME = 124;
const NO_MACHINE = 125;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const tell = (text: string): void => void process.stderr.write(`skep vm: ${text}\n`);
  try {
    const { values, command } = parse(args);
    if (values.help === true) return print(HELP);
    if (command.length === 0 && values.prepare !== true) throw new Fault("invalid", "which command? --help helps");
    const options = machineOptions(values, command);
    const missing = missingPrograms();
    if (missing !== undefined) throw new Fault("unavailable", missing);
    const kernel = await prepareKernel(values.kernel ?? KERNEL_PACKAGE, tell);
    if (values.prepare === true) return print(`${kernel.image}\n`);
    const { ending, console } = await runMachine(kernel, options, { out: process.stdout, err: process.stderr });
    if (values.console === true || ending.how !== "exit") process.stderr.write(console);
    if (ending.how === "exit") return ending.status;
    if (ending.how === "timeout") tell(`out of time after ${options.seconds} s; above is its console`);
    else tell("the machine ended before its command did; above is its console");
    return ending.how === "timeout" ? OUT_OF_TIME : NO_MACHINE;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    tell(error.message);
    return error.code === "invalid" ? 2 : NO_MACHINE;
  }
}

type Values = ReturnType<typeof parse>["values"];

/** Options end at the first word that is none: it and what follows is the command. */
function parse(args: readonly string[]) {
  const options = {
    share: { type: "string", multiple: true },
    module: { type: "string", multiple: true },
    env: { type: "string", multiple: true },
    timeout: { type: "string" },
    cpus: { type: "string" },
    memory: { type: "string" },
    kernel: { type: "string" },
    console: { type: "boolean" },
    prepare: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  } as const;
  let end = 0;
  while (args[end]?.startsWith("-") === true && args[end] !== "--") {
    const option = options[args[end]?.slice(2) as keyof typeof options];
    end += option?.type === "string" ? 2 : 1;
  }
  try {
    const { values } = parseArgs({ args: args.slice(0, end), options });
    return { values, command: args.slice(args[end] === "--" ? end + 1 : end) };
  } catch (error) {
    throw new Fault("invalid", `${(error as Error).message}; --help helps`);
  }
}

function machineOptions(values: Values, command: readonly string[]): MachineOptions {
  return {
    command,
    folder: process.cwd(),
    environment: Object.fromEntries((values.env ?? []).map(variable)),
    shares: (values.share ?? []).map(folder),
    modules: values.module ?? [],
    seconds: number("--timeout", values.timeout, 120),
    processors: number("--cpus", values.cpus, 2),
    memoryMib: number("--memory", values.memory, 2_048),
  };
}

function variable(text: string): [name: string, value: string] {
  const match = /^([A-Za-z_]\w*)=(.*)$/s.exec(text);
  if (match === null) throw new Fault("invalid", `--env ${text}: not NAME=VALUE`);
  return [match[1] ?? "", match[2] ?? ""];
}

function folder(path: string): string {
  try {
    const real = realpathSync(path);
    if (/\s/.test(real)) throw new Fault("invalid", `--share ${path}: no white space, please`);
    return real;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("invalid", `--share ${path}: no such directory`);
  }
}

function number(name: string, text: string | undefined, preset: number): number {
  if (text === undefined) return preset;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Fault("invalid", `${name} ${text}: not a positive whole number`);
  return Number(text);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

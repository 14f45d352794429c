/**
 * What the kernel refuses, by the names of its error numbers.
 *
 * The numbers are Linux's own, the same on x86, ARM and RISC-V. Callers decide what a name means for them: `EEXIST` is
 * good news for whoever wanted the thing to be there. Source: include/uapi/asm-generic/errno-base.h and errno.h.
 */
import { Fault, type FaultCode } from "./fault.ts";

/** In the order of their numbers, from 1; synonyms left out. */
const names = [
  ..."EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY".split(
    " ",
  ),
  ..."EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS".split(" "),
  ..."EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP EWOULDBLOCK ENOMSG EIDRM".split(" "),
  ..."ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC".split(" "),
  ..."EBADSLT EDEADLOCK EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT".split(" "),
  ..."ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN".split(" "),
  ..."ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE".split(" "),
  ..."ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE".split(" "),
  ..."EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN".split(" "),
  ..."ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS".split(" "),
  ..."ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY".split(" "),
  ..."EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON".split(" "),
];
/** Not meant for programs, but parts of the kernel let it out. */
const ENOTSUPP = 524;

/** "EEXIST" for 17; "E999" for numbers without a name. */
export function errnoName(errno: number): string {
  if (errno === ENOTSUPP) return "ENOTSUPP";
  return names[errno - 1] ?? `E${errno}`;
}

const codes: Readonly<Record<string, FaultCode>> = {
  ENOENT: "notFound",
  ESRCH: "notFound",
  ENODEV: "notFound",
  ENXIO: "notFound",
  EADDRNOTAVAIL: "notFound",
  EEXIST: "conflict",
  EBUSY: "conflict",
  EADDRINUSE: "conflict",
  ERESTART: "conflict",
  EINVAL: "invalid",
  ERANGE: "invalid",
  EMSGSIZE: "invalid",
  EAFNOSUPPORT: "invalid",
  EOPNOTSUPP: "invalid",
  ETIMEDOUT: "timeout",
};

/** A refusal of the kernel. `message` is what was tried, the name, and the kernel's own words if it had any. */
export class KernelFault extends Fault {
  /** "EEXIST", for example. */
  readonly errno: string;
  /** Extended acknowledgement of netlink; empty if there was none. */
  readonly kernelMessage: string;

  constructor(errno: number, what: string, kernelMessage = "") {
    const errnoText = errnoName(errno);
    super(
      codes[errnoText] ?? "unavailable",
      `${what}: ${errnoText}${kernelMessage === "" ? "" : ` (${kernelMessage})`}`,
    );
    this.name = "KernelFault";
    this.errno = errnoText;
    this.kernelMessage = kernelMessage;
  }
}

/** Is this a refusal of the kernel for one of these reasons? */
export function isErrno(error: unknown, ...wanted: readonly string[]): error is KernelFault {
  return error instanceof KernelFault && wanted.includes(error.errno);
}

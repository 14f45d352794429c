/** Where a socket is: an IP address in its canonical text form (never a name, never IPv4-mapped) and a port. */
export interface Endpoint {
  readonly address: string;
  /** 1..65535; 0 only when asking to bind any port. */
  readonly port: number;
}

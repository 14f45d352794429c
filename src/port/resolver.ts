/** The door to names: host name to IP addresses in canonical text. Rejects with a `Fault` (`notFound`, `unavailable`). */
export interface Resolver {
  resolve(host: string): Promise<string[]>;
}

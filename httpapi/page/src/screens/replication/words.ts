/** An address as people read it: without a name, a password and the slash at its end. */
export function shown(address: string): string {
  return address.replace(/^(https?:\/\/)[^/@]*@/, '$1').replace(/\/$/, '').replace(/%2F/gi, '/')
}

const known: [RegExp, string][] = [
  [/no such host/i, 'There is no such host.'],
  [/connection refused/i, 'Nothing listens there: the server may be stopped.'],
  [/network refused/i, 'The settings of this server forbid replications to that address.'],
  [/certificate|x509/i, 'The certificate of the other server is not trusted.'],
  [/unauthorized/i, 'The name and the password are not accepted.'],
  [/forbidden/i, 'These credentials do not allow what is needed.'],
  [/no such database|not_found|could not open/i, 'The database does not exist.'],
  [/redirected/i, 'The server sends requests to another host.'],
  [/silent|timeout|deadline|stalled|no answer/i, 'The other server does not answer in time.'],
  [/no such filter/i, 'The source has no such filter function.'],
  [/cannot be reached|unreachable|no route|EOF|reset by peer/i, 'The other server cannot be reached.'],
]

/** A replication's error in words; undefined if there are none for it. */
export const inWords = (error: string): string | undefined => known.find(([what]) => what.test(error))?.[1]

/** How much later, as "5 minutes". */
export function every(seconds: number): string {
  for (const [unit, n] of [['day', 86400], ['hour', 3600], ['minute', 60]] as const) {
    if (seconds % n === 0) return seconds === n ? unit : `${seconds / n} ${unit}s`
  }
  return seconds === 1 ? 'second' : `${seconds} seconds`
}

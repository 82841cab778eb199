// Figures as people read them.

const whole = new Intl.NumberFormat('en')
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

/** 1,234,567 */
export const count = (n: number): string => whole.format(n)

/** 1.23 MB, of bytes; a kB has 1,000 */
export function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let i = 0
  for (; bytes >= 999.5 && i < units.length - 1; i++) bytes /= 1000
  return short.format(bytes) + ' ' + units[i]
}

/** "1 document", "2 documents" */
export const plural = (n: number, one: string, many = one + 's'): string => `${count(n)} ${n === 1 ? one : many}`

/** 12.3/s, of a number in each second */
export const rate = (n: number): string => (n >= 100 ? count(Math.round(n)) : short.format(n)) + '/s'

/** How long ago, or how long until, in the largest unit that fits: "3 minutes ago". */
export function ago(when: Date, now = new Date()): string {
  const seconds = (when.getTime() - now.getTime()) / 1000
  const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
  for (const [unit, length] of [['day', 86400], ['hour', 3600], ['minute', 60]] as const) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit)
  }
  return relative.format(Math.round(seconds), 'second')
}

/** The sequence number at the beginning of an opaque update sequence; NaN if there is none. */
export const seqNumber = (seq: unknown): number => parseInt(String(seq), 10)

// The server's HTTP API, as the page uses it: with the visitor's own session, and nothing that
// another program could not do.

/** The path of the API's root, with a slash at its end. The page stands at _utils/ below it, whatever a proxy puts before. */
export const root = location.pathname.replace(/_utils\/.*$/, '')

/** What a query may have. undefined is left out; other values that are no strings are written as JSON. */
export type Query = Record<string, unknown>

const kindOf = (segment: string): string => /^_(?:design|local)\//.exec(segment)?.[0] ?? ''

// Browsers take . and .. in an address for steps, escaped or not: a request for a document of that
// name would go to another place. So none is made.
const isStep = (segment: string): boolean => /^\.\.?$/.test(segment.slice(kindOf(segment).length))

function checkSteps(segments: readonly string[]): void {
  const step = segments.find(isStep)
  if (step !== undefined) throw new Failure(400, 'unreachable', `Browsers cannot ask for what is called ${step}. Use another program for it.`)
}

/**
 * The address of a path of the API: each segment is escaped. The id of a design or local document
 * is one segment with a slash (`_design/x`), and its first slash stays one.
 */
export function url(segments: readonly string[], query?: Query): string {
  const path = segments
    .map((s) => {
      const kind = kindOf(s)
      // Escaped twice, a step leads to nothing.
      return kind + (isStep(s) ? s.slice(kind.length).replaceAll('.', '%252E') : encodeURIComponent(s.slice(kind.length)))
    })
    .join('/')
  const pairs = Object.entries(query ?? {})
    .filter(([, v]) => v !== undefined)
    .map(([k, v]) => encodeURIComponent(k) + '=' + encodeURIComponent(typeof v === 'string' ? v : JSON.stringify(v)))
  return root + path + (pairs.length ? '?' + pairs.join('&') : '')
}

/** An answer that is an error, or no answer at all (status 0). */
export class Failure extends Error {
  constructor(
    /** HTTP status; 0 if the server could not be reached */
    readonly status: number,
    /** the server's word, such as conflict */
    readonly error: string,
    /** the server's sentence */
    readonly reason: string,
    /** of something that was to be done: whether trying again does it once at the most */
    readonly once = false,
  ) {
    super(reason || error)
  }
}

const silent = 'The server does not answer. It may be stopped, or the network is down.'

/** An error in words for people. */
export function words(e: unknown): string {
  if (!(e instanceof Failure)) return e instanceof Error ? e.message : String(e)
  if (e.status === 0 && e.error === 'unreadable') return 'What came back is no answer of this server. Something between may have answered for it: a proxy, or a network that wants you to sign in.'
  if (e.error === 'unanswered') return `${silent} What you sent may have arrived all the same. ${e.once ? 'Try again: it is not done twice.' : 'Look before you try again.'}`
  if (e.status === 0) return silent
  if (e.status === 401) return e.reason || 'Please sign in.'
  if (e.status === 403) return `You may not do this: ${e.reason}`
  if (e.status === 429) return 'The server has too much to do for you just now. Try again in a moment.'
  return e.reason || `The server answered ${e.status}.`
}

/** Tells whether an error only says that somebody left the screen. */
export function left(e: unknown): boolean {
  return e instanceof DOMException && e.name === 'AbortError'
}

export interface Ask {
  query?: Query
  /** sent as JSON */
  json?: unknown
  /** sent as it is, as JSON unless headers say otherwise */
  body?: BodyInit
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
}

/**
 * Tells in whose name something is to be written, so that the server refuses it if the session has ended
 * meanwhile or is another one's: where all may write, it would be written in the name of nobody. undefined: of
 * whoever asks.
 */
export const writer: { call: () => string | undefined } = { call: () => undefined }

function inTheName(): Record<string, string> {
  const name = writer.call()
  return name === undefined ? {} : { 'If-User': encodeURIComponent(name) }
}

// The page itself asks for a name and a password. Where the server's answer would have the browser ask
// ([chttpd] require_valid_user), this says that it need not.
const ownQuestion = { 'X-CouchDB-WWW-Authenticate': 'Cookie' }

/** Called when the server says that the session has ended. */
export const onSignedOut: { call: () => void } = { call: () => {} }

/** Asks the server, and throws a Failure unless the answer is a success. */
async function ask(method: string, path: readonly string[], opt: Ask = {}): Promise<Response> {
  checkSteps(path)
  const headers: Record<string, string> = { Accept: 'application/json', ...ownQuestion, ...(method !== 'GET' && path.join('/') !== '_session' ? inTheName() : {}), ...opt.headers }
  const body = opt.json === undefined ? opt.body : JSON.stringify(opt.json)
  // Without a type CouchDB takes no POST, not even an empty one.
  if ((body !== undefined || method === 'POST') && !headers['Content-Type']) headers['Content-Type'] = 'application/json'
  let res: Response
  try {
    res = await fetch(url(path, opt.query), { method, headers, body: body ?? null, signal: opt.signal ?? null, credentials: 'same-origin', cache: 'no-cache' })
  } catch (e) {
    if (left(e)) throw e
    throw new Failure(0, 'unreachable', '')
  }
  if (res.ok) return honest(res)
  const failure = await failureOf(res)
  if (res.status === 401 && path[0] !== '_session') onSignedOut.call()
  throw failure
}

/** An answer that says in words for people if it ends too early, or is none of this server. */
function honest(res: Response): Response {
  for (const how of ['json', 'text', 'blob'] as const) {
    const own = res[how].bind(res) as () => Promise<unknown>
    res[how] = () => own().catch((e: unknown) => {
      throw left(e) ? e : new Failure(0, e instanceof SyntaxError ? 'unreadable' : 'unreachable', '')
    }) as Promise<never>
  }
  return res
}

async function failureOf(res: Response): Promise<Failure> {
  let said: { error?: unknown; reason?: unknown } = {}
  const text = await res.text().catch(() => '')
  try {
    said = JSON.parse(text) as typeof said
  } catch {
    // A proxy's page is nothing to read here. Its statuses say that the server has not answered it.
    if (res.status === 502 || res.status === 504) return new Failure(0, 'unreachable', '')
    said = { reason: /^\s*</.test(text) ? '' : text.slice(0, 300) }
  }
  const word = (v: unknown) => (v === undefined ? '' : typeof v === 'string' ? v : JSON.stringify(v))
  return new Failure(res.status, word(said?.error), word(said?.reason))
}

/** An answer in JSON, of which nothing will be saved again: numbers are JavaScript's. */
export async function get<T>(path: readonly string[], query?: Query, signal?: AbortSignal): Promise<T> {
  return (await read(path, { query: query ?? {}, signal })).json() as Promise<T>
}

/** An answer as it comes. */
export const read = (path: readonly string[], opt: Ask & { method?: 'GET' | 'HEAD' } = {}): Promise<Response> => ask(opt.method ?? 'GET', path, opt)

/** A question that stands in the body. It changes nothing on the server. */
export const find = (path: readonly string[], opt: Ask): Promise<Response> => ask('POST', path, opt)

/** An answer as text, for documents: they are read by json.ts. */
export async function getText(path: readonly string[], query?: Query, signal?: AbortSignal): Promise<string> {
  return (await read(path, { query: query ?? {}, signal })).text()
}

// Writes of documents whose answers have not come, with the keys by which the server knows them again.
let unanswered: { what: string; key: string }[] = []

/** Tells whether the server does a write once at the most if it has a key. */
const keyed = (path: readonly string[]): boolean => path.length > 1 && /^(?!_)|^_(users|replicator)$/.test(path[0]!) && /^(?!_)|^_(design|local)\/|^_(bulk_docs|conflicts)$/.test(path[1]!)

/**
 * Sends what changes something. If no answer comes, nobody knows whether it was done: when the visitor tries
 * the same again, the server is told that it is the same.
 */
async function once<T>(path: readonly string[], what: string, send: (headers: Record<string, string>) => Promise<T>): Promise<T> {
  const can = keyed(path)
  const key = unanswered.find((u) => u.what === what)?.key ?? crypto.getRandomValues(new Uint32Array(4)).join('-')
  const forget = () => (unanswered = unanswered.filter((u) => u.key !== key))
  try {
    const answer = await send(can ? { 'Idempotency-Key': key } : {})
    forget()
    return answer
  } catch (e) {
    if (e instanceof Failure && e.status >= 400 && e.status < 500) forget()
    if (left(e) || !(e instanceof Failure) || (e.status !== 0 && e.status < 500)) throw e
    forget()
    if (can) unanswered = [...unanswered, { what, key }].slice(-20)
    throw e.error === 'unreachable' && path[0] !== '_session' ? new Failure(0, 'unanswered', '', can) : e
  }
}

/** What changes something. Only acts have one (see act.ts), so that nothing is done twice by a second press. */
export class Sender {
  /** Sends JSON, or what opt says, and returns the answer's JSON. */
  async send<T>(method: 'PUT' | 'POST' | 'DELETE' | 'COPY', path: readonly string[], json?: unknown, opt: Ask = {}): Promise<T> {
    const body = json === undefined ? opt.body : JSON.stringify(json)
    const what = JSON.stringify([method, url(path, opt.query), opt.headers, typeof body === 'string' ? body : null])
    return once(path, what, async (key) => (await (await ask(method, path, { ...opt, ...(body === undefined ? {} : { body }), headers: { ...opt.headers, ...key } })).json()) as T)
  }

  /** Sends a file and reports how many bytes have gone (progress from 0 to 1). */
  upload<T>(method: 'PUT' | 'POST', path: readonly string[], opt: Upload): Promise<T> {
    const file = opt.file as Partial<File> & Blob
    return once(path, JSON.stringify([method, url(path, opt.query), file.name, file.size, file.lastModified, opt.type]), (key) => upload(method, path, opt, key))
  }
}

interface Upload {
  query?: Query
  file: Blob
  type: string
  signal?: AbortSignal
  progress: (part: number) => void
}

/**
 * The lines of an answer as they arrive: a continuous feed, or NDJSON. Heartbeats are left out.
 * It ends when the server ends it; abort the signal to leave.
 */
export async function* lines(path: readonly string[], opt: Ask & { method?: string } = {}): AsyncGenerator<string> {
  const res = await ask(opt.method ?? 'GET', path, opt)
  const reader = res.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      const all = (rest + value).split('\n')
      rest = all.pop()!
      for (const line of all) if (line.trim()) yield line
    }
  } finally {
    reader.cancel().catch(() => {})
  }
  if (rest.trim()) yield rest
}

function upload<T>(method: string, path: readonly string[], opt: Upload, headers: Record<string, string>): Promise<T> {
  return new Promise((resolve, reject) => {
    checkSteps(path) // which rejects
    const x = new XMLHttpRequest()
    x.open(method, url(path, opt.query))
    for (const [name, value] of Object.entries({ ...ownQuestion, ...inTheName(), ...headers })) x.setRequestHeader(name, value)
    x.setRequestHeader('Accept', 'application/json')
    x.setRequestHeader('Content-Type', opt.type || 'application/octet-stream')
    x.upload.onprogress = (e) => e.lengthComputable && opt.progress(e.loaded / e.total)
    x.onerror = () => reject(new Failure(0, 'unreachable', ''))
    x.onabort = () => reject(new DOMException('left', 'AbortError'))
    x.onload = () => {
      if (x.status < 300) {
        try {
          resolve(JSON.parse(x.responseText) as T)
        } catch {
          reject(new Failure(0, 'unreadable', ''))
        }
      } else {
        if (x.status === 401) onSignedOut.call()
        void failureOf(new Response(x.responseText, { status: x.status })).then(reject)
      }
    }
    opt.signal?.addEventListener('abort', () => x.abort())
    x.send(opt.file)
  })
}

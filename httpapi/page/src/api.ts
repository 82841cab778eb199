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
  ) {
    super(reason || error)
  }
}

/** An error in words for people. */
export function words(e: unknown): string {
  if (!(e instanceof Failure)) return e instanceof Error ? e.message : String(e)
  if (e.status === 0) return 'The server does not answer. It may be stopped, or the network is down.'
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
  if (res.ok) return res
  const failure = await failureOf(res)
  if (res.status === 401 && path[0] !== '_session') onSignedOut.call()
  throw failure
}

async function failureOf(res: Response): Promise<Failure> {
  let said: { error?: unknown; reason?: unknown } = {}
  const text = await res.text()
  try {
    said = JSON.parse(text) as typeof said
  } catch {
    said = { reason: text.slice(0, 300) }
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

/** What changes something. Only acts have one (see act.ts), so that nothing is done twice by a second press. */
export class Sender {
  /** Sends JSON, or what opt says, and returns the answer's JSON. */
  async send<T>(method: 'PUT' | 'POST' | 'DELETE' | 'COPY', path: readonly string[], json?: unknown, opt: Ask = {}): Promise<T> {
    return (await (await ask(method, path, json === undefined ? opt : { ...opt, json })).json()) as T
  }

  /** Sends a file and reports how many bytes have gone (progress from 0 to 1). */
  upload<T>(method: 'PUT' | 'POST', path: readonly string[], opt: Upload): Promise<T> {
    return upload(method, path, opt)
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

function upload<T>(method: string, path: readonly string[], opt: Upload): Promise<T> {
  return new Promise((resolve, reject) => {
    checkSteps(path) // which rejects
    const x = new XMLHttpRequest()
    x.open(method, url(path, opt.query))
    for (const [name, value] of Object.entries({ ...ownQuestion, ...inTheName() })) x.setRequestHeader(name, value)
    x.setRequestHeader('Accept', 'application/json')
    x.setRequestHeader('Content-Type', opt.type || 'application/octet-stream')
    x.upload.onprogress = (e) => e.lengthComputable && opt.progress(e.loaded / e.total)
    x.onerror = () => reject(new Failure(0, 'unreachable', ''))
    x.onabort = () => reject(new DOMException('left', 'AbortError'))
    x.onload = () => {
      if (x.status < 300) resolve(JSON.parse(x.responseText) as T)
      else {
        if (x.status === 401) onSignedOut.call()
        void failureOf(new Response(x.responseText, { status: x.status })).then(reject)
      }
    }
    opt.signal?.addEventListener('abort', () => x.abort())
    x.send(opt.file)
  })
}

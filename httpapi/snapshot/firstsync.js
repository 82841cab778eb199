// firstSync fills a PouchDB from a snapshot, and leaves the checkpoints of sync. docs/first-sync.md tells how it is used.
export async function firstSync (local, remote, options = {}) {
  const [pull, push] = [options.pull, options.push].map(way => ({ ...options, ...way, live: false, retry: false }))
  const { filter = '', view = '', query_params: keys } = pull
  const path = '_snapshot?' + new URLSearchParams({ attachments: true, filter, view, ...keys })
  const _id = `_local/first ${remote.name.replace(/\/\/.*@/, '//')} ${path}`
  const place = await local.get(_id).catch(() => ({ _id, docs: 0 }))
  const save = async more => { place._rev = (await local.put(Object.assign(place, more))).rev }
  if (place.done) return
  if (!place.since && !pull.selector && !pull.doc_ids) await load(local, remote, path, place, save).catch(() => {})
  const all = place.docs && place.docs === (await local.info()).update_seq // came from there: it need not be offered
  const tell = () => local.replicate.to(remote, { ...push, since: place.docs }) // thrice: a server that has just started doubts it
  if (all && options.push !== false) await tell().catch(tell).catch(tell)
  await local.replicate.from(remote, { ...pull, since: place.since })
  await save({ done: true })
}
async function load (local, remote, path, place, save) { // asks for the next byte on if the line is cut, or silent
  let rest = '', docs = [], head, same, got = 0, seen, failures = 0, stop
  const write = async text => {
    const lines = (rest + text).split('\n'); rest = lines.pop()
    for (const line of lines.map(line => JSON.parse(line))) {
      if (line._id) { docs.push(line); continue } // else they are all up to last_seq
      if ((await local.bulkDocs(docs, { new_edits: false })).some(row => row.error)) throw new Error('not written')
      await save({ docs: place.docs + docs.splice(0).length, since: line.last_seq })
    }
  }
  const bytes = new TransformStream({ transform (some, to) { got += some.length; failures = 0; to.enqueue(some) } })
  const loaded = bytes.readable.pipeThrough(new DecompressionStream('gzip')).pipeThrough(new TextDecoderStream())
    .pipeTo(new WritableStream({ write })).catch(() => { failures = Infinity })
  const watch = setInterval(() => { got === seen ? stop.abort() : seen = got }, 15000)
  for (; got !== +head?.get('Content-Length') && failures < 9; failures++) try {
    await new Promise(resolve => setTimeout(resolve, failures && 100 * 2 ** failures))
    const headers = new Headers({ Accept: 'application/gzip', Range: `bytes=${got}-`, ...same })
    const answer = await remote.fetch(path, { headers, signal: (stop = new AbortController()).signal })
    if (answer.status !== 206) { if (![502, 503, 504].includes(answer.status)) failures = Infinity; continue }
    head ??= answer.headers; same = { 'If-Range': head.get('ETag') }
    await new Response(answer.body).body.pipeTo(bytes.writable, { preventClose: true, preventAbort: true })
  } catch {}
  await Promise.allSettled([bytes.writable.close(), loaded]).finally(() => clearInterval(watch))
}

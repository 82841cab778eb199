// The first copy of a tododb database in a PouchDB, as one stream. Call it each time before sync;
// once the copy is there it does nothing.
//
//   await firstSync(local, remote)
//   local.sync(remote, { live: true, retry: true })
//
// Options are those of sync. Where the server has no snapshot for them, or for the user, PouchDB
// replicates as it always does.
export async function firstSync (local, remote, options = {}) {
  const once = { live: false, retry: false }
  const pull = { ...options, ...options.pull, ...once }
  const query = new URLSearchParams({ attachments: true, ...pull.query_params })
  for (const name of ['filter', 'view']) if (pull[name]) query.set(name, pull[name])
  const began = (await local.info()).update_seq
  const start = { _id: `_local/first ${remote.name.replace(/\/\/.*@/, '//')} ${query}`, docs: 0, began }
  const place = await local.get(start._id).catch(() => start)
  if (place.done) return
  const save = async () => { place._rev = (await local.put(place)).rev }
  if (!place.since && !pull.selector && !pull.doc_ids) await load(local, remote, '_snapshot?' + query, place, save).catch(() => {})
  // With since PouchDB leaves its checkpoints on both sides. What came from the server need not be
  // offered to it, if nothing else was written here before or meanwhile.
  const work = [local.replicate.from(remote, { ...pull, since: place.since })]
  const theirs = place.ours === place.docs && place.began === 0
  if (theirs && options.push !== false) work.push(push(() => local.replicate.to(remote, { ...options, ...options.push, ...once, since: place.ours })))
  await Promise.all(work)
  place.done = true
  await save()
}

// push leaves the checkpoint of a push. Since its start the server has not heard of it, and refuses it
// twice: it cannot tell it from one that is older than the server's files.
async function push (replicate) {
  for (let refused = 0; ; refused++) {
    try { return await replicate() } catch (err) { if (err.status !== 503 || refused === 2) throw err }
  }
}

async function load (local, remote, path, place, save) {
  const bytes = download(remote, path)
  const pull = async to => { const { value, done } = await bytes.next(); done ? to.close() : to.enqueue(value) }
  const texts = new ReadableStream({ pull, cancel: () => bytes.return() })
    .pipeThrough(new DecompressionStream('gzip')).pipeThrough(new TextDecoderStream())
  let rest = ''; let docs = []
  for await (const text of chunks(texts)) {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      const doc = JSON.parse(line)
      if (doc._id) { docs.push(doc); continue } // else what has come so far is everything up to last_seq
      const failed = (await local.bulkDocs(docs, { new_edits: false })).find(row => row.error)
      if (failed) throw failed
      place.docs += docs.length; docs = []
      place.since = doc.last_seq
      await save()
    }
  }
  place.ours = (await local.info()).update_seq
}

// download gives the bytes of a snapshot. Where the line was cut, or gave nothing for too long, it
// goes on with the next byte.
async function * download (remote, path, patience = 20000) {
  for (let etag, size, got = 0, failures = 0; got !== size;) {
    const stop = new AbortController()
    const watch = () => setTimeout(() => stop.abort(), patience)
    let timer = watch()
    try {
      const headers = new Headers({ Accept: 'application/gzip', ...(got ? { Range: `bytes=${got}-`, 'If-Range': etag } : {}) })
      const answer = await remote.fetch(path, { headers, signal: stop.signal })
      if (answer.status !== (got ? 206 : 200)) {
        if (![502, 503, 504].includes(answer.status)) failures = Infinity
        throw new Error(`snapshot: ${answer.status}`)
      }
      etag = answer.headers.get('ETag'); size ??= +answer.headers.get('Content-Length')
      for await (const chunk of chunks(answer.body)) {
        clearTimeout(timer)
        got += chunk.length; failures = 0
        yield chunk
        timer = watch()
      }
    } catch (err) {
      if (++failures > 8) throw err
      await new Promise(resolve => setTimeout(resolve, 100 * 2 ** failures))
    } finally { clearTimeout(timer); stop.abort() }
  }
}

async function * chunks (stream) {
  if (!stream.getReader) return yield * stream // Node's own kind
  const reader = stream.getReader()
  try { for (let one; !(one = await reader.read()).done;) yield one.value } finally { reader.cancel().catch(() => {}) }
}

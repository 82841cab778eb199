// A new device fills its PouchDB over a slow line: with PouchDB's own replication, with one
// stream, and with a stream that is cut again and again. What is done after "NAME begin" is
// measured until "NAME end" by the test.
//
//   node firstsync.js http://HOST:PORT USER PASSWORD DOCUMENTS

const assert = require('node:assert/strict')
const http = require('node:http')
const PouchDB = require('pouchdb')
PouchDB.plugin(require('pouchdb-adapter-memory'))
const { ask, step, within } = require('./harness')

const [base, username, password, count] = process.argv.slice(2)
const agent = new http.Agent({ keepAlive: true })
let requests = 0

function remote () {
  return new PouchDB(`${base}/db`, {
    auth: { username, password },
    fetch: (url, options) => {
      requests++
      // As a browser does it: connections are kept, and a cut one is noticed.
      return url.includes('_snapshot') ? fetch(url, options) : PouchDB.fetch(url, { ...options, agent })
    }
  })
}

const device = name => new PouchDB(name, { adapter: 'memory' })

// measured has the test measure what is done, and prints how many requests it took.
async function measured (name, work) {
  await ask(`begin ${name}`)
  requests = 0
  await work()
  await ask(`end ${name} ${requests}`)
}

// contents are the leaves of all documents.
async function contents (db) {
  const { rows } = await db.allDocs({ conflicts: true, include_docs: true, attachments: true })
  return rows.map(({ doc }) => doc)
}

async function main () {
  const { firstSync } = await import('data:text/javascript,' + encodeURIComponent(await (await fetch(`${base}/_snapshot.js`)).text()))
  const replicated = device('replicated')
  const streamed = device('streamed')

  await step('replication', () => measured('replication', async () => { await replicated.replicate.from(remote()) }))
  await step('one stream', () => measured('stream', () => firstSync(streamed, remote())))
  await step('the same documents', async () => {
    assert.equal((await streamed.info()).doc_count, +count)
    assert.deepEqual(await contents(streamed), await contents(replicated))
  })

  await step('a stream that is cut', async () => {
    const cut = device('cut')
    await measured('cut', () => firstSync(cut, remote()))
    assert.equal((await cut.info()).doc_count, +count)
  })

  await step('nothing is read again', async () => {
    requests = 0
    await firstSync(streamed, remote())
    assert.equal(requests, 0)
    const result = await streamed.sync(remote())
    assert.equal(result.push.docs_read, 0)
    assert.equal(result.pull.docs_read, 0)
    assert.ok(requests < 20, `${requests} requests`)
  })

  await step('live sync goes on, both ways', async () => {
    const there = remote()
    const sync = streamed.sync(there, { live: true, retry: true })
    await streamed.put({ _id: 'from-here' })
    await there.put({ _id: 'from-there' })
    await within('both have both', async () => {
      const [a, b] = [await there.get('from-here').catch(() => false), await streamed.get('from-there').catch(() => false)]
      return a && b
    })
    const doc = await streamed.get('doc000007')
    await streamed.remove(doc)
    await within('the deletion arrives', () => there.get('doc000007').then(() => false, err => err.status === 404))
    sync.cancel()
    await sync
    await replicated.replicate.from(there)
    assert.deepEqual(await contents(streamed), await contents(replicated))
  })

  if (count > 10000) return // the rest is the same with fewer

  await step('what was written here before is sent', async () => {
    const own = device('own')
    await own.put({ _id: 'mine', n: 1 })
    await firstSync(own, remote())
    await own.sync(remote())
    assert.equal((await remote().get('mine')).n, 1)
  })

  await step('what is written here meanwhile is sent', async () => {
    const own = device('meanwhile')
    const work = firstSync(own, remote())
    await within('documents arrive', async () => (await own.info()).doc_count > 0)
    await own.put({ _id: 'meanwhile' })
    await work
    await own.sync(remote())
    await remote().get('meanwhile')
  })

  await step('without a snapshot PouchDB replicates', async () => {
    const other = device('other')
    await firstSync(other, new PouchDB(`${base}/_users`, { auth: { username, password } }))
    assert.ok(await other.get('_design/_auth'))
  })

  await step('a filtered one', async () => {
    const some = device('some')
    const options = { filter: '_view', view: 'by/kind', query_params: { key: '"odd"' }, push: false }
    await firstSync(some, remote(), options)
    const result = await some.replicate.from(remote(), options)
    assert.equal(result.docs_read, 0)
    const control = device('control')
    await control.replicate.from(remote(), options)
    const found = await contents(some)
    assert.ok(found.length > 2)
    assert.deepEqual(found, await contents(control))
  })
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

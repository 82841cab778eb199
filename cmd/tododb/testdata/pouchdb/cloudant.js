// IBM's clients: the Cloudant SDK, and couchbackup, which is built on it.
//
//   node cloudant.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const { once } = require('node:events')
const { mkdtempSync, rmSync, createReadStream, createWriteStream } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { CloudantV1, CouchdbSessionAuthenticator, ChangesFollower } = require('@ibm-cloud/cloudant')
const couchbackup = require('@cloudant/couchbackup')
const { step } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const withPassword = name => base.replace('://', `://${username}:${password}@`) + '/' + name

const service = new CloudantV1({ authenticator: new CouchdbSessionAuthenticator({ username, password }) })
service.setServiceUrl(base)
const rejects = (work, status, error) => assert.rejects(work, err => err.status === status && err.result.error === error)

const backup = (name, file, opts) => new Promise((resolve, reject) => {
  couchbackup.backup(withPassword(name), createWriteStream(file), opts, (err, data) => err ? reject(err) : resolve(data))
})
// A restore may be refused before its file has been opened, which is not to be removed until then.
const restore = async (file, name) => {
  const saved = createReadStream(file)
  const closed = once(saved, 'close')
  try {
    return await new Promise((resolve, reject) => {
      couchbackup.restore(saved, withPassword(name), { attachments: true }, (err, data) => err ? reject(err) : resolve(data))
    })
  } finally {
    saved.destroy()
    await closed
  }
}

async function main () {
  const db = 'orders'

  await step('databases and documents, gzip bodies, a session', async () => {
    assert.equal((await service.getServerInformation()).result.couchdb, 'Welcome')
    assert.equal((await service.putDatabase({ db })).status, 201)
    await rejects(service.putDatabase({ db }), 412, 'file_exists')
    const made = await service.putDocument({ db, docId: 'big', document: { text: 'x'.repeat(5000) } })
    assert.match(made.result.rev, /^1-/)
    await rejects(service.putDocument({ db, docId: 'big', document: {} }), 409, 'conflict')
    assert.equal((await service.getDocument({ db, docId: 'big' })).result.text.length, 5000)
    assert.equal((await service.headDocument({ db, docId: 'big' })).headers.etag, `"${made.result.rev}"`)
    await service.deleteDocument({ db, docId: 'big', rev: made.result.rev })
    await rejects(service.getDocument({ db, docId: 'big' }), 404, 'not_found')
  })

  await step('many documents, a view, a query', async () => {
    const docs = [...Array(2500).keys()].map(i => ({ _id: 'o' + String(i).padStart(5, '0'), n: i, who: 'c' + i % 7 }))
    const written = await service.postBulkDocs({ db, bulkDocs: { docs } })
    assert.equal(written.result.filter(r => r.ok).length, 2500)
    await service.putDesignDocument({
      db, ddoc: 'by', designDocument: { views: { who: { map: 'function (doc) { if (doc.who) emit(doc.who, doc.n) }', reduce: '_stats' } } }
    })
    const view = await service.postView({ db, ddoc: 'by', view: 'who', group: true })
    assert.equal(view.result.rows.length, 7)
    assert.equal(view.result.rows.reduce((n, row) => n + row.value.count, 0), 2500)
    const queries = await service.postAllDocsQueries({ db, queries: [{ keys: ['o00001', 'none'] }, { limit: 2 }] })
    assert.deepEqual(queries.result.results.map(r => r.rows.length), [2, 2])
    await service.postIndex({ db, ddoc: 'n', name: 'n', type: 'json', index: { fields: [{ n: 'asc' }] } })
    const found = await service.postFind({ db, selector: { n: { $gte: 2495 } }, sort: [{ n: 'desc' }] })
    assert.deepEqual(found.result.docs.map(d => d.n), [2499, 2498, 2497, 2496, 2495])
    assert.equal((await service.postExplain({ db, selector: { n: 1 } })).result.index.ddoc, '_design/n')
  })

  await step('attachments', async () => {
    const put = await service.putAttachment({ db, docId: 'o00001', attachmentName: 'a b.txt', contentType: 'text/plain', attachment: Buffer.from('a text'), rev: (await service.getDocument({ db, docId: 'o00001' })).result._rev })
    assert.match(put.result.rev, /^2-/)
    const got = await service.getAttachment({ db, docId: 'o00001', attachmentName: 'a b.txt' })
    const parts = []
    for await (const part of got.result) parts.push(part)
    assert.equal(Buffer.concat(parts).toString(), 'a text')
  })

  await step('the changes follower', async () => {
    const finite = new ChangesFollower(service, { db, includeDocs: true })
    const seen = new Set()
    for await (const row of finite.startOneOff()) seen.add(row.id)
    assert.equal(seen.size, 2503) // 2,500 orders, a tombstone, two design documents
    const live = new ChangesFollower(service, { db, since: 'now' })
    const next = new Promise((resolve, reject) => live.start().on('data', resolve).on('error', reject))
    const write = setInterval(() => service.postDocument({ db, document: { late: true } }).catch(() => {}), 200)
    const row = await next
    clearInterval(write)
    live.stop()
    assert.ok(row.id && row.changes[0].rev)
  })

  const dir = mkdtempSync(join(tmpdir(), 'couchbackup-'))
  try {
    for (const [what, opts] of [['full', { parallelism: 3, bufferSize: 100, attachments: true, log: join(dir, 'full.log') }], ['shallow', { mode: 'shallow', bufferSize: 100, attachments: true }]]) {
      await step(`a ${what} backup and its restore`, async () => {
        // A conflict: a full backup keeps it, a shallow one keeps the winner.
        await service.postBulkDocs({ db, bulkDocs: { newEdits: false, docs: [{ _id: 'both', _rev: '1-a', of: 'a' }, { _id: 'both', _rev: '1-b', of: 'b' }] } })
        const file = join(dir, what)
        const target = 'restored-' + what
        await backup(db, file, opts)
        await service.putDatabase({ db: target })
        await restore(file, target)
        const from = (await service.getDatabaseInformation({ db })).result
        const to = (await service.getDatabaseInformation({ db: target })).result
        assert.equal(to.doc_count, from.doc_count)
        const doc = (await service.getDocument({ db: target, docId: 'o02000' })).result
        assert.deepEqual(doc, (await service.getDocument({ db, docId: 'o02000' })).result)
        const attachment = await fetch(`${base}/${target}/o00001/a%20b.txt`, {
          headers: { authorization: 'Basic ' + Buffer.from(`${username}:${password}`).toString('base64') }
        })
        assert.equal(await attachment.text(), 'a text')
        const both = (await service.getDocument({ db: target, docId: 'both', conflicts: true })).result
        assert.equal(both._rev, '1-b')
        assert.deepEqual(both._conflicts, what === 'full' ? ['1-a'] : undefined)
        const rows = (await service.postView({ db: target, ddoc: 'by', view: 'who', reduce: true })).result.rows
        assert.equal(rows[0].value.count, 2500)
        await assert.rejects(restore(file, target), { name: 'DatabaseNotEmpty' })
      })
    }
  } finally {
    rmSync(dir, { recursive: true })
  }

  await step('deletion', async () => {
    await service.deleteDatabase({ db })
    await rejects(service.getDatabaseInformation({ db }), 404, 'not_found')
  })
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

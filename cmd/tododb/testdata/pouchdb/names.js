// Documents, attachments, design documents and filters of every name, by PouchDB's own
// replication: from here to the server, and from there to here again.
//
//   node names.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory'))
const { step } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const auth = { username, password }

const names = ['a+b', 'a b', 'a%2Bb', 'a/b', 'a?b', 'a#b', 'a&b=c', ';', 'é漢😀', '[x]', '"', '\\']
for (let c = 1; c < 256; c++) names.push(`c${String.fromCharCode(c)}`, `c${String.fromCharCode(c)}y`)

const held = async db => {
  const all = await db.allDocs({ include_docs: true, attachments: true })
  return all.rows.map(row => ({
    id: row.id,
    rev: row.value.rev,
    n: row.doc.n,
    attachments: Object.entries(row.doc._attachments || {}).map(([name, a]) => [name, a.data]).sort()
  })).sort((a, b) => a.id < b.id ? -1 : 1)
}

async function main () {
  const here = new PouchDB('here', { adapter: 'memory' })
  const server = new PouchDB(`${base}/names%2Bof%2Ball`, { auth })

  await step('write documents of every name', async () => {
    // PouchDB does not escape slashes in an attachment's name, and one at the end of a path is none.
    const attached = name => ({ [name.replace(/\/$/, '/y')]: { content_type: 'text/plain', data: 'aGk=' } })
    const docs = names.flatMap((name, n) => [{ _id: name, n, _attachments: attached(name) }, { _id: `_design/${name}`, n, _attachments: attached(name) }])
    docs.push({ _id: '_design/f+ %', filters: { 'f+ %': "function (doc, req) { return doc._id === req.query.wanted }" } })
    for (const made of await here.bulkDocs(docs)) assert.ok(made.ok, JSON.stringify(made))
  })

  await step('replicate to the server', async () => {
    const done = await PouchDB.replicate(here, server)
    assert.equal(done.doc_write_failures, 0)
    assert.deepEqual(await held(server), await held(here))
  })

  await step('edit there, and replicate back', async () => {
    for (const name of ['a+b', 'c+', '_design/a+b', 'a/b', 'c%y']) {
      const doc = await server.get(name)
      assert.equal(doc._id, name)
      doc.n = -1
      await server.put(doc)
    }
    for (const name of ['a+b', 'a/b', 'é漢😀']) {
      const { _rev } = await server.get(name)
      await server.putAttachment(name, `more ${name}`, _rev, Buffer.from('more'), 'text/plain')
      assert.equal((await server.getAttachment(name, `more ${name}`)).toString(), 'more')
    }
    const copy = new PouchDB('copy', { adapter: 'memory' })
    const done = await PouchDB.replicate(server, copy)
    assert.equal(done.doc_write_failures, 0)
    assert.deepEqual(await held(copy), await held(server))
  })

  await step('choose by a filter and by ids', async () => {
    const filtered = new PouchDB('filtered', { adapter: 'memory' })
    await PouchDB.replicate(server, filtered, { filter: 'f+ %/f+ %', query_params: { wanted: 'a+b' } })
    assert.deepEqual((await filtered.allDocs()).rows.map(row => row.id), ['a+b'])
    const chosen = new PouchDB('chosen', { adapter: 'memory' })
    await PouchDB.replicate(server, chosen, { doc_ids: ['a+b', 'a%2Bb', 'c\u00ff'] })
    assert.deepEqual((await chosen.allDocs()).rows.map(row => row.id).sort(), ['a%2Bb', 'a+b', 'c\u00ff'])
  })
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

// What PouchDB's query() gets from the server is what it gets from its own database, and a
// replication by a view brings what the view has.
//
//   node views.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory'))
const { within, step } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const server = new PouchDB(`${base}/views`, { auth: { username, password } })
const local = new PouchDB('views', { adapter: 'memory' })

const design = {
  _id: '_design/app',
  options: { changes: true },
  views: {
    owner: { map: "function (doc) { if (doc.owner) emit(doc.owner, doc.n) }", reduce: '_sum' },
    mixed: { map: 'function (doc) { emit(doc.key, null) }' },
    day: { map: 'function (doc) { if (doc.day) emit(doc.day, doc.n) }', reduce: '_stats' },
    custom: { map: 'function (doc) { if (doc.day) emit(doc.day, doc.n) }', reduce: 'function (keys, values, rereduce) { return sum(values) }' },
    friend: { map: "function (doc) { if (doc.friend) emit(doc._id, {_id: doc.friend}) }" }
  }
}
const owners = ['anna', 'bert', 'cleo']
// PouchDB orders strings by their code units; these are in the same order either way.
const keys = [null, false, true, 0, -1.5, 42, 'a', 'c', 'b', 'é', '', [1], [1, 'x'], ['b'], {}, { a: 1 }, { a: 1, b: [] }, { b: 0 }]
const docs = [...Array(180).keys()].map(i => ({
  _id: `doc${String(i).padStart(3, '0')}`,
  owner: owners[i % 3],
  n: i,
  key: keys[i % keys.length],
  day: [2024, 1 + i % 12, 1 + i % 28],
  friend: i > 0 ? `doc${String(i - 1).padStart(3, '0')}` : undefined
}))

async function main () {
  await step('write', async () => {
    for (const db of [server, local]) {
      await db.put(design)
      for (const row of await db.bulkDocs(docs)) assert.ok(row.ok)
    }
  })

  const both = async (view, options) => {
    const [theirs, ours] = await Promise.all([server, local].map(db => db.query(`app/${view}`, options)))
    assert.deepEqual(theirs.rows, ours.rows, `${view} ${JSON.stringify(options)}`)
    return theirs
  }
  await step('query rows', async () => {
    for (const options of [
      {}, { limit: 7 }, { skip: 5, limit: 5 }, { descending: true, limit: 20 }, { key: 'a' }, { keys: ['é', 42, 'nobody', null] },
      { startkey: 'b' }, { startkey: false, endkey: 'b' }, { startkey: [1], endkey: [1, {}] }, { endkey: {}, inclusive_end: false },
      { startkey: { a: 1 }, endkey: 0, descending: true }
    ]) await both('mixed', options)
    const whole = await both('owner', { reduce: false, startkey: 'bert' })
    assert.equal(whole.total_rows, 180)
    assert.equal(whole.offset, 60)
    const friends = await server.query('app/friend', { include_docs: true, key: 'doc007' })
    assert.equal(friends.rows[0].doc._id, 'doc006')
  })

  await step('query groups', async () => {
    for (const view of ['day', 'custom']) {
      for (const options of [
        {}, { group: true }, { group_level: 1 }, { group_level: 2 }, { group_level: 2, descending: true, limit: 4 },
        { startkey: [2024, 3], endkey: [2024, 5, {}], group_level: 2 }, { startkey: [2024, 3], endkey: [2024, 5, {}] }, { key: [2024, 1, 1] }
      ]) await both(view, options)
    }
    const sums = await both('owner', { group: true })
    assert.deepEqual(sums.rows.map(r => r.key), owners)
  })

  await step('replicate by a view with a key', async () => {
    const phone = new PouchDB('phone', { adapter: 'memory' })
    const live = phone.replicate.from(server, { live: true, retry: true, filter: '_view', view: 'app/owner', query_params: { key: '"bert"' }, heartbeat: 500 })
    const has = async () => (await phone.allDocs()).rows.map(r => r.id)
    await within('what bert owns is there', async () => (await has()).length === 60)
    assert.deepEqual(await has(), docs.filter(d => d.owner === 'bert').map(d => d._id))
    await server.put({ _id: 'new', owner: 'bert' })
    await server.put({ _id: 'other', owner: 'anna' })
    await server.remove(await server.get('doc001'))
    await server.remove(await server.get('doc000'))
    await within('what has changed is there too', async () => {
      const now = await has()
      return now.length === 60 && now.includes('new') && !now.includes('doc001')
    })
    assert.ok(!(await has()).includes('other'))
    await new Promise(resolve => { live.on('complete', resolve).on('error', resolve); live.cancel() })
  })

  await server.destroy()
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

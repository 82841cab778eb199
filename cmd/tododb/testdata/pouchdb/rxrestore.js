// RxDB devices that go on syncing while the server's database is put back to an earlier time. RxDB keeps
// its checkpoints on its own side only. The test that starts this script backs the server up when it
// reads "backup", and restores it at "restore".
//
//   node rxrestore.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const { ask, step, within } = require('./harness')
const { createRxDatabase } = require('rxdb')
const { getRxStorageMemory } = require('rxdb/plugins/storage-memory')
const { replicateCouchDB, getFetchWithCouchDBAuthorization } = require('rxdb/plugins/replication-couchdb')

const [base, username, password] = process.argv.slice(2)
const fetchAs = getFetchWithCouchDBAuthorization(username, password)
const url = base + '/notes/'

const schema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: { id: { type: 'string', maxLength: 100 }, text: { type: 'string' }, again: { type: 'boolean' } },
  required: ['id', 'text']
}

async function device (name) {
  const db = await createRxDatabase({ name, storage: getRxStorageMemory(), multiInstance: false })
  return (await db.addCollections({ notes: { schema, conflictHandler: mine } })).notes
}

function sync (collection) {
  return replicateCouchDB({ replicationIdentifier: 'notes', collection, url, fetch: fetchAs, live: true, retryTime: 200, pull: { batchSize: 10 }, push: { batchSize: 10 } })
}

// What the device has counts, as in any app that has an idea of its own of which is newer.
const mine = {
  isEqual: (a, b) => a._deleted === b._deleted && a.text === b.text && a.again === b.again,
  resolve: ({ newDocumentState }) => newDocumentState
}

const server = async () => {
  const answer = await fetchAs(url + '_all_docs?include_docs=true')
  const { rows } = await answer.json()
  return new Map(rows.map(r => [r.id, r.doc.text]))
}
const held = async notes => new Map((await notes.find().exec()).map(d => [d.id, d.text]))
const same = (a, b) => a.size === b.size && [...a].every(([id, text]) => b.get(id) === text)

async function main () {
  const devices = { phone: await device('phone'), tablet: await device('tablet') }
  const { phone, tablet } = devices
  const syncs = Object.values(devices).map(sync)
  const converged = what => within(what, async () => {
    const all = await Promise.all([server().catch(() => new Map()), held(phone), held(tablet)])
    return all[0].size > 0 && same(all[0], all[1]) && same(all[0], all[2])
  })
  const write = async round => {
    for (const [name, notes] of Object.entries(devices)) {
      await notes.bulkInsert([...Array(15).keys()].map(i => ({ id: `${name}-${round}-${i}`, text: round })))
    }
  }
  const edit = async (notes, id, text) => (await notes.findOne(id).exec()).incrementalPatch({ text })

  await step('everybody has the same', async () => {
    await write('before')
    await phone.insert({ id: 'dead', text: 'to be deleted before' })
    await phone.insert({ id: 'late', text: 'to be deleted after' })
    await converged('all have all')
    await (await tablet.findOne('dead').exec()).remove()
    await within('dead is dead', async () => !(await server()).has('dead'))
    await converged('all have all')
  })
  await ask('backup')
  await step('everybody goes on', async () => {
    await write('after')
    await edit(phone, 'phone-before-1', 'by the phone')
    await edit(tablet, 'tablet-before-1', 'by the tablet')
    await (await phone.findOne('late').exec()).remove()
    await converged('all have all')
  })
  const before = await server()
  assert.equal(before.size, 60)
  await ask('restore')
  await step('a device that only goes on offers nothing, and takes nothing back', async () => {
    await phone.insert({ id: 'phone-later', text: 'later' })
    await within('what is new arrives', async () => (await held(tablet)).has('phone-later'))
    const now = await server()
    assert.ok(!now.has('phone-after-1') && !now.has('dead'))
    for (const notes of [phone, tablet]) {
      const has = await held(notes)
      assert.equal(has.size, 61)
      assert.equal(has.get('phone-before-1'), 'by the phone')
    }
  })
  await step('what its app writes again is there again, and nothing dead is back', async () => {
    before.set('phone-later', 'later')
    for (const notes of [phone, tablet]) {
      for (const doc of await notes.find().exec()) await doc.incrementalPatch({ again: true })
    }
    await within('the server has all again', async () => {
      const now = await server()
      assert.ok(!now.has('dead'))
      now.delete('late') // it was deleted later, and RxDB does not say so again
      return same(now, before)
    })
    await tablet.insert({ id: 'tablet-later', text: 'later' })
    await within('what is new arrives', async () => (await held(phone)).has('tablet-later'))
    for (const notes of [phone, tablet]) assert.equal((await held(notes)).size, 62)
  })
  await Promise.all(syncs.map(s => s.cancel()))
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

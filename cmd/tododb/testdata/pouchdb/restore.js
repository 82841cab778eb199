// Devices, and a server beside the first one, that go on syncing while that one is put back to an
// earlier time. The test that starts this script backs the server up when it reads "backup", and
// restores it at "restore".
//
//   node restore.js http://HOST:PORT USER PASSWORD http://OTHER:PORT

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory'))
const { ask, within, step } = require('./harness')

const [base, username, password, other] = process.argv.slice(2)
const auth = { username, password }
const remote = at => new PouchDB(`${at}/notes`, { auth })

async function main () {
  const server = remote(base)
  const peer = remote(other)
  const phone = new PouchDB('phone', { adapter: 'memory' })
  const tablet = new PouchDB('tablet', { adapter: 'memory' }) // keeps checkpoints on its side only
  const all = { phone, tablet, peer, server }
  const syncs = [
    phone.sync(remote(base), { live: true, retry: true, heartbeat: 1000 }),
    PouchDB.sync(tablet, remote(base), { live: true, retry: true, heartbeat: 1000, push: { checkpoint: 'source' }, pull: { checkpoint: 'target' } })
  ]
  for (const s of syncs) s.on('error', err => { console.log('a sync ended:', JSON.stringify(err)) })

  const state = async db => JSON.stringify((await db.allDocs()).rows.map(r => [r.id, r.value.rev]))
  const converged = what => within(what, async () => {
    const states = await Promise.all(Object.values(all).map(db => state(db).catch(() => 'down')))
    return states.every(s => s === states[0] && s !== 'down')
  })
  const write = async (round, n) => {
    for (const [name, db] of Object.entries({ phone, tablet, peer })) {
      await db.bulkDocs([...Array(n).keys()].map(i => ({ _id: `${name}-${round}-${i}`, round })))
    }
  }
  const edit = async (db, id, change) => db.put({ ...await db.get(id), ...change })

  await step('everybody has the same', async () => {
    await write('before', 20)
    await phone.putAttachment('photo', 'p.bin', Buffer.alloc(200000, 'picture'), 'application/octet-stream')
    await phone.put({ _id: 'dead', text: 'to be deleted before' })
    await phone.put({ _id: 'late', text: 'to be deleted after' })
    await converged('all have all')
    await tablet.remove(await tablet.get('dead'))
    await within('dead is dead', async () => (await server.allDocs({ keys: ['dead'] })).rows[0].value.deleted)
    await converged('all have all')
  })

  await ask('backup')

  await step('everybody goes on', async () => {
    await write('after', 15)
    await edit(phone, 'phone-before-1', { edited: 'phone' })
    await edit(tablet, 'tablet-before-1', { edited: 'tablet' })
    await edit(peer, 'peer-before-1', { edited: 'peer' })
    await phone.remove(await phone.get('late'))
    await phone.putAttachment('photo2', 'p.bin', Buffer.alloc(100000, 'another'), 'application/octet-stream')
    await converged('all have all')
  })
  const before = await state(server)
  assert.match(before, /phone-after-14/)

  await ask('restore')

  await step('nothing that anybody wrote is missing, and nothing dead is back', async () => {
    await within('the server has all again', async () => await state(server).catch(() => 'down') === before)
    await converged('all have all')
    assert.equal(await state(phone), before)
    for (const who of ['phone', 'tablet', 'peer']) {
      assert.equal((await server.get(`${who}-before-1`)).edited, who)
      assert.equal((await server.get(`${who}-after-14`)).round, 'after')
    }
    for (const db of Object.values(all)) {
      await assert.rejects(db.get('dead'), { status: 404 })
      await assert.rejects(db.get('late'), { status: 404 })
    }
    assert.equal((await server.getAttachment('photo2', 'p.bin')).length, 100000)
    assert.equal((await server.getAttachment('photo', 'p.bin')).length, 200000)
  })

  await step('and on it goes', async () => {
    await write('later', 5)
    await server.put({ _id: 'hello', from: 'server' })
    await converged('all have all')
    assert.equal((await tablet.get('hello')).from, 'server')
    assert.equal((await server.get('tablet-later-4')).round, 'later')
  })
  for (const s of syncs) s.cancel()
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

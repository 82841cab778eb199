// A phone comes out of a drawer after the tombstones of what it has have ended.
//
//   node drawer.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory'))
const { step, within } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const auth = { username, password }
const headers = { Authorization: 'Basic ' + Buffer.from(`${username}:${password}`).toString('base64'), 'Content-Type': 'application/json' }

async function call (method, path, body) {
  const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

const ids = async db => (await db.allDocs()).rows.map(row => row.id)

async function main () {
  const phone = new PouchDB('phone', { adapter: 'memory' })
  const desk = new PouchDB('desk', { adapter: 'memory' })
  const server = new PouchDB(`${base}/drawer`, { auth })

  await step('phone and desk are the same', async () => {
    await desk.bulkDocs(['a', 'b', 'c', 'd', 'e'].map(_id => ({ _id, text: 'first' })))
    await PouchDB.sync(desk, server)
    await PouchDB.sync(phone, server)
    assert.deepEqual(await ids(phone), ['a', 'b', 'c', 'd', 'e'])
  })

  await step('the desk deletes, while the phone writes in the drawer', async () => {
    for (const id of ['a', 'b', 'c']) await desk.remove(await desk.get(id))
    await PouchDB.sync(desk, server)
    await phone.put({ ...await phone.get('c'), text: 'from the drawer' })
  })

  await step('tombstones end', async () => {
    await call('PUT', '/_node/_local/_config/tombstones/interval', '1')
    await call('PUT', '/drawer/_tombstones', { deleted_document_ttl: '1_sec', grace_period: '1_sec' })
    await within('three are dead', async () => (await call('GET', '/drawer/_tombstones')).dead.count === 3)
    await call('PUT', '/drawer/_tombstones', { deleted_document_ttl: '1_hour', grace_period: '1_hour' })
    const feed = await call('GET', '/drawer/_changes')
    assert.deepEqual(feed.results.map(row => row.id).sort(), ['d', 'e'])
    assert.equal((await call('GET', '/drawer')).doc_dead_count, 3)
  })

  await step('a new client sees none of it', async () => {
    const fresh = new PouchDB('fresh', { adapter: 'memory' })
    const done = await PouchDB.replicate(server, fresh)
    assert.equal(done.docs_written, 2)
  })

  await step('the phone brings nothing back, and loses no work', async () => {
    const sync = PouchDB.sync(phone, server, { live: true, retry: true })
    await within('the phone knows what is deleted', async () => String(await ids(phone)) === 'c,d,e')
    await within('its work is here', async () => String(await ids(server)) === 'c,d,e')
    sync.cancel()
    assert.equal((await server.get('c')).text, 'from the drawer')
    const { revivals } = await call('GET', '/drawer/_revivals')
    assert.deepEqual(revivals.map(r => r.id), ['c'])
    assert.equal((await call('GET', '/drawer/_tombstones')).revivals, 1)
  })

  await step('the desk gets the work, and all are the same', async () => {
    await PouchDB.sync(desk, server)
    for (const db of [desk, phone, server]) assert.deepEqual(await ids(db), ['c', 'd', 'e'])
    const found = await Promise.all([desk, phone, server].map(db => db.get('c', { conflicts: true, deleted_conflicts: true })))
    assert.deepEqual(found[0], found[2])
    assert.deepEqual(found[1]._rev, found[2]._rev)
  })

  await step('what is written under an old name goes on from the tombstone', async () => {
    const id = 'a'
    const before = await server.get(id).catch(err => err)
    assert.equal(before.reason, 'deleted')
    const made = await server.put({ _id: id, text: 'anew' })
    assert.match(made.rev, /^3-/)
    await PouchDB.sync(desk, server)
    assert.equal((await desk.get(id)).text, 'anew')
  })
}

main().then(() => process.exit(0), err => {
  console.error(err)
  process.exit(1)
})

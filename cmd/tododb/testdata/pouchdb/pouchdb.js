// What an offline-first application does with the server, step by step. The test
// that starts this script stops the server when it reads "stop", and starts it again.
//
//   node pouchdb.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory'))
const { ask, within, step } = require('./harness')

const large = Buffer.alloc(300_000, 'some bytes that go over in several chunks ')
const [base, username, password] = process.argv.slice(2)
const auth = { username, password }
const remote = () => new PouchDB(`${base}/notes`, { auth })
const local = name => new PouchDB(name, { adapter: 'memory' })

const ids = async db => (await db.allDocs()).rows.map(r => r.id)
const leaves = async (db, id) =>
  (await db.get(id, { open_revs: 'all' })).map(r => r.ok).map(d => [d._rev, !!d._deleted]).sort()
const same = async (dbs, count) => {
  const all = await Promise.all(dbs.map(db => db.allDocs()))
  const rows = all.map(a => JSON.stringify(a.rows.map(r => [r.id, r.value.rev])))
  return all[0].rows.length === count && rows.every(r => r === rows[0])
}

async function main () {
  const phone = local('phone')
  const laptop = local('laptop')
  const server = remote()

  await step('write offline on two devices', async () => {
    await phone.bulkDocs([...Array(150).keys()].map(i => ({ _id: `phone-${i}`, i })))
    await laptop.bulkDocs([...Array(120).keys()].map(i => ({ _id: `laptop-${i}`, text: 'ä'.repeat(i) })))
    await phone.put({ _id: 'a/b c+d?#é', odd: true })
    await phone.put({ _id: 'phone-1', _rev: (await phone.get('phone-1'))._rev, i: 'edited' })
    await phone.remove(await phone.get('phone-0'))
    await phone.putAttachment('photo', 'small.txt', Buffer.from('hello'), 'text/plain')
    await phone.putAttachment('photo', 'large.bin', (await phone.get('photo'))._rev, large, 'application/octet-stream')
  })

  let syncs
  const start = () => { syncs = [phone, laptop].map(db => db.sync(server, { live: true, retry: true, heartbeat: 1000 })) }
  const stop = () => Promise.all(syncs.map(s => new Promise(resolve => { s.on('complete', resolve).on('error', resolve); s.cancel() })))

  await step('sync live both ways', async () => {
    start()
    await within('both devices and the server have everything', () => same([phone, laptop, server], 271))
    assert.equal((await server.get('phone-1')).i, 'edited')
    assert.equal((await laptop.get('a/b c+d?#é')).odd, true)
    await assert.rejects(server.get('phone-0'), { status: 404, reason: 'deleted' })
    const info = await server.info()
    assert.equal(info.doc_count, 271)
    for (const db of [server, laptop]) {
      assert.deepEqual(Buffer.from(await db.getAttachment('photo', 'large.bin')), large)
      assert.equal(String(await db.getAttachment('photo', 'small.txt')), 'hello')
    }
    assert.equal(info.doc_del_count, 1)
  })

  await step('an edit on one device arrives at the other', async () => {
    await phone.put({ _id: 'hello', from: 'phone' })
    await within('hello is on the laptop', async () => (await laptop.get('hello').catch(() => ({}))).from === 'phone')
    await laptop.remove(await laptop.get('laptop-0'))
    await within('laptop-0 is gone from the phone', async () => !(await ids(phone)).includes('laptop-0'))
  })

  let winner
  await step('two devices edit one document apart: a conflict that all three agree on', async () => {
    await stop()
    const hello = await phone.get('hello')
    await phone.put({ ...hello, text: 'phone' })
    await laptop.put({ ...await laptop.get('hello'), text: 'laptop' })
    start()
    await within('everybody has both leaves', async () => {
      const all = await Promise.all([phone, laptop, server].map(db => leaves(db, 'hello')))
      return all.every(l => l.length === 2 && JSON.stringify(l) === JSON.stringify(all[0]))
    })
    const docs = await Promise.all([phone, laptop, server].map(db => db.get('hello', { conflicts: true })))
    winner = docs[0]
    assert.equal(winner._conflicts.length, 1)
    for (const d of docs) assert.deepEqual(d, winner)
  })

  await step('one device resolves it', async () => {
    await phone.remove('hello', winner._conflicts[0])
    await phone.put({ _id: 'hello', _rev: winner._rev, text: 'both' })
    await within('nobody sees a conflict any more', async () => {
      const docs = await Promise.all([phone, laptop, server].map(db => db.get('hello', { conflicts: true })))
      return docs.every(d => d.text === 'both' && !d._conflicts)
    })
  })

  await step('the server restarts while everybody is connected', async () => {
    await ask('stop')
    await phone.put({ _id: 'after', from: 'phone' })
    await laptop.put({ _id: 'hello', _rev: (await laptop.get('hello'))._rev, text: 'while it was down' })
    await ask('start')
    await within('the other edit is on the phone', async () => (await phone.get('hello')).text === 'while it was down')
    await within('the edit after the restart is on the laptop', async () => (await laptop.get('after').catch(() => ({}))).from === 'phone')
    await stop()
  })

  await step('a replication goes on at its checkpoint', async () => {
    await phone.put({ _id: 'one-more' })
    await laptop.replicate.from(server)
    await phone.replicate.from(server)
    const push = await phone.replicate.to(server)
    const pull = await laptop.replicate.from(server)
    assert.equal(push.docs_written, 1)
    assert.equal(pull.docs_written, 1)
    assert.equal((await laptop.replicate.from(server)).docs_read, 0)
    assert.equal((await phone.replicate.to(server)).docs_read, 0)
  })

  await step('a new device fetches everything', async () => {
    const tablet = local('tablet')
    const result = await tablet.replicate.from(server, { batch_size: 30 })
    assert.equal(result.ok, true)
    assert.equal(result.doc_write_failures, 0)
    assert.ok(await same([tablet, server], 273))
  })

  await step('a plain user, and a device of hers with a token, sync', async () => {
    const ask = async (method, path, credentials, body) => {
      const headers = { authorization: credentials, 'content-type': 'application/json' }
      const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) })
      assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
      return answer.json()
    }
    const basic = (name, word) => 'Basic ' + btoa(`${name}:${word}`)
    const admin = basic(username, password)
    await ask('PUT', '/_users/org.couchdb.user:anna', admin, { type: 'user', name: 'anna', roles: [], password: 'apple pie' })
    await ask('PUT', '/shared', admin)
    await ask('PUT', '/shared/_security', admin, { admins: {}, members: { names: ['anna'] } })
    const shared = new PouchDB(`${base}/shared`, { auth: { username: 'anna', password: 'apple pie' }, skip_setup: true })
    const desk = local('desk')
    await desk.bulkDocs([{ _id: 'mine:1' }, { _id: 'mine:2' }, { _id: 'other:1' }])
    const there = await desk.sync(shared)
    assert.equal(there.push.docs_written, 3)

    const { token } = await ask('POST', '/_session/tokens', basic('anna', 'apple pie'),
      { databases: ['shared'], access: 'read-write', id_prefix: 'mine:', device: 'watch', expires_in: 600 })
    const narrow = new PouchDB(`${base}/shared`, {
      skip_setup: true,
      fetch: (url, opts) => { opts.headers.set('authorization', `Bearer ${token}`); return PouchDB.fetch(url, opts) }
    })
    const watch = local('watch')
    await watch.sync(narrow)
    assert.deepEqual(await ids(watch), ['mine:1', 'mine:2'])
    await watch.put({ _id: 'mine:3' })
    await watch.put({ _id: 'other:2' })
    const pushed = await watch.replicate.to(narrow)
    assert.equal(pushed.docs_written, 1)
    assert.equal(pushed.doc_write_failures, 1)
    await desk.sync(shared)
    assert.deepEqual(await ids(desk), ['mine:1', 'mine:2', 'mine:3', 'other:1'])
  })

  await step('the server as a database of its own', async () => {
    const put = await server.put({ _id: 'direct', n: 1 })
    await assert.rejects(server.put({ _id: 'direct', n: 2 }), { status: 409, name: 'conflict' })
    assert.equal((await server.get('direct', { revs: true }))._revisions.start, 1)
    await server.put({ _id: 'direct', _rev: put.rev, n: 2 })
    const keys = await server.allDocs({ keys: ['direct', 'nothing'], include_docs: true })
    assert.equal(keys.rows[0].doc.n, 2)
    assert.equal(keys.rows[1].error, 'not_found')
    const range = await server.allDocs({ startkey: 'laptop-10', endkey: 'laptop-12', inclusive_end: false, limit: 5 })
    assert.deepEqual(range.rows.map(r => r.id), ['laptop-10', 'laptop-100', 'laptop-101', 'laptop-102', 'laptop-103'])
    const seen = await server.changes({ since: 0, limit: 7, include_docs: true })
    assert.equal(seen.results.length, 7)
    const some = await server.changes({ doc_ids: ['direct'] })
    assert.deepEqual(some.results.map(r => r.id), ['direct'])
    const got = await server.bulkGet({ docs: [{ id: 'direct' }, { id: 'nothing' }] })
    assert.equal(got.results[0].docs[0].ok.n, 2)
    const added = await server.putAttachment('direct', 'note.txt', (await server.get('direct'))._rev, Buffer.from('note'), 'text/plain')
    assert.equal((await server.get('direct', { attachments: true }))._attachments['note.txt'].data, 'bm90ZQ==')
    await server.removeAttachment('direct', 'note.txt', added.rev)
    await assert.rejects(server.getAttachment('direct', 'note.txt'), { status: 404 })
    await server.compact()
    await server.destroy()
    const after = await fetch(`${base}/notes`, { headers: { authorization: 'Basic ' + btoa(`${username}:${password}`) } })
    assert.equal(after.status, 404)
  })
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

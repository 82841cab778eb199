// Devices with PouchDB and with RxDB in live sync with several processes behind a balancer that sends each request
// to another one. The test that starts this script kills a process when it reads "kill", and starts one at "start".
//
//   node many.js http://HOST:PORT USER PASSWORD MILLISECONDS
//
// It has at least three rounds, and goes on for so long.

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory'))
const { createRxDatabase } = require('rxdb')
const { getRxStorageMemory } = require('rxdb/plugins/storage-memory')
const { replicateCouchDB, getFetchWithCouchDBAuthorization } = require('rxdb/plugins/replication-couchdb')
const { ask, within, step } = require('./harness')

const [base, username, password, long] = process.argv.slice(2)
const until = Date.now() + Number(long)
const auth = { username, password }
const fetchAs = getFetchWithCouchDBAuthorization(username, password)
const there = name => new PouchDB(`${base}/${name}`, { auth })
const image = Buffer.alloc(200_000, 'some bytes that go over in several chunks ')

const schema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: { id: { type: 'string', maxLength: 100 }, title: { type: 'string' } },
  required: ['id', 'title']
}

// patient asks the server again as long as it has no answer.
async function patient (work) {
  let got
  await within('an answer', async () => {
    try {
      got = await work()
      return true
    } catch (err) {
      if (err.status && err.status < 500) throw err
      return false
    }
  })
  return got
}

// writer writes until it is told to end, and knows what it has written.
function writer (write) {
  let going = true
  const done = (async () => {
    const all = []
    for (let n = 0; going || n < 6; n++) {
      all.push(await write(n))
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    return all
  })()
  return () => { going = false; return done }
}

async function main () {
  const phones = ['phone', 'laptop'].map(name => new PouchDB(name, { adapter: 'memory' }))
  const devices = []
  for (const name of ['a', 'b']) {
    const db = await createRxDatabase({ name: 'device-' + name, storage: getRxStorageMemory(), multiInstance: false })
    devices.push({ db, todos: (await db.addCollections({ todos: { schema } })).todos })
  }
  for (const name of ['notes', 'rx-todos']) await patient(() => there(name).info())

  // A sync of PouchDB may come to stand when a request of it is cut at a bad moment. People open their application again.
  const start = () => phones.map(db => db.sync(there('notes'), { live: true, retry: true, heartbeat: 1000, back_off_function: () => 200 }).on('error', err => console.log('a sync has ended: ' + err.message)))
  let syncs = start()
  const again = async () => {
    for (const s of syncs) s.cancel()
    syncs = start()
  }
  const replications = devices.map(d => replicateCouchDB({
    replicationIdentifier: 'todos', collection: d.todos, url: base + '/rx-todos/', fetch: fetchAs, live: true, retryTime: 200, pull: { batchSize: 7 }, push: { batchSize: 7 }
  }))

  const written = { notes: new Set(), todos: new Set() }
  // converged waits until a look at all devices says so, for as long as something still arrives.
  const converged = async (what, look, stands) => {
    for (let last, since = Date.now(), told = since; ;) {
      const { done, state } = await look()
      if (done) return
      if (state !== last) [last, since, told] = [state, Date.now(), Date.now()]
      if (Date.now() - since > 120000) throw new Error(`nothing has changed for two minutes: ${what}`)
      if (Date.now() - told > 20000) {
        told = Date.now()
        await stands()
      }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  const same = async what => {
    await converged('all have all notes ' + what, async () => {
      const all = await Promise.all([...phones, there('notes')].map(db => db.allDocs().catch(() => ({ rows: [] }))))
      const rows = all.map(a => JSON.stringify(a.rows.map(r => [r.id, r.value.rev])))
      const ids = new Set(all[0].rows.map(r => r.id))
      return { done: rows.every(r => r === rows[0]) && ids.size === written.notes.size && [...written.notes].every(id => ids.has(id)), state: rows.join() }
    }, async () => {
      const has = await Promise.all([...phones, there('notes')].map(db => db.allDocs().then(all => new Map(all.rows.map(r => [r.id, r.value.rev])), () => new Map())))
      const differ = [...written.notes].filter(id => has.some(h => h.get(id) !== has[0].get(id)))
      const states = syncs.map(s => `push ${s.push.state}, pull ${s.pull.state}`)
      console.log(`of ${written.notes.size} notes the phones and the server have ${has.map(h => h.size)}; ${states.join('; ')}: they begin again; these differ: ` +
        differ.slice(0, 10).map(id => `${id} ${has.map(h => h.get(id))}`).join('; '))
      await again()
    })
    await converged('all have all todos ' + what, async () => {
      const local = await Promise.all(devices.map(async d => (await d.todos.find().exec()).map(x => x.id + ' ' + x.title).sort().join()))
      const remote = await there('rx-todos').allDocs({ include_docs: true }).catch(() => ({ rows: [] }))
      local.push(remote.rows.map(r => r.id + ' ' + r.doc.title).sort().join())
      return { done: local.every(l => l === local[0]) && remote.rows.length === written.todos.size && remote.rows.every(r => written.todos.has(r.id)), state: local.join() }
    }, () => {})
  }

  for (let round = 0; round < 3 || Date.now() < until; round++) {
    const acts = [[], ['kill']][round] || ['start', 'kill']
    await step(`round ${round}`, async () => {
      const writers = phones.map((db, p) => writer(async n => {
        const _id = `note-${round}-${p}-${n}`
        const { rev } = await db.put({ _id, n })
        if (n % 10 === 3) await db.putAttachment(_id, 'image', rev, image, 'application/octet-stream')
        if (n % 5 === 4) await db.put({ ...await db.get(`note-${round}-${p}-${n - 1}`), edited: true })
        if (n % 7 === 0) { // both edit the same one
          const shared = await db.get('shared').catch(() => ({ _id: 'shared' }))
          await db.put({ ...shared, [`of${p}`]: n }).catch(err => assert.equal(err.status, 409)) // the sync was faster
          written.notes.add('shared')
        }
        written.notes.add(_id)
      })).concat(devices.map((d, p) => writer(async n => {
        const id = `todo-${round}-${p}-${n}`
        await d.todos.insert({ id, title: 'made' })
        if (n % 4 === 1) await (await d.todos.findOne(id).exec()).incrementalPatch({ title: 'edited' })
        written.todos.add(id)
      })))
      const pause = () => new Promise(resolve => setTimeout(resolve, 200 + 600 * Math.random()))
      await pause()
      for (const act of acts) {
        await ask(act)
        await pause()
      }
      for (const end of writers) await end()
      await same(`in round ${round}`)
      const came = await patient(() => there('notes').getAttachment(`note-${round}-0-3`, 'image'))
      assert.deepEqual(Buffer.from(came), image)
    })
  }

  for (const s of syncs) s.cancel()
  await Promise.all(replications.map(r => r.cancel()))
  await Promise.all(devices.map(d => d.db.close()))
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

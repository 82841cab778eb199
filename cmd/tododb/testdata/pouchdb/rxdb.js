// RxDB's replication with CouchDB, against the server.
//
//   node rxdb.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const { ask, step, within } = require('./harness')
const { createRxDatabase } = require('rxdb')
const { getRxStorageMemory } = require('rxdb/plugins/storage-memory')
const { replicateCouchDB, getFetchWithCouchDBAuthorization } = require('rxdb/plugins/replication-couchdb')

const [base, username, password] = process.argv.slice(2)
const fetchAs = getFetchWithCouchDBAuthorization(username, password)
const url = base + '/rx-todos/'

const schema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 100 },
    title: { type: 'string' },
    done: { type: 'boolean' }
  },
  required: ['id', 'title']
}

// device opens a database of its own, in memory, with one collection.
async function device (name) {
  const db = await createRxDatabase({ name, storage: getRxStorageMemory(), multiInstance: false })
  const { todos } = await db.addCollections({ todos: { schema } })
  return { db, todos }
}

function sync (todos, live, problems = []) {
  const replication = replicateCouchDB({
    replicationIdentifier: 'todos',
    collection: todos,
    url,
    fetch: fetchAs,
    live,
    retryTime: 200,
    pull: { batchSize: 7 },
    push: { batchSize: 7 }
  })
  replication.error$.subscribe(err => problems.push(err))
  return replication
}

async function once (todos) {
  const problems = []
  const replication = sync(todos, false, problems)
  await replication.awaitInitialReplication()
  await replication.cancel()
  assert.deepEqual(problems, [])
}

const remote = async (path, options = {}) => (await fetchAs(url + path, options)).json()

async function main () {
  await fetchAs(url, { method: 'PUT' })
  const phone = await device('phone')
  const laptop = await device('laptop')

  await step('a push of new documents', async () => {
    await phone.todos.bulkInsert([...Array(40).keys()].map(i => ({ id: 't' + String(i).padStart(2, '0'), title: 'todo ' + i, done: false })))
    await once(phone.todos)
    const all = await remote('_all_docs?include_docs=true')
    assert.equal(all.total_rows, 40)
    assert.equal(all.rows[3].doc.title, 'todo 3')
  })

  await step('a pull of everything', async () => {
    await once(laptop.todos)
    assert.equal(await laptop.todos.count().exec(), 40)
  })

  await step('edits and deletions both ways', async () => {
    await (await phone.todos.findOne('t01').exec()).incrementalPatch({ done: true })
    await (await phone.todos.findOne('t02').exec()).remove()
    await (await laptop.todos.findOne('t03').exec()).incrementalPatch({ title: 'renamed' })
    await once(phone.todos)
    await once(laptop.todos)
    await once(phone.todos)
    for (const { todos } of [phone, laptop]) {
      assert.equal((await todos.findOne('t01').exec()).done, true)
      assert.equal(await todos.findOne('t02').exec(), null)
      assert.equal((await todos.findOne('t03').exec()).title, 'renamed')
    }
    const gone = await remote('_all_docs?include_docs=true', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ keys: ['t02'] })
    })
    assert.equal(gone.rows[0].value.deleted, true)
    assert.equal(gone.rows[0].doc, null)
  })

  await step('a conflict is told to the device that comes second', async () => {
    await (await phone.todos.findOne('t05').exec()).incrementalPatch({ title: 'of the phone' })
    await (await laptop.todos.findOne('t05').exec()).incrementalPatch({ title: 'of the laptop' })
    await once(phone.todos)
    await once(laptop.todos)
    await once(phone.todos)
    const titles = await Promise.all([phone, laptop].map(async d => (await d.todos.findOne('t05').exec()).title))
    assert.equal(titles[0], titles[1])
    assert.equal((await remote('t05')).title, titles[0])
  })

  await step('live replication, the server restarted meanwhile', async () => {
    const problems = []
    const replications = [sync(phone.todos, true, problems), sync(laptop.todos, true, problems)]
    await Promise.all(replications.map(r => r.awaitInitialReplication()))
    await phone.todos.insert({ id: 'live-1', title: 'seen at once' })
    await within('the insert arrives', async () => await laptop.todos.findOne('live-1').exec())
    await ask('stop')
    await phone.todos.insert({ id: 'live-2', title: 'made offline' })
    await ask('start')
    await within('the insert arrives after the restart', async () => await laptop.todos.findOne('live-2').exec())
    await (await laptop.todos.findOne('live-1').exec()).remove()
    await within('the deletion arrives', async () => !await phone.todos.findOne('live-1').exec())
    await Promise.all(replications.map(r => r.cancel()))
  })

  await phone.db.close()
  await laptop.db.close()
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

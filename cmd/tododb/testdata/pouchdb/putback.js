// The server's file is put back to an older copy while devices sync live, and while they are
// away. Nothing that any of them ever wrote may be missing afterwards.
//
// The test that starts this script copies the file when it reads "copy", and puts the copy back
// at "put back", when the server is stopped.
//
//   node putback.js http://HOST:PORT USER PASSWORD

const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory'))
const { ask, within, step } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const server = new PouchDB(`${base}/notes`, { auth: { username, password } })
const devices = ['phone', 'laptop'].map(name => new PouchDB(name, { adapter: 'memory' }))
const [phone, laptop] = devices

let syncs = []
const start = () => { syncs = devices.map(db => db.sync(server, { live: true, retry: true, heartbeat: 1000, back_off_function: () => 200 })) }
const stop = () => Promise.all(syncs.map(s => new Promise(resolve => { s.on('complete', resolve).on('error', resolve); s.cancel() })))

const written = new Set()
async function write (db, begin, n) {
  await db.bulkDocs([...Array(n).keys()].map(i => ({ _id: `${begin}-${i}` })))
  for (let i = 0; i < n; i++) written.add(`${begin}-${i}`)
}

const missing = async db => {
  const ids = new Set((await db.allDocs()).rows.map(r => r.id))
  return [...written].filter(id => !ids.has(id))
}
const whole = what => within(what, async () => {
  for (const db of [server, ...devices]) {
    if ((await missing(db)).length > 0) return false
  }
  return true
})

const logs = async () => {
  const answer = await fetch(`${base}/notes/_local_docs?include_docs=true`, { headers: { authorization: 'Basic ' + Buffer.from(`${username}:${password}`).toString('base64') } })
  return (await answer.json()).rows.map(r => r.doc)
}

async function putBack () {
  await ask('stop')
  await ask('put back')
  await ask('start')
}

async function main () {
  await step('sync live', async () => {
    start()
    await write(phone, 'phone-first', 20)
    await write(laptop, 'laptop-first', 20)
    await whole('everybody has everything')
    await pushed()
  })
  await step('in the devices\' first session, and nobody writes meanwhile but one afterwards', async () => {
    await ask('copy')
    await write(phone, 'phone-lost', 10)
    await write(laptop, 'laptop-lost', 10)
    await whole('everybody has what the copy lacks')
    await pushed()
    await putBack()
    await write(phone, 'phone-after', 1)
    await write(laptop, 'laptop-after', 1)
    await whole('what was lost is there again')
    await pushed()
  })
  await step('a copy of the present session, and devices that are away while it is put back', async () => {
    await ask('copy')
    await write(phone, 'phone-lost-2', 10)
    await write(laptop, 'laptop-lost-2', 10)
    await whole('everybody has what the copy lacks')
    await pushed()
    await stop()
    await putBack()
    start()
    await whole('what was lost is there again')
  })
  await step('a session that the copy does not know', async () => {
    await pushed()
    await ask('copy')
    await stop()
    start()
    await write(phone, 'phone-lost-3', 10)
    await whole('everybody has what the copy lacks')
    await pushed()
    await putBack()
    await write(phone, 'phone-after-3', 1)
    await whole('what was lost is there again')
  })
  await step('a restart without any of that', async () => {
    await pushed()
    await ask('stop')
    await ask('start')
    await write(laptop, 'laptop-last', 1)
    await whole('everybody has everything')
  })
  await stop()
}

// pushed waits until the server has the checkpoint of all that the devices hold, which comes a
// moment after the documents.
async function pushed () {
  await within('checkpoints of pushes', async () => {
    const seqs = await Promise.all(devices.map(async db => (await db.info()).update_seq))
    const known = (await logs()).map(l => l.last_seq)
    return seqs.every(seq => known.includes(seq))
  })
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

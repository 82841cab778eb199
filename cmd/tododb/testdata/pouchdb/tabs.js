// Two tabs of a browser: two PouchDBs on one storage, both in live sync, while the server's file is put back.
//
//   node tabs.js http://HOST:PORT USER PASSWORD

const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory'))
const { ask, within, step } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const server = () => new PouchDB(`${base}/notes`, { auth: { username, password } })

async function main () {
  const tabs = [0, 1].map(() => new PouchDB('phone', { adapter: 'memory' }))
  const there = server()
  const start = () => tabs.map(tab => tab.sync(server(), { live: true, retry: true, heartbeat: 1000 }))
  let syncs
  const written = new Set()
  const write = async (round, n) => {
    for (const [t, tab] of tabs.entries()) {
      await tab.bulkDocs([...Array(n).keys()].map(i => ({ _id: `tab${t}-${round}-${i}` })))
      for (let i = 0; i < n; i++) written.add(`tab${t}-${round}-${i}`)
    }
  }
  const whole = what => within(what, async () => {
    const ids = new Set((await there.allDocs().catch(() => ({ rows: [] }))).rows.map(r => r.id))
    return [...written].every(id => ids.has(id))
  })
  const logs = async () => (await (await there.fetch('_local_docs?include_docs=true')).json()).rows.map(r => r.doc.last_seq)
  const pushed = () => within('checkpoints of pushes', async () => (await logs()).includes((await tabs[0].info()).update_seq))
  const putBack = async () => {
    await ask('stop')
    await ask('put back')
    await ask('start')
  }

  await there.info()
  for (let round = 0; round < 6; round++) {
    await step(`round ${round}`, async () => {
      if (round % 2 === 0) syncs = start() // else the copy knows the sessions
      await write(`kept-${round}`, 5)
      await whole('the server has all')
      await pushed()
      await ask('copy')
      if (round % 3 === 2) { // sessions that the copy does not know
        for (const s of syncs) { s.cancel(); await s.catch(() => {}) }
        syncs = start()
      }
      await write(`lost-${round}`, 5)
      await whole('the server has what the copy lacks')
      await pushed()
      await putBack()
      await write(`after-${round}`, 1)
      await whole('what was lost is there again')
      if (round % 2 === 1) for (const s of syncs) { s.cancel(); await s.catch(() => {}) }
    })
  }
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

// What Obsidian's LiveSync plugin asks of a server while it is set up, and on the way to its
// first full copy.
//
//   node livesync.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb')
PouchDB.plugin(require('pouchdb-adapter-memory'))
const { ask, step, within } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const origin = 'app://obsidian.md'
const authorization = 'Basic ' + Buffer.from(`${username}:${password}`).toString('base64')

async function call (method, path, body, headers = { authorization }) {
  const answer = await fetch(base + path, {
    method,
    headers: { origin, 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body)
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text) }
}
const node = '/_node/_local/_config'

// What the plugin's set-up doctor wants to find, and sets where it is not so.
const wanted = {
  'chttpd/require_valid_user': 'true',
  'chttpd_auth/require_valid_user': 'true',
  'httpd/WWW-Authenticate': 'Basic realm="couchdb"',
  'httpd/enable_cors': 'true',
  'chttpd/enable_cors': 'true',
  'chttpd/max_http_request_size': '4294967296',
  'couchdb/max_document_size': '50000000',
  'cors/credentials': 'true',
  'cors/origins': 'app://obsidian.md,capacitor://localhost,http://localhost'
}

async function main () {
  await step('a single node is set up', async () => {
    assert.equal((await call('GET', '/_up', undefined, {})).json().status, 'ok')
    const made = await call('POST', '/_cluster_setup', {
      action: 'enable_single_node', username, password, bind_address: '0.0.0.0', port: 5984, singlenode: true
    })
    assert.ok([200, 201].includes(made.status), made.text)
    assert.match((await call('GET', '/')).headers.get('server'), /CouchDB\/\d+\.\d+/)
  })

  await step('the settings are set one by one, and found in the whole', async () => {
    for (const [place, value] of Object.entries(wanted)) {
      const put = await call('PUT', `${node}/${place}`, value)
      assert.equal(put.status, 200, `${place}: ${put.text}`)
      assert.equal(typeof put.json(), 'string')
    }
    const config = (await call('GET', node)).json()
    for (const section of ['admins', 'chttpd', 'chttpd_auth', 'couchdb', 'cors', 'httpd']) assert.ok(config[section], section)
    for (const section of Object.values(config)) for (const value of Object.values(section)) assert.equal(typeof value, 'string')
    for (const [place, value] of Object.entries(wanted)) {
      const [section, key] = place.split('/')
      assert.equal(config[section][key], value, place)
    }
  })

  await step('the settings hold, after a restart too', async () => {
    for (const again of [false, true]) {
      if (again) {
        await ask('stop')
        await ask('start')
      }
      const stranger = await call('GET', '/_all_dbs', undefined, {})
      assert.equal(stranger.status, 401)
      assert.equal(stranger.headers.get('access-control-allow-origin'), origin)
      assert.equal(stranger.headers.get('access-control-allow-credentials'), 'true')
      const preflight = await call('OPTIONS', '/obsidian/', undefined, {
        'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization,content-type'
      })
      assert.ok(preflight.status < 300, String(preflight.status))
      assert.equal(preflight.headers.get('access-control-allow-origin'), origin)
    }
  })

  const remote = new PouchDB(`${base}/obsidian`, {
    fetch: (url, options) => {
      options.headers.set('authorization', authorization)
      return PouchDB.fetch(url, options)
    }
  })
  const vault = new PouchDB('vault', { adapter: 'memory' })
  const leaves = [...Array(120).keys()].map(i => ({ _id: `h:${String(i).padStart(4, '0')}`, type: 'leaf', data: 'x'.repeat(1000 + i) }))

  await step('the vault is sent in batches', async () => {
    assert.equal((await call('PUT', '/obsidian/')).status, 201)
    await vault.bulkDocs(leaves)
    await vault.bulkDocs([...Array(10).keys()].map(i => ({
      _id: `note${i}.md`, type: 'plain', path: `note${i}.md`, children: leaves.slice(i * 12, i * 12 + 12).map(l => l._id)
    })))
    const sent = await vault.replicate.to(remote, { batch_size: 25, batches_limit: 25 })
    assert.equal(sent.docs_written, 130)
    for (const id of ['_local/obsydian_livesync_milestone', '_local/obsidian_livesync_sync_parameters']) {
      const put = await remote.put({ _id: id, created: 1, locked: false })
      assert.match(put.rev, /^0-/)
      assert.equal((await remote.get(id)).locked, false)
    }
  })

  const other = new PouchDB('other', { adapter: 'memory' })
  await step('notes first, by a selector, then their chunks by keys', async () => {
    const got = await other.replicate.from(remote, { selector: { type: { $ne: 'leaf' } }, batch_size: 25, batches_limit: 25 })
    assert.equal(got.docs_written, 10)
    const note = await other.get('note3.md')
    const chunks = await remote.allDocs({ keys: [...note.children, 'h:gone'], include_docs: true })
    assert.equal(chunks.rows.length, 13)
    assert.equal(chunks.rows[12].error, 'not_found')
    assert.equal(chunks.rows[0].doc.type, 'leaf')
  })

  await step('the fast fetch reads a continuous feed to its end', async () => {
    const probe = (await call('GET', '/obsidian/_changes?feed=normal&since=now&limit=1')).json()
    assert.deepEqual(probe.results, [])
    assert.equal(probe.pending, 0)
    let since = 0
    let pending
    const seen = new Set()
    do {
      const feed = await call('GET', `/obsidian/_changes?feed=continuous&include_docs=true&style=all_docs&conflicts=true&revs=true&limit=50&timeout=1000&since=${since}`)
      const lines = feed.text.split('\n').filter(Boolean).map(line => JSON.parse(line))
      const last = lines.pop()
      assert.ok(last.last_seq, feed.text.slice(-200))
      assert.equal(typeof last.pending, 'number')
      assert.ok(lines.length <= 50)
      for (const line of lines) seen.add(line.doc._id)
      since = last.last_seq
      pending = last.pending
    } while (pending > 0)
    assert.equal(seen.size, 130)
  })

  await step('live synchronization of two vaults', async () => {
    const options = { live: true, retry: true, heartbeat: 30000, batch_size: 25, batches_limit: 25 }
    const syncs = [vault, other].map(db => db.sync(remote, options))
    await vault.put({ _id: 'fresh.md', type: 'plain', children: [] })
    await within('the note arrives', async () => {
      try { return await other.get('fresh.md') } catch { return false }
    })
    for (const sync of syncs) sync.cancel()
    await Promise.all(syncs)
  })

  await step('compaction, and the sizes that the plugin shows', async () => {
    assert.equal((await call('POST', '/obsidian/_compact')).status, 202)
    assert.ok((await call('GET', '/obsidian/')).json().sizes.file > 0)
  })
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

// The server through nano, CouchDB's client for Node.
//
//   node nano.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const { step } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const url = base.replace('://', `://${username}:${password}@`)

async function main () {
  const nano = require('nano')(url)

  await step('server and databases', async () => {
    assert.equal((await nano.info()).couchdb, 'Welcome')
    await nano.db.create('books')
    await assert.rejects(nano.db.create('books'), { statusCode: 412, error: 'file_exists' })
    assert.ok((await nano.db.list()).includes('books'))
    assert.equal((await nano.db.get('books')).db_name, 'books')
    assert.equal((await nano.uuids(3)).uuids.length, 3)
  })

  const books = nano.use('books')
  await step('documents', async () => {
    const first = await books.insert({ title: 'Walden', year: 1854 }, 'walden')
    assert.equal(first.rev, '1-' + first.rev.slice(2))
    await assert.rejects(books.insert({ title: 'again' }, 'walden'), { statusCode: 409, error: 'conflict' })
    const doc = await books.get('walden')
    assert.equal(doc.year, 1854)
    doc.read = true
    const second = await books.insert(doc)
    assert.match(second.rev, /^2-/)
    assert.equal((await books.head('walden')).etag, `"${second.rev}"`)
    await assert.rejects(books.get('missing'), { statusCode: 404, error: 'not_found', reason: 'missing' })
    await books.destroy('walden', second.rev)
    await assert.rejects(books.get('walden'), { statusCode: 404, reason: 'deleted' })
    assert.match((await books.insert({ title: 'no id' })).id, /^[0-9a-f]{32}$/)
  })

  await step('many at once', async () => {
    const docs = [...Array(25).keys()].map(i => ({ _id: `b${String(i).padStart(2, '0')}`, i }))
    const written = await books.bulk({ docs })
    assert.equal(written.length, 25)
    const list = await books.list({ include_docs: true, startkey: 'b05', limit: 2 })
    assert.deepEqual(list.rows.map(r => r.doc.i), [5, 6])
    const fetched = await books.fetch({ keys: ['b01', 'nope', 'b02'] })
    assert.deepEqual(fetched.rows.map(r => r.error || r.doc.i), [1, 'not_found', 2])
    const changes = await books.changes({ since: 0, limit: 10 })
    assert.equal(changes.results.length, 10)
  })

  await step('attachments', async () => {
    const text = 'a text'
    const put = await books.attachment.insert('scan', 'page.txt', text, 'text/plain')
    assert.equal(await books.attachment.get('scan', 'page.txt'), text)
    const many = await books.multipart.insert({ pages: 2 }, [
      { name: '1.txt', data: 'one', content_type: 'text/plain' },
      { name: '2.bin', data: Buffer.from([1, 2, 3]), content_type: 'application/octet-stream' }
    ], 'parts')
    assert.match(many.rev, /^1-/)
    assert.deepEqual(await books.attachment.get('parts', '2.bin'), Buffer.from([1, 2, 3]))
    await books.attachment.destroy('scan', 'page.txt', { rev: put.rev })
    await assert.rejects(books.attachment.get('scan', 'page.txt'), { statusCode: 404 })
  })

  await step('follow the changes', async () => {
    const reader = books.changesReader
    const seen = await new Promise((resolve, reject) => {
      const ids = []
      reader.start({ since: '0', wait: false, batchSize: 5 })
        .on('change', c => { ids.push(c.id); if (ids.length === 30) { reader.stop(); resolve(ids) } })
        .on('error', reject)
      books.insert({ late: true }, 'late').catch(reject)
    })
    assert.ok(seen.includes('late'))
  })

  await step('a session', async () => {
    const plain = require('nano')({ url: base, jar: true })
    await assert.rejects(plain.auth(username, 'wrong'), { statusCode: 401 })
    await plain.auth(username, password)
    assert.equal((await plain.session()).userCtx.name, username)
    assert.equal((await plain.use('books').get('b01')).i, 1)
  })

  await step('a plain user', async () => {
    await nano.use('_users').insert({ type: 'user', name: 'reader', roles: ['readers'], password: 'pages' }, 'org.couchdb.user:reader')
    const reader = require('nano')({ url: base, jar: true })
    await assert.rejects(reader.auth('reader', 'wrong'), { statusCode: 401 })
    await reader.auth('reader', 'pages')
    assert.deepEqual((await reader.session()).userCtx, { name: 'reader', roles: ['readers'] })
    await assert.rejects(reader.use('books').get('b01'), { statusCode: 403, error: 'forbidden' })
    await nano.request({ db: 'books', method: 'put', path: '_security', body: { admins: {}, members: { roles: ['readers'] } } })
    assert.equal((await reader.use('books').get('b01')).i, 1)
    await reader.use('books').insert({ by: 'reader' }, 'note')
    await assert.rejects(reader.use('books').insert({ views: {} }, '_design/d'), { statusCode: 403 })
    await assert.rejects(reader.db.list(), { statusCode: 401 })
    await assert.rejects(reader.use('_users').get('org.couchdb.user:reader'), { statusCode: 403 })
  })

  await nano.db.destroy('books')
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

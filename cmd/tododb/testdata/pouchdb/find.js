// What an application does with pouchdb-find: the same indexes and queries here, in
// memory, and on the server, which must find the same documents.
//
//   node find.js http://HOST:PORT USER PASSWORD

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory')).plugin(require('pouchdb-find'))
const { step } = require('./harness')

const [base, username, password] = process.argv.slice(2)
const server = new PouchDB(`${base}/people`, { auth: { username, password } })
const local = new PouchDB('people', { adapter: 'memory' })

const both = work => Promise.all([work(server), work(local)])
const bare = docs => docs.map(({ _rev, ...doc }) => doc)

// same asks both, and checks that they find the same, in the same order if there is a sort.
async function same (query, count) {
  const [there, here] = (await both(db => db.find(query))).map(found => bare(found.docs))
  const order = docs => query.sort ? docs : docs.sort((a, b) => a._id < b._id ? -1 : 1)
  assert.deepEqual(order(there), order(here), JSON.stringify(query))
  if (count !== undefined) assert.equal(there.length, count, JSON.stringify(query))
}

async function main () {
  await step('write people', () => both(db => db.bulkDocs([...Array(60).keys()].map(i => ({
    _id: `p${String(i).padStart(2, '0')}`,
    name: ['Ann', 'bob', 'Cyd', 'Dan', 'eve'][i % 5],
    age: i % 7 === 0 ? String(i) : i,
    tags: i % 2 ? ['odd', `t${i % 4}`] : ['even'],
    address: i % 3 ? { city: ['Oslo', 'Rome'][i % 2] } : undefined
  })))))

  await step('make indexes', async () => {
    for (const fields of [['age'], ['name', 'age'], ['address.city']]) {
      const made = await both(db => db.createIndex({ index: { fields } }))
      assert.equal(made[0].result, 'created')
    }
    const again = await server.createIndex({ index: { fields: ['age'] } })
    assert.equal(again.result, 'exists')
    const [there, here] = await both(db => db.getIndexes())
    assert.equal(there.indexes.length, 4)
    assert.deepEqual(there.indexes.map(i => i.def.fields), here.indexes.map(i => i.def.fields).sort((a, b) =>
      there.indexes.findIndex(i => JSON.stringify(i.def.fields) === JSON.stringify(a)) - there.indexes.findIndex(i => JSON.stringify(i.def.fields) === JSON.stringify(b))))
  })

  await step('find by an index', async () => {
    await same({ selector: { age: { $gt: 20, $lte: 30 } }, sort: ['age'] }, 8)
    await same({ selector: { age: { $gt: null } }, sort: [{ age: 'desc' }], limit: 60 }, 60)
    await same({ selector: { name: 'bob', age: { $gte: 10 } }, sort: ['name', 'age'] })
    await same({ selector: { name: { $in: ['Ann', 'eve'] }, age: { $lt: 30 } } })
    await same({ selector: { 'address.city': 'Oslo' }, fields: ['_id', 'address.city'] })
    await same({ selector: { age: { $gte: 6 } }, sort: ['age'], skip: 3, limit: 4 }, 4)
  })

  await step('find without one', async () => {
    await same({ selector: { tags: { $elemMatch: { $eq: 't3' } } } })
    await same({ selector: { tags: { $all: ['odd', 't1'] } } })
    await same({ selector: { $or: [{ name: 'Cyd' }, { age: { $lt: 4 } }] } })
    await same({ selector: { name: { $regex: '^[A-C]' }, tags: { $size: 1 } } })
    await same({ selector: { address: { $exists: false } } }, 20)
    await same({ selector: { _id: { $gte: 'p50' } } }, 10)
    await assert.rejects(server.find({ selector: { tags: 1 }, sort: ['tags'] }), { status: 400 })
    await assert.rejects(server.find({ selector: { age: { $nonsense: 1 } } }), { status: 400 })
  })

  await step('explain', async () => {
    const plan = await server.explain({ selector: { age: { $gt: 20 } } })
    assert.deepEqual(plan.index.def.fields, [{ age: 'asc' }])
    assert.equal((await server.explain({ selector: { tags: 1 } })).index.name, '_all_docs')
  })

  await step('page with bookmarks', async () => {
    const seen = []
    let bookmark
    for (let page = 0; page < 20; page++) {
      const found = await server.find({ selector: { age: { $gt: null } }, sort: ['age'], limit: 7, bookmark })
      if (found.docs.length === 0) break
      seen.push(...found.docs.map(d => d._id))
      bookmark = found.bookmark
      if (page === 2) await server.put({ _id: `early${page}`, age: -1 }) // stands before what was read
    }
    assert.equal(new Set(seen).size, 60)
    assert.equal(seen.length, 60)
  })

  await step('delete an index', async () => {
    const index = (await server.getIndexes()).indexes.find(i => i.def.fields.length === 2)
    await server.deleteIndex(index)
    assert.equal((await server.getIndexes()).indexes.length, 3)
  })
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

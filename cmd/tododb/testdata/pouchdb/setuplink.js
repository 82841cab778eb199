// Opens a link that sets LiveSync up, as the plugin does with its own library, and has a vault
// synchronize with what the link says.
//
//   node setuplink.js LINK PASSPHRASE

const assert = require('node:assert/strict')
const PouchDB = require('pouchdb')
PouchDB.plugin(require('pouchdb-adapter-memory'))
const { step } = require('./harness')

const [link, passphrase] = process.argv.slice(2)
const prefix = 'obsidian://setuplivesync?settings='

async function main () {
  const { decryptWithEphemeralSalt } = await import('octagonal-wheels/encryption/hkdf')
  let settings
  await step('the link is opened', async () => {
    assert.ok(link.startsWith(prefix))
    const sealed = decodeURIComponent(link.slice(prefix.length))
    settings = JSON.parse(await decryptWithEphemeralSalt(sealed, passphrase))
    await assert.rejects(decryptWithEphemeralSalt(sealed, passphrase + 'x'))
    assert.equal(settings.encrypt, true)
    assert.ok(settings.passphrase.length >= 20)
    assert.equal(settings.couchDB_URI, settings.couchDB_URI.toLowerCase()) // the plugin takes no others
  })
  await step('a vault synchronizes', async () => {
    const remote = new PouchDB(`${settings.couchDB_URI}/${settings.couchDB_DBNAME}`, {
      auth: { username: settings.couchDB_USER, password: settings.couchDB_PASSWORD }
    })
    const vault = new PouchDB('vault', { adapter: 'memory' })
    await vault.put({ _id: 'note.md', type: 'plain', children: [] })
    assert.equal((await vault.sync(remote)).push.docs_written, 1)
    assert.equal((await remote.get('note.md')).type, 'plain')
    await remote.compact()
  })
}

main().then(() => process.exit(0), err => { console.error(err); process.exit(1) })

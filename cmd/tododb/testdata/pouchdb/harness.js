// PouchDB lets go of some errors of requests that were cut. A browser writes them down and goes on; Node would end.
process.on('unhandledRejection', err => console.log('nobody has taken care of: ' + err.message))

const readline = require('node:readline')

const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()

// ask has the test do something to the server and waits until it is done.
async function ask (what) {
  console.log(what)
  const { value, done } = await answers.next()
  if (done || value !== 'done') throw new Error(`asked to ${what}, got ${value}`)
}

// within waits for a condition that has to become true.
async function within (what, holds, ms = 120000) {
  const end = Date.now() + ms
  while (!await holds()) {
    if (Date.now() > end) throw new Error(`not in ${ms} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function step (what, work) {
  const from = Date.now()
  try {
    await work()
  } catch (err) {
    err.message = `${what}: ${err.message}`
    throw err
  }
  console.log(`ok ${what} (${Date.now() - from} ms)`)
}

module.exports = { ask, within, step }

import type { JSX } from 'preact'
import { Figures } from './figures'
import { Health } from './health'
import { Log } from './log'
import { Tasks } from './tasks'

/** How the server is, what it is doing, and what it said. */
export default function Operate(): JSX.Element {
  return (
    <>
      <header><h1>Operate</h1></header>
      <section class="stack" aria-labelledby="operate-tasks">
        <h2 id="operate-tasks">What is going on</h2>
        <Tasks />
      </section>
      <section class="stack" aria-labelledby="operate-figures">
        <h2 id="operate-figures">The last hour</h2>
        <Figures />
      </section>
      <section class="stack" aria-labelledby="operate-health">
        <h2 id="operate-health">Health</h2>
        <Health />
      </section>
      <section class="stack" aria-labelledby="operate-log">
        <h2 id="operate-log">The log</h2>
        <Log />
      </section>
    </>
  )
}

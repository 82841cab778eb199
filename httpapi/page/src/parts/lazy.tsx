import type { ComponentType, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Trouble } from './notice'
import { Waiting } from './progress'

/** A component whose code is loaded when it is first shown. */
export function lazy<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined
  return function Lazy(props: P): JSX.Element {
    const [C, set] = useState(() => loaded)
    const [error, setError] = useState<unknown>(undefined)
    useEffect(() => {
      if (C) return
      load().then(
        (m) => {
          loaded = m.default
          set(() => m.default)
        },
        () => setError(new Error('A part of the page could not be loaded. The server may have a newer one: load the page again.')),
      )
    }, [])
    if (error) return <Trouble error={error} retry={() => location.reload()} />
    return C ? <C {...props} /> : <Waiting />
  }
}

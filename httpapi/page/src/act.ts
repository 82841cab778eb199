// What the visitor does: one act at a time.
import { useRef, useState } from 'preact/hooks'
import { left, Sender } from './api'

export interface Act {
  /** the name of what is under way; undefined: nothing */
  doing: string | undefined
  busy: boolean
  /** why the last one failed, unless somebody else says so */
  error: unknown
  setError: (e: unknown) => void
  /** Begins an act. While one is under way it does nothing: a second press is no second act. */
  run: (act: (to: Sender) => unknown, name?: string) => Promise<void>
}

const sender = new Sender()

/**
 * The acts of a screen, a form, a card or a dialog: whatever changes something on the server is done in
 * one, because only here is a Sender. fail says what went wrong; without it error has it.
 */
export function useAct(fail?: (e: unknown) => void): Act {
  const [state, set] = useState<{ doing: string | undefined; error: unknown }>({ doing: undefined, error: undefined })
  const going = useRef(false) // at once, which the state is not
  const run = async (act: (to: Sender) => unknown, name = '') => {
    if (going.current) return
    going.current = true
    set({ doing: name, error: undefined })
    let error: unknown
    try {
      await act(sender)
    } catch (e) {
      if (!left(e)) {
        if (fail) fail(e)
        else error = e
      }
    }
    going.current = false
    set({ doing: undefined, error })
  }
  return { ...state, busy: state.doing !== undefined, setError: (error) => set((old) => ({ ...old, error })), run }
}

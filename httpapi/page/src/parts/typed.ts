// Whoever holds fields is told when the visitor has changed something in one of them.
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'

/** Called for each change that the visitor makes in a field below it. */
export const Typed = createContext(() => {})

/** What a field calls when the visitor has changed it. */
export const useTyped = (): (() => void) => useContext(Typed)

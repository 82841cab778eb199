// Whoever holds fields is told when the visitor has changed something in one of them.
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'

/** Called for each change that the visitor makes in a field below it. */
export const Typed = createContext(() => {})

/** What a field calls when the visitor has changed it. */
export const useTyped = (): (() => void) => useContext(Typed)

/** Whether what stands in the fields below it is being saved, and no more is to be typed. */
export const Fixed = createContext(false)

/** What a field asks for it. */
export const useFixed = (): boolean => useContext(Fixed)

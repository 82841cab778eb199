import { lazy } from './lazy'

/** Something to say about a place of the text: from and to are indexes in it. */
export interface Mark {
  from: number
  to: number
  message: string
  severity?: 'error' | 'warning' | 'info'
}

export interface EditorProps {
  /** the name for those who do not see it */
  label: string
  /** the text at first; another one replaces what is there */
  value: string
  onChange?: (text: string) => void
  /** json has colours and its mistakes marked; text has none */
  mode?: 'json' | 'text'
  readOnly?: boolean
  /** more to mark than the mode finds, such as what the server said */
  marks?: readonly Mark[]
  /** Ctrl+S or Cmd+S */
  onSave?: () => void
  /** CSS; as tall as the text if there is none */
  height?: string
  autofocus?: boolean
}

const code = () => import('./codemirror')

/**
 * An editor of text, by CodeMirror. It never changes a byte that the visitor did not: JSON stays as
 * it is written. Its code is loaded when the first editor is shown.
 */
export const Editor = lazy<EditorProps>(code)

/** Has the code loaded, for screens that will show an editor once they have what is to be in it. */
export const editorSoon = (): void => void code().catch(() => {}) // whoever shows it says so

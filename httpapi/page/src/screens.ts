// Every screen of the page, one line for each. README.md tells how to add one.
import type { ComponentType } from 'preact'

/** What a screen is given. */
export interface ScreenProps {
  /** the :names of its path */
  params: Record<string, string>
  query: URLSearchParams
}

export interface Screen {
  /** as after the #/ of the address; :name stands for any segment */
  path: string
  title: string
  /** where its link stands: beside everything, above a database, or nowhere */
  section: 'server' | 'database' | 'none'
  /** only administrators see its link */
  adminOnly?: boolean
  load: () => Promise<{ default: ComponentType<ScreenProps> }>
}

export const screens: Screen[] = [
  { path: '', title: 'Databases', section: 'server', load: () => import('./screens/databases/databases') },
  { path: 'account', title: 'My account', section: 'none', load: () => import('./screens/account/account') },
]

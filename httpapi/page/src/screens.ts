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
  /** the path of the tab that it stands under, if it is none itself */
  under?: string
  load: () => Promise<{ default: ComponentType<ScreenProps> }>
}

export const screens: Screen[] = [
  { path: '', title: 'Databases', section: 'server', load: () => import('./screens/databases/databases') },
  { path: 'users', title: 'Users', section: 'server', adminOnly: true, load: () => import('./screens/users/users') },
  { path: 'tokens', title: 'Device tokens', section: 'server', load: () => import('./screens/tokens/tokens') },
  { path: 'replication', title: 'Replication', section: 'server', adminOnly: true, load: () => import('./screens/replication/replication') },
  { path: 'backups', title: 'Backups', section: 'server', adminOnly: true, load: () => import('./screens/backups/backups') },
  { path: 'operate', title: 'Operate', section: 'server', adminOnly: true, load: () => import('./screens/operate/operate') },
  { path: 'settings', title: 'Settings', section: 'server', adminOnly: true, load: () => import('./screens/settings/settings') },
  { path: 'db/:db/docs', title: 'Documents', section: 'database', load: () => import('./screens/documents/documents') },
  { path: 'db/:db/doc/:id', title: 'Document', section: 'none', under: 'db/:db/docs', load: () => import('./screens/document/document') },
  { path: 'db/:db/conflicts', title: 'Conflicts', section: 'database', load: () => import('./screens/conflicts/conflicts') },
  { path: 'db/:db/design', title: 'Views', section: 'database', load: () => import('./screens/design/design') },
  { path: 'db/:db/mango', title: 'Mango', section: 'database', load: () => import('./screens/mango/mango') },
  { path: 'db/:db/changes', title: 'Changes', section: 'database', load: () => import('./screens/changes/changes') },
  { path: 'db/:db/security', title: 'Manage', section: 'database', load: () => import('./screens/database/database') },
  { path: 'account', title: 'My account', section: 'none', load: () => import('./screens/account/account') },
]

// What the visitor may do to a database.
import * as api from './api'
import { useLoad } from './load'
import { isAdmin, session } from './session'

interface Security {
  admins?: { names?: unknown; roles?: unknown } | null
}

const has = (list: unknown, one: string | null | undefined): boolean => Array.isArray(list) && list.includes(one)

/**
 * Tells whether the visitor is an administrator of a database: nothing is offered to others that the server
 * would refuse them. undefined until that is known, and where no database is asked about.
 */
export function useAdminOf(db: string | undefined): boolean | undefined {
  const who = session.value
  const security = useLoad(async (signal) => (isAdmin.value || db === undefined ? undefined : api.get<Security>([db, '_security'], {}, signal)), [db, who])
  if (isAdmin.value || security.error !== undefined) return true // the server has the last word
  const admins = security.value?.admins
  return security.value && (has(admins?.names, who?.name) || (who?.roles.some((r) => has(admins?.roles, r)) ?? false))
}

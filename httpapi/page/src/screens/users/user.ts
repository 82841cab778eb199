// What the screen knows of users.

/** How the ids of users' documents begin. */
export const prefix = 'org.couchdb.user:'

export interface User {
  name: string
  roles: string[]
}

/** The roles that somebody wrote with commas between. */
export const rolesOf = (text: string): string[] => [...new Set(text.split(',').map((r) => r.trim()).filter(Boolean))]

/** A password that nobody guesses: 20 letters and digits that are not taken for each other. */
export function newPassword(): string {
  const signs = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
  const limit = 256 - (256 % signs.length) // bytes from there on would make some signs likelier
  let password = ''
  while (password.length < 20) {
    for (const b of crypto.getRandomValues(new Uint8Array(32))) if (b < limit && password.length < 20) password += signs[b % signs.length]
  }
  return password
}

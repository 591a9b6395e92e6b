/** A small repository as GitHub's API answers for it: v1.2.0 brings two pull requests, and one of them leaks a connection per request. */
export const owner = 'acme'
export const repo = 'user-service'

const diff41 = `diff --git a/src/db/users.ts b/src/db/users.ts
index 3d1c2aa..9f04be1 100644
--- a/src/db/users.ts
+++ b/src/db/users.ts
@@ -8,12 +8,11 @@ export async function findUser(pool: Pool, id: string): Promise<User | undefined
-  const client = await pool.connect()
-  try {
-    const { rows } = await client.query('SELECT * FROM users WHERE id = $1', [id])
-    return rows[0]
-  } finally {
-    client.release()
-  }
+  const client = await pool.connect()
+  const { rows } = await client.query('SELECT * FROM users WHERE id = $1', [id])
+  if (rows.length === 0) return undefined
+  client.release()
+  return rows[0]
 }
`

const diff42 = `diff --git a/README.md b/README.md
index 1111111..2222222 100644
--- a/README.md
+++ b/README.md
@@ -1,3 +1,3 @@
-# user-service
+# User service
`

export const releases = [
  {
    id: 1200,
    tag_name: 'v1.2.0',
    name: 'v1.2.0',
    draft: false,
    prerelease: false,
    created_at: '2026-01-31T07:40:00Z',
    published_at: '2026-01-31T07:45:00Z',
    author: { login: 'octo-ann' },
    html_url: `https://github.com/${owner}/${repo}/releases/tag/v1.2.0`,
    body: "## What's Changed\n* Simplify user lookup by @octo-bob in #41\n* Tidy the README by @octo-cho in #42\n\n**Full Changelog**: v1.1.0...v1.2.0",
  },
  {
    id: 1100,
    tag_name: 'v1.1.0',
    name: 'v1.1.0',
    draft: false,
    prerelease: false,
    created_at: '2026-01-10T09:00:00Z',
    published_at: '2026-01-10T09:05:00Z',
    author: { login: 'octo-ann' },
    html_url: `https://github.com/${owner}/${repo}/releases/tag/v1.1.0`,
    body: '## What changed\n* Faster start in #37',
  },
]

export interface PullRequest {
  number: number
  title: string
  body: string
  login: string
  sha: string
  diff: string
  files: { filename: string; status: string; additions: number; deletions: number; changes: number; patch: string }[]
}

const patchOf = (diff: string) => diff.slice(diff.indexOf('@@'))

export const pullRequests: PullRequest[] = [
  {
    number: 41,
    title: 'Simplify user lookup',
    body: 'Less nesting in findUser. No change of behaviour.',
    login: 'octo-bob',
    sha: '9f04be1c0ffee41000000000000000000000aa41',
    diff: diff41,
    files: [
      {
        filename: 'src/db/users.ts',
        status: 'modified',
        additions: 5,
        deletions: 7,
        changes: 12,
        patch: patchOf(diff41),
      },
    ],
  },
  {
    number: 42,
    title: 'Tidy the README',
    body: 'Words only.',
    login: 'octo-cho',
    sha: '2222222c0ffee42000000000000000000000aa42',
    diff: diff42,
    files: [
      { filename: 'README.md', status: 'modified', additions: 1, deletions: 1, changes: 2, patch: patchOf(diff42) },
    ],
  },
]

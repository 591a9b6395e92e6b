/**
 * A stand-in for github/github-mcp-server: its tool names, arguments and read-only behaviour, over a small recorded repository.
 * By itself over stdio: `node test/servers/mcp-github.ts stdio [--read-only] [--toolsets repos,pull_requests]`; it wants
 * GITHUB_PERSONAL_ACCESS_TOKEN, as the real one does. In a test over Streamable HTTP: `startGithubMcp()`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { owner as ourOwner, repo as ourRepo, type PullRequest, pullRequests, releases } from './mcp-github-data.ts'

export interface GithubMcpOptions {
  readOnly: boolean
  toolsets: string[]
  /** What replaces the recorded text, for tests of hostile content. */
  releaseBody?: string
  pullRequestBody?: string
  /** Called with each tool that is used. */
  used?: (tool: string, args: Record<string, unknown>) => void
}

const place = { owner: z.string().describe('Repository owner'), repo: z.string().describe('Repository name') }
const paging = { page: z.number().min(1).optional(), perPage: z.number().min(1).max(100).optional() }
const json = (value: unknown): CallToolResult => ({ content: [{ type: 'text', text: JSON.stringify(value) }] })
const text = (words: string): CallToolResult => ({ content: [{ type: 'text', text: words }] })
const failed = (words: string): CallToolResult => ({ isError: true, content: [{ type: 'text', text: words }] })

/** The server; what it offers depends on the toolsets and on whether it was asked to read only. */
export function createGithubMcp(options: GithubMcpOptions): McpServer {
  const server = new McpServer({ name: 'github-mcp-server', version: '0.30.0-recorded' })
  const has = (toolset: string) => options.toolsets.includes(toolset) || options.toolsets.includes('all')
  const used = (tool: string, args: Record<string, unknown>) => options.used?.(tool, args)
  const here = (args: { owner: string; repo: string }) => args.owner === ourOwner && args.repo === ourRepo
  const released = releases.map((one, index) =>
    index === 0 && options.releaseBody !== undefined ? { ...one, body: options.releaseBody } : one,
  )
  const read = { annotations: { readOnlyHint: true } }
  const write = { annotations: { readOnlyHint: false } }
  const missing = (what: string) => failed(`failed to get ${what}: GET https://api.github.com/repos: 404 Not Found []`)

  if (has('repos')) {
    server.registerTool(
      'get_release_by_tag',
      {
        ...read,
        description: 'Get a specific release by its tag name in a GitHub repository',
        inputSchema: { ...place, tag: z.string() },
      },
      (args) => {
        used('get_release_by_tag', args)
        const found = here(args) ? released.find(({ tag_name }) => tag_name === args.tag) : undefined
        return found === undefined ? missing('release by tag') : json(found)
      },
    )
    server.registerTool(
      'get_latest_release',
      { ...read, description: 'Get the latest release in a GitHub repository', inputSchema: place },
      (args) => {
        used('get_latest_release', args)
        return here(args) ? json(released[0]) : missing('latest release')
      },
    )
    server.registerTool(
      'list_releases',
      { ...read, description: 'List releases in a GitHub repository', inputSchema: { ...place, ...paging } },
      (args) => {
        used('list_releases', args)
        return here(args) ? json(pageOf(released, args)) : missing('releases')
      },
    )
    server.registerTool(
      'list_commits',
      {
        ...read,
        description: 'Get list of commits of a branch in a GitHub repository',
        inputSchema: {
          ...place,
          ...paging,
          sha: z.string().optional(),
          since: z.string().optional(),
          until: z.string().optional(),
        },
      },
      (args) => {
        used('list_commits', args)
        return here(args) ? json(pageOf(pullRequests.map(commitOf), args)) : missing('commits')
      },
    )
    server.registerTool(
      'get_commit',
      {
        ...read,
        description: 'Get details for a commit from a GitHub repository',
        inputSchema: { ...place, sha: z.string(), detail: z.enum(['none', 'stats', 'full_patch']).optional() },
      },
      (args) => {
        used('get_commit', args)
        const found = here(args) ? pullRequests.find(({ sha }) => sha.startsWith(args.sha)) : undefined
        return found === undefined ? missing('commit') : json({ ...commitOf(found), files: found.files })
      },
    )
  }
  if (has('pull_requests')) {
    server.registerTool(
      'pull_request_read',
      {
        ...read,
        description: 'Get information on a specific pull request in GitHub repository.',
        inputSchema: {
          ...place,
          ...paging,
          method: z.enum([
            'get',
            'get_diff',
            'get_status',
            'get_files',
            'get_commits',
            'get_review_comments',
            'get_reviews',
            'get_comments',
          ]),
          pullNumber: z.number(),
        },
      },
      (args) => {
        used('pull_request_read', args)
        const found = here(args) ? pullRequests.find(({ number }) => number === args.pullNumber) : undefined
        return found === undefined ? missing('pull request') : readPullRequest(found, args, options.pullRequestBody)
      },
    )
    server.registerTool(
      'list_pull_requests',
      { ...read, description: 'List pull requests in a GitHub repository.', inputSchema: { ...place, ...paging } },
      (args) => {
        used('list_pull_requests', args)
        return here(args)
          ? json(
              pageOf(
                pullRequests.map((one) => summaryOf(one, options.pullRequestBody)),
                args,
              ),
            )
          : missing('pull requests')
      },
    )
  }
  if (options.readOnly) return server
  if (has('issues'))
    server.registerTool(
      'create_issue',
      {
        ...write,
        description: 'Create a new issue in a GitHub repository.',
        inputSchema: { ...place, title: z.string() },
      },
      (args) => {
        used('create_issue', args)
        return json({ number: 99, title: args.title })
      },
    )
  if (has('pull_requests'))
    server.registerTool(
      'merge_pull_request',
      {
        ...write,
        description: 'Merge a pull request in a GitHub repository.',
        inputSchema: { ...place, pullNumber: z.number() },
      },
      (args) => {
        used('merge_pull_request', args)
        return json({ merged: true })
      },
    )
  return server
}

function readPullRequest(
  one: PullRequest,
  args: { method: string; page?: number; perPage?: number },
  body?: string,
): CallToolResult {
  switch (args.method) {
    case 'get':
      return json(summaryOf(one, body))
    case 'get_diff':
      return text(one.diff)
    case 'get_files':
      return json(pageOf(one.files, args))
    case 'get_commits':
      return json([commitOf(one)])
    case 'get_status':
      return json({ state: 'success', total_count: 1, statuses: [{ context: 'ci', state: 'success' }] })
    default:
      return json([])
  }
}

function summaryOf({ number, title, body, login, sha, files }: PullRequest, instead?: string) {
  return {
    number,
    title,
    body: instead ?? body,
    state: 'closed',
    merged: true,
    merged_at: '2026-01-30T16:00:00Z',
    user: { login },
    head: { sha },
    changed_files: files.length,
    html_url: `https://github.com/${ourOwner}/${ourRepo}/pull/${number}`,
  }
}

function commitOf({ sha, title, number, login }: PullRequest) {
  return { sha, commit: { message: `${title} (#${number})`, author: { name: login, date: '2026-01-30T16:00:00Z' } } }
}

function pageOf<T>(all: T[], { page = 1, perPage = 30 }: { page?: number; perPage?: number }): T[] {
  return all.slice((page - 1) * perPage, page * perPage)
}

export interface StartedGithub {
  /** For the `url` of a server of kind github. */
  url: string
  /** Tools that were used, in order. */
  calls: { tool: string; args: Record<string, unknown> }[]
  /** Headers of the first request of each session. */
  headers: IncomingMessage['headers'][]
  stop(): Promise<void>
}

/** Over Streamable HTTP on a free port of 127.0.0.1; obeys Authorization, X-MCP-Toolsets and X-MCP-Readonly as GitHub's remote server does. */
export async function startGithubMcp(
  token: string,
  hostile: Pick<GithubMcpOptions, 'releaseBody' | 'pullRequestBody'> = {},
): Promise<StartedGithub> {
  const calls: StartedGithub['calls'] = []
  const headers: IncomingMessage['headers'][] = []
  const http = createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy())
  })
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.headers.authorization !== `Bearer ${token}`) {
      response
        .writeHead(401, { 'content-type': 'text/plain' })
        .end('bad request: missing required Authorization header')
      return
    }
    if (request.method !== 'POST') {
      response.writeHead(405).end()
      return
    }
    headers.push(request.headers)
    const toolsets = String(request.headers['x-mcp-toolsets'] ?? 'repos,issues,pull_requests').split(',')
    const server = createGithubMcp({
      readOnly: request.headers['x-mcp-readonly'] === 'true',
      toolsets,
      used: (tool, args) => calls.push({ tool, args }),
      ...hostile,
    })
    // Without sessions: a server per request, as behind GitHub's load balancer.
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
    response.on('close', () => void server.close())
    await server.connect(transport)
    await transport.handleRequest(request, response)
  }
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp/`,
    calls,
    headers,
    stop: async () => {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'read-only': { type: 'boolean', default: false },
      toolsets: { type: 'string', default: 'repos,issues,pull_requests' },
    },
  })
  if (positionals[0] !== 'stdio') throw new Error('usage: mcp-github.ts stdio [--read-only] [--toolsets a,b]')
  if (!process.env.GITHUB_PERSONAL_ACCESS_TOKEN) {
    console.error('GITHUB_PERSONAL_ACCESS_TOKEN not set')
    process.exit(1)
  }
  console.error('GitHub MCP Server running on stdio')
  const known = ['repos', 'issues', 'pull_requests', 'all']
  const toolsets = values.toolsets.split(',')
  const unknown = toolsets.filter((one) => !known.includes(one))
  if (unknown.length > 0) {
    console.error(`unknown toolsets: ${unknown.join(', ')}`)
    process.exit(1)
  }
  await createGithubMcp({ readOnly: values['read-only'], toolsets }).connect(new StdioServerTransport())
}

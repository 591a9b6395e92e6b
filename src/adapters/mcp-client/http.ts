import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { Way } from './config.ts'
import { largestMessage } from './stdio.ts'

type HttpWay = Extract<Way, { by: 'http' }>

/**
 * A server over Streamable HTTP. Answers are read up to 8 MiB; redirects to elsewhere are not followed (the SDK's default);
 * the stream of notices is not opened, since nothing in it is needed. Throws an Error that names a variable which is not set.
 */
export function createHttp(
  way: HttpWay,
  environment: Readonly<Record<string, string | undefined>>,
  timeoutSeconds: number,
): Transport {
  const transport = new StreamableHTTPClientTransport(new URL(way.url), {
    requestInit: { headers: { ...way.headers, ...secretHeaders(way, environment) } },
    fetch: boundedFetch((timeoutSeconds + 5) * 1000),
  })
  return Object.assign(transport, { close: () => closing(transport) })
}

/** Says good-bye to the session, at most a second long, then ends whatever is still open. */
async function closing(transport: StreamableHTTPClientTransport): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 1000)
  })
  await Promise.race([transport.terminateSession().catch(() => {}), late])
  clearTimeout(timer)
  await StreamableHTTPClientTransport.prototype.close.call(transport)
}

function secretHeaders(way: HttpWay, environment: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(
    Object.entries(way.headersEnv).map(([header, variable]) => {
      const value = environment[variable]?.trim() ?? ''
      if (value === '' || /[^\x20-\x7e]/.test(value))
        throw new Error(`the environment variable ${variable} holds no usable value for the header ${header}`)
      const bare = header.toLowerCase() === 'authorization' && !value.includes(' ')
      return [header, bare ? `Bearer ${value}` : value]
    }),
  )
}

/** An exchange that nobody waits for any more is ended after `ms`; until then the SDK would leave it open. */
function boundedFetch(ms: number) {
  return async (url: string | URL, init?: RequestInit): Promise<Response> => {
    const method = init?.method ?? 'GET'
    if (method === 'GET' && !new Headers(init?.headers).has('last-event-id')) return new Response(null, { status: 405 })
    const signal = AbortSignal.any([AbortSignal.timeout(ms), ...(init?.signal ? [init.signal] : [])])
    const response = await fetch(url, { ...init, signal })
    if (response.body === null) return response
    let size = 0
    const bounded = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        size += chunk.length
        if (size <= largestMessage) return controller.enqueue(chunk)
        controller.error(new Error(`it answered with more than ${largestMessage / 2 ** 20} MiB`))
      },
    })
    const { status, statusText, headers } = response
    return new Response(response.body.pipeThrough(bounded), { status, statusText, headers })
  }
}

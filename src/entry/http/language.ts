import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { translateButton, translateMessage } from '../../lib/catalogue/message.ts'
import { type Language, translate, translateWord } from '../../lib/catalogue/translate.ts'
import { mapItems } from './mask.ts'
import { unencapsulated } from './plugin.ts'

/** Fields of src/ports/console.ts that people read and code does not: everything else is left alone. */
const SPOKEN = new Set(['text', 'next', 'say', 'headline', 'why', 'summary', 'source'])
const SPOKEN_LISTS = new Set(['notes', 'limits'])
/** What a document holds as it was written: steps in the specification's JSON, the audit log's states, labels of hosts. */
const UNTOUCHED = new Set(['details', 'before', 'after', 'labels', 'plan', 'versions', 'flags', 'usage', 'hosts'])
/** Answers that are a document or the output of a host from beginning to end. */
const DOCUMENTS = new Set(['/api/v1/jobs/output', '/api/v1/releases/:id/issue'])
/** Answers that are checked and written once for all readers: what is translated is written anew, once for each language. */
const WRITTEN_ONCE = new Set(['/api/v1/releases/:id', '/api/v1/releases/:id/series'])
const METRICS = new Set(['cpu', 'memory', 'error_rate', 'latency', 'traffic'])

/**
 * The language in which a request wants to read: `?lang=` where headers cannot be set, else the first of `Accept-Language`
 * (RFC 9110, 12.5.4) that there is a catalogue for; English when there is none.
 */
export function languageOf(request: Pick<FastifyRequest, 'headers' | 'query'>): Language {
  const { query } = request
  if (typeof query === 'object' && query !== null && 'lang' in query) return query.lang === 'zh' ? 'zh' : 'en'
  const wanted = (request.headers['accept-language'] ?? '')
    .slice(0, 500)
    .split(',')
    .map((part, index) => {
      const [tag = '', ...params] = part
        .trim()
        .toLowerCase()
        .split(/\s*;\s*/)
      const weight = Number(params.find((param) => param.startsWith('q='))?.slice(2) ?? 1)
      return { tag: tag.split('-', 1)[0], weight: Number.isNaN(weight) ? 0 : weight, index }
    })
    .filter(({ tag, weight }) => (tag === 'zh' || tag === 'en') && weight > 0)
    .sort((a, b) => b.weight - a.weight || a.index - b.index)
  return wanted[0]?.tag === 'zh' ? 'zh' : 'en'
}

/**
 * Answers under /api/v1 in the reader's language. What is stored stays English, so every reader may choose, and history follows.
 * States, ids, codes and actions stay as they are: the client's code compares with them and has its own words for them.
 */
export function languagePlugin(): FastifyPluginAsync {
  const written = new WeakMap<object, { answer: unknown; text: string }>()
  const writeOnce = (payload: object): { answer: unknown; text: string } => {
    const known = written.get(payload)
    if (known !== undefined) return known
    const answer = translateAnswer(payload, 'zh')
    const fresh = { answer, text: JSON.stringify(answer) }
    written.set(payload, fresh)
    return fresh
  }
  const plugin: FastifyPluginAsync = async (app) => {
    app.addHook('preSerialization', async (request, reply, payload) => {
      const url = request.routeOptions.url ?? request.url
      if (!url.startsWith('/api/v1/') || DOCUMENTS.has(url)) return payload
      const language = languageOf(request)
      reply.header('content-language', language)
      if (language === 'zh' && WRITTEN_ONCE.has(url) && reply.statusCode === 200 && isObject(payload)) {
        const { answer, text } = writeOnce(payload)
        reply.serializer(() => text)
        return answer
      }
      return translateAnswer(payload, language)
    })
  }
  return unencapsulated(plugin)
}

/** A copy of an answer of src/ports/console.ts with what people read in it translated. */
export function translateAnswer<T>(payload: T, language: Language): T {
  return language === 'en' ? payload : (walk(payload, language) as T)
}

function walk(value: unknown, language: Language): unknown {
  if (!isObject(value)) return value
  if (Array.isArray(value)) return mapItems(value, (each) => walk(each, language))
  if (isMessage(value)) return translateMessage(value, language, { keepStates: true })
  if (isButton(value)) return translateButton(value, language)
  const named = 'key' in value && METRICS.has(String(value.key))
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      named && key === 'name' ? word(each, language) : field(key, each, language),
    ]),
  )
}

function field(key: string, value: unknown, language: Language): unknown {
  if (UNTOUCHED.has(key)) return value
  if (typeof value === 'string') return SPOKEN.has(key) ? translate(value, language) : value
  if (Array.isArray(value) && SPOKEN_LISTS.has(key)) {
    return value.map((each) => (typeof each === 'string' ? translate(each, language) : each))
  }
  return walk(value, language)
}

function word(value: unknown, language: Language): unknown {
  return typeof value === 'string' ? translateWord(value, language) : value
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isMessage(value: object): value is Parameters<typeof translateMessage>[0] {
  return 'title' in value && 'tone' in value && 'blocks' in value && 'buttons' in value && Array.isArray(value.blocks)
}

function isButton(value: object): value is Parameters<typeof translateButton>[0] {
  return 'action' in value && 'label' in value && 'style' in value && typeof value.label === 'string'
}

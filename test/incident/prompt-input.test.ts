import { describe, expect, it } from 'vitest'
import { bundledPrompts } from '../../src/agent/prompts.ts'
import { diagnosisPrompt } from '../../src/incident/prompt-input.ts'
import type { Verdict } from '../../src/incident/verdict.ts'
import { episode, incident } from './rules-cases.ts'
import { signal, survey } from './survey-kit.ts'

const checks: Verdict['checks'] = [
  { name: 'timing', speaks: 'for', why: 'errors began 10 s after the deploy' },
  { name: 'traffic', speaks: 'against', why: 'traffic tripled' },
  { name: 'certificate', speaks: 'nothing', why: 'none has expired' },
]

describe('what a model is told', () => {
  const given = diagnosisPrompt(
    { services: [], language: 'en', redact: (text) => text.replaceAll('s3cret', '***') },
    {
      incident: incident(),
      episodes: [
        episode(),
        {
          ...episode(),
          alert: { ...episode().alert, status: 'resolved', labels: { alertname: 'Other', pod: 's3cret' } },
        },
      ],
      survey: survey({
        signals: [signal({ level: () => 0.08 })],
        down: [{ service: 'store', host: 's1', since: 410 }],
        gaps: ['Latency could not be read'],
      }),
      verdict: { at: 'unknown', why: 'the checks disagree', checks },
      tools: [],
    },
    bundledPrompts(),
  )

  it('says of each check which way it points, in words that cannot be read the other way', () => {
    expect(given.prompt).toContain('- timing points to the release as the cause: errors began 10 s after the deploy')
    expect(given.prompt).toContain('- traffic points away from the release: traffic tripled')
    expect(given.prompt).toContain('- certificate says nothing about the release either way: none has expired')
    expect(given.prompt).not.toMatch(/speaks|neither way/)
  })

  it('is what was measured, what is down and what is missing, and other alerts without their secrets', () => {
    expect(given.prompt).toContain('- computed verdict: unknown: the checks disagree')
    expect(given.prompt).toContain('- s1 of store is down since 1970-01-01T00:06:50.000Z')
    expect(given.prompt).toContain('- gap: Latency could not be read')
    expect(given.prompt).toContain('alertname=Other, pod=***')
    expect(given.prompt).not.toContain('s3cret')
  })

  it('stands in fences of one nonce, all of which are closed', () => {
    const opened = given.prompt.match(/<data-[0-9a-f]+>/g) ?? []
    expect(new Set(opened)).toEqual(new Set([`<data-${given.nonce}>`]))
    expect(given.prompt.split(`</data-${given.nonce}>`)).toHaveLength(opened.length + 1)
  })
})

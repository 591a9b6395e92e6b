import type { Tone } from '../../ports/console.ts'
import { type Key, useT } from '../i18n/index.tsx'
import { isState, toneOf } from './states.ts'

/** One shape per tone, so that colour is never the only sign. */
const SHAPES: Record<Tone, string> = {
  good: 'M3.5 8.5l3 3 6-7',
  warn: 'M8 3.5v5.5M8 12v.6',
  bad: 'M4.2 4.2l7.6 7.6M11.8 4.2l-7.6 7.6',
  info: 'M5.5 3.5l5 4.5-5 4.5',
  plain: 'M4 8h8',
}

export function ToneIcon({ tone, moving = false }: { tone: Tone; moving?: boolean }) {
  return (
    <svg className="tone-icon" data-tone={tone} data-moving={moving} viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={SHAPES[tone]}
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  )
}

const MOVING = new Set(['preparing', 'rolling out', 'rolling back', 'deploying', 'observing'])

/** A state as a tag: shape, colour and word. `tone` goes before the state's usual one. */
export function StateTag({ state, tone }: { state: string; tone?: Tone }) {
  const t = useT()
  const shown = tone ?? toneOf(state)
  return (
    <span className="state" data-tone={shown} data-state={state}>
      <ToneIcon tone={shown} moving={MOVING.has(state)} />
      <span>{isState(state) ? t(`state.${state}` as Key) : state}</span>
    </span>
  )
}

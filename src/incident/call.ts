import { formatDuration } from '../lib/duration.ts'
import type { Message, Post } from '../ports/chat.ts'
import { localTime } from '../release/issue.ts'
import { numbered } from '../release/scene.ts'
import { counts, title } from './card.ts'
import { type Level, levelsOf, nextCall } from './escalate.ts'
import type { Incident } from './incident.ts'
import { queuePost } from './pace.ts'
import type { IncidentScene } from './scene.ts'
import { silenceNow } from './tally.ts'
import { cardKey } from './thread.ts'

/** The next person or channel to be called, and when; undefined when nobody is to be. */
export function dueCall({ desk, tally, from, called }: IncidentScene): ReturnType<typeof nextCall> {
  if (tally.at !== 'firing' || tally.acknowledged) return undefined
  const { severity, level: told, silencedUntil } = tally
  const until = silencedUntil === undefined ? undefined : new Date(silencedUntil)
  return nextCall(levelsOf(desk.config, severity), desk.config[severity].remind, {
    from,
    told,
    last: called,
    silencedUntil: until,
  })
}

/**
 * Tells the next level, or reminds the last one; looks at the incident once more first, as somebody may have acknowledged it, or
 * silenced it, while the word of that was on its way.
 */
export async function callNext(scene: IncidentScene, { level }: { level?: number }, now: Date): Promise<void> {
  const { flow, desk, id, from } = scene
  const reminder = numbered(scene, level === undefined ? 'reminder' : 'call')
  const unacknowledged = formatDuration(now.getTime() - from.getTime())
  const called = await flow.step(reminder, async () => {
    const incident = await desk.incidents.need(id)
    const levels = levelsOf(desk.config, incident.severity)
    const silencedUntil = silenceNow(incident, desk.clock())?.until
    const stands = { acknowledged: incident.acknowledged !== undefined, ...(silencedUntil ? { silencedUntil } : {}) }
    if (incident.state.at !== 'firing' || stands.acknowledged || silencedUntil !== undefined) return stands
    const one = levels[level ?? levels.length - 1]
    if (one === undefined) return stands
    const message = callMessage(incident, one, { level, unacknowledged })
    const place = placeOf(incident, levels, level ?? levels.length - 1)
    const key = level === undefined ? `${id}/remind/${reminder.split(' ')[1]}` : `${id}/level/${level + 1}`
    // The card itself tells the first level, where it is for nobody in particular.
    if (level !== 0 || place.thread === undefined || one.people.length > 0) {
      await queuePost(desk, { key, ...place, message }, level === undefined ? 'reminder' : 'line')
    }
    if (level !== undefined) {
      await desk.incidents.update(id, (current) =>
        current.level > level ? undefined : { ...current, level: level + 1 },
      )
    }
    return stands
  })
  scene.called = now
  // A silence that has ended is still on the card.
  if (scene.tally.silencedUntil !== undefined && called.silencedUntil === undefined) scene.dirty = true
  scene.tally = {
    ...scene.tally,
    acknowledged: called.acknowledged,
    silencedUntil: called.silencedUntil,
    level: level === undefined || called.acknowledged || called.silencedUntil ? scene.tally.level : level + 1,
  }
}

/** In the incident's own channel in its thread, elsewhere as a message of its own, under which its reminders stand. */
function placeOf(incident: Incident, levels: readonly Level[], level: number): Pick<Post, 'channel' | 'thread'> {
  const channel = levels[level]?.channel ?? incident.channel
  if (channel === incident.channel) return { channel, thread: cardKey(incident.id) }
  return { channel }
}

function callMessage(
  incident: Incident,
  { people }: Level,
  { level, unacknowledged }: { level?: number; unacknowledged: string },
): Message {
  const name = title(incident)
  const said =
    level === undefined
      ? `Still not acknowledged after ${unacknowledged}: ${name}`
      : level === 0
        ? `Fires: ${name}`
        : `Not acknowledged for ${unacknowledged}: ${name}`
  return {
    title: said,
    tone: incident.severity === 'critical' ? 'bad' : 'warn',
    blocks: [
      {
        type: 'fields',
        items: [
          ...(people.length === 0 ? [] : [{ label: 'for', value: people.join(', ') }]),
          { label: 'severity', value: incident.severity },
          { label: 'since', value: localTime(new Date(incident.since)) },
          { label: 'alerts', value: counts(incident.firing, incident.resolved) },
          { label: 'thread', value: `${incident.channel} ${incident.id}` },
        ],
      },
      { type: 'text', text: `Next: /alerts ack ${incident.id}, or press Acknowledge on its card.` },
    ],
    buttons: [],
  }
}

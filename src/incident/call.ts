import { formatDuration } from '../lib/duration.ts'
import type { Message, Post } from '../ports/chat.ts'
import { localTime } from '../release/issue.ts'
import { numbered } from '../release/scene.ts'
import { episodesOf } from './alert.ts'
import { counts, title } from './card.ts'
import { type Level, levelsOf, nextCall, toldAt } from './escalate.ts'
import type { Incident } from './incident.ts'
import { queuePost } from './pace.ts'
import type { IncidentScene } from './scene.ts'
import { silencing } from './silenced.ts'
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
    const { silencedUntil } = silencing(incident, await episodesOf(desk.store, id), desk.clock())
    const stands = { acknowledged: incident.acknowledged !== undefined, ...(silencedUntil ? { silencedUntil } : {}) }
    if (incident.state.at !== 'firing' || stands.acknowledged || silencedUntil !== undefined) return stands
    const one = levels[level ?? levels.length - 1]
    if (one === undefined) return stands
    const risen = scene.risen
    const message = callMessage(incident, one, { level, unacknowledged, risen })
    const place = placeOf(incident, levels, level ?? levels.length - 1)
    // By the number of the call: after a rise in severity the levels begin anew.
    const key = `${id}/${level === undefined ? 'remind' : 'level'}/${reminder.split(' ')[1]}`
    // A new card itself tells the first level, where it is for nobody in particular; an edit of it tells nobody.
    if (level !== 0 || risen || place.thread === undefined || one.people.length > 0) {
      await queuePost(desk, { key, ...place, message }, level === undefined ? 'reminder' : 'line')
    }
    if (level !== undefined) {
      const { severity } = incident
      await desk.incidents.update(id, (current) => {
        const told = current.levels ?? { [severity]: current.level }
        if (toldAt(told, severity) > level) return undefined
        return { ...current, level: level + 1, levels: { ...told, [severity]: level + 1 } }
      })
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
  { level, unacknowledged, risen }: { level?: number; unacknowledged: string; risen: boolean },
): Message {
  const name = title(incident)
  const said =
    level === undefined
      ? `Still not acknowledged after ${unacknowledged}: ${name}`
      : level === 0
        ? risen
          ? `Now ${incident.severity}: ${name}`
          : `Fires: ${name}`
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

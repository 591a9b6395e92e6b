import type { Leads } from '../ports/lead.ts'
import type { Model } from '../ports/model.ts'
import type { Pictures } from '../ports/pictures.ts'
import type { Silences } from '../ports/silences.ts'
import type { Tools } from '../ports/tools.ts'
import type { Desk } from '../release/desk.ts'
import type { AlertsConfig } from './config.ts'
import { type Incidents, incidents } from './incident.ts'
import { type Reports, reports } from './report.ts'

export interface IncidentParts {
  config: AlertsConfig
  /** Undefined when no model is configured: reports come from the rules then. */
  model: Model | undefined
  /** What the model may look with; undefined when no server is configured. */
  tools: Tools | undefined
  pictures: Pictures
  silences: Silences
  /** Bounds of one diagnosis. */
  budget: { steps: number; tokens: number; seconds: number }
  /** US dollars per million tokens; undefined when nobody has said. */
  prices: { input: number; cacheRead: number; cacheWrite: number; output: number } | undefined
  language: 'en' | 'zh'
  /** Milliseconds between two posts of incidents in one channel; 1,000 when left out. */
  postEveryMs?: number
  /** Where several processes share the store: which of them takes alerts in, and which sends what incidents say. */
  leads?: Leads
}

/** Everything the incident feature works with: the release desk and its own. Built once by src/app.ts. */
export interface IncidentDesk extends Desk, IncidentParts {
  incidents: Incidents
  reports: Reports
}

export function createIncidentDesk(desk: Desk, parts: IncidentParts): IncidentDesk {
  return { ...desk, ...parts, incidents: incidents(desk.store), reports: reports(desk.store) }
}

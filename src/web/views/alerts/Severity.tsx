import type { IncidentView, Tone } from '../../../ports/console.ts'
import { ToneIcon } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'

const TONES: Record<IncidentView['severity'], Tone> = { critical: 'bad', warning: 'warn', info: 'info' }

/** How bad it is, as shape, colour and word. */
export function Severity({ severity }: Pick<IncidentView, 'severity'>) {
  const t = useT()
  return (
    <span className="severity" data-tone={TONES[severity]}>
      <ToneIcon tone={severity === 'critical' ? 'warn' : TONES[severity]} />
      {t(`alerts.severity.${severity}`)}
    </span>
  )
}

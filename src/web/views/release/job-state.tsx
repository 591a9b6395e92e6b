import { StateTag } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'
import { jobState } from './facts.ts'

/** How a job stands, and with what words it ended when it failed. */
export function JobState({ state }: { state: string }) {
  const t = useT()
  const known = jobState(state)
  if (known === undefined) return <StateTag state={state} />
  return (
    <>
      <StateTag state={t(`release.job-state.${known.word}`)} tone={known.tone} />
      {known.detail === '' ? null : <span className="output-detail">{known.detail}</span>}
    </>
  )
}

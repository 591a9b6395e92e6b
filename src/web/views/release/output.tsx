import { App, Button, Switch } from 'antd'
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { ErrorState, Loading } from '../../components/Feedback.tsx'
import { useT } from '../../i18n/index.tsx'
import { useOutput } from '../../queries.ts'
import { REACHABLE } from '../shared/ui.tsx'
import { JobState } from './job-state.tsx'
import { visible } from './visible.ts'

/** So near to the end one still follows, in pixels: a line or two. */
const NEAR_END = 32
/** Bytes; the server gives about 64 kB at a time. */
const LARGE_PIECE = 32_768

/** A job's output. It follows the end while one looks there; who scrolls up reads in peace. */
export function Output({ job, title }: { job: string; title: string }) {
  const t = useT()
  const { message } = App.useApp()
  const output = useOutput(job)
  const [following, setFollowing] = useState(true)
  const [wrap, setWrap] = useState(true)
  const wrapId = useId()
  const box = useRef<HTMLPreElement>(null)
  const text = useMemo(() => visible(output.data?.text ?? ''), [output.data?.text])

  // The end moves with every piece of text, and when lines wrap anew.
  useLayoutEffect(() => {
    const element = box.current
    if (element === null) return
    element.dataset.wrap = String(wrap)
    if (following && text !== '') element.scrollTop = element.scrollHeight
  }, [text, following, wrap])

  // A large piece is one of several that are there already: the rest is asked for at once.
  const next = output.data?.next ?? 0
  const more = output.data?.over === false
  const seen = useRef(0)
  const { refetch } = output
  useEffect(() => {
    const large = next - seen.current >= LARGE_PIECE
    seen.current = next
    if (large && more) void refetch()
  }, [next, more, refetch])

  if (output.data === undefined) {
    if (output.error === null) return <Loading />
    return <ErrorState error={output.error} retry={() => void output.refetch()} />
  }
  const { over, state, dropped } = output.data
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    void message.success(t('common.copied'))
  }
  return (
    <section className="output" aria-label={title}>
      <div className="output-tools">
        <JobState state={state} />
        <span className="muted" role="status">
          {over ? t('release.output-over') : t(following ? 'release.following' : 'release.paused')}
        </span>
        <span className="output-space" />
        {following ? null : (
          <Button size="small" onClick={() => setFollowing(true)}>
            {t('release.to-end')}
          </Button>
        )}
        <label className="output-wrap" htmlFor={wrapId}>
          <Switch id={wrapId} size="small" checked={wrap} onChange={setWrap} /> {t('release.wrap')}
        </label>
        <Button size="small" onClick={() => void copy().catch((error: unknown) => message.error(String(error)))}>
          {t('common.copy')}
        </Button>
      </div>
      {dropped > 0 ? <p className="muted output-dropped">{t('release.output-dropped', { count: dropped })}</p> : null}
      <pre
        ref={box}
        className="output-text"
        role="log"
        aria-live="off"
        aria-label={title}
        {...REACHABLE}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) =>
          setFollowing(scrollHeight - scrollTop - clientHeight < NEAR_END)
        }
      >
        {text === '' ? t(over ? 'release.output-none' : 'release.output-waiting') : text}
      </pre>
      {output.error === null ? null : <p className="output-lost">{t('release.output-lost')}</p>}
    </section>
  )
}

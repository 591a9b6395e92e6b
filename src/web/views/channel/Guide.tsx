import { App, Button } from 'antd'
import { useEffect, useRef, useState } from 'react'
import { errorLine } from '../../components/error-words.ts'
import { useT } from '../../i18n/index.tsx'
import { useType } from '../../queries.ts'
import { useMe } from '../../session.tsx'
import { useSignIn } from '../../shell/sign-in.ts'
import { STORY } from './complete.ts'
import { OUTAGE } from './outage.ts'

const STORED = 'rollcall.guide'
const GOOD = '/release user-service v1.1.0'
const BAD = '/release user-service v1.2.0'

interface Props {
  channel: string
  /** The person asked for it, though it may have been hidden. */
  asked: boolean
  onClose: () => void
  put: (text: string) => void
}

/** What a newcomer to the sandbox may try. Stays until it is hidden, and can be had again. */
export function Guide({ channel, asked, onClose, put }: Props) {
  const t = useT()
  const { person, signIn } = useMe()
  const { message } = App.useApp()
  const become = useSignIn()
  const type = useType(channel)
  const place = useRef<HTMLElement>(null)
  const [hidden, setHidden] = useState(() => localStorage.getItem(STORED) === 'hidden')
  useEffect(() => {
    if (!asked) return
    place.current?.scrollIntoView({ block: 'start' })
    place.current?.focus({ preventScroll: true })
  }, [asked])
  if (!asked && hidden) return null

  const hide = () => {
    localStorage.setItem(STORED, 'hidden')
    setHidden(true)
    onClose()
  }
  const tell = (error: unknown) => void message.error(errorLine(error, t))
  const play = () =>
    type.mutate(STORY, {
      onSuccess: (answer) =>
        void (answer.ok ? message.success(t('guide.story-started')) : message.warning(answer.text)),
      onError: tell,
    })
  const be = (id: string) => {
    const other = signIn.demo.find((each) => each.id === id)
    if (other === undefined) return null
    const is = person.id === id
    return (
      <Button
        size="small"
        disabled={is}
        loading={
          become.isPending &&
          become.variables !== undefined &&
          'person' in become.variables &&
          become.variables.person === id
        }
        onClick={() => become.mutate({ person: id }, { onError: tell })}
      >
        {t(is ? 'guide.is' : 'guide.be', { name: other.name })}
      </Button>
    )
  }
  return (
    <section className="guide" aria-labelledby="guide-title" ref={place} tabIndex={-1}>
      <div className="guide-head">
        <div>
          <h2 id="guide-title">{t('guide.title')}</h2>
          <p className="muted">{t('guide.lead')}</p>
        </div>
        <button type="button" className="plain-button" onClick={hide} aria-label={t('guide.dismiss')}>
          ×
        </button>
      </div>
      <ol className="guide-steps">
        <li>
          <h3>{t('guide.one')}</h3>
          <p>{t('guide.one-text')}</p>
          <code className="guide-command">{GOOD}</code>
          <div className="guide-do">
            {be('alice')}
            <Button size="small" type="primary" onClick={() => put(GOOD)}>
              {t('guide.put')}
            </Button>
          </div>
        </li>
        <li>
          <h3>{t('guide.two')}</h3>
          <p>{t('guide.two-text')}</p>
          <div className="guide-do">{be('bob')}</div>
        </li>
        <li>
          <h3>{t('guide.three')}</h3>
          <p>{t('guide.three-text')}</p>
          <code className="guide-command">{BAD}</code>
          <div className="guide-do">
            <Button size="small" onClick={() => put(BAD)}>
              {t('guide.put')}
            </Button>
          </div>
        </li>
      </ol>
      <div className="guide-story">
        <Button onClick={play} loading={type.isPending}>
          {t('guide.story')}
        </Button>
        <span className="muted">{t('guide.story-hint')}</span>
        <span className="muted">{t('guide.outage')}</span>
        {OUTAGE.map((text) => (
          <Button key={text} size="small" onClick={() => put(text)}>
            <code>{text}</code>
          </Button>
        ))}
      </div>
    </section>
  )
}

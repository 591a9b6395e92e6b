import { Button, Input } from 'antd'
import { type FormEvent, useId, useState } from 'react'
import type { SessionView } from '../../ports/console.ts'
import { API } from '../api.ts'
import logo from '../assets/rollcall.svg'
import { errorLine } from '../components/error-words.ts'
import { useT } from '../i18n/index.tsx'
import { PersonLine } from './PersonMenu.tsx'
import { Switches } from './Switches.tsx'
import { useSignIn } from './sign-in.ts'

/** The door: a personal token, the company's sign-in, or in the sandbox one of its people. */
export function SignIn({ session }: { session: SessionView }) {
  const t = useT()
  const { demo, token, oidc } = session.signIn
  const become = useSignIn()
  const none = demo.length === 0 && !token && oidc === null
  return (
    <main className="door">
      <div className="door-tools">
        <Switches />
      </div>
      <section className="door-card" aria-labelledby="door-title">
        <img src={logo} alt="" width={44} height={44} />
        <h1 id="door-title">{t('sign-in.title')}</h1>
        <p className="muted">{t('sign-in.lead')}</p>
        {demo.length === 0 ? null : (
          <fieldset className="door-people">
            <legend>{t('sign-in.demo')}</legend>
            {demo.map((person) => (
              <Button key={person.id} block size="large" onClick={() => become.mutate({ person: person.id })}>
                <PersonLine person={person} />
              </Button>
            ))}
          </fieldset>
        )}
        {token ? <TokenForm onSubmit={(text) => become.mutate({ token: text })} busy={become.isPending} /> : null}
        {token && oidc !== null ? <p className="door-or muted">{t('sign-in.or')}</p> : null}
        {oidc === null ? null : (
          <Button block size="large" href={`${API}/session/oidc`}>
            {t('sign-in.oidc', { label: oidc.label })}
          </Button>
        )}
        {none ? <p role="alert">{t('sign-in.none')}</p> : null}
        <div role="alert">{become.error === null ? null : <p className="bad">{errorLine(become.error, t)}</p>}</div>
      </section>
    </main>
  )
}

function TokenForm({ onSubmit, busy }: { onSubmit: (token: string) => void; busy: boolean }) {
  const t = useT()
  const id = useId()
  const [text, setText] = useState('')
  const [missing, setMissing] = useState(false)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setMissing(text.trim() === '')
    if (text.trim() !== '') onSubmit(text.trim())
  }
  return (
    <form className="door-form" onSubmit={submit}>
      <label htmlFor={id}>{t('sign-in.token')}</label>
      <Input
        id={id}
        type="password"
        size="large"
        autoComplete="current-password"
        value={text}
        aria-describedby={`${id}-hint`}
        aria-invalid={missing}
        status={missing ? 'error' : ''}
        onChange={(event) => setText(event.target.value)}
      />
      <p id={`${id}-hint`} className="muted small">
        {missing ? t('sign-in.token-missing') : t('sign-in.token-hint')}
      </p>
      <Button type="primary" size="large" htmlType="submit" block loading={busy}>
        {t('sign-in.go')}
      </Button>
    </form>
  )
}

import { Button, Input } from 'antd'
import { type FormEvent, useId, useLayoutEffect, useRef, useState } from 'react'
import type { Button as AskedButton, Field } from '../../ports/chat.ts'
import type { PressAnswer } from '../../ports/console.ts'
import { useT } from '../i18n/index.tsx'
import { sentOf, startOf, type Wrong, wrongIn } from './fields.ts'
import { ToneIcon } from './State.tsx'

/** Times that are asked for most. */
const EXAMPLES = ['30m', '2h', '1h30m', '1d']

interface Props {
  title: string
  button: AskedButton
  fields: Field[]
  /** Resolves with what the server says; the form stays open with it when the press did not count. */
  send: (values: Record<string, string>) => Promise<PressAnswer>
  onNo: () => void
}

/** What a press asks for besides itself. The browser's own dialog, as Confirm is; what was typed is kept when it did not count. */
export function Ask({ title, button, fields, send, onNo }: Props) {
  const t = useT()
  const id = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  const form = useRef<HTMLFormElement>(null)
  const [values, setValues] = useState(() => startOf(fields))
  const [tried, setTried] = useState(false)
  const [sending, setSending] = useState(false)
  const [refused, setRefused] = useState<PressAnswer>()
  const wrong = tried ? wrongIn(fields, values) : {}

  useLayoutEffect(() => {
    const element = dialog.current
    if (element === null) return
    element.showModal()
    form.current?.querySelector('input')?.focus()
    return () => element.close()
  }, [])

  const set = (name: string, value: string) => setValues((old) => ({ ...old, [name]: value }))
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    const [first] = Object.keys(wrongIn(fields, values))
    if (first !== undefined) {
      form.current
        ?.querySelector<HTMLElement>(`[data-field="${fields.findIndex(({ name }) => name === first)}"]`)
        ?.focus()
      return
    }
    setSending(true)
    setRefused(undefined)
    const answer = await send(sentOf(fields, values))
    setSending(false)
    if (!answer.ok) setRefused(answer)
  }
  return (
    <dialog
      ref={dialog}
      className="confirm ask"
      aria-labelledby={`${id}-title`}
      onCancel={(event) => {
        event.preventDefault()
        onNo()
      }}
    >
      <form ref={form} noValidate onSubmit={(event) => void submit(event)}>
        <h2 id={`${id}-title`}>
          {button.label}
          <span className="ask-about">{title}</span>
        </h2>
        {button.confirm === undefined ? null : <p>{button.confirm}</p>}
        {fields.map((field, place) => (
          <FieldInput
            key={field.name}
            id={`${id}-${place}`}
            place={place}
            field={field}
            value={values[field.name] ?? ''}
            wrong={wrong[field.name]}
            set={(value) => set(field.name, value)}
          />
        ))}
        <div role="alert">
          {refused === undefined ? null : (
            <div className="told" data-tone="warn">
              <ToneIcon tone="warn" />
              <div className="told-words">
                <span>{refused.text}</span>
                {refused.next === undefined || refused.next === '' ? null : (
                  <span className="muted">{t('common.next', { next: refused.next })}</span>
                )}
              </div>
            </div>
          )}
        </div>
        <div className="confirm-buttons">
          <Button onClick={onNo}>{t('common.cancel')}</Button>
          <Button type="primary" htmlType="submit" danger={button.style === 'danger'} loading={sending}>
            {button.label}
          </Button>
        </div>
      </form>
    </dialog>
  )
}

function FieldInput({
  id,
  place,
  field,
  value,
  wrong,
  set,
}: {
  id: string
  place: number
  field: Field
  value: string
  wrong: Wrong | undefined
  set: (value: string) => void
}) {
  const t = useT()
  const { label, kind, required, most } = field
  const hints = [wrong === undefined ? undefined : `${id}-wrong`, `${id}-hint`].filter((each) => each !== undefined)
  return (
    <div className="ask-field">
      <label htmlFor={id}>
        {label}
        {required ? null : <span className="muted"> {t('ask.optional')}</span>}
      </label>
      <Input
        id={id}
        data-field={place}
        value={value}
        required={required}
        status={wrong === undefined ? undefined : 'error'}
        aria-invalid={wrong !== undefined}
        aria-describedby={hints.join(' ')}
        autoComplete="off"
        autoCapitalize={kind === 'duration' ? 'none' : undefined}
        spellCheck={kind === 'text'}
        onChange={(event) => set(event.target.value)}
      />
      {wrong === undefined ? null : (
        <p className="ask-wrong" id={`${id}-wrong`} role="alert">
          {t(`ask.wrong.${wrong}`, { most })}
        </p>
      )}
      {kind === 'duration' ? (
        <div className="ask-hint" id={`${id}-hint`}>
          <span className="muted">{t('ask.such-as')}</span>
          {EXAMPLES.map((example) => (
            <button type="button" className="ask-example" key={example} onClick={() => set(example)}>
              {example}
            </button>
          ))}
        </div>
      ) : (
        <p className="ask-hint muted" id={`${id}-hint`}>
          {t('common.done-of', { done: value.trim().length, total: most })}
        </p>
      )}
    </div>
  )
}

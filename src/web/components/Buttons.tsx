import { Button as AntButton } from 'antd'
import { useEffect, useRef, useState } from 'react'
import type { Button } from '../../ports/chat.ts'
import type { PressAnswer } from '../../ports/console.ts'
import { api } from '../api.ts'
import { useT } from '../i18n/index.tsx'
import { usePress } from '../queries.ts'
import { useMe } from '../session.tsx'
import { Ask } from './Ask.tsx'
import { Confirm } from './Confirm.tsx'
import { errorWords } from './error-words.ts'
import { ToneIcon } from './State.tsx'

type Told = { label: string; answer: PressAnswer }

/** A card's buttons. A press that needs it is confirmed first; what came of it is told below, with its reason and what is next. */
export function Buttons({ buttons, about }: { buttons: Button[]; about: string }) {
  const t = useT()
  const { may } = useMe()
  const press = usePress()
  const [working, setWorking] = useState<string>()
  const [asked, setAsked] = useState<Button>()
  const [told, setTold] = useState<Told>()
  const result = useRef<HTMLDivElement>(null)

  // The button that was pressed may be gone from the card: the focus then follows to the answer instead of being lost.
  useEffect(() => {
    if (told !== undefined && (document.activeElement === null || document.activeElement === document.body)) {
      result.current?.focus()
    }
  }, [told])

  const carryOut = async (button: Button) => {
    setWorking(button.id)
    setTold(undefined)
    try {
      setTold({ label: button.label, answer: await press.mutateAsync({ button: button.id }) })
    } catch (error) {
      setTold({ label: button.label, answer: refused(errorWords(error, t)) })
    } finally {
      setWorking(undefined)
    }
  }

  /** With what the form was filled in with; it closes when the press counted. */
  const send = async (button: Button, fields: Record<string, string>): Promise<PressAnswer> => {
    let answer: PressAnswer
    try {
      answer = await press.mutateAsync({ button: button.id, fields })
    } catch (error) {
      return refused(errorWords(error, t))
    }
    if (answer.ok) {
      setAsked(undefined)
      setTold({ label: button.label, answer })
    }
    return answer
  }

  // Nobody is asked to confirm, or to fill in, what would be refused all the same.
  const ask = async (button: Button) => {
    setTold(undefined)
    try {
      const answer = await api.mayPress(button.id)
      if (answer.ok) setAsked(button)
      else setTold({ label: button.label, answer })
    } catch (error) {
      setTold({ label: button.label, answer: refused(errorWords(error, t)) })
    }
  }

  const onPress = (button: Button) => {
    void (button.confirm === undefined && !hasFields(button) ? carryOut(button) : ask(button))
  }

  return (
    <>
      {buttons.length === 0 ? null : (
        <fieldset className="buttons">
          <legend className="sr-only">{about}</legend>
          {buttons.map((button) => (
            <AntButton
              key={button.id}
              type={button.style === 'primary' && may.includes(button.action) ? 'primary' : 'default'}
              danger={button.style === 'danger'}
              loading={working === button.id}
              disabled={working !== undefined && working !== button.id}
              title={may.includes(button.action) ? undefined : t('box.not-allowed')}
              data-action={button.action}
              onClick={() => onPress(button)}
            >
              {button.label}
            </AntButton>
          ))}
        </fieldset>
      )}
      {asked?.fields === undefined || !hasFields(asked) ? null : (
        <Ask
          title={about}
          button={asked}
          fields={asked.fields}
          send={(fields) => send(asked, fields)}
          onNo={() => setAsked(undefined)}
        />
      )}
      {asked?.confirm === undefined || hasFields(asked) ? null : (
        <Confirm
          title={about}
          question={asked.confirm}
          action={asked.label}
          danger={asked.style === 'danger'}
          onYes={() => {
            setAsked(undefined)
            void carryOut(asked)
          }}
          onNo={() => setAsked(undefined)}
        />
      )}
      <div aria-live="polite">
        {told === undefined ? null : (
          <div className="told" data-tone={told.answer.ok ? 'good' : 'warn'} ref={result} tabIndex={-1}>
            <ToneIcon tone={told.answer.ok ? 'good' : 'warn'} />
            <div className="told-words">
              <strong>{t(told.answer.ok ? 'press.done' : 'press.refused', { label: told.label })}</strong>
              <span>{told.answer.text}</span>
              {told.answer.next === undefined || told.answer.next === '' ? null : (
                <span className="muted">{t('common.next', { next: told.answer.next })}</span>
              )}
            </div>
            <button
              type="button"
              className="plain-button"
              onClick={() => setTold(undefined)}
              aria-label={t('common.close')}
            >
              ×
            </button>
          </div>
        )}
      </div>
    </>
  )
}

function hasFields({ fields }: Button): boolean {
  return fields !== undefined && fields.length > 0
}

function refused({ say, next }: { say: string; next?: string }): PressAnswer {
  return { ok: false, text: say, next }
}

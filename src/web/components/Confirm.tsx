import { Button } from 'antd'
import { useId, useLayoutEffect, useRef } from 'react'
import { useT } from '../i18n/index.tsx'

interface Props {
  title: string
  question: string
  /** The word on the button that goes on. */
  action: string
  danger: boolean
  onYes: () => void
  onNo: () => void
}

/**
 * A question before a press counts. The browser's own dialog: it keeps the focus inside, closes on Escape, and gives the focus
 * back to the button that opened it. What is dangerous has the focus on Cancel first.
 */
export function Confirm({ title, question, action, danger, onYes, onNo }: Props) {
  const t = useT()
  const id = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  const yes = useRef<HTMLButtonElement>(null)
  const no = useRef<HTMLButtonElement>(null)
  // Closed while it is still in the page: one that is taken out open gives the focus to nobody.
  useLayoutEffect(() => {
    const element = dialog.current
    if (element === null) return
    element.showModal()
    const first = danger ? no.current : yes.current
    first?.focus()
    return () => element.close()
  }, [danger])
  return (
    <dialog
      ref={dialog}
      className="confirm"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-question`}
      onCancel={(event) => {
        event.preventDefault()
        onNo()
      }}
    >
      <h2 id={`${id}-title`}>{title}</h2>
      <p id={`${id}-question`}>{question}</p>
      <div className="confirm-buttons">
        <Button ref={no} onClick={onNo}>
          {t('common.cancel')}
        </Button>
        <Button ref={yes} type="primary" danger={danger} onClick={onYes}>
          {action}
        </Button>
      </div>
    </dialog>
  )
}

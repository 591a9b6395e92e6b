import CloseOutlined from '@ant-design/icons/CloseOutlined'
import Sender from '@ant-design/x/es/sender'
import { Button } from 'antd'
import {
  type KeyboardEvent,
  type Ref,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import type { TypedAnswer } from '../../../ports/console.ts'
import { errorLine } from '../../components/error-words.ts'
import { MessageCard } from '../../components/MessageCard.tsx'
import { ToneIcon } from '../../components/State.tsx'
import { useT } from '../../i18n/index.tsx'
import { useCommands, useType } from '../../queries.ts'
import { useMe } from '../../session.tsx'
import { CommandInput, InputContext } from './CommandInput.tsx'
import { accept, type Completion, complete, type Item } from './complete.ts'
import { Suggestions } from './Suggestions.tsx'
import { begin, look, readLines, remember } from './typed.ts'

export interface CommandBoxHandle {
  /** Puts a text in the box and the focus behind it. */
  put: (text: string) => void
}

interface Props {
  channel: string
  /** Something was sent: what it causes stands at the channel's end. */
  onSent: () => void
  ref?: Ref<CommandBoxHandle>
}

const STORED = 'rollcall.typed'
const NOTHING: Completion = { items: [], from: 0, to: 0 }
const COMPONENTS = { input: CommandInput }

/**
 * Where one types. A combobox (WAI-ARIA APG, list autocomplete with manual selection): arrows move in the list, Tab takes the
 * marked or the first, Enter takes the marked or sends, Escape closes the list. With the list closed the arrows bring back what
 * was typed before.
 */
export function CommandBox({ channel, onSent, ref }: Props) {
  const t = useT()
  const { signIn } = useMe()
  const commands = useCommands()
  const type = useType(channel)
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  const [text, setText] = useState('')
  const [caret, setCaret] = useState(0)
  const [open, setOpen] = useState(false)
  const [marked, setMarked] = useState(-1)
  const [typed, setTyped] = useState(() => begin(readLines(localStorage.getItem(STORED))))
  const [told, setTold] = useState<{ text: string; answer: TypedAnswer }>()
  const story = signIn.demo.length > 0

  const completion = useMemo(
    () =>
      commands.data === undefined ? NOTHING : complete(text, Math.min(caret, text.length), commands.data, { story }),
    [text, caret, commands.data, story],
  )
  const { items } = completion
  const isOpen = open && items.length > 0

  /** Sets text and caret together; the element gets its caret after it has been drawn. */
  const wanted = useRef<number>(undefined)
  const write = (next: string, at: number) => {
    setText(next)
    setCaret(at)
    setMarked(-1)
    wanted.current = at
  }
  useLayoutEffect(() => {
    if (wanted.current === undefined) return
    input.current?.setSelectionRange(wanted.current, wanted.current)
    wanted.current = undefined
  })

  useImperativeHandle(ref, () => ({
    put: (next) => {
      write(next, next.length)
      setOpen(false)
      input.current?.focus()
    },
  }))

  const take = (item: Item) => {
    const next = accept(text, completion, item)
    write(next.text, next.caret)
    setOpen(true)
    input.current?.focus()
  }

  const send = async () => {
    const line = text.trim()
    if (line === '' || type.isPending) return
    setOpen(false)
    const lines = remember(typed.lines, line)
    localStorage.setItem(STORED, JSON.stringify(lines))
    setTyped(begin(lines))
    try {
      setTold({ text: line, answer: await type.mutateAsync(line) })
      write('', 0)
      onSent()
    } catch (error) {
      setTold({ text: line, answer: { ok: false, text: errorLine(error, t) } })
    }
  }

  const onKeyDown = (event: KeyboardEvent): false | undefined => {
    if (event.nativeEvent.isComposing) return undefined
    if (event.key === 'Escape') {
      if (!isOpen) return undefined
      event.preventDefault()
      event.nativeEvent.stopImmediatePropagation()
      setOpen(false)
      setMarked(-1)
      return false
    }
    const item = items[marked]
    if (isOpen && event.key === 'Tab' && !event.shiftKey) {
      const chosen = item ?? items[0]
      if (chosen === undefined) return undefined
      event.preventDefault()
      take(chosen)
      return false
    }
    if (isOpen && event.key === 'Enter' && item !== undefined) {
      event.preventDefault()
      take(item)
      return false
    }
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return undefined
    const step = event.key === 'ArrowDown' ? 1 : -1
    if (isOpen && (marked >= 0 || step === 1)) {
      event.preventDefault()
      setMarked((now) => Math.max(-1, Math.min(items.length - 1, now + step)))
      return false
    }
    const found = look(typed, step, text)
    if (found === undefined) return undefined
    event.preventDefault()
    setTyped(found.typed)
    write(found.text, found.text.length)
    setOpen(false)
    return false
  }

  return (
    <div className="box">
      <div className="box-frame">
        {isOpen ? <Suggestions id={`${id}-list`} items={items} marked={marked} take={take} onMark={setMarked} /> : null}
        <InputContext.Provider
          value={{
            ref: input,
            id: `${id}-input`,
            list: `${id}-list`,
            label: t('box.label'),
            hint: `${id}-hint`,
            open: isOpen,
            active: isOpen && marked >= 0 ? `${id}-list-${marked}` : undefined,
            onCaret: setCaret,
            onLeave: () => setOpen(false),
          }}
        >
          <Sender
            value={text}
            loading={type.isPending}
            placeholder={t('box.placeholder')}
            components={COMPONENTS}
            onChange={(next) => {
              setText(next)
              setCaret(input.current?.selectionStart ?? next.length)
              setMarked(-1)
              setOpen(true)
            }}
            onKeyDown={onKeyDown}
            onSubmit={() => void send()}
            suffix={(_, { components: { SendButton, LoadingButton } }) =>
              type.isPending ? (
                <LoadingButton aria-label={t('box.sending')} disabled />
              ) : (
                <SendButton aria-label={t('box.send')} />
              )
            }
          />
        </InputContext.Provider>
      </div>
      <p className="box-hint muted" id={`${id}-hint`}>
        {t('box.hint')}
      </p>
      <p className="sr-only" role="status">
        {isOpen ? t('box.suggestion-count', { count: items.length }) : ''}
      </p>
      <div aria-live="polite">
        {told === undefined ? null : (
          <Answer
            told={told}
            dismiss={() => {
              setTold(undefined)
              input.current?.focus()
            }}
          />
        )}
      </div>
    </div>
  )
}

/** What came of the last command: for the one who typed only. */
function Answer({ told, dismiss }: { told: { text: string; answer: TypedAnswer }; dismiss: () => void }) {
  const t = useT()
  const { answer } = told
  const tone = answer.ok ? 'good' : 'warn'
  return (
    <section className="answer" data-tone={tone} aria-label={t('box.private')}>
      <header>
        <ToneIcon tone={tone} />
        <code className="answer-typed">{told.text}</code>
        <span className="muted answer-private">{t('box.private')}</span>
        <Button type="text" size="small" icon={<CloseOutlined />} aria-label={t('box.dismiss')} onClick={dismiss} />
      </header>
      {answer.message !== undefined && answer.text === answer.message.title ? null : (
        <p className="answer-text">{answer.text}</p>
      )}
      {answer.message === undefined ? null : (
        <div className="answer-card">
          <MessageCard message={answer.message} compact />
        </div>
      )}
    </section>
  )
}

import type { GetProps, Input } from 'antd'
import {
  type ComponentType,
  createContext,
  type Ref,
  type RefObject,
  type SyntheticEvent,
  useContext,
  useImperativeHandle,
} from 'react'

interface Place {
  ref: RefObject<HTMLInputElement | null>
  id: string
  list: string
  label: string
  hint: string
  open: boolean
  active: string | undefined
  onCaret: (caret: number) => void
  onLeave: () => void
}

/** What the input inside the sender needs to be a combobox. */
export const InputContext = createContext<Place | undefined>(undefined)

type TextAreaProps = GetProps<typeof Input.TextArea> & { ref?: Ref<Field> }

/** What the sender asks of its field. */
interface Field {
  focus: () => void
  blur: () => void
}

/** The sender's field as one line: a command has no second one, and a line can carry the role of a combobox. */
export const CommandInput: ComponentType<TextAreaProps> = (props: TextAreaProps) => {
  const place = useContext(InputContext)
  if (place === undefined) throw new Error('CommandInput outside of CommandBox')
  const { value, onChange, onKeyDown, onCompositionStart, onCompositionEnd, placeholder, className, style, disabled } =
    props
  useImperativeHandle(props.ref, () => ({
    focus: () => place.ref.current?.focus(),
    blur: () => place.ref.current?.blur(),
  }))
  const onSelect = (event: SyntheticEvent<HTMLInputElement>) => {
    place.onCaret(event.currentTarget.selectionStart ?? event.currentTarget.value.length)
  }
  return (
    <input
      ref={place.ref}
      id={place.id}
      className={className}
      style={style}
      disabled={disabled}
      placeholder={placeholder}
      value={String(value ?? '')}
      role="combobox"
      aria-label={place.label}
      aria-describedby={place.hint}
      aria-autocomplete="list"
      aria-expanded={place.open}
      aria-controls={place.open ? place.list : undefined}
      aria-activedescendant={place.active}
      autoComplete="off"
      autoCapitalize="none"
      autoCorrect="off"
      spellCheck={false}
      enterKeyHint="send"
      maxLength={2000}
      onSelect={onSelect}
      onBlur={place.onLeave}
      onChange={retyped(onChange)}
      onKeyDown={retyped(onKeyDown)}
      onCompositionStart={retyped(onCompositionStart)}
      onCompositionEnd={retyped(onCompositionEnd)}
    />
  )
}

/** The sender's handlers are written for a text area; they read `key` and `target.value`, which a line has as well. */
function retyped<E>(handler: ((event: E) => void) | undefined): ((event: unknown) => void) | undefined {
  return handler as ((event: unknown) => void) | undefined
}

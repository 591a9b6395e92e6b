import { useEffect, useRef } from 'react'
import { type Key, useT } from '../../i18n/index.tsx'
import type { Item } from './complete.ts'

interface Props {
  id: string
  items: Item[]
  marked: number
  take: (item: Item) => void
  onMark: (index: number) => void
}

/** The list above the box. The focus stays in the box; which one is marked is told by `aria-activedescendant`. */
export function Suggestions({ id, items, marked, take, onMark }: Props) {
  const t = useT()
  const list = useRef<HTMLDivElement>(null)
  useEffect(() => {
    list.current?.children[marked]?.scrollIntoView({ block: 'nearest' })
  }, [marked])
  return (
    <div className="suggestions" role="listbox" id={id} aria-label={t('box.suggestions')} ref={list}>
      {items.map((item, index) => (
        // The keys are handled by the box, as the pattern of a combobox wants it.
        <div
          key={`${item.kind} ${item.text}`}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === marked}
          aria-disabled={!item.allowed}
          tabIndex={-1}
          className="suggestion"
          data-kind={item.kind}
          onPointerDown={(event) => {
            // Keeps the focus in the box.
            event.preventDefault()
            take(item)
          }}
          onPointerEnter={() => onMark(index)}
        >
          <code>{item.text}</code>
          <span className="suggestion-note">{noteOf(item, t)}</span>
          {item.kind === 'story' ? null : (
            <span className="suggestion-kind">
              {item.allowed ? t(`box.kind.${item.kind}` as Key) : t('box.not-allowed')}
            </span>
          )}
        </div>
      ))}
    </div>
  )
}

function noteOf(item: Item, t: ReturnType<typeof useT>): string {
  if (item.kind === 'story') return t('box.story')
  return item.note ?? ''
}

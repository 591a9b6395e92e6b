import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

/** Within this many pixels of the end one counts as being there. */
const NEAR = 80

interface Scroll {
  scroller: RefObject<HTMLDivElement | null>
  content: RefObject<HTMLDivElement | null>
  atEnd: boolean
  toEnd: () => void
  /** To call before older entries are put in front: what one reads then stays where it is. */
  keepPlace: () => void
}

/** A list that stays at its end while one is there, however its entries grow, and stays in place while one is not. */
export function useScroll(ready: boolean): Scroll {
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const [atEnd, setAtEnd] = useState(true)
  const stick = useRef(true)
  const fromBottom = useRef<number>(undefined)

  const toEnd = useCallback(() => {
    const box = scroller.current
    if (box === null) return
    stick.current = true
    setAtEnd(true)
    box.scrollTop = box.scrollHeight
  }, [])
  const keepPlace = useCallback(() => {
    const box = scroller.current
    if (box !== null) fromBottom.current = box.scrollHeight - box.scrollTop
  }, [])

  useLayoutEffect(() => {
    if (ready) toEnd()
  }, [ready, toEnd])

  useEffect(() => {
    const box = scroller.current
    const inner = content.current
    if (box === null || inner === null) return
    const onScroll = () => {
      const near = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR
      stick.current = near
      setAtEnd(near)
    }
    const onGrow = new ResizeObserver(() => {
      if (fromBottom.current !== undefined) {
        box.scrollTop = box.scrollHeight - fromBottom.current
        fromBottom.current = undefined
      } else if (stick.current) box.scrollTop = box.scrollHeight
    })
    box.addEventListener('scroll', onScroll, { passive: true })
    onGrow.observe(inner)
    onGrow.observe(box)
    return () => {
      box.removeEventListener('scroll', onScroll)
      onGrow.disconnect()
    }
  }, [])
  return { scroller, content, atEnd, toEnd, keepPlace }
}

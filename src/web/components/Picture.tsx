import { useLayoutEffect, useRef, useState } from 'react'
import type { Block } from '../../ports/chat.ts'
import { API } from '../api.ts'
import { useT } from '../i18n/index.tsx'

/** What scrolls must be reachable by keyboard. */
const REACHABLE = { tabIndex: 0 }

type PictureBlock = Extract<Block, { type: 'picture' }>

/** A chart in the thread. Its place is kept while it comes, so that nothing jumps; a press shows it as large as the window. */
export function Picture({ picture }: { picture: PictureBlock }) {
  const t = useT()
  const [lost, setLost] = useState(false)
  const [large, setLarge] = useState(false)
  const { id, alt, width, height } = picture
  const source = `${API}/pictures/${encodeURIComponent(id)}`
  if (lost) return <p className="picture-lost muted">{t('picture.lost', { alt })}</p>
  return (
    <figure className="picture">
      <button type="button" onClick={() => setLarge(true)} aria-label={t('picture.enlarge', { alt })}>
        <img src={source} alt={alt} width={width} height={height} loading="lazy" onError={() => setLost(true)} />
      </button>
      {large ? <Enlarged source={source} picture={picture} close={() => setLarge(false)} /> : null}
    </figure>
  )
}

/** The browser's own dialog: it keeps the focus, closes on Escape, and gives the focus back. A press anywhere closes it. */
function Enlarged({ source, picture, close }: { source: string; picture: PictureBlock; close: () => void }) {
  const t = useT()
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const element = dialog.current
    if (element === null) return
    element.showModal()
    return () => element.close()
  }, [])
  return (
    <dialog
      ref={dialog}
      className="enlarged"
      aria-label={picture.alt}
      onCancel={(event) => {
        event.preventDefault()
        close()
      }}
    >
      <div className="enlarged-picture" {...REACHABLE}>
        <img src={source} alt={picture.alt} width={picture.width} height={picture.height} />
      </div>
      <button type="button" className="enlarged-close" onClick={close}>
        {t('common.close')}
      </button>
    </dialog>
  )
}

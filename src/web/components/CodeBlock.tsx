import { App } from 'antd'
import { useT } from '../i18n/index.tsx'

/** What scrolls must be reachable by keyboard. */
const REACHABLE = { tabIndex: 0 }

/** Code that can be copied as a whole. */
export function CodeBlock({ text }: { text: string }) {
  const t = useT()
  const { message } = App.useApp()
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    void message.success(t('common.copied'))
  }
  return (
    <div className="code-place">
      <pre className="code" {...REACHABLE}>
        {text}
      </pre>
      <button
        type="button"
        className="code-copy"
        onClick={() => void copy().catch((error: unknown) => message.error(String(error)))}
      >
        {t('common.copy')}
      </button>
    </div>
  )
}

import { CodeBlock } from '../../components/CodeBlock.tsx'
import { useT } from '../../i18n/index.tsx'
import { Panel } from '../shared/ui.tsx'
import { receiverConfig, SOURCE_CONFIG } from './filter.ts'

/** What has to stand where, so that alerts come in. */
export function Connect() {
  const t = useT()
  return (
    <Panel title={t('alerts.connect')}>
      <div className="alerts-connect">
        <p>{t('alerts.connect-receiver')}</p>
        <CodeBlock text={receiverConfig(window.location.origin)} />
        <p>{t('alerts.connect-token')}</p>
        <CodeBlock text={SOURCE_CONFIG} />
      </div>
    </Panel>
  )
}

import GlobalOutlined from '@ant-design/icons/GlobalOutlined'
import MoonOutlined from '@ant-design/icons/MoonOutlined'
import SunOutlined from '@ant-design/icons/SunOutlined'
import { Button, Dropdown } from 'antd'
import { useLanguage } from '../i18n/index.tsx'
import type { Language } from '../i18n/write.ts'
import type { Choice } from '../theme.ts'
import { useAppearance } from '../theme-provider.tsx'
import { besideIt } from './popup.ts'

const LANGUAGES: { key: Language; label: string }[] = [
  { key: 'en', label: 'English' },
  { key: 'zh', label: '中文' },
]
const CHOICES: Choice[] = ['system', 'light', 'dark']

/** Language and appearance, kept on this machine. */
export function Switches() {
  const { t, language, setLanguage } = useLanguage()
  const { choice, mode, choose } = useAppearance()
  return (
    <>
      <Dropdown
        getPopupContainer={besideIt}
        trigger={['click']}
        menu={{
          selectable: true,
          selectedKeys: [language],
          items: LANGUAGES.map(({ key, label }) => ({ key, label: <span lang={key}>{label}</span> })),
          onClick: ({ key }) => setLanguage(key === 'zh' ? 'zh' : 'en'),
        }}
      >
        <Button
          type="text"
          icon={<GlobalOutlined />}
          aria-label={t('app.language')}
          title={t('app.language')}
          aria-haspopup="menu"
        />
      </Dropdown>
      <Dropdown
        getPopupContainer={besideIt}
        trigger={['click']}
        menu={{
          selectable: true,
          selectedKeys: [choice],
          items: CHOICES.map((each) => ({ key: each, label: t(`app.theme.${each}`) })),
          onClick: ({ key }) => choose(CHOICES.find((each) => each === key) ?? 'system'),
        }}
      >
        <Button
          type="text"
          icon={mode === 'dark' ? <MoonOutlined /> : <SunOutlined />}
          aria-label={t('app.theme')}
          title={t('app.theme')}
          aria-haspopup="menu"
        />
      </Dropdown>
    </>
  )
}

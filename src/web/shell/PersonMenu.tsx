import DownOutlined from '@ant-design/icons/DownOutlined'
import type { MenuProps } from 'antd'
import { App, Button, Dropdown } from 'antd'
import type { PersonView } from '../../ports/console.ts'
import { errorLine } from '../components/error-words.ts'
import { type Key, useT } from '../i18n/index.tsx'
import { useMe } from '../session.tsx'
import { besideIt } from './popup.ts'
import { useSignIn, useSignOut } from './sign-in.ts'

/** The person, with their roles. In the sandbox one may be another; elsewhere one signs out here. */
export function PersonMenu() {
  const t = useT()
  const { person, signIn, version } = useMe()
  const { message } = App.useApp()
  const become = useSignIn()
  const leave = useSignOut()
  const tellError = (error: unknown) => {
    void message.error(errorLine(error, t))
  }
  const inDemo = signIn.demo.length > 0
  const people: MenuProps['items'] = signIn.demo.map((each) => ({ key: each.id, label: <PersonLine person={each} /> }))
  const items: MenuProps['items'] = [
    ...(inDemo ? [{ key: 'people', type: 'group' as const, label: t('person.switch'), children: people }] : []),
    ...(inDemo ? [] : [{ key: 'roles', label: t('person.roles', { roles: rolesOf(person, t) }), disabled: true }]),
    { key: 'sign-out', label: t('person.sign-out') },
    { type: 'divider' },
    { key: 'version', label: t('app.version', { version }), disabled: true },
  ]
  const onClick: MenuProps['onClick'] = ({ key }) => {
    if (key === 'sign-out') return leave.mutate(undefined, { onError: tellError })
    const chosen = signIn.demo.find((each) => each.id === key)
    if (chosen === undefined || chosen.id === person.id) return
    become.mutate({ person: chosen.id }, { onError: tellError })
  }
  return (
    <Dropdown
      getPopupContainer={besideIt}
      trigger={['click']}
      menu={{ items, onClick, selectable: true, selectedKeys: [person.id] }}
    >
      <Button className="person" loading={become.isPending || leave.isPending} aria-haspopup="menu">
        <Initial name={person.name} />
        <span className="person-name">{person.name}</span>
        <span className="sr-only">{t(inDemo ? 'person.switch' : 'person.menu')}</span>
        <DownOutlined className="person-arrow" />
      </Button>
    </Dropdown>
  )
}

export function PersonLine({ person }: { person: PersonView }) {
  const t = useT()
  return (
    <span className="person-line">
      <Initial name={person.name} />
      <span>{person.name}</span>
      <span className="muted">{rolesOf(person, t)}</span>
    </span>
  )
}

function Initial({ name }: { name: string }) {
  return (
    <span className="initial" aria-hidden="true">
      {[...name][0]?.toUpperCase() ?? '?'}
    </span>
  )
}

function rolesOf(person: PersonView, t: ReturnType<typeof useT>): string {
  return person.roles.map((role) => t(`role.${role}` as Key)).join(', ')
}

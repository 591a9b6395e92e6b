import { App, Button, Input, Segmented } from 'antd'
import { useCallback, useDeferredValue, useMemo, useRef, useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { Empty, ErrorState, Loading } from '../../components/Feedback.tsx'
import { Moment } from '../../components/Moment.tsx'
import { useT } from '../../i18n/index.tsx'
import { useHosts, useProbe } from '../../queries.ts'
import { useMe } from '../../session.tsx'
import { useAppearance } from '../../theme-provider.tsx'
import { Choice, PageHead } from '../shared/ui.tsx'
import { Detail } from './detail.tsx'
import '../shared/tiles.css'
import './fleet.css'
import { HostList } from './list.tsx'
import {
  choices,
  type FleetFilter,
  filterTiles,
  groupTiles,
  LETTERS,
  lastHeard,
  MARKS,
  readFilter,
  type Tile,
  tilesOf,
  versionColors,
  writeFilter,
} from './map.ts'
import { ServiceMap } from './service.tsx'
import type { Pointed } from './tiles.tsx'

/** The fleet at a glance: every host as a tile in the colour of its version, by service and region. */
export default function Fleet() {
  const t = useT()
  const { mode } = useAppearance()
  const { may } = useMe()
  const hosts = useHosts()
  const [params, setParams] = useSearchParams()
  const [pointed, setPointed] = useState<Pointed>()
  const place = useRef<HTMLDivElement>(null)
  const filter = useMemo(() => readFilter(params), [params])
  const asList = params.get('view') === 'list'

  const all = useMemo(() => tilesOf(hosts.data ?? []), [hosts.data])
  const deferred = useDeferredValue(filter)
  const shown = useMemo(() => filterTiles(all, deferred), [all, deferred])
  const groups = useMemo(() => groupTiles(shown, all), [shown, all])
  const options = useMemo(() => choices(all), [all])
  const colors = useMemo(
    () =>
      new Map(
        options.services.map((service) => [
          service,
          versionColors(all.filter((tile) => tile.service === service).map((tile) => tile.version)),
        ]),
      ),
    [all, options.services],
  )
  const narrow = useCallback(
    (change: Partial<FleetFilter>) =>
      setParams(
        (old) => {
          const list = old.get('view') === 'list' ? { view: 'list' } : undefined
          return { ...writeFilter({ ...readFilter(old), ...change }), ...list }
        },
        { replace: true },
      ),
    [setParams],
  )

  const navigate = useNavigate()
  const open = useCallback(
    ({ release, host }: Tile) =>
      void navigate(`/releases/${encodeURIComponent(release ?? '')}?host=${encodeURIComponent(host)}`),
    [navigate],
  )

  if (hosts.data === undefined) {
    if (hosts.error === null) return <Loading />
    return <ErrorState error={hosts.error} retry={() => void hosts.refetch()} />
  }
  const newest = lastHeard(all)
  return (
    <div className="v-view fleet">
      <PageHead
        title={t('fleet.title')}
        facts={
          <>
            {t('hosts.count', { count: hosts.data.length })} · {t('fleet.services', { count: options.services.length })}
            {newest === undefined ? null : (
              <>
                {' · '}
                {t('fleet.last-heard')} <Moment at={newest} />
              </>
            )}
          </>
        }
      >
        {may.includes('hosts.read') ? <AskNow service={filter.service} /> : null}
      </PageHead>
      {all.length === 0 ? (
        <Empty title={t('fleet.empty')} hint={t('fleet.empty-hint')} />
      ) : (
        <>
          <div className="v-filters">
            <Input.Search
              className="v-search"
              aria-label={t('fleet.search')}
              placeholder={t('fleet.search')}
              allowClear
              value={filter.text ?? ''}
              onChange={(event) => narrow({ text: event.target.value })}
            />
            <Choice
              label={t('fleet.service')}
              value={filter.service}
              options={options.services.map((value) => ({ value, label: value }))}
              onChange={(service) => narrow({ service })}
            />
            <Choice
              label={t('fleet.region')}
              value={filter.region}
              options={options.regions.map((value) => ({ value, label: value }))}
              onChange={(region) => narrow({ region })}
            />
            <Choice
              label={t('fleet.version')}
              value={filter.version}
              options={options.versions.map((value) => ({ value, label: value }))}
              onChange={(version) => narrow({ version })}
            />
            <Choice
              label={t('fleet.state')}
              value={filter.mark}
              options={options.marks.map((value) => ({ value, label: t(`fleet.mark.${value}`) }))}
              onChange={(mark) => narrow({ mark })}
            />
            <Segmented
              aria-label={t('fleet.view')}
              value={asList ? 'list' : 'map'}
              options={[
                { value: 'map', label: t('fleet.map') },
                { value: 'list', label: t('fleet.list') },
              ]}
              onChange={(view) =>
                setParams({ ...writeFilter(filter), ...(view === 'list' ? { view } : undefined) }, { replace: true })
              }
            />
          </div>
          <p className="sr-only" role="status">
            {t('fleet.shown', { shown: shown.length, total: all.length })}
          </p>
          {shown.length === 0 ? (
            <Empty title={t('fleet.nothing')} hint={t('fleet.nothing-hint')}>
              <Button onClick={() => setParams(asList ? { view: 'list' } : {}, { replace: true })}>
                {t('fleet.clear')}
              </Button>
            </Empty>
          ) : asList ? (
            <HostList tiles={shown} colors={colors} mode={mode} />
          ) : (
            <div className="fleet-map" ref={place}>
              <Marks />
              {groups.map((group) => (
                <ServiceMap
                  key={group.service}
                  group={group}
                  colors={colors.get(group.service) ?? new Map<string, number>()}
                  mode={mode}
                  chosen={filter.version}
                  onVersion={(version) => narrow({ version })}
                  onMark={(mark) => narrow({ mark })}
                  onPoint={setPointed}
                  onOpen={open}
                />
              ))}
              <Detail pointed={pointed} place={place} />
            </div>
          )}
        </>
      )}
    </div>
  )
}

/** What the letters on the tiles mean. */
function Marks() {
  const t = useT()
  return (
    <ul className="v-key" aria-label={t('fleet.key')}>
      {MARKS.map((mark) => (
        <li key={mark}>
          <span className="v-tile fleet-tile" data-mark={mark} aria-hidden="true">
            {LETTERS[mark]}
          </span>
          {t(`fleet.mark.${mark}`)}
        </li>
      ))}
    </ul>
  )
}

function AskNow({ service }: { service: string | undefined }) {
  const t = useT()
  const { message } = App.useApp()
  const probe = useProbe()
  return (
    <Button
      type="primary"
      loading={probe.isPending}
      onClick={() =>
        probe.mutate(service, {
          onSuccess: (answered) => void message.success(t('fleet.asked', { count: answered.length })),
          onError: (error) => void message.error(error.message),
        })
      }
    >
      {service === undefined ? t('fleet.ask') : t('fleet.ask-service', { service })}
    </Button>
  )
}

import { translateWord } from '../lib/catalogue/translate.ts'
import type { CauseText, ChangeText, ReleaseText, Words } from './rules-words.ts'

const where = ({ hosts, count, all, measured }: ChangeText) =>
  measured === 1
    ? hosts
    : all
      ? `全部 ${measured} 台主机（${hosts}）`
      : `${measured} 台主机中的 ${count} 台（${hosts}）`

const what = ({ metric, service, alert }: ChangeText) => (alert ? '告警表达式的值' : `${service} 的${metric}`)

const values = ({ before, after, brief }: ChangeText) =>
  brief ? `短时从 ${before} 变为 ${after}` : `从 ${before} 变为 ${after}`

function change(facts: ChangeText): string {
  const { up, service, host } = facts
  if (up && facts.back) return `${service} 曾在${where(facts)}上无响应，现已恢复响应。`
  if (up) return `${service} 在${where(facts)}上无响应。`
  const on = host === '' ? '' : `（取最严重的 ${host}）`
  return `${what(facts)}在${where(facts)}上${values(facts)}${on}。${apart(facts)}`
}

function apart({ sides, brief, all }: ChangeText): string {
  if (sides === undefined || brief) return ''
  const { version, upgraded, waiting } = sides
  if (upgraded === waiting) return all ? `无论是否升级到 ${version} 都一样。` : ''
  return `已升级到 ${version} 的主机为 ${upgraded}，未升级的主机为 ${waiting}。`
}

function short(facts: ChangeText): string {
  if (facts.up) return facts.back ? '曾无响应' : '无响应'
  return `${facts.alert ? '告警值' : facts.metric} ${facts.before} → ${facts.after}`
}

function causeSeen(cause: CauseText): string {
  const { at, names, service, own, busy, release, version } = cause
  switch (at) {
    case 'certificate':
      return `${names} 的证书已过期。`
    case 'node':
      return `${names} 上不止一个服务同时中断，故障在机器本身或其网络。`
    case 'down':
      return `${own} 在 ${names} 上的采集目标已中断。`
    case 'dependency': {
      const it = cause.called ? `${own} 依赖的 ${service}` : `${own} 的相邻服务 ${service}`
      const down = names === '' ? '' : `${it} 在 ${names} 上已中断。`
      const seen = cause.change === undefined || cause.change.up ? '' : change(cause.change)
      if (down !== '') return `${down}${seen}`
      if (seen === '') return `${it} ${cause.change?.back === true ? '曾无响应' : '无响应'}。`
      return `${seen}${own} 依赖 ${service}。`
    }
    case 'traffic':
      return `流量突增：${cause.change === undefined ? own : change(cause.change)}`
    case 'saturation':
      return `${names} 的 CPU 使用率为 ${busy}，该机器已饱和。`
    case 'other release':
      return `${release} 在故障开始前把 ${service} ${version} 发布到了主机上。`
  }
}

function causeStep(cause: CauseText): string {
  const { at, names, service, own, release, callers } = cause
  switch (at) {
    case 'certificate':
      return `更换 ${names} 的证书并重新加载服务，同时检查其他证书的到期时间。`
    case 'node':
      return `检查机器 ${names}（电源、磁盘、网络、控制台），恢复前先从负载均衡中摘除。`
    case 'down':
      return `检查 ${names} 上的 ${own}：进程是否存在、最后的日志是什么、是否被重启或杀掉。`
    case 'dependency':
      return `排查 ${service} 的主机、日志和最近变更${cause.called ? `；它恢复之前 ${own} 很难恢复` : ''}。`
    case 'traffic':
      return `确认流量来源${callers === '' ? '' : `（调用方：${callers}）`}；扩容，或在入口限流。`
    case 'saturation':
      return `查看 ${names} 上还有什么在占用资源；迁走负载，或从负载均衡中摘除。`
    case 'other release':
      switch (cause.state) {
        case 'rolling out':
          return `同时暂停发布 ${release}（${service} ${cause.version}），并用同样的方法对比它的主机。`
        case 'held':
          return `发布 ${release}（${service} ${cause.version}）保持暂停，并用同样的方法对比它的主机。`
        default:
          return ''
      }
  }
}

const name = ({ id, service, version }: ReleaseText) => `${id}（${service} ${version}）`

export const zh: Words = {
  headings: { summary: '问题概述', cause: '根因分析', impact: '影响范围', next: '解决方案' },
  join: '、',
  others: ' 等',
  total: (count) => `（共 ${count} 台）`,
  // A blank between Chinese characters and letters or digits, as is usual on screens.
  polish: (text) =>
    text
      .replace(/(\p{Script=Han})(?=[A-Za-z0-9])/gu, '$1 ')
      .replace(/([A-Za-z0-9%])(?=\p{Script=Han})/gu, '$1 ')
      .replace(/） (?=\p{Script=Han})/gu, '）')
      .replace(/(\p{Script=Han}) (?=\p{Script=Han})/gu, '$1'),
  amount: (text) => text.replace(/ cores$/, ' 核').replace(/ \/s$/, ' 次/秒'),
  fires: ({ title, service, hosts, since, resolved }) =>
    `告警“${title}”自 ${since} 起触发${service === undefined ? '' : `，涉及服务 ${service}`}${hosts === '' ? '' : `，主机 ${hosts}`}${resolved ? '，现已恢复' : '，目前仍在触发'}。`,
  change,
  short,
  nothingChanged: '故障开始前后，已读取的指标均无明显变化。',
  noMetrics: '没有可用于判断的指标。',
  verdict: {
    release: (release) =>
      `证据指向发布 ${name(release)}${release.upgraded === '' ? '' : `，该版本已在 ${release.upgraded} 上`}`,
    notRelease: (release) => `现有证据不支持发布 ${name(release)} 是原因`,
    noRelease: '不是该服务的发布引起的',
    unknown: (release) =>
      release === undefined ? '仅凭现有指标无法确定原因' : `仅凭现有指标无法判断发布 ${name(release)} 是否为原因`,
  },
  sentence: (text) => `${text}。`,
  because: (verdict, why) => `${verdict}。依据：${why}。`,
  missing: (verdict, why) => `${verdict}：${why}。`,
  causeSeen,
  onlyCorrelation: '以上为指标上的相关性，最终结论需结合日志或代码确认。',
  evidence: '证据：',
  known: '已知情况：',
  changes: '变化明显的指标（由强到弱）：',
  services: (list) =>
    `可疑服务排序：${list.map(({ name, change, from }) => `${name}（${change}${from === '' ? '' : `，可能由 ${from} 引起`}）`).join('、')}。`,
  hosts: (service, list) =>
    `${service} 的可疑主机排序：${list.map(({ name, change }) => `${name}（${change}）`).join('、')}。`,
  unchanged: (names) => `无明显变化：${names}。`,
  began: ({ at, lasting, fromSeries }) =>
    `故障始于 ${at}（${fromSeries ? '由指标得出' : '以告警时间为准，指标未能确定'}），截至本报告已持续 ${lasting}。`,
  affected: ({ hosts, count, all, measured }) =>
    measured === 1
      ? `受影响：${hosts}（唯一有指标的主机）。`
      : all
        ? `受影响：有指标的全部 ${measured} 台主机（${hosts}）。`
        : `受影响：有指标的 ${measured} 台主机中的 ${count} 台（${hosts}）。`,
  unknownExtent: '仅凭指标无法确定哪些主机受影响。',
  has: ({ version, upgraded }) => `已升级到 ${version} 的主机：${upgraded === '' ? '无' : upgraded}。`,
  hasNot: ({ version, others }) => `未升级到 ${version} 的主机：${others === '' ? '无' : others}。`,
  callersSee: (change) => `调用方受到影响：${change}`,
  callersFine: (names) => `调用方 ${names} 无明显变化。`,
  callersUnknown: '未读取调用方的指标，其是否受影响未知。',
  steps: {
    rollback: ({ service, version, previous, upgraded }) =>
      `点击下方“${translateWord('Roll back', 'zh')}”：把 ${upgraded === '' ? '' : `${upgraded} 上的 `}${service} 从 ${version} 退回到${previous === undefined ? '发布前的状态' : ` ${previous}`}。`,
    keepOthers: ({ version, others }) => `${others} 没有 ${version}，无需处理。`,
    recheck: (metric, before) => `回滚后确认${metric}恢复到约 ${before}。`,
    noRollback: ({ version }) => `现有证据下不建议回滚 ${version}，回滚大概率不能解决问题。`,
    cause: causeStep,
    compare: ({ version, upgraded, others }) =>
      others === ''
        ? `查看${upgraded === '' ? '该服务' : ` ${upgraded} `}在 ${version} 部署前后几分钟的日志，由人工决定是否回退。`
        : `对比 ${upgraded}（已升级到 ${version}）与 ${others}（未升级）的日志，查清之前不要继续发布。`,
    lookAt: (at) => `排查 ${at} 前后的其他变化：配置、数据、定时任务、相邻服务。`,
    configure:
      '为 Rollcall 接入指标：在配置中设置 prometheus.url，确认服务的指标带有主机标签，再运行 `rollcall doctor` 检查。',
    topology: '在配置中写明该服务的下游（downstream）与上游（upstream），以便一并排查。',
    again: `完成后点击“${translateWord('Diagnose again', 'zh')}”。`,
  },
  gaps: '未能排查的部分：',
  shortened: '（已截断）',
}

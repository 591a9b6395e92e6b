/** What the gate has seen, and why it says so. */
export const gate: Readonly<Record<string, string>> = {
  'Gate of batch {n#}: {verdict!}': '第 {n} 批门禁：{verdict}',
  'Gate of batch {n#}, so far': '第 {n} 批门禁（截至目前）',
  'Gate: {verdict!}': '门禁：{verdict}',
  'Not enough data yet for any metric.': '所有指标的数据都还不足。',
  'Not enough data yet for {metric!}.': '以下指标数据尚不足：{metric}。',
  'Not enough data yet for {metric!}, {second!}.': '以下指标数据尚不足：{metric}、{second}。',
  'Not enough data yet for {metric!}, {second!}, {third!}.': '以下指标数据尚不足：{metric}、{second}、{third}。',
  'Not enough data yet for {metric!}, {second!}, {third!}, {fourth!}.':
    '以下指标数据尚不足：{metric}、{second}、{third}、{fourth}。',
  'no metric is watched: none was found when the release was prepared; only a new request would look again':
    '没有监控任何指标：准备发布时未找到；只有重新申请才会再次查找',
  'nothing measures the {what} of this service': '该服务没有可度量 {what} 的指标',
  '1 metric is within its limit on 1 upgraded host': '1 台已升级主机上的 1 项指标在阈值内',
  '1 metric is within its limit on {n#} upgraded hosts': '{n} 台已升级主机上的 1 项指标在阈值内',
  '{m#} metrics are within their limits on 1 upgraded host': '1 台已升级主机上的 {m} 项指标均在阈值内',
  '{m#} metrics are within their limits on {n#} upgraded hosts': '{n} 台已升级主机上的 {m} 项指标均在阈值内',
  'the query was not answered ({why*})': '查询没有得到结果（{why}）',
  '{metric!}: {why*}': '{metric}：{why}',
  '{metric!}, {second!}: {why*}': '{metric}、{second}：{why}',
  '{metric!}, {second!}, {third!}: {why*}': '{metric}、{second}、{third}：{why}',
  '{metric!}, {second!}, {third!}, {fourth!}: {why*}': '{metric}、{second}、{third}、{fourth}：{why}',
  'no metric can be judged: {why*}': '所有指标都无法判断：{why}',
  '{why*}… (/status R-n shows every metric)': '{why}……（/status R-n 可查看全部指标）',
  // Gaps.
  '{hosts~} {has|have} no fresh data ({age#} s old)': '{hosts} 没有最新数据（已过 {age} 秒）',
  '{hosts~} {has|have} no fresh data (up to {age#} s old)': '{hosts} 没有最新数据（最久已过 {age} 秒）',
  '{hosts~} {has|have} {n#} of {m#} samples needed': '{hosts} 仅有 {n} 个样本，需要 {m} 个',
  '{hosts~} {has|have} {n#} to {to#} of {m#} samples needed': '{hosts} 仅有 {n} 至 {to} 个样本，需要 {m} 个',
  '{hosts~} {gives|give} only NaN': '{hosts} 的数据全为 NaN',
  '{hosts~} {has|have} no data': '{hosts} 没有数据',
  '{hosts~} {has|have} no series': '{hosts} 没有时间序列',
  '{hosts~} {has|have} no current data': '{hosts} 没有当前数据',
  'no upgraded host was observed': '没有观察到已升级的主机',
  '{n#} of {m#} requests needed on upgraded hosts': '已升级主机上仅有 {n} 次请求，需要 {m} 次',
  // Numbers.
  '{n#} cores': '{n} 核',
  '+{n#} cores': '+{n} 核',
  '{n#} a second': '{n}/秒',
  '+{n#} a second': '+{n}/秒',
  'error rate {value%} on upgraded hosts; limit {limit%}, {n#} requests':
    '已升级主机错误率 {value}；阈值 {limit}，{n} 次请求',
  'error rate {value%} on upgraded hosts; no limit, {n#} requests': '已升级主机错误率 {value}；无阈值，{n} 次请求',
  'error rate {value%} on upgraded hosts against {other%} on the others; limit {limit%}, {n#} requests':
    '已升级主机错误率 {value}，其他主机 {other}；阈值 {limit}，{n} 次请求',
  'error rate {value%} on upgraded hosts against {other%} on the others; no limit, {n#} requests':
    '已升级主机错误率 {value}，其他主机 {other}；无阈值，{n} 次请求',
  'error rate {value%} on upgraded hosts against {other%} before; limit {limit%}, {n#} requests':
    '已升级主机错误率 {value}，发布前 {other}；阈值 {limit}，{n} 次请求',
  'error rate {value%} on upgraded hosts against {other%} before; no limit, {n#} requests':
    '已升级主机错误率 {value}，发布前 {other}；无阈值，{n} 次请求',
  '{metric!} {value%} on {host^}; {n#} samples': '{host} 上{metric} {value}；{n} 个样本',
  '{metric!} {value%} on {host^}; limit {limit%}, {n#} samples': '{host} 上{metric} {value}；阈值 {limit}，{n} 个样本',
  '{metric!} {value%} on {host^} against {other%} {whom!}; {n#} samples':
    '{host} 上{metric} {value}，{whom} {other}；{n} 个样本',
  '{metric!} {value%} on {host^} against {other%} {whom!}; limit {limit%}, {n#} samples':
    '{host} 上{metric} {value}，{whom} {other}；阈值 {limit}，{n} 个样本',
  '{metric!} {value%} on {host^}, the highest of {all#} upgraded hosts; {n#} samples':
    '{host} 上{metric} {value}，为 {all} 台已升级主机中最高；{n} 个样本',
  '{metric!} {value%} on {host^}, the highest of {all#} upgraded hosts; limit {limit%}, {n#} samples':
    '{host} 上{metric} {value}，为 {all} 台已升级主机中最高；阈值 {limit}，{n} 个样本',
  '{metric!} {value%} on {host^}, the highest of {all#} upgraded hosts against {other%} {whom!}; {n#} samples':
    '{host} 上{metric} {value}，为 {all} 台已升级主机中最高，{whom} {other}；{n} 个样本',
  '{metric!} {value%} on {host^}, the highest of {all#} upgraded hosts against {other%} {whom!}; limit {limit%}, {n#} samples':
    '{host} 上{metric} {value}，为 {all} 台已升级主机中最高，{whom} {other}；阈值 {limit}，{n} 个样本',
  // What is added to the numbers.
  'no waiting host has data': '尚未升级的主机都没有数据',
  'too few to tell from chance': '数量太少，无法排除偶然',
  'the waiting hosts are above it as well, so it is not the release alone':
    '尚未升级的主机也超过了阈值，因此不只是本次发布的原因',
  'these hosts were above it before the release': '这些主机在发布前就已超过阈值',
  '{host^} was above it before the release': '{host} 在发布前就已超过阈值',
  'traffic grew {n#} times and no host waits to compare with': '流量增长到 {n} 倍，且没有未升级的主机可供比较',
  'above the warning {value%}': '超过告警阈值 {value}',
  'more than before, within its limit': '比之前高，但在阈值内',
}

/** The same without the metric's name: in the gate's table the first column has said it. */
export const gateTable: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(gate).flatMap(([key, chinese]) => {
    const [, rest] = /^(?:error rate|\{metric!\}) (\{value.*)$/.exec(key) ?? []
    if (rest === undefined) return []
    return [[rest, chinese.replace('错误率 {value}', ' {value}').replace('{metric} ', ' ')]]
  }),
)

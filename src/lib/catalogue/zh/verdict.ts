/** Whether a release did it, and what the metrics could not tell. */
export const verdict: Readonly<Record<string, string>> = {
  'no release of {service^} has changed these hosts recently': '最近没有 {service} 的发布改动过这些主机',
  'no release of the service has changed these hosts recently': '最近没有该服务的发布改动过这些主机',
  'no host has {version^} yet': '还没有主机装上 {version}',
  '{why*}; the metrics cannot tell them apart': '{why}；指标无法区分两者',
  'the metrics do not tell': '指标看不出来',
  'none of the hosts that alert has {version^}: {hosts~}': '告警的主机都没有 {version}：{hosts}',
  'it began {time@} before {version^} reached the hosts that alert':
    '问题在 {version} 到达告警主机之前 {time} 就开始了',
  'it began {time@} after {version^} reached the hosts that alert': '问题在 {version} 到达告警主机 {time} 后开始',
  'it began as {version^} reached the hosts that alert': '问题在 {version} 到达告警主机时开始',
  'it began {time@} after {version^} reached the hosts that alert, too late to say without hosts to compare with':
    '问题在 {version} 到达告警主机 {time} 后才开始，没有可对比的主机，无法判断',
  'no metric of the service tells its hosts apart': '该服务没有能区分各主机的指标',
  'too few samples of {metric!} from hosts that have the release': '已升级主机的 {metric} 样本太少',
  'too few samples of {metric~} from hosts that have the release': '已升级主机的 {metric} 样本太少',
  'too few samples of {metric!} from hosts that do not have the release': '未升级主机的 {metric} 样本太少',
  'too few samples of {metric~} from hosts that do not have the release': '未升级主机的 {metric} 样本太少',
  'too few samples of {metric!} from before the release': '发布之前的 {metric} 样本太少',
  'too few samples of {metric~} from before the release': '发布之前的 {metric} 样本太少',
  '{metric!} is {now} on hosts that have it and {others} on the others':
    '{metric}：已升级主机为 {now}，其他主机为 {others}',
  '{metric~} is {now} on hosts that have it and {others} on the others':
    '{metric}：已升级主机为 {now}，其他主机为 {others}',
  '{metric!} is {now} on hosts that have it and {others} on the others: hosts without it are as bad':
    '{metric}：已升级主机为 {now}，其他主机为 {others}：未升级的主机同样异常',
  '{metric~} is {now} on hosts that have it and {others} on the others: hosts without it are as bad':
    '{metric}：已升级主机为 {now}，其他主机为 {others}：未升级的主机同样异常',
  '{metric!} is {now} and was {before} before it came': '{metric} 现为 {now}，发布之前为 {before}',
  '{metric~} is {now} and was {before} before it came': '{metric} 现为 {now}，发布之前为 {before}',
  'only {host^} of {n#} hosts that have it is worse': '{n} 台已升级主机中只有 {host} 变差',
  '{service^}, which it calls, is down': '它调用的 {service} 已宕机',
  '{service^}, which it calls, is down, for hosts with and without it alike':
    '它调用的 {service} 已宕机，对已升级和未升级的主机一样',
  'no service that it calls went bad before it': '它调用的服务没有先于它变差',
  '{metric!} of {service^}, which it calls, went from {before} to {after} before it':
    '它调用的 {service} 的 {metric} 先于它从 {before} 变为 {after}',
  '{metric~} of {service^}, which it calls, went from {before} to {after} before it':
    '它调用的 {service} 的 {metric} 先于它从 {before} 变为 {after}',
  '{metric!} of {service^}, which it calls, went from {before} to {after} at the same time':
    '它调用的 {service} 的 {metric} 与它同时从 {before} 变为 {after}',
  '{metric~} of {service^}, which it calls, went from {before} to {after} at the same time':
    '它调用的 {service} 的 {metric} 与它同时从 {before} 变为 {after}',
  '{why*}, but {other*}': '{why}，但 {other}',
  'traffic was {before%} and is {after%} since it began': '流量原为 {before}，问题开始后为 {after}',
  'no machine is saturated by anything but the service': '没有机器被服务以外的东西占满',
  '{host^} is saturated: its CPU is {busy%} busy, though the service uses no more of it':
    '{host} 已饱和：CPU 使用率 {busy}，但该服务的用量并未增加',
  'the service’s traffic is not known': '不知道该服务的流量',
  'too few samples of its traffic': '其流量样本太少',
  'traffic was {before%} and is {after%}': '流量原为 {before}，现为 {after}',
  'traffic was {before%} and is {after%}: a surge': '流量原为 {before}，现为 {after}：流量突增',
  '{host^} is saturated: its CPU is {busy%} busy, and was before the release':
    '{host} 已饱和：CPU 使用率 {busy}，且在发布之前就是如此',
  'how busy the machines are is not known': '不知道机器的繁忙程度',
  'no certificate is known to have expired': '未发现过期的证书',
  'the certificate of {name} has expired': '{name} 的证书已过期',
  'everything on {host^} is down, not only {service^}': '{host} 上的一切都宕机了，不只是 {service}',
  'no machine is down as a whole': '没有整机宕机',
  'nothing else was released shortly before': '此前不久没有其他发布',
  '{id^} put {service^} {version^} on hosts {time@} before it began':
    '{id} 在问题开始前 {time} 把 {service} {version} 部署到主机上',
  'no Prometheus is configured': '未配置 Prometheus',
  '{what*} could not be read: {why*}': '无法读取 {what}：{why}',
  'metrics of {service^}': '{service} 的指标',
  'targets of {service^}': '{service} 的抓取目标',
  'the alert’s expression': '告警的表达式',
  'CPU of the machines': '机器的 CPU',
  'targets that are down': '已宕机的抓取目标',
  'the certificates': '证书',
  'no metric of {service^} was found': '没有找到 {service} 的指标',
  'alert {id^} fires: {title}': '告警 {id} 触发：{title}',
  // What a source of alerts is answered.
  'is not a time, such as 2026-01-31T09:00:00Z': '不是时间，例如 2026-01-31T09:00:00Z',
  'nothing names the alert: give key, alertname or labels': '没有任何内容指明告警：请提供 key、alertname 或 labels',
  'That is not the token of a source of alerts.': '这不是任何告警来源的令牌。',
  'Alerts without a token are taken from this very machine only, and not through a proxy.':
    '没有令牌的告警只接受来自本机的，且不能经过代理。',
  'name a tokenEnv at the source under alerts.sources in rollcall.yaml, and send that token as a bearer token':
    '在 rollcall.yaml 的 alerts.sources 中为该来源指定 tokenEnv，并以 bearer 令牌发送',
  'The alerts could not be stored.': '告警未能保存。',
  'send them again in a moment': '请稍后重新发送',
  'The body has more than {n#} MB.': '请求体超过 {n} MB。',
  'set max_alerts in the webhook_config of Alertmanager, to 10000 for example':
    '在 Alertmanager 的 webhook_config 中设置 max_alerts，例如 10000',
  'There is no incident {id"}.': '没有事件 {id}。',
  'type /alerts to see the incidents': '输入 /alerts 查看事件',
}

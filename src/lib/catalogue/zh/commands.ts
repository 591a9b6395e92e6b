/** The commands: what they are for, and what they answer. */
export const commands: Readonly<Record<string, string>> = {
  'what can be typed here': '这里可以输入什么',
  '/{name^}: {summary*}': '/{name}：{summary}',
  'Buttons on the cards do the same with one press.': '卡片上的按钮一键即可完成同样的操作。',
  'which host runs which version, asked now': '现在查询各主机运行的版本',
  'prepare a release and ask for its approval, or steer one': '准备一次发布并申请审批，或操作进行中的发布',
  'show what would go back, and ask: of the release that runs now, or of the last one that is done':
    '显示将要回滚的内容并询问：针对当前或最近完成的发布',
  'what is going on: all releases, one release, a service, or a host with its last output':
    '查看进展：所有发布、某次发布、某个服务，或某台主机及其最近输出',
  '<service> <version> [host …]': '<服务> <版本> [主机 …]',
  '<service> [host …]': '<服务> [主机 …]',
  '<{verbs^}> <service or R-number>': '<{verbs}> <服务或 R-编号>',
  '<{verbs^}> <service or R-number> <host …>': '<{verbs}> <服务或 R-编号> <主机 …>',
  '<service or R-number>': '<服务或 R-编号>',
  '<R-number or service>': '<R-编号或服务>',
  '<host>': '<主机>',
  '<command>': '<命令>',
  '/release <service> <version> [host …]': '/release <服务> <版本> [主机 …]',
  '/hosts <service> [host …]': '/hosts <服务> [主机 …]',
  '/release <{verbs^}> <service or R-number>': '/release <{verbs}> <服务或 R-编号>',
  '/release <{verbs^}> <service or R-number> <host …>': '/release <{verbs}> <服务或 R-编号> <主机 …>',
  '/rollback <service or R-number>': '/rollback <服务或 R-编号>',
  '/status <R-number or service>': '/status <R-编号或服务>',
  '/status <host>': '/status <主机>',
  '/help <command>': '/help <命令>',
  '<a,b,…>  only these hosts': '<a,b,…>  仅这些主机',
  '--hosts <a,b,…>  only these hosts': '--hosts <a,b,…>  仅这些主机',
  'release in a freeze window; needs a second approver': '在冻结期内发布；需要第二位审批人',
  ' release in a freeze window; needs a second approver': ' 在冻结期内发布；需要第二位审批人',
  '--override-freeze  release in a freeze window; needs a second approver':
    '--override-freeze  在冻结期内发布；需要第二位审批人',
  'the release issue as JSON': '以 JSON 输出发布单',
  ' the release issue as JSON': ' 以 JSON 输出发布单',
  '--json  the release issue as JSON': '--json  以 JSON 输出发布单',
  'That is longer than {n#} characters and was not read. Next: use labels or regions of the service instead of long host lists.':
    '内容超过 {n} 个字符，未读取。下一步：用服务的标签或地域代替很长的主机列表。',
  'That is not a command. Next: type /help.': '这不是命令。下一步：输入 /help。',
  'There is no command {name"}.{near_} Next: type /help.': '没有命令 {name}。{near}下一步：输入 /help。',
  'There is no command /{name^}.{near_} Next: type /help.': '没有命令 /{name}。{near}下一步：输入 /help。',
  'Did you mean {name^}?': '你是不是想输入 {name}？',
  'type /help': '输入 /help',
  'type /help {name^}': '输入 /help {name}',
  'Not permitted: {why*}. Next: {next*}.': '没有权限：{why}。下一步：{next}。',
  '/{name^} has no flag --{flag^}.{near_} Next: type /help {same^}.':
    '/{name} 没有选项 --{flag}。{near}下一步：输入 /help {same}。',
  '/{name^} takes no {extra"} there. Next: type /help {same^}.':
    '/{name} 此处不接受 {extra}。下一步：输入 /help {same}。',
  'There is no service {name"}.{rest_}': '没有服务 {name}。{rest}',
  '{service^} has no host {host"}.{rest_}': '{service} 没有主机 {host}。{rest}',
  'use one of: {names}': '请使用其中之一：{names}',
  'use some of: {names}, …': '请从中选择：{names}, …',
  'use some of: {names}': '请从中选择：{names}',
  '{service^} has never been released here.': '{service} 从未在此发布过。',
  '{name"} is neither a release nor a service.{rest_}': '{name} 既不是发布也不是服务。{rest}',
  'type /release {service^} <version>': '输入 /release {service} <版本>',
  'type /status to see the releases': '输入 /status 查看发布列表',
  '{n#} host{|s}': '{n} 台主机',
  'Hosts of {service^}': '{service} 的主机',
  '/release {verb^} which one? Next: /release {same^} <service or R-number>':
    '/release {verb} 哪一个？下一步：/release {same} <服务或 R-编号>',
  'The version is missing: /release {service^} <version>.': '缺少版本：/release {service} <版本>。',
  'Services: {names}': '服务：{names}',
  '/release {verb^} takes a service or an R-number and nothing else; {extra} was not read. Next: /release {same^} {which^}':
    '/release {verb} 只接受一个服务或 R-编号；{extra} 未读取。下一步：/release {same} {which}',
  '--hosts names no host. Next: name them like --hosts bj-1,sh-1, or leave it out for all.':
    '--hosts 没有指定主机。下一步：写成 --hosts bj-1,sh-1，或省略以选择全部。',
  'There is no service {name"}, and no verb either.{near_} Next: begin with a service ({services}) or with a verb ({verbs})':
    '没有服务 {name}，也没有这个动词。{near}下一步：以服务（{services}）或动词（{verbs}）开头',
  '/release {verb^} does not fit now. {why*} Next: {next}': '/release {verb} 目前不适用。{why}下一步：{next}',
  'There is nothing to roll back: no release of {service^} is on hosts ({id^} is {state!}). Next: /hosts {same^}':
    '没有可回滚的内容：主机上没有 {service} 的发布（{id} 状态：{state}）。下一步：/hosts {same}',
  'Press Roll back to take {id^} back, or type /release rollback {same^}, which acts at once.':
    '按“回滚”即可回滚 {id}，或输入 /release rollback {same}（立即执行）。',
  'Roll back {id^}: {service^} {from^} → {to^}?': '回滚 {id}：{service} {from} → {to}？',
  'Roll back {id^}: {service^} {from^} → nothing?': '回滚 {id}：移除 {service} {from}？',
  'No release yet. Next: /release <service> <version>.': '还没有发布。下一步：/release <服务> <版本>。',
  '{n#} in progress, {m#} requested so far': '{n} 个进行中，累计申请 {m} 个',
  'No job has run on {host^} yet. Next: /hosts shows what runs there.':
    '{host} 上还没有运行过任务。下一步：/hosts 可查看其运行版本。',
  '(no output yet)': '（尚无输出）',
  '{host^}: the last jobs': '{host}：最近的任务',
  '{version} is not a version: letters, digits and . _ + - only, at most 64, beginning with a letter or digit, without "..", and not "current".':
    '{version} 不是有效版本：只能用字母、数字和 . _ + -，最多 64 个字符，以字母或数字开头，不含 ".."，且不能是 "current"。',
  'give the version as it was published, for example v1.2.3': '请给出发布时的版本，例如 v1.2.3',
  // The sandbox.
  'The story releases as alice; {person^} may only look. Next: act as alice.':
    '剧情以 alice 的身份发布，{person} 只能查看。下一步：切换为 alice。',
  '{release^} is in progress. Next: end it first; /status {same^} says how.':
    '{release} 正在进行中。下一步：先结束它；/status {same} 会说明方法。',
  'The story is being played already. Next: watch the channel.': '剧情已在演示中。下一步：请看频道。',
  'The story ended early': '剧情演示提前结束',
  'The story is being played for {person^}, as alice and bob: a good release, then a bad one. It takes about two minutes.':
    '正在为 {person} 演示剧情（由 alice 和 bob 扮演）：先是一次正常的发布，然后是一次有问题的发布。大约需要两分钟。',
  'The story is being played for {person^}, as alice and bob: a good release, a bad one, one that an alert stops, and one that is not to blame. It takes about three minutes.':
    '正在为 {person} 演示剧情（由 alice 和 bob 扮演）：一次正常的发布，一次有问题的发布，一次被告警拦下的发布，以及一次与故障无关的发布。大约需要三分钟。',
  '{person^} may only look. Next: act as alice.': '{person} 只能查看。下一步：切换为 alice。',
  'The story is being played. Next: watch the channel.': '正在演示剧情。下一步：请看频道。',
  '{service^} runs. What fired because of it is over in some seconds.':
    '{service} 已运行。由它引起的告警几秒后会恢复。',
  '{service^} is stopped: user-service answers a fifth of its requests with errors, on every host alike. An alert comes in some seconds. Next: start {same^}':
    '{service} 已停止：user-service 在每台主机上都有五分之一的请求出错。几秒后会有告警。下一步：start {same}',
  '{service^} is stopped: user-service answers a fifth of its requests with errors, on every host alike. Without Alertmanager no alert comes. Next: start {same^}':
    '{service} 已停止：user-service 在每台主机上都有五分之一的请求出错。没有 Alertmanager，不会有告警。下一步：start {same}',
}

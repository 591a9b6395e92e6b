/** What is found while a release is prepared: versions, risks, metrics, the plan. */
export const preparation: Readonly<Record<string, string>> = {
  'Releases are frozen: {reason}.': '目前处于发布冻结期：{reason}。',
  'Releases are frozen until {time}: {reason}.': '发布冻结至 {time}：{reason}。',
  '{say*} Overridden; {n#} approvals are needed.': '{say}已申请豁免；需要 {n} 人审批。',
  'wait, or request it with --override-freeze, which needs a second approver':
    '请等待，或带 --override-freeze 申请（需要第二位审批人）',
  '{n#} of {m#} hosts cannot be used: {why*}': '{m} 台主机中有 {n} 台不可用：{why}',
  '{n#} of {m#} hosts cannot be used: {why*} …': '{m} 台主机中有 {n} 台不可用：{why} …',
  'bring them back, or name the hosts to release to': '恢复这些主机，或指定要发布的主机',
  'left out, {why*}': '已排除，{why}',
  'No host is left: {why*}': '没有可用主机：{why}',
  'bring one back': '请恢复至少一台',
  'All {n#} hosts run {version^} already.': '全部 {n} 台主机已在运行 {version}。',
  'The only host runs {version^} already.': '唯一的主机已在运行 {version}。',
  'nothing to do; /hosts shows the versions': '无需操作；/hosts 可查看版本',
  '{hosts~} {runs|run} {version^} already and will not be touched': '{hosts} 已在运行 {version}，不会变更',
  '{service^} has no hosts.': '{service} 没有主机。',
  'check the hosts selector of the service in rollcall.yaml': '请检查 rollcall.yaml 中该服务的主机选择器',
  '{version^} is older than {current^}, which runs now.': '{version} 比当前运行的 {current} 更旧。',
  'to go back, type /rollback {service^}; or set policy.allowDowngrade':
    '如需回退，请输入 /rollback {service}；或设置 policy.allowDowngrade',
  '{host^} lacks {tools}.': '{host} 缺少 {tools}。',
  'install it there, then request the release again': '请在该主机上安装后重新申请发布',
  '{host^} has {n#} MB free where {m#} MB are needed.': '{host} 剩余空间 {n} MB，需要 {m} MB。',
  'free some disk on {host^}, or lower recipe.keep': '请在 {host} 上释放磁盘空间，或调小 recipe.keep',
  '{host^} has no release of {service^} yet: a rollback takes the service away there':
    '{host} 上尚无 {service}：回滚会移除该服务',
  '{host^} runs {version^}, but its files are not under the deploy path: there is nothing to roll back to.':
    '{host} 运行 {version}，但其文件不在部署路径下：没有可回滚的版本。',
  'restore {version^} on {host^} first': '请先在 {host} 上恢复 {version}',
  '{host^}: the service is {state!} before the release': '{host}：发布前服务状态为{state}',
  '{host^}: its clock is {n#} s off': '{host}：时钟偏差 {n} 秒',
  '{id^} of {service^} is in progress.': '{service} 的 {id} 正在进行。',
  'wait until it is over; /status {id^} shows it and what may be done': '请等它结束；/status {id} 可查看状态和可选操作',
  '{n#} conflict{|s} detected': '发现 {n} 处冲突',
  'No conflict detected': '未发现冲突',
  '{n#} risk{|s} identified': '识别出 {n} 项风险',
  'No Prometheus is configured: every gate will hold and ask': '未配置 Prometheus：每个门禁都会暂停并询问',
  'Metrics could not be read: {why*} Every gate will hold and ask': '无法读取指标：{why}每个门禁都会暂停并询问',
  'No plan: {why*}': '没有计划：{why}',
  '{n#} batch{|es} created with observation times': '已生成 {n} 个批次及观察时间',
  // Risks.
  'written for {services}': '针对 {services} 编写',
  'written for {services}, which {service^} calls': '针对 {service} 调用的 {services} 编写',
  'written for {services}, which calls {service^}': '针对调用 {service} 的 {services} 编写',
  '{service^} is tagged {tags}': '{service} 的标签：{tags}',
  '{service^} is tagged as calling other services': '{service} 会调用其他服务',
  '{service^} is tagged as called by other services': '{service} 被其他服务调用',
  '{service^} is tagged as called by other services, as calling other services':
    '{service} 既调用其他服务，也被其他服务调用',
  'holds for every release': '适用于每次发布',
  // Metrics.
  '{n#} group metric{|s} identified with thresholds': '识别出 {n} 组带阈值的指标',
  '{n#} group metric{|s} identified with thresholds, {metric!} watched without one':
    '识别出 {n} 组带阈值的指标，另有{metric}仅监控不设阈值',
  '{n#} group metric{|s} identified with thresholds, {names} watched without one':
    '识别出 {n} 组带阈值的指标，另有 {names} 仅监控不设阈值',
  'default limits, too little history: {names}': '历史数据太少，使用默认阈值：{names}',
  'default limits, too little history': '历史数据太少，使用默认阈值',
  'the configured {what} metric {name^} has no series for these hosts':
    '所配置的 {what} 指标 {name} 在这些主机上没有时间序列',
  'no metric for {metric!} was found': '没有找到{metric}指标',
  '{name^} (configured)': '{name}（已配置）',
  '{source*}, by label {label^}. Now {words*} ({span*}).': '{source}，按标签 {label} 区分。目前{words}（{span}）。',
  '{n#} points over {time#} s': '{time} 秒内 {n} 个点',
  'CPU cores in use, from {what*}': 'CPU 使用核数，来自 {what}',
  'share of CPU in use, from {what*}': 'CPU 使用率，来自 {what}',
  'bytes in use, from {what*}': '内存使用字节数，来自 {what}',
  'errors per second, from {what*}; no request counter to relate them to':
    '每秒错误数，来自 {what}；没有请求计数可供换算比例',
  'failed share of requests, from {errors*} over {requests*}': '请求失败比例，由 {errors} 除以 {requests} 得出',
  'seconds, from {what*}': '秒，来自 {what}',
  '95th percentile, from histogram {name^}': '95 分位值，来自直方图 {name}',
  '95th percentile, from histogram {name^} (configured)': '95 分位值，来自直方图 {name}（已配置）',
  'quantile {q^}, from {what*}': '分位值 {q}，来自 {what}',
  'mean, from {sum*} / {count*}': '平均值，来自 {sum} / {count}',
  'requests per second, from {what*}; shown and used as sample size, never a limit':
    '每秒请求数，来自 {what}；仅用于展示和样本量，不设阈值',
  '{name^} where {label^} is {values^}': '{name}（{label} 匹配 {values}）',
  'no limit': '无阈值',
  'limit as configured': '采用所配置的阈值',
  'limits from its own history: {summary*}': '阈值来自自身历史：{summary}',
  'limits at the floor, above all of its own history: {summary*}': '采用最低有效阈值（自身历史更低）：{summary}',
  'median {mid%}, 99th percentile {high%}': '中位数 {mid}，99 分位值 {high}',
  "the clock of Rollcall's machine is {n#} s behind the metrics database's; set it right, then look again":
    'Rollcall 所在机器的时钟比指标数据库慢 {n} 秒；校准后再看',
  "the clock of Rollcall's machine is {n#} s ahead of the metrics database's; set it right, then look again":
    'Rollcall 所在机器的时钟比指标数据库快 {n} 秒；校准后再看',
  'set the clock, for example with chrony or systemd-timesyncd, then press Resume':
    '请校准时钟（例如用 chrony 或 systemd-timesyncd），然后按“继续”',
  '{host^} does not let Rollcall write to {path^}.': '{host} 不允许 Rollcall 写入 {path}。',
  'on {host^}, let the user that Rollcall signs in as own {root^}, then request the release again':
    '请在 {host} 上让 Rollcall 的登录用户拥有 {root}，然后重新发起发布',
}

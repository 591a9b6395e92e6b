/** Chat services: what they say when they are away, what is refused there, and how to go on. */
export const surfaces: Readonly<Record<string, string>> = {
  // Slack.
  Cancel: '取消',
  Send: '发送',
  Progress: '进度',
  'This is longer than Slack shows: the rest is in the attached file.':
    '内容超出 Slack 的显示长度：其余部分见所附文件。',
  'This is longer than Slack shows: the whole answer is a file in your direct messages with Rollcall.':
    '内容超出 Slack 的显示长度：完整答复是你与 Rollcall 私信中的一个文件。',
  'This is longer than Slack shows: the whole answer is in the attached file.':
    '内容超出 Slack 的显示长度：完整答复见所附文件。',
  'The whole of an answer that was too long to be shown:': '因太长而无法显示的答复全文：',
  'This is longer than Slack shows: the last {count#} characters are left out. Next: ask for less, such as one release or one host, or read it in the console':
    '内容超出 Slack 的显示长度：最后 {count} 个字符未显示。下一步：缩小查询范围，例如只看一个发布或一台主机，或在控制台中阅读',
  'This picture is no longer kept.': '此图片已不再保留。',
  'For information': '供参考',
  'All is well': '一切正常',
  'Needs attention': '需要关注',
  'Something is wrong': '出现问题',
  'That could not be read.': '无法读取该内容。',
  'shorten it and send it again': '请缩短后重新发送',
  'No bot holds the connection.': '没有机器人持有此连接。',
  'Rollcall is here': 'Rollcall 已就位',
  'This is a test: release cards and alerts will stand in this channel.':
    '这是一条测试消息：发布卡片和告警会出现在此频道。',
  "Slack does not answer ({why}). Next: nothing, it is tried again; look at status.slack.com and at this machine's network if it lasts":
    'Slack 没有应答（{why}）。下一步：无需操作，会自动重试；若持续如此，请查看 status.slack.com 和本机网络',
  'Slack refuses the bot token ({error}). Next: install the app again, put the new bot token into its variable and restart Rollcall':
    'Slack 拒绝了 bot token（{error}）。下一步：请重新安装应用，把新的 bot token 写入对应的环境变量，并重启 Rollcall',
  'Slack refuses the app token ({error}). Next: make an app token with connections:write, put it into its variable and restart Rollcall':
    'Slack 拒绝了 app token（{error}）。下一步：请创建带 connections:write 的 app token，写入对应的环境变量，并重启 Rollcall',
  'Slack asks to wait before connecting again. Next: nothing, it is tried again':
    'Slack 要求稍后再连接。下一步：无需操作，会自动重试',
  'Slack refuses the connection ({error}). Next: turn Socket Mode on in the settings of the app':
    'Slack 拒绝了连接（{error}）。下一步：请在应用设置中开启 Socket Mode',
  'Slack limits how often this channel is written to.': 'Slack 限制了向此频道发送消息的频率。',
  'Rollcall is not in this channel.': 'Rollcall 不在此频道中。',
  'invite the bot there: /invite @Rollcall': '请在该频道邀请机器人：/invite @Rollcall',
  'Slack does not know this channel, or does not show it to Rollcall.': 'Slack 不认识此频道，或不向 Rollcall 展示它。',
  'check its id under slack.channels; a private channel is seen after /invite @Rollcall':
    '请检查 slack.channels 中的 id；私有频道在 /invite @Rollcall 之后才可见',
  'This channel is archived.': '此频道已归档。',
  'take it out of the archive, or name another under slack.channels': '请取消归档，或在 slack.channels 中改用其他频道',
  'The bot token lacks a scope.': 'bot token 缺少一个权限。',
  'The bot token lacks the scope {scope}.': 'bot token 缺少权限 {scope}。',
  'add it under OAuth & Permissions and install the app again': '请在 OAuth & Permissions 中添加，并重新安装应用',
  'The rules of this channel do not let Rollcall write there.': '此频道的规则不允许 Rollcall 发言。',
  'let the bot post there in the settings of the channel': '请在频道设置中允许机器人发言',
  'Slack refuses this message ({why}).': 'Slack 拒绝了此消息（{why}）。',
  'report it: this is a defect of Rollcall': '请报告：这是 Rollcall 的缺陷',
  'The message could not be prepared.': '消息未能生成。',
  'The answer could not be prepared.': '答复未能生成。',
  'Rollcall could not store this just now, so it may not have been taken. Next: do it again in a moment':
    'Rollcall 刚才未能保存此操作，可能没有生效。下一步：请稍后再试一次',
  'That took long, but it has been taken: there is no need to do it again.': '处理耗时较长，但已被接收：无需再次操作。',
  'Rollcall is still storing this, and it may be taken. Next: wait a moment, you are told what came of it':
    'Rollcall 仍在保存此操作，它可能会生效。下一步：请稍候，结果会告知你',
  'It is still being looked for among many messages.': '仍在大量消息中查找它。',
  'This button is none that Rollcall still knows. Next: /status shows what may be done now':
    'Rollcall 已不认识此按钮。下一步：/status 会显示现在可以做什么',
  'Rollcall does not know this form any more. Next: /help shows what may be typed':
    'Rollcall 已不认识此表单。下一步：/help 会显示可以输入什么',
  'Rollcall does not know what that was. Next: /help shows what may be typed':
    'Rollcall 不认识此操作。下一步：/help 会显示可以输入什么',
  'press the button again': '请再按一次该按钮',
  'The form could not be opened in time. Next: {next*}': '表单未能及时打开。下一步：{next}',
  'Rollcall has no shortcuts. Next: /help shows what may be typed':
    'Rollcall 没有快捷操作。下一步：/help 会显示可以输入什么',
  // The outbox.
  '{count#} updates': '{count} 条更新',
  'Belongs under: {title*}': '属于：{title}',
  // What chat services bring, and the forms that they open.
  'This is needed.': '此项必填。',
  'This is longer than {count#} characters.': '此项超过 {count} 个字符。',
  '{name"} cannot be chosen here.': '此处不能选择 {name}。',
  'This is too long for one command.': '此项对一条命令来说太长。',
  'Nobody here is known as {id^} on {surface^}.': '{surface} 上的 {id} 在此处无人对应。',
  'have surfaces: { {surface^}: {id} } added to a person in rollcall.yaml':
    '请在 rollcall.yaml 中为某人加上 surfaces: { {surface}: {id} }',
  'That was begun several times and never ended.': '该操作已开始多次，但从未结束。',
  'look at /status, then try again': '请先查看 /status，然后重试',
  'wait a minute, then try it again': '请等待一分钟后再试',
  // How they are.
  'Nobody can tell now how the chat services are.': '目前无法得知聊天服务的状态。',
  'Nobody has said why.': '原因不明。',
  '{name^} is down since {time}: {why*}': '{name} 自 {time} 起中断：{why}',
  '{name^} is down since {time}, and {count#} message{ waits|s wait}: {why*}':
    '{name} 自 {time} 起中断，有 {count} 条消息等待发送：{why}',
  '{name^} is connecting since {time}: {why*}': '{name} 自 {time} 起正在连接：{why}',
  '{name^} is connecting since {time}, and {count#} message{ waits|s wait}: {why*}':
    '{name} 自 {time} 起正在连接，有 {count} 条消息等待发送：{why}',
  // Forms.
  'Request a release': '申请发布',
  'Silence alerts': '静默告警',
  'only these hosts': '仅限这些主机',
  'release in a freeze window': '在冻结窗口内发布',
  // WeCom.
  'WeCom does not answer on the long connection.': '企业微信在长连接上没有应答。',
  'The long connection to WeCom is broken; it is tried again without end.': '与企业微信的长连接已断开，正在不断重试。',
  "WeCom refuses the bot's id or its secret ({code}).": '企业微信拒绝了机器人的 id 或 secret（{code}）。',
  'check both in the settings of the bot, API mode with a long connection':
    '请在机器人设置中核对两者，并确认使用长连接的 API 模式',
  'Another program has subscribed with the same WeCom bot, which can hold one connection only.':
    '另一个程序用同一个企业微信机器人建立了连接，而它只能保持一个连接。',
  'end the other program, or give it a bot of its own': '请结束另一个程序，或给它单独的机器人',
  'Another process holds the connection to WeCom, or none does yet.': '与企业微信的连接由另一个进程持有，或尚未建立。',
  'WeCom did not acknowledge the message.': '企业微信没有确认这条消息。',
  'WeCom takes no more messages there for now ({code}).': '企业微信暂时不再接收那里的消息（{code}）。',
  'WeCom is busy ({code}).': '企业微信系统繁忙（{code}）。',
  'WeCom knows no conversation {place} of this bot ({code}).': '企业微信中没有此机器人的会话 {place}（{code}）。',
  'add the bot to the group, and check wecom.channels': '请把机器人加入该群，并核对 wecom.channels',
  'WeCom refuses the message ({code}): {text}': '企业微信拒绝了这条消息（{code}）：{text}',
  'look the code up in the documentation of WeCom, and look into the log': '请在企业微信文档中查询该错误码，并查看日志',
  'The pushes that WeCom allows there are used up for now.': '企业微信允许的推送次数暂时已用完。',
  'WeCom has seen the id of this card before; it is sent with another one.':
    '企业微信已见过这张卡片的 id，将换一个 id 重新发送。',
  'The webhook of the group takes no more messages this minute.': '该群的 webhook 这一分钟内不再接收消息。',
  'The webhook of the group cannot be reached either.': '该群的 webhook 也无法连接。',
  'It is not known where to answer that.': '无法得知应在哪里答复。',
  'WeCom does not show the channel {channel}.': '企业微信中没有频道 {channel}。',
  'name one of wecom.channels: {names}': '请使用 wecom.channels 中的一个：{names}',
  'Another process of this store holds the bot, so no test card was sent.':
    '使用同一存储的另一个进程持有该机器人，因此没有发送测试卡片。',
  'stop it first, or type a command in the channel there': '请先停止它，或在那里的频道中输入一条命令',
  'In groups, people mention the bot as @{name}.': '在群里，用 @{name} 提及机器人。',
  'Nobody has a WeCom user id, so nobody can do anything there.':
    '没有任何人配置了企业微信 userid，因此没有人能在那里操作。',
  '{count#} of the people have a WeCom user id.': '有 {count} 人配置了企业微信 userid。',
  'It is the {type} conversation {id}; WeCom cannot be asked whether the bot is in it, a test card shows it.':
    '它是 {type} 会话 {id}；无法向企业微信查询机器人是否在其中，发一张测试卡片即可得知。',
  'It is for a channel that WeCom does not show.': '它属于一个企业微信中没有的频道。',
  'It is no address of a group webhook.': '它不是群 webhook 的地址。',
  'Pushes go there while the connection of the bot is away.': '机器人的连接中断时，推送会发到那里。',
  'It is not an address of WeCom but of {host}.': '它不是企业微信的地址，而是 {host} 的地址。',
  'Another process of this store holds the bot, and a second subscription would throw it out; nothing was tried.':
    '使用同一存储的另一个进程持有该机器人，再次连接会把它挤下线，因此没有尝试。',
  'The bot is subscribed.': '机器人已连接。',
  'WeCom did not answer in time.': '企业微信没有及时应答。',
  'This is no version: letters, digits and . _ + - only, at most 64, beginning with a letter or digit.':
    '这不是版本号：只能用字母、数字和 . _ + -，最多 64 个字符，以字母或数字开头。',
  'This is no duration such as 30m, 2h or 1d.': '这不是时长，例如 30m、2h 或 1d。',
}

/** Why a job failed, as the scripts that run on the hosts say it, behind the name of the stage: `health: no 2xx answer …`. */
export const hosts: Readonly<Record<string, string>> = {
  '{n#} MB are needed in {folder^}, {m#} MB are free': '{folder} 需要 {n} MB，剩余 {m} MB',
  'the download ended with {code#}': '下载以退出码 {code} 结束',
  "the artifact's {algorithm^} is {found^}, approved was {wanted^}":
    '制品的 {algorithm} 为 {found}，而批准的是 {wanted}',
  'refused member {name}': '压缩包中含有不允许的成员 {name}',
  'not a tar archive': '不是 tar 压缩包',
  'not a tar archive ({why})': '不是 tar 压缩包（{why}）',
  'an archive without members': '压缩包是空的',
  'cannot be written to the disk: {why}': '无法写入磁盘：{why}',
  'the archive cannot be expanded: {why}': '无法解压：{why}',
  'gzip ended with {code#}': 'gzip 以退出码 {code} 结束',
  'the archive cannot be inspected': '无法检查压缩包',
  'tar ended with {code#}': 'tar 以退出码 {code} 结束',
  'setuid bits cannot be dropped': '无法去除 setuid 位',
  'cannot write to {folder^}': '无法写入 {folder}',
  'cannot write to {folder^}, is the disk full?': '无法写入 {folder}，磁盘是否已满？',
  'cannot move the release to {folder^}': '无法将版本移动到 {folder}',
  '{version^} lies here with another content ({found^}, approved was {algorithm}:{wanted^})':
    '{version} 已存在但内容不同（{found}，而批准的是 {algorithm}:{wanted}）',
  '{folder^} is there and was not put there by a whole deploy': '{folder} 已存在，且不是由完整的部署产生',
  'the artifact was not sent': '制品没有发送',
  'not {n#} good answers in a row in {s#} s ({good#} of {tries#} were good, last: {last}); current is {version^}':
    '{s} 秒内没有连续 {n} 次正常应答（{tries} 次中 {good} 次正常，最后一次：{last}）；current 指向 {version}',
  'no 2xx answer from {url^} in {s#} s (last: {last}); current is {version^}':
    '{url} 在 {s} 秒内没有返回 2xx（最后一次：{last}）；current 指向 {version}',
  '{check} did not exit 0 in {s#} s (last: {last}); current is {version^}':
    '{check} 在 {s} 秒内没有以 0 退出（最后一次：{last}）；current 指向 {version}',
  'did not return in {s#} s': '{s} 秒内没有返回',
  'did not return in {s#} s; current is still {version^}': '{s} 秒内没有返回；current 仍指向 {version}',
  'did not return in {s#} s; current is {version^}, the service may be down':
    '{s} 秒内没有返回；current 指向 {version}，服务可能已停止',
  'exit {code#}': '退出码 {code}',
  'exit {code#}, and the old release still answers; current is still {version^}':
    '退出码 {code}，且旧版本仍在应答；current 仍指向 {version}',
  'exit {code#}; current is {version^}, the service may be down':
    '退出码 {code}；current 指向 {version}，服务可能已停止',
  'current cannot be switched': '无法切换 current',
  'current cannot be removed': '无法移除 current',
  '{version^} is not on this host': '该主机上没有 {version}',
  'cancelled: ended while it ran': '已取消：在运行中被终止',
  'cancelled: ended while it ran, at {stage^}': '已取消：在 {stage} 阶段被终止',
  'cancelled: its runner was gone': '已取消：执行器已消失',
  'timeout: not done in {s#} s': '超时：{s} 秒内没有完成',
  'timeout: not done in {s#} s, at {stage^}': '超时：{s} 秒内没有完成，停在 {stage} 阶段',
  'payload: ended with {code#}': '任务以退出码 {code} 结束',
  'the upload cannot be written: {why}': '无法写入上传的内容：{why}',
  "the script's sha256 is {found^}, approved was {wanted^}": '脚本的 sha256 为 {found}，而批准的是 {wanted}',
  'the upload is not whole: its {algorithm^} is {found^}, approved was {wanted^}':
    '上传不完整：其 {algorithm} 为 {found}，而批准的是 {wanted}',
  'the job cannot be stored in {folder^}': '无法在 {folder} 保存任务',
  'another job': '另一个任务',
  'the lock cannot be taken, is flock installed?': '无法取得锁，是否安装了 flock？',
  'the epoch cannot be stored': '无法保存纪元号',
  'the epoch cannot be stored in {folder^}': '无法在 {folder} 保存纪元号',
  'the host has seen epoch {seen#}, this job has {own#}': '主机已见过纪元号 {seen}，而本任务为 {own}',
  'unknown verb {verb^}': '未知动词 {verb}',
  'the runner did not start; is setsid installed, is the disk full?':
    '执行器没有启动；是否安装了 setsid，磁盘是否已满？',
}

import { startSlackServer } from '../../servers/slack/index.ts'
import { people, SLACK_CHANNEL, slackId } from './hand.ts'
import { slackHand } from './slack-hand.ts'
import { surfaceScenarios } from './suite.ts'
import { slackSection, startWorld } from './world.ts'

surfaceScenarios('Slack', async () => {
  const slack = await startSlackServer()
  slack.addChannel(SLACK_CHANNEL, { name: 'releases' })
  for (const { id } of people) slack.addUser(slackId(id), { name: id })
  const env = { SLACK_BOT_TOKEN: slack.botToken, SLACK_APP_TOKEN: slack.appToken }
  return { world: await startWorld({ sections: slackSection(slack.apiUrl), env }), hand: slackHand(slack) }
})

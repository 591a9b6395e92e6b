/** Milliseconds of everything that this surface waits for. */
export interface Timings {
  /** Between pings; the SDK gives a connection up at the third that follows two without an answer, so it is known within 24 s. */
  heartbeatMs: number
  /** For the socket to open, and for the answer to a subscription. */
  authMs: number
  /** The first pause before the SDK connects again; doubled each time, at most 30 s there. */
  retryMs: number
  /** The first pause after another program took the bot; doubled each time up to `kickMostMs`. */
  kickMs: number
  kickMostMs: number
  /** Connected so long, the pauses begin anew: much longer than the longest pause of another one that is being thrown out as well. */
  steadyMs: number
  /** A stream is rolled into a new one; WeCom ends it at some time after 6 minutes. */
  streamMs: number
  /** After the click, a card is not updated any more; WeCom takes updates for 5 s, and the frame needs its way. */
  updateMs: number
  /** After the click, the card says that the press was received if the outcome is not there by then. */
  quickMs: number
  /** After a press that is through, the card that it left without buttons is sent again if no other stage came by then. */
  backMs: number
  /** How long something that came in is offered to the store: WeCom does not send it again. */
  acceptMs: number
  /** The connection has to be away for so long before a group's webhook is used. */
  webhookAfterMs: number
  webhookTimeoutMs: number
  /** How often the holder of the bot looks whether another process needs it to send. */
  handoverMs: number
  /** A holder that could not connect for so long lets another process have the bot, if one stands for it, and stands again after a pause. */
  giveUpMs: number
  standAgainMs: number
  /** How long `examine` waits for the lead and for the answer to its subscription. */
  examineMs: number
}

export const TIMINGS: Timings = {
  heartbeatMs: 8000,
  authMs: 10_000,
  retryMs: 1000,
  kickMs: 2000,
  kickMostMs: 60_000,
  steadyMs: 10 * 60_000,
  streamMs: 5 * 60_000,
  updateMs: 4500,
  quickMs: 2500,
  backMs: 8000,
  acceptMs: 10_000,
  webhookAfterMs: 15_000,
  webhookTimeoutMs: 10_000,
  handoverMs: 2000,
  giveUpMs: 30_000,
  standAgainMs: 60_000,
  examineMs: 10_000,
}

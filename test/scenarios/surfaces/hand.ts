/** A message as people see it on a surface. */
export interface Shown {
  /** Everything that can be read in it. */
  text: string
  /** Last parts of the actions that it offers, such as `approve`. */
  offers: string[]
}

/** What a person can do on a surface, and what they see there. The same scenarios are played with each. */
export interface Hand {
  readonly name: string
  /** Types it in the channel of releases; resolves with what this person reads back. */
  type(person: string, text: string): Promise<string>
  /** The card of a release or an incident (`R-1`, `A-1`) as it stands now. */
  card(code: string): Promise<Shown | undefined>
  /**
   * Presses what the card offers, says yes where it asks, and fills in what it wants to know; resolves with what this person
   * reads. Throws when nothing of that kind is to be pressed.
   */
  press(person: string, code: string, action: string, fields?: Record<string, string>): Promise<string>
  /** Everything that stands under the card, oldest first. */
  thread(code: string): Promise<string[]>
  /** The pictures that stand under the card. */
  pictures(code: string): Promise<Buffer[]>
  /** Everybody and everything that a reader of this card is led to by its text: people called, channels called, links. */
  called(code: string): Promise<string[]>
  close(): Promise<void>
}

/** People of the sandbox as the surfaces know them. */
export const people = [
  { id: 'alice', roles: ['operator', 'approver'] },
  { id: 'bob', roles: ['approver'] },
  { id: 'carol', roles: ['operator', 'approver'] },
  { id: 'vera', roles: ['viewer'] },
].map((person) => ({
  ...person,
  surfaces: { terminal: person.id, slack: slackId(person.id), wecom: person.id },
}))

export function slackId(person: string): string {
  return `U0${person.toUpperCase()}`
}

export const SLACK_CHANNEL = 'C0RELEASES'
export const WECOM_CHAT = 'wr-releases'

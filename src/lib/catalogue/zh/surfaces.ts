/** Chat services: what they say when they are away, what is refused there, and how to go on. */
export const surfaces: Readonly<Record<string, string>> = {}

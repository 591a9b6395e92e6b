/** `wall`: milliseconds since 1970, may jump. `steady`: milliseconds since some moment, never jumps. */
export interface Clock {
  wall(): number
  steady(): number
}

export const systemClock: Clock = { wall: () => Date.now(), steady: () => performance.now() }

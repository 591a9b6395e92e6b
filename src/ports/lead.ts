/**
 * Which of several processes that share one store does a thing that only one may do: hold a connection, send to a channel, take
 * in alerts. With a store that only one process can use it is this one from the beginning.
 */
export interface Leads {
  /**
   * Stands for `name` from now on, until released. `gained` and `lost` are called in turn, one at a time; neither may throw.
   * While `held()` is true no other process holds the name, or it will find out before it acts: whoever acts asks right before.
   */
  campaign(name: string, on: { gained?(): Promise<void> | void; lost?(): Promise<void> | void }): Lead
  /** Gives up all names; others take them at once. */
  close(): Promise<void>
}

export interface Lead {
  held(): boolean
  /** Grows with every change of hands, over all processes; 0 while it was never held here. */
  fence(): number
  /**
   * The holder cannot use it now: if another process stands for the name, that one gets it, and this one stands for it again after
   * `ms`, or earlier when nobody has it. Nothing changes while nobody else stands for it. To be called again every few seconds
   * for as long as it is so: each call is good for one lease. `lost` tells that it was given up, as always. Missing where there
   * is never another process.
   */
  yieldFor?(ms: number): void
  release(): Promise<void>
}

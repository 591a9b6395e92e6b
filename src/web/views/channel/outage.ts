/** Trouble that no release is to blame for, and its end: what the sandbox answers besides commands. */
export const OUTAGE = ['stop account-store', 'start account-store']

import { Fault } from '../lib/fault.ts'

/*
 * What the guard of the HTTP interface answers. `data.status` is the HTTP status. The words are general on purpose: who is not
 * signed in learns nothing about who exists or what is there.
 */

export function signInFirst(): Fault {
  return new Fault('access.sign-in', {
    say: 'You are not signed in.',
    next: 'sign in, or send a personal token as a bearer token',
    data: { status: 401 },
  })
}

/** One sentence for every way in which a token can be wrong. */
export function signInFailed(): Fault {
  return new Fault('access.sign-in-failed', {
    say: 'That did not sign you in.',
    next: 'check that the token is whole; whoever runs Rollcall makes a new one with: rollcall token <person>',
    data: { status: 401 },
  })
}

export function demoOnly(): Fault {
  return new Fault('access.demo-only', {
    say: 'Nobody can be picked here: that is possible in the sandbox only.',
    next: 'sign in with a personal token',
    data: { status: 403 },
  })
}

/** The provider sent somebody back who did not set out from here, or too late, or twice. */
export function signInLapsed(): Fault {
  return new Fault('access.sign-in-lapsed', {
    say: 'This sign-in is over or was used already.',
    next: 'go back to Rollcall and sign in again',
    data: { status: 400 },
  })
}

export function signInRefused(): Fault {
  return new Fault('access.sign-in-refused', {
    say: 'The sign-in at the provider did not succeed.',
    next: 'go back to Rollcall and sign in again; if it fails again, the log says why',
    data: { status: 401 },
  })
}

/** The account is proven, and nobody here has it: the words hold what an administrator has to write down. */
export function unknownAccount(subject: string): Fault {
  const shown = subject.slice(0, 200)
  return new Fault('access.unknown-account', {
    say: `You are signed in at the provider, but Rollcall knows nobody with the account ${JSON.stringify(shown)}.`,
    next: `ask for surfaces: { console: ${JSON.stringify(shown)} } at your name under people in rollcall.yaml`,
    data: { status: 403 },
  })
}

export function providerAway(host: string, cause: unknown): Fault {
  return new Fault('access.provider-away', {
    say: `The sign-in provider ${host} did not answer as one.`,
    next: 'try again later, or sign in with a personal token; console.oidc.issuer in rollcall.yaml says where it is',
    retry: true,
    cause,
    data: { status: 502 },
  })
}

export function notPermitted(why: string, next: string): Fault {
  return new Fault('access.not-permitted', { say: `Not permitted: ${why}.`, next, data: { status: 403 } })
}

/** A request that changes something, sent by the page of another site. */
export function otherOrigin(origin: string): Fault {
  return new Fault('access.other-origin', {
    say: `A page of ${origin.slice(0, 200)} may not do this.`,
    next: 'open Rollcall at its own address; if this is its address, set console.publicUrl in rollcall.yaml',
    data: { status: 403 },
  })
}

/** A request that was sent to a name that is not ours: the sign of DNS rebinding. */
export function otherHost(host: string): Fault {
  return new Fault('access.other-host', {
    say: `This server is not known as ${JSON.stringify(host.slice(0, 200))}.`,
    next: 'use the address that Rollcall printed; if this is its address, set console.publicUrl or console.allowedHosts in rollcall.yaml',
    data: { status: 403 },
  })
}

export function tooManyTries(seconds: number): Fault {
  return new Fault('access.too-many-tries', {
    say: 'Too many tries to sign in.',
    next: `wait ${seconds} s and try again`,
    data: { status: 429 },
  })
}

/** The sandbox, where one may be anybody, must be reached from its own machine only. */
export function openDemo(host: string): Fault {
  return new Fault('access.open-demo', {
    say: `The sandbox lets everybody be anybody, so it does not listen on ${host}.`,
    next: 'let it listen on 127.0.0.1',
  })
}

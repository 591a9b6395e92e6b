import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { MessagePage, OutputView, Press } from '../ports/console.ts'
import { ApiError, type AuditFilter, api, type IncidentFilter, type ReleaseFilter } from './api.ts'
import { keys } from './keys.ts'
import { grow } from './output.ts'
import { ASK_EVERY_MS } from './shell/surfaces.ts'
import { forgetOthers } from './who.ts'

/** Faults of the line are tried again by themselves; what the server refused is not. */
export function shouldRetry(failures: number, error: Error): boolean {
  return failures < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 502)
}

/** Who one is. Asked again when one comes back to the tab: another tab may have changed it. */
export function useSession() {
  const client = useQueryClient()
  return useQuery({
    queryKey: keys.session,
    queryFn: async ({ signal }) => {
      const session = await api.session(signal)
      forgetOthers(client, session)
      return session
    },
    staleTime: 60_000,
    refetchOnWindowFocus: 'always',
  })
}

/** The channel's messages, newest page first asked for; `fetchPreviousPage` loads older ones. */
export function useMessages(channel: string) {
  return useInfiniteQuery({
    queryKey: keys.messages(channel),
    queryFn: ({ pageParam, signal }) => api.messages({ channel, before: pageParam }, signal),
    ...messagePaging,
    enabled: channel !== '',
  })
}

/** The replies under one message. */
export function useThread(channel: string, thread: string) {
  return useInfiniteQuery({
    queryKey: keys.thread(channel, thread),
    queryFn: ({ pageParam, signal }) => api.messages({ channel, thread, before: pageParam }, signal),
    ...messagePaging,
  })
}

const messagePaging = {
  initialPageParam: undefined as number | undefined,
  getPreviousPageParam: (first: MessagePage) => (first.more ? first.messages[0]?.number : undefined),
  getNextPageParam: () => undefined,
  staleTime: Number.POSITIVE_INFINITY,
}

export function useMessage(key: string) {
  return useQuery({
    queryKey: keys.message(key),
    queryFn: ({ signal }) => api.message(key, signal),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** Newest first; `fetchNextPage` loads older ones. */
export function useReleases(filter: ReleaseFilter) {
  return useInfiniteQuery({
    queryKey: keys.releases(filter),
    queryFn: ({ pageParam, signal }) => api.releases(filter, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => (last.more ? last.releases.at(-1)?.id : undefined),
    placeholderData: keepPreviousData,
  })
}

export function useRelease(id: string) {
  return useQuery({ queryKey: keys.release(id), queryFn: ({ signal }) => api.release(id, signal) })
}

export function useSeries(id: string, enabled = true) {
  return useQuery({ queryKey: keys.series(id), queryFn: ({ signal }) => api.series(id, signal), enabled })
}

/** A job's output from its beginning, following while it runs. `dropped` says how many characters the start lost. */
export function useOutput(job: string) {
  const client = useQueryClient()
  return useQuery({
    queryKey: keys.output(job),
    queryFn: async ({ signal }) => {
      const held = client.getQueryData<OutputView & { dropped: number }>(keys.output(job))
      return grow(held, await api.output(job, held?.next ?? 0, signal))
    },
    // Changes are told as events as well; asking each second covers what a job writes between two of them.
    refetchInterval: (query) => (query.state.data?.over === true ? false : 1000),
    structuralSharing: false,
  })
}

export function useHosts(service?: string) {
  return useQuery({
    queryKey: keys.hosts(service),
    queryFn: ({ signal }) => api.hosts(service, signal),
    placeholderData: keepPreviousData,
  })
}

export function useServices() {
  return useQuery({ queryKey: keys.services, queryFn: ({ signal }) => api.services(signal) })
}

/** How the chat services are. Nothing tells of it, so it is asked for. */
export function useSurfaces() {
  return useQuery({
    queryKey: keys.surfaces,
    queryFn: ({ signal }) => api.surfaces(signal),
    refetchInterval: ASK_EVERY_MS,
    refetchOnWindowFocus: 'always',
  })
}

/** Newest first; `fetchNextPage` loads older ones. */
export function useIncidents(filter: IncidentFilter, enabled = true) {
  return useInfiniteQuery({
    queryKey: keys.incidents(filter),
    queryFn: ({ pageParam, signal }) => api.incidents(filter, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => (last.more ? last.incidents.at(-1)?.id : undefined),
    placeholderData: keepPreviousData,
    enabled,
  })
}

export function useIncident(id: string) {
  return useQuery({ queryKey: keys.incident(id), queryFn: ({ signal }) => api.incident(id, signal) })
}

/** Every alert of an incident, in the order of first hearing; `fetchNextPage` loads more. */
export function useAlerts(incident: string) {
  return useInfiniteQuery({
    queryKey: keys.alerts(incident),
    queryFn: ({ pageParam, signal }) => api.alerts(incident, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next,
  })
}

/** Newest first; `fetchNextPage` loads older ones. */
export function useAudit(filter: AuditFilter) {
  return useInfiniteQuery({
    queryKey: keys.audit(filter),
    queryFn: ({ pageParam, signal }) => api.audit(filter, pageParam, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => (last.more ? last.entries.at(-1)?.seq : undefined),
    placeholderData: keepPreviousData,
  })
}

export function useCommands(enabled = true) {
  return useQuery({
    queryKey: keys.commands,
    queryFn: ({ signal }) => api.commands(signal),
    enabled,
    staleTime: 30_000,
  })
}

/** A press on a button, by its opaque id. The answer comes as words, whether it counted or not. */
export function usePress() {
  return useMutation({ mutationFn: (press: Press) => api.press(press) })
}

/** What a person types in a channel. */
export function useType(channel: string) {
  return useMutation({ mutationFn: (text: string) => api.type(channel, text) })
}

/** Asks the hosts now. */
export function useProbe() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (service: string | undefined) => api.probe(service),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['hosts'] })
      await client.invalidateQueries({ queryKey: keys.services })
    },
  })
}

import type { FastifyPluginAsync } from 'fastify'

/** Hooks and decorators of the plugin hold for the whole server, not for the plugin's own routes only. */
export function unencapsulated(plugin: FastifyPluginAsync): FastifyPluginAsync {
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

export { type Config, loadConfig } from './load.ts'
export { type Problem, problemLine } from './problems.ts'
export type { Env } from './schema.ts'

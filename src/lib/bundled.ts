import { fileURLToPath } from 'node:url'

/** The folder of knowledge files that comes with the project. */
export const bundledKnowledge = fileURLToPath(new URL('../../knowledge', import.meta.url))

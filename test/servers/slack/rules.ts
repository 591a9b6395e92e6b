import { checkBlocks } from './blocks.ts'
import type { MethodContext } from './context.ts'
import { pictureReady } from './pictures.ts'
import { Refusal } from './types.ts'

/** Throws `invalid_blocks` when a rule of Block Kit is broken. */
export function needBlocks(context: MethodContext, blocks: unknown): void {
  if (!Array.isArray(blocks)) throw new Refusal('invalid_blocks_format')
  const problems = checkBlocks(blocks, rules(context, 'message'))
  if (problems.length > 0)
    throw new Refusal('invalid_blocks', problems, { errors: problems.map((each) => each.slice(8)) })
}

export const rules = (context: MethodContext, surface: 'message' | 'modal') => ({
  surface,
  refuseNative: context.faults.refuseNative,
  picture: (file: { id?: string; url?: string }) => pictureReady(context, file),
})

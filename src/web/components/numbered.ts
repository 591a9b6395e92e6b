/** For lists whose entries have no name of their own: their place is what stays the same from edit to edit. */
export function numbered<T>(list: readonly T[]): { id: string; value: T }[] {
  return list.map((value, index) => ({ id: `n${index}`, value }))
}

/** Where a menu opens: beside what opens it, in the same landmark of the page, instead of at the end of the document. */
export function besideIt(trigger: HTMLElement): HTMLElement {
  return trigger.parentElement ?? document.body
}

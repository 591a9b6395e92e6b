// Runs in the page before its own scripts, put there by the browser's debugger, which the page's policy does not bind.
const TARGETS = 'button, a[href], input, summary, [role=tab]'

globalThis.eyes = {
  /** What stands wider than the page, outermost first; empty when nothing has to be scrolled sideways. */
  tooWide() {
    const { clientWidth: room, scrollWidth } = document.documentElement
    if (scrollWidth <= room && document.body.scrollWidth <= room) return []
    const right = (each) => Math.round(each.getBoundingClientRect().right)
    const wide = [...document.body.querySelectorAll('*')].filter((each) => right(each) > room + 1)
    return [`${scrollWidth} px of ${room}`, ...wide.slice(0, 5).map((each) => `${nameOf(each)} to ${right(each)}`)]
  },

  /**
   * Buttons, links and fields in view that a finger cannot hit: beyond the page's edge, under something else, or smaller than 24
   * by 24 CSS pixels with another one less than 12 from its middle (WCAG 2.2, criterion 2.5.8 with its exception for spacing).
   */
  unreachable() {
    // While a question is asked, nothing else can be pressed.
    const room = document.querySelector('dialog[open]') ?? document
    return [...room.querySelectorAll(TARGETS)].flatMap((each) => {
      const place = each.labels?.[0]?.closest(TARGETS) ?? each
      const { left, top, width, height, right } = place.getBoundingClientRect()
      const [x, y] = [left + width / 2, top + height / 2]
      const seen = each.checkVisibility({ visibilityProperty: true, opacityProperty: true })
      const offScreen = width <= 1 || y < 0 || y >= innerHeight || right <= 0
      if (!seen || offScreen || each.closest('[aria-hidden=true], .skip') !== null) return []
      const name = `${nameOf(each)} "${(each.ariaLabel ?? each.textContent).trim().slice(0, 60)}"`
      // What lies in a part that scrolls comes out when one scrolls there.
      const scrolls = scroller(each)
      if (x < 0 || x >= innerWidth) return scrolls ? [] : [`${name} is beyond the edge`]
      const above = document.elementFromPoint(x, y)
      if (above !== null && !place.contains(above) && !above.contains(place))
        return scrolls ? [] : [`${name} is under ${nameOf(above)}`]
      if (Math.min(width, height) >= 23.5) return []
      const around = [
        [0, -12],
        [0, 12],
        [-12, 0],
        [12, 0],
      ].map(([dx, dy]) => document.elementFromPoint(x + dx, y + dy))
      const other = around
        .map((at) => at?.closest(TARGETS))
        .find((at) => at && !at.contains(each) && !each.contains(at))
      return other ? [`${name} is ${Math.round(width)} by ${Math.round(height)} and next to ${nameOf(other)}`] : []
    })
  },

  /** Whether colours and places are what they come to; what turns for ever does not count. */
  still: () =>
    document
      .getAnimations()
      .every(({ playState, effect }) => playState !== 'running' || effect?.getComputedTiming().endTime === Infinity),

  /** What axe-core, which must have been put here, calls serious or critical. */
  async barriers() {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] })
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary.replace(/\s+/g, ' ')}`),
      )
  },

  /** How many colours stand on more than a few pixels of a canvas, shades of one taken together. */
  colours(canvas) {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    const counts = new Map()
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] < 128) continue
      const shade = (data[at] >> 6) * 16 + (data[at + 1] >> 6) * 4 + (data[at + 2] >> 6)
      counts.set(shade, (counts.get(shade) ?? 0) + 1)
    }
    return [...counts.values()].filter((count) => count > 40).length
  },
}

document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) =>
  globalThis.violated(`${violatedDirective} ${blockedURI} ${sample}`),
)

function nameOf(element) {
  return `${element.tagName.toLowerCase()}${typeof element.className === 'string' && element.className !== '' ? `.${element.className.split(' ')[0]}` : ''}`
}

function scroller(element) {
  for (let each = element.parentElement; each !== null && each !== document.body; each = each.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(each).overflow)) return true
  }
  return false
}

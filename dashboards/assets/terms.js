// Words explained where they occur: heads of columns, names of choices, and terms in the text; on hover, tap and focus.
(() => {
  const source = document.currentScript.dataset.glossary
  const PROSE = "p, li, dd, .caption, .counts, figcaption"
  const NOT_IN = "a, button, code, pre, dfn, summary, label, th, .note, dl.glossary"
  let words = null, pattern = null
  const waiting = new Set(), shown = new Map()

  const unit = /\s*\([^)]*\)/g
  const head = (text) => words.heads[text.replace(unit, "").replace(/\s+/g, " ").trim().toLowerCase()]

  function explain(element, meaning, described = element) {
    if (element.dataset.explained === meaning) return
    element.dataset.explained = meaning
    element.classList.add("explained")
    described.setAttribute("aria-description", meaning)
  }

  function heads(root) {
    for (const title of root.querySelectorAll(".tabulator-col-title, th, .bk-input-group > label, .bk-slider-title")) {
      const meaning = head(title.textContent.replace(unit, "").replace(/:.*$/, ""))
      if (!meaning) continue
      const field = title.matches("label") ? root.querySelector("select, input, textarea") : null
      explain(title, meaning, title.closest(".tabulator-col") ?? field ?? title)
    }
  }

  // The first time that a term occurs on the page; more would be noise.
  function prose(root) {
    for (const block of root.querySelectorAll(PROSE)) {
      if (block.closest(NOT_IN)) continue
      const texts = document.createTreeWalker(block, NodeFilter.SHOW_TEXT)
      const found = []
      for (let node = texts.nextNode(); node; node = texts.nextNode()) {
        if (node.parentElement.closest(NOT_IN)) continue
        const match = pattern.exec(node.data)
        if (match && !shown.get(match[0].toLowerCase())?.isConnected) found.push([node, match])
      }
      for (const [node, match] of found) {
        const term = match[0].toLowerCase()
        if (shown.get(term)?.isConnected) continue
        const rest = node.splitText(match.index)
        rest.splitText(match[0].length)
        const made = document.createElement("dfn")
        made.textContent = match[0]
        made.tabIndex = 0
        rest.replaceWith(made)
        explain(made, words.terms[term])
        shown.set(term, made)
      }
    }
  }

  function look(roots) {
    if (!words) { roots.forEach((root) => waiting.add(root)); return }
    for (const root of roots) { heads(root); prose(root) }
  }
  document.addEventListener("skyline:changed", (event) => look(event.detail))

  addEventListener("load", async () => {
    try {
      const glossary = await (await fetch(source)).json()
      const lower = (map) => Object.fromEntries(Object.entries(map).map(([key, value]) => [key.toLowerCase(), value]))
      const names = Object.keys(glossary.terms).sort((a, b) => b.length - a.length)
      const escaped = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      pattern = new RegExp(`(?<![\\p{L}\\p{N}_-])(?:${escaped.join("|")})(?![\\p{L}\\p{N}_-])`, "iu")
      words = {terms: lower(glossary.terms), heads: glossary.heads}
      look([...waiting])
      waiting.clear()
    } catch (error) { /* the page reads without */ }
  })

  // One box for all of them.
  const box = document.createElement("div")
  box.className = "explanation"
  box.setAttribute("role", "tooltip")
  box.hidden = true
  let of = null
  const hide = () => { box.hidden = true; of = null }
  function show(element) {
    if (!box.isConnected) document.body.append(box)
    of = element
    box.textContent = element.dataset.explained
    box.hidden = false
    const at = element.getBoundingClientRect(), size = box.getBoundingClientRect()
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`
    const below = at.bottom + 6
    box.style.top = `${below + size.height < innerHeight ? below : Math.max(8, at.top - size.height - 6)}px`
  }
  const target = (event) => {
    const path = event.composedPath().filter((element) => element instanceof Element)
    const direct = path.find((element) => element.dataset?.explained)
    if (direct) return direct
    // A head or a field that has the focus is explained by its title.
    const holder = path.find((element) => element.matches(".tabulator-col, .bk-input-group"))
    return event.type === "focusin" ? holder?.querySelector("[data-explained]") : null
  }
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return
    const found = target(event)
    if (found) show(found); else if (of && !event.composedPath().includes(box)) hide()
  })
  document.addEventListener("focusin", (event) => {
    const found = target(event)
    if (found && event.composedPath()[0].matches(":focus-visible")) show(found); else hide()
  })
  document.addEventListener("focusout", hide)
  document.addEventListener("click", (event) => {
    const found = target(event)
    if (found?.matches("dfn, th") || (found && event.pointerType === "touch")) show(found); else hide()
  })
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide() })
  addEventListener("scroll", hide, {passive: true, capture: true})
})()

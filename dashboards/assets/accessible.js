// Widgets of Bokeh, Panel, Tabulator, Choices and noUiSlider for those who do not use a mouse or do not see the page:
// names and roles that the widgets leave out, charts described in words, and tables walked through by keyboard.
(() => {
  const pending = new Set()
  let frame = null, settled = null

  const words = (node) => {
    if (node instanceof ShadowRoot) return [...node.children].map(words).join(" ").trim()
    if (node.matches("style, script, link")) return ""
    const copy = node.cloneNode(true)
    copy.querySelectorAll("style, script, link, option, svg").forEach((element) => element.remove())
    return copy.textContent.replace(/\s+/g, " ").trim()
  }
  const own = (root, selector) => {
    const found = root.querySelector(selector)
    return found ? words(found) : ""
  }
  const title = (root) => own(root, ".bk-input-group > label, label, .bk-slider-title").replace(/:.*$/, "")
  const set = (element, name, value) => { if (value && element.getAttribute(name) !== value) element.setAttribute(name, value) }
  const texts = (element) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), found = []
    while (walker.nextNode()) found.push(walker.currentNode)
    return found
  }
  const drop = (element, name) => { if (element.hasAttribute(name)) element.removeAttribute(name) }

  // A name may break where its parts do, and nowhere else; a date nowhere.
  function breakable(element) {
    for (const text of texts(element)) {
      const parts = text.data.split(/(?<=\S[-_/])(?=\S)/)
      if (parts.length < 2 || /^\d{4}-\d\d-\d\d/.test(text.data)) continue
      text.replaceWith(...parts.flatMap((part, at) => (at ? [document.createElement("wbr"), part] : [part])))
    }
  }

  // The heading of the card in which something lies, through all shadow roots.
  function heading(element) {
    for (let node = element; node; node = node.parentNode ?? node.host) {
      if (node instanceof ShadowRoot && node.host.classList.contains("card")) {
        for (const one of node.querySelectorAll("*")) {
          const found = one.shadowRoot?.querySelector("h1, h2, h3")
          if (found) return words(found)
        }
      }
    }
    return document.title.split(" · ")[0]
  }

  const PLAYER = {
    slower: "Play slower", faster: "Play faster", first: "First", previous: "Previous", pause: "Pause", play: "Play",
    reverse: "Play backwards", next: "Next", last: "Last",
  }

  const REPAIRS = {
    ".bk-spin-btn": (button, root) => {
      set(button, "aria-label", `${button.classList.contains("bk-spin-btn-up") ? "More" : "Less"}: ${title(root)}`)
      set(button, "tabindex", "-1") // arrow keys in the field do the same
    },
    'input[type="checkbox"]': (input, root) => { if (!input.closest("label")) set(input, "aria-label", words(root)) },
    'input[type="range"]': (input) => set(input, "aria-label", `${heading(input)}: moment shown`),
    "select, input.bk-input, textarea": (field, root) => {
      const label = root.querySelector("label")
      if (!field.labels?.length || (label && !label.checkVisibility())) {
        // As it is read: only sliders write their value behind a colon.
        set(field, "aria-label", own(root, ".bk-input-group > label, label") || field.getAttribute("placeholder") || heading(field))
      }
    },
    // Bokeh sets two dots between the ends of what is chosen.
    ".bk-slider-value": (value) => {
      for (const text of texts(value)) if (text.data.includes(" .. ")) text.data = text.data.replace(" .. ", " to ")
    },
    ".noUi-handle": (handle, root) => {
      const ends = root.querySelectorAll(".noUi-handle").length > 1
      const end = handle.classList.contains("noUi-handle-upper") ? "highest" : "lowest"
      set(handle, "aria-label", `${title(root)}${ends ? `, ${end}` : ""}`)
      const shown = own(root, ".bk-slider-value").split(" to ")
      set(handle, "aria-valuetext", (ends && end === "highest" ? shown.at(-1) : shown[0]) ?? "")
    },
    ".choices__list--multiple .choices__item": (item) => {
      drop(item, "aria-selected")
      breakable(item)
    },
    // A list that can be scrolled is a stop for Tab, and vanishes as soon as its field is left: the focus was lost.
    ".choices__list--dropdown .choices__list": (list) => set(list, "tabindex", "-1"),
    ".choices__input--cloned": (input, root) => set(input, "aria-label", title(root)),
    // Groups of buttons of which one is pressed: what is seen by colour is said too.
    ".bk-btn-group > .bk-btn": (button) => set(button, "aria-pressed", String(button.classList.contains("bk-active"))),
    ".drawer": (drawer) => {
      set(drawer, "role", "dialog")
      set(drawer, "aria-label", "Details")
    },
    ".scroll, pre": (box) => {
      if (box.scrollWidth > box.clientWidth) set(box, "tabindex", "0")
    },
    // A table of text that is wider than a small screen is stacked there: each value below the head of its column.
    ".scroll > table.list": (table, root) => {
      const above = [...root.querySelectorAll("h1, h2, h3")].filter(
        (one) => one.compareDocumentPosition(table) & Node.DOCUMENT_POSITION_FOLLOWING).at(-1)
      set(table, "aria-label", above ? words(above) : heading(table))
      const heads = [...table.querySelectorAll("thead th")].map(words)
      // How wide it is, its style says, which may come later.
      if (getComputedStyle(table).borderCollapse !== "collapse") return setTimeout(() => { pending.add(root); plan() }, 50)
      if (!heads.length || table.matches(".stacks") || table.offsetWidth <= table.parentElement.clientWidth) return
      for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, at) => set(cell, "data-head", heads[at]))
      table.classList.add("stacks")
      if (!heads[0]) table.classList.add("sides") // one thing beside another, named by the first column
      else if (heads.length > 6) table.classList.add("many")
    },
    "table.list td, ul.names li": breakable,
    // Numbers are written by the browser, which takes the hyphen for a minus.
    ".tabulator-cell, .tabulator-responsive-collapse td": (cell) => {
      if (cell.style.textAlign !== "right") breakable(cell)
      for (const text of texts(cell)) if (/^-[\d.]/.test(text.data)) text.data = `−${text.data.slice(1)}`
    },
    // All of it, where its column has no room; asked for once every cell has its breaks.
    '.tabulator-cell:not([style*="right"])': (cell) => {
      if (cell.scrollWidth > cell.clientWidth) set(cell, "title", words(cell))
      else drop(cell, "title")
    },
    // Opens what of a row had no room beside it.
    ".tabulator-responsive-collapse-toggle": (opener) => {
      set(opener, "role", "button")
      set(opener, "aria-label", "Other columns of this row")
      set(opener, "aria-expanded", String(opener.classList.contains("open")))
    },
    ".tabulator": (table) => {
      drop(table, "aria-owns")
      set(table, "aria-label", `Table: ${heading(table)}`)
      const holder = table.querySelector(".tabulator-tableholder")
      if (holder) {
        set(holder, "role", "rowgroup")
        set(holder, "aria-label", `Rows of ${heading(table)}; arrow keys move between rows and open one, Enter follows its link`)
      }
      const rows = table.querySelector(".tabulator-table")
      if (rows) set(rows, "role", "presentation")
      const footer = table.querySelector(".tabulator-footer")
      if (footer) {
        set(footer, "role", "rowgroup")
        set(footer.querySelector(".tabulator-footer-contents") ?? footer, "role", "row")
        const pager = footer.querySelector(".tabulator-paginator")
        if (pager) set(pager, "role", "gridcell")
      }
      // Arrows go from row to row; one stop for each cell would hold up who only passes through.
      for (const cell of table.querySelectorAll('.tabulator-cell[tabindex="0"]')) cell.tabIndex = -1
      for (const link of table.querySelectorAll(".tabulator-cell a:not([tabindex])")) link.tabIndex = -1
      for (const column of table.querySelectorAll(".tabulator-col.tabulator-sortable")) set(column, "tabindex", "0")
      for (const element of table.querySelectorAll(".tabulator-header [role=button]:not([aria-label])")) {
        set(element, "aria-label", words(element) || "Column")
      }
    },
  }
  for (const [name, label] of Object.entries(PLAYER)) {
    REPAIRS[`button.${name}`] = (button) => { if (!words(button)) set(button, "aria-label", label) }
  }

  function repair(root) {
    if (root instanceof ShadowRoot && !root.host.isConnected) return
    for (const [selector, mend] of Object.entries(REPAIRS)) {
      for (const element of root.querySelectorAll(selector)) mend(element, root)
    }
  }

  function* views(parent) {
    for (const view of parent) {
      if (!view) continue
      if (view.model?.type === "Figure") yield view
      yield* views(view.child_views ?? [])
    }
  }

  // A chart in words: what it is called, what it found, and that its data are in the table below.
  function describeCharts() {
    const about = new Map()
    const walk = (node) => {
      for (const element of node.querySelectorAll("*")) {
        if (element.dataset?.about) about.set(element.dataset.about, element.dataset)
        if (element.shadowRoot) walk(element.shadowRoot)
      }
    }
    walk(document)
    for (const view of views(window.Bokeh?.index?.roots ?? [])) {
      const card = about.get(view.model.name)
      const text = card ? [card.title, card.subtitle].filter(Boolean).join(". ") : heading(view.el)
      const canvas = view.canvas_view?.el ?? view.el
      set(canvas, "role", "img")
      set(canvas, "aria-label", `Chart: ${text}`)
    }
  }

  const observer = new MutationObserver((changes) => {
    for (const change of changes) {
      // Of classes only those of what is pressed say something; tables change theirs at every move.
      if (change.type === "attributes" && !change.target.matches(".bk-btn, .tabulator-responsive-collapse-toggle")) continue
      pending.add(change.target.getRootNode())
    }
    if (pending.size) plan()
  })

  function plan() {
    frame ??= requestAnimationFrame(() => {
      frame = null
      const roots = [...pending]
      pending.clear()
      roots.forEach(repair)
      document.dispatchEvent(new CustomEvent("skyline:changed", {detail: roots}))
      clearTimeout(settled)
      settled = setTimeout(describeCharts, 400)
    })
  }

  const attach = Element.prototype.attachShadow
  Element.prototype.attachShadow = function (options) {
    const made = attach.call(this, options)
    observer.observe(made, {childList: true, subtree: true, attributeFilter: ["class"]})
    pending.add(made)
    plan()
    return made
  }
  addEventListener("resize", () => {
    const walk = (node) => {
      for (const element of node.querySelectorAll("*")) if (element.shadowRoot) { pending.add(element.shadowRoot); walk(element.shadowRoot) }
    }
    walk(document)
    plan()
  })

  // A table that measures itself anew takes its rows out and puts them back; the one that had the focus gets it again,
  // or, where other rows came in its place, the table.
  let pointing = false
  document.addEventListener("pointerdown", () => { pointing = true; setTimeout(() => { pointing = false }) }, true)
  document.addEventListener("focusout", (event) => {
    const [row] = event.composedPath()
    if (pointing || event.relatedTarget || !(row instanceof Element) || !row.matches(".tabulator-row")) return
    const holder = event.composedPath().find((element) => element instanceof Element && element.matches(".tabulator-tableholder"))
    let tries = 20
    const back = () => {
      if (document.activeElement !== document.body) return
      if (row.isConnected) row.focus({preventScroll: true})
      else if (tries-- > 0) requestAnimationFrame(back)
      else holder?.focus({preventScroll: true})
    }
    setTimeout(back)
  }, true)

  // In a table: arrows up and down walk through the rows, right and left open and close what had no room in a row,
  // Enter does what a click does, Tab goes on to the links of the row and leaves; Enter on a heading sorts.
  document.addEventListener("keydown", (event) => {
    const path = event.composedPath().filter((element) => element instanceof Element)
    const [focused] = path
    if (focused?.matches(".tabulator-col") && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault()
      focused.click()
      return
    }
    const holder = path.find((element) => element.matches(".tabulator-tableholder"))
    if (!holder || !(focused === holder || focused.matches(".tabulator-row"))) return
    const rows = [...holder.querySelectorAll(".tabulator-row")]
    const at = rows.indexOf(focused)
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1}[event.key]
    if (to !== undefined) {
      const row = rows[Math.min(Math.max(to, 0), rows.length - 1)]
      // Tab goes on to the links of the row that the arrows came to, and of no other.
      for (const link of holder.querySelectorAll(".tabulator-cell a")) link.tabIndex = row?.contains(link) ? 0 : -1
      row?.setAttribute("tabindex", "-1")
      row?.focus()
    } else if ((event.key === "ArrowRight" || event.key === "ArrowLeft") && at >= 0) {
      const opener = rows[at].querySelector(".tabulator-responsive-collapse-toggle")
      if (opener?.checkVisibility() && opener.classList.contains("open") === (event.key === "ArrowLeft")) opener.click()
    } else if (event.key === "Enter" && at >= 0) {
      (rows[at].querySelector(".tabulator-cell a") ?? rows[at].querySelector(".tabulator-cell:not(.tabulator-row-header)"))?.click()
    } else if (event.key === "Escape" && at >= 0) {
      holder.focus()
    } else return
    event.preventDefault()
  })
})()

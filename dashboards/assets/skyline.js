// What happens in the browser alone: theme, progress bar, saving pictures, copying, closing, small screens.
(() => {
  const root = document.documentElement

  function* figures() {
    const seen = new Set()
    const walk = function* (view) {
      if (!view || seen.has(view)) return
      seen.add(view)
      if (view.model?.type === "Figure") yield view
      for (const child of view.child_views ?? []) yield* walk(child)
    }
    for (const view of Object.values(window.Bokeh?.index ?? {})) yield* walk(view)
    for (const view of window.Bokeh?.index?.roots ?? []) yield* walk(view)
  }

  function repaint() {
    for (const view of figures()) view.request_repaint?.() ?? view.repaint?.()
  }

  function setTheme(theme) {
    root.dataset.theme = theme
    try { localStorage.setItem("skyline-theme", theme) } catch (error) { /* storage may be forbidden */ }
    requestAnimationFrame(repaint)
  }

  // On paper there is nothing to open: terms that are folded by their letter stand there.
  addEventListener("beforeprint", () => {
    const folded = [...deep(document, "details.letter:not([open])")]
    for (const letter of folded) letter.open = true
    addEventListener("afterprint", () => { for (const letter of folded) letter.open = false }, {once: true})
  })

  // On paper charts are drawn as in the light theme, at once: the browser takes its picture right after this event.
  addEventListener("beforeprint", () => {
    if (root.dataset.theme !== "dark") return
    root.dataset.theme = "light"
    for (const view of figures()) { view.request_repaint?.(); view.paint?.() }
    addEventListener("afterprint", () => { root.dataset.theme = "dark"; requestAnimationFrame(repaint) }, {once: true})
  })

  function* deep(node, selector) {
    for (const element of node.querySelectorAll("*")) {
      if (element.matches(selector)) yield element
      if (element.shadowRoot) yield* deep(element.shadowRoot, selector)
    }
  }

  // The address of a chart alone has the choices that the page has now; so it is written when it is reached for.
  function addressCharts(event) {
    const link = event.composedPath().find((element) => element instanceof Element && element.hasAttribute("data-object"))
    if (!link) return
    const page = document.querySelector(".frame").dataset.page || "home"
    link.setAttribute("href", `chart/${page}/${link.dataset.object}${location.search}`)
  }
  for (const kind of ["pointerover", "pointerdown", "focusin"]) document.addEventListener(kind, addressCharts, true)

  function download(blob, name) {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(blob)
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  }

  // The chart as it stands, with its heading, legend and source, so that the picture still says what it is.
  function savePng(view, name, about) {
    const chart = view.export("png", false).canvas
    const scale = chart.width / view.bbox.width
    const head = 56, foot = 30
    const canvas = document.createElement("canvas")
    canvas.width = chart.width
    const style = getComputedStyle(root)
    const colour = (key) => style.getPropertyValue(key).trim()
    const c = canvas.getContext("2d")
    const width = view.bbox.width
    const font = (size, weight = 400) => `${weight} ${size}px system-ui, "Liberation Sans", sans-serif`
    c.font = font(12)
    const rows = [[]]
    let x = 16
    for (const item of about.legend) {
      const wide = c.measureText(item.text).width + 36
      if (x + wide > width - 16 && rows.at(-1).length) { rows.push([]); x = 16 }
      rows.at(-1).push({...item, x})
      x += wide
    }
    const legend = about.legend.length ? rows.length * 20 : 0
    canvas.height = chart.height + (head + legend + foot) * scale
    c.scale(scale, scale)
    c.fillStyle = colour("--surface")
    c.fillRect(0, 0, width, canvas.height)
    c.fillStyle = colour("--text")
    c.font = font(17, 600)
    c.fillText(about.title, 16, 28)
    c.fillStyle = colour("--muted")
    c.font = font(12.5)
    c.fillText(about.subtitle, 16, 47)
    c.font = font(12)
    rows.forEach((row, line) => row.forEach((item) => {
      const y = head + 12 + line * 20
      if (item.image) c.drawImage(item.image, item.x, y - 10, 13, 13)
      c.fillStyle = colour("--text")
      c.fillText(item.text, item.x + 19, y)
    }))
    c.drawImage(chart, 0, head + legend, width, chart.height / scale)
    c.fillStyle = colour("--muted")
    c.font = font(11.5)
    c.fillText(about.caption, 16, canvas.height / scale - 11)
    canvas.toBlob((blob) => download(blob, `${name}.png`))
  }

  async function legendOf(name) {
    const items = []
    for (const list of deep(document, `.legend[data-for="${name}"]`)) {
      for (const entry of list.querySelectorAll("li")) {
        const drawing = entry.querySelector("svg")
        let image = null
        if (drawing) {
          const copy = drawing.cloneNode(true)
          copy.setAttribute("xmlns", "http://www.w3.org/2000/svg")
          copy.setAttribute("width", 26)
          copy.setAttribute("height", 26)
          image = new Image()
          image.src = "data:image/svg+xml," + encodeURIComponent(copy.outerHTML)
          await image.decode()
        }
        items.push({text: entry.textContent.replace(/\s+/g, " ").trim(), image})
      }
    }
    return items
  }

  async function save(name, kind) {
    const view = [...figures()].find((found) => found.model.name === name && found.el.isConnected)
    if (!view) return
    const about = [...deep(document, `[data-about="${name}"]`)][0]?.dataset ?? {}
    if (kind === "svg") {
      download(await view.export("svg", false).to_blob(), `${name}.svg`)
    } else {
      savePng(view, name, {
        title: about.title ?? "", subtitle: about.subtitle ?? "", caption: about.caption ?? "", legend: await legendOf(name),
      })
    }
  }

  // Put a statement into the field for it, as if it had been typed.
  function fill(text) {
    const area = [...deep(document, "textarea")][0]
    if (!area) return
    area.value = text
    for (const kind of ["input", "change"]) area.dispatchEvent(new Event(kind, {bubbles: true}))
    area.focus()
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return
    if (!event.composedPath().some((element) => element.nodeName === "TEXTAREA")) return
    event.preventDefault()
    for (const element of deep(document, ".run-query")) element.shadowRoot?.querySelector("button")?.click()
  })

  document.addEventListener("click", (event) => {
    const path = event.composedPath().filter((element) => element instanceof Element)
    const found = (attribute) => path.find((element) => element.hasAttribute(attribute))
    if (found("data-toggle-theme")) setTheme(root.dataset.theme === "dark" ? "light" : "dark")
    const saving = found("data-save")
    if (saving) save(...saving.dataset.save.split(":"))
    const copying = found("data-copy")
    if (copying) {
      const text = copying.parentElement.querySelector("pre").textContent
      navigator.clipboard?.writeText(text).then(() => {
        const before = copying.textContent
        copying.textContent = "Copied"
        setTimeout(() => { copying.textContent = before }, 1500)
      })
    }
    const filling = found("data-fill")
    if (filling) fill(filling.dataset.fill)
    if (found("data-reload")) location.reload()
  })

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return
    for (const element of deep(document, ".close-drawer")) {
      const button = element.shadowRoot?.querySelector("button")
      if (button && element.checkVisibility()) button.click()
    }
  })

  // A mark that stands for a model or a device was clicked. Inside another page its own page opens beside that one. A
  // finger cannot point without touching, so it is told first what it touched, with the way there.
  let isTouch = false
  const touched = document.createElement("a")
  touched.className = "touched"
  document.addEventListener("pointerdown", (event) => {
    isTouch = event.pointerType === "touch"
    if (!event.composedPath().includes(touched)) touched.remove()
  }, true)
  document.addEventListener("skyline:open", ({detail: {kind, name}}) => {
    const address = `${kind}/${String(name).split("/").map(encodeURIComponent).join("/")}`
    const isInside = window.parent !== window
    if (isTouch) {
      touched.href = address
      touched.textContent = `Open the page of ${name}`
      if (isInside) Object.assign(touched, {target: "_blank", rel: "noopener"})
      document.body.append(touched)
    } else if (isInside) window.open(address, "_blank", "noopener")
    else location.assign(address)
  })

  // A table that lays itself out again takes its rows out and puts them back, and a browser forgets a press whose
  // element was taken out, even for a moment: the mouse goes up and no click follows. Then we say the click, if what
  // lies under the mouse is still what was pressed.
  const PRESSABLE = ".tabulator-row, button, a, summary"
  const pressable = (event) => event.composedPath().find((element) => element instanceof Element && element.matches(PRESSABLE))
  let pressed = null, clicks = 0
  document.addEventListener("click", () => { clicks += 1 }, true)
  document.addEventListener("mousedown", (event) => {
    const element = event.button === 0 ? pressable(event) : null
    pressed = element ? {element, text: element.textContent} : null
  }, true)
  document.addEventListener("mouseup", (event) => {
    const before = pressed, clicked = clicks, element = pressable(event), [target] = event.composedPath()
    pressed = null
    if (!before || !element || (element !== before.element && element.textContent !== before.text)) return
    setTimeout(() => {
      if (clicks > clicked || !target.isConnected) return
      const {clientX, clientY, ctrlKey, metaKey, shiftKey, altKey} = event
      const options = {bubbles: true, composed: true, cancelable: true, view: window, detail: 1}
      target.dispatchEvent(new MouseEvent("click", {...options, clientX, clientY, ctrlKey, metaKey, shiftKey, altKey}))
    })
  }, true)

  // The field in the header: what the server finds is listed as it is typed; Enter opens the first or the chosen one.
  document.addEventListener("DOMContentLoaded", () => {
    const field = document.querySelector(".find input"), list = document.getElementById("found")
    if (!field || !list) return
    let found = [], chosen = -1, asked = 0, waiting = null, answered = ""
    const options = () => [...list.querySelectorAll('[role="option"]')]
    const close = () => {
      list.hidden = true
      chosen = -1
      field.setAttribute("aria-expanded", "false")
      field.removeAttribute("aria-activedescendant")
    }
    const choose = (place) => {
      chosen = place
      options().forEach((option, index) => option.setAttribute("aria-selected", String(index === place)))
      if (place < 0) return
      field.setAttribute("aria-activedescendant", options()[place].id)
      options()[place].scrollIntoView({block: "nearest"})
    }
    const root = field.dataset.root ?? ""  // pages about errors stand at any address
    const go = (place) => { if (found[place]) location.assign(root + found[place].address) }
    const element = (name, text, parent, className = "") => {
      const made = document.createElement(name)
      made.textContent = text
      made.className = className
      parent.append(made)
      return made
    }
    const show = (query) => {
      list.replaceChildren()
      found.forEach((one, index) => {
        const option = element("li", "", list)
        option.id = `found-${index}`
        option.setAttribute("role", "option")
        element("span", one.kind, option, "kind")
        element("span", one.name, option)
        if (one.note) element("small", one.note, option)
      })
      if (!found.length) element("li", `No results for “${query}”`, list, "none").setAttribute("role", "presentation")
      list.hidden = false
      field.setAttribute("aria-expanded", "true")
      choose(-1)
    }
    const ask = async () => {
      const query = field.value.trim(), mine = ++asked
      if (!query) { found = []; answered = ""; close(); return }
      try {
        const answer = await fetch(`${root}search?q=${encodeURIComponent(query)}`)
        if (!answer.ok) return
        const reply = await answer.json()
        if (mine !== asked) return
        found = reply.found
        answered = query
        show(query)
      } catch (error) { /* the server is gone; typing on asks again */ }
    }
    field.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 150) })
    field.addEventListener("focus", () => { if (field.value.trim() && answered) show(answered) })
    field.addEventListener("blur", () => setTimeout(close, 150))
    field.addEventListener("keydown", async (event) => {
      const last = options().length - 1
      if (event.key === "ArrowDown" && last >= 0) choose(chosen >= last ? 0 : chosen + 1)
      else if (event.key === "ArrowUp" && last >= 0) choose(chosen <= 0 ? last : chosen - 1)
      else if (event.key === "Escape") { close(); return }
      else if (event.key === "Enter") {
        clearTimeout(waiting)
        if (answered !== field.value.trim()) await ask()
        go(Math.max(chosen, 0))
      } else return
      event.preventDefault()
    })
    list.addEventListener("mousedown", (event) => event.preventDefault())
    list.addEventListener("click", (event) => go(options().indexOf(event.target.closest('[role="option"]'))))
  })

  // Filters start folded where they would push the page below the fold.
  document.addEventListener("DOMContentLoaded", () => {
    const nav = document.querySelector(".bar nav")
    if (!nav) return
    // A menu closes when the reader turns elsewhere, or presses Escape.
    const shut = () => nav.querySelectorAll("details[open]").forEach((menu) => { menu.open = false })
    document.addEventListener("click", (event) => { if (!event.target.closest(".bar nav details")) shut() })
    nav.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return
      event.target.closest("details")?.querySelector("summary").focus()
      shut()
    })
    nav.querySelector("[aria-current], [data-here]")?.scrollIntoView({block: "nearest", inline: "nearest"})
    const sidebar = document.querySelector(".sidebar")
    if (sidebar && matchMedia("(max-width: 1023px)").matches) sidebar.open = false
  })
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    let theme = null
    try { theme = localStorage.getItem("skyline-theme") } catch (error) { /* storage may be forbidden */ }
    if (!theme) { root.dataset.theme = event.matches ? "dark" : "light"; requestAnimationFrame(repaint) }
  })

  // The server confirms a change before it works on it, and answers nothing else while it does. So after the
  // confirmation a request of a few bytes is sent; its answer says that the work is done. What takes longer than
  // 200 ms shows the bar.
  const bar = () => document.querySelector(".progress")
  const START_MS = 120, ARRIVE_MS = 60 // Panel collects changes for 50 ms before it begins
  let shown = null, asked = 0
  const working = () => {
    asked += 1
    root.dataset.working = "yes"
    shown ??= setTimeout(() => { if (bar()) bar().hidden = false }, 200)
  }
  const confirmed = () => {
    const mine = asked
    setTimeout(async () => {
      try { await fetch("assets/skyline.svg", {method: "HEAD", cache: "no-store"}) } catch (error) { /* gone */ }
      await new Promise((resolve) => { setTimeout(resolve, ARRIVE_MS) })
      if (mine !== asked) return
      clearTimeout(shown)
      shown = null
      delete root.dataset.working
      if (bar()) bar().hidden = true
    }, START_MS)
  }
  const Socket = window.WebSocket
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args)
      this.addEventListener("message", (event) => {
        if (typeof event.data === "string" && /"msgtype":\s*"(OK|ERROR)"/.test(event.data)) confirmed()
      })
    }
    send(data) {
      if (typeof data === "string" && /"msgtype":\s*"PATCH-DOC"/.test(data)) working()
      super.send(data)
    }
  }
})()

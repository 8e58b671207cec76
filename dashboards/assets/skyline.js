// What happens in the browser alone: theme, progress bar, saving pictures, copying, closing, small screens.
(() => {
  const root = document.documentElement

  // One entry in the browser's history per page, not one per filter that was moved.
  history.pushState = history.replaceState.bind(history)

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

  function* deep(node, selector) {
    for (const element of node.querySelectorAll("*")) {
      if (element.matches(selector)) yield element
      if (element.shadowRoot) yield* deep(element.shadowRoot, selector)
    }
  }

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

  // Filters start folded where they would push the page below the fold.
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector(".bar nav a[aria-current]")?.scrollIntoView({inline: "center", block: "nearest"})
    const sidebar = document.querySelector(".sidebar")
    if (sidebar && matchMedia("(max-width: 1023px)").matches) sidebar.open = false
  })
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    let kept = null
    try { kept = localStorage.getItem("skyline-theme") } catch (error) { /* storage may be forbidden */ }
    if (!kept) { root.dataset.theme = event.matches ? "dark" : "light"; requestAnimationFrame(repaint) }
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

// The page and its server: one step back per choice, a lost connection said at once, and joining again by itself.
(() => {
  const root = document.documentElement

  // A choice is a step in the browser's history; what the page itself writes into its address, as it opens or while a
  // player plays, is none.
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history)
  let acted = false
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, (event) => { acted ||= event.isTrusted }, {capture: true, passive: true})
  }
  history.pushState = (state, title, address) => {
    const isNew = address && new URL(address, location.href).href !== location.href
    ;(isNew && acted ? push : replace)(state, title, address)
    if (isNew) acted = false
  }
  // The page of an address is made by the server; going back asks for it anew.
  addEventListener("popstate", () => { location.reload() })

  const FIRST_MS = 500, LONGEST_MS = 5_000, TOO_SOON_MS = 5_000
  let leaving = false, lost = false
  addEventListener("beforeunload", () => { leaving = true; setTimeout(() => { leaving = false }, 3_000) })
  addEventListener("pagehide", () => { leaving = true })

  const alive = async () => {
    try { return (await fetch("healthz", {cache: "no-store"})).ok } catch (error) { return false }
  }
  const wait = (duration) => new Promise((resolve) => { setTimeout(resolve, duration) })

  function tell(text) {
    const note = document.querySelector(".lost")
    if (!note) return
    note.hidden = !text
    note.querySelector("span").textContent = text
  }

  // The server writes a choice into the address once it has answered it; one that it did not live to answer is not there.
  const UNANSWERED = "skyline-unanswered"
  addEventListener("DOMContentLoaded", () => {
    if (!sessionStorage.getItem(UNANSWERED)) return
    sessionStorage.removeItem(UNANSWERED)
    tell("The connection was lost before your last choice was answered: make it again. The others are kept.")
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => tell(""), {capture: true, once: true})
  })

  async function join() {
    lost = true
    root.dataset.lost = "yes"
    const isAnswered = root.dataset.working !== "yes"
    if (!isAnswered) sessionStorage.setItem(UNANSWERED, "yes")
    tell(
      isAnswered
        ? "The connection to Skyline is lost. Your choices are kept, and the page reopens as it is once the connection is back."
        : "The connection to Skyline is lost, and your last choice was not answered. The page reopens with those before it once the connection is back."
    )
    // What is shown may be read and copied; what would ask the server may not be pressed.
    for (const part of document.querySelectorAll(".frame, .drawer-place")) part.inert = true
    // A server that answers and drops the page each time is not asked without a pause.
    const before = Number(sessionStorage.getItem("skyline-joined") ?? 0)
    if (Date.now() - before < TOO_SOON_MS) await wait(TOO_SOON_MS)
    for (let pause = FIRST_MS; !(await alive()); pause = Math.min(pause * 1.5, LONGEST_MS)) await wait(pause)
    sessionStorage.setItem("skyline-joined", String(Date.now()))
    location.reload()
  }

  const Socket = window.WebSocket
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args)
      this.addEventListener("close", () => { if (!leaving && !lost) join() })
    }
  }
})()
